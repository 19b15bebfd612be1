package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

// TestWebhooks: kept once, acted on in the order of things, forgotten after a week.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	inbox, ctx := postgres.Webhooks{DB: pgtest.New(t)}, t.Context()
	t0 := time.Date(2026, 11, 22, 3, 12, 9, 123456000, time.UTC)
	heard := func(id, incident string, status bool, after time.Duration) alerting.Heard {
		return alerting.Heard{
			ID: id, Delivery: "W-" + id, Type: "incident.acknowledged", DedupKey: "kw-shop-1", Incident: incident,
			By: "Ada ☎", Text: "nul \x00 and \xff", Status: status, At: t0.Add(after), Raw: []byte("{\"a\":\"\\u0000\"}\x00"),
		}
	}
	for _, h := range []alerting.Heard{
		heard("c", "Q1", true, 2*time.Second), heard("a", "Q1", true, 0), heard("note", "Q1", false, time.Second),
		heard("b", "Q2", true, time.Second),
	} {
		for range 3 {
			if err := inbox.Keep(ctx, h, t0.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	waiting := func() []string {
		t.Helper()
		all, err := inbox.Waiting(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, h := range all {
			if h.Outdated {
				h.ID += " (outdated)"
			}
			out = append(out, h.ID)
		}
		return out
	}
	if diff := cmp.Diff(waiting(), []string{"a (outdated)", "b", "note", "c"}); diff != "" {
		t.Errorf("waiting (-got +want):\n%s", diff)
	}
	all, err := inbox.Waiting(ctx, 2)
	if err != nil || len(all) != 2 {
		t.Fatalf("two of them: %d, %v", len(all), err)
	}
	want := heard("b", "Q2", true, time.Second)
	want.Raw, want.Text = nil, "nul \uFFFD and \uFFFD"
	if diff := cmp.Diff(all[1], want); diff != "" {
		t.Errorf("what comes back (-got +want):\n%s", diff)
	}
	for _, id := range []string{"c", "c", "nobody"} {
		if err := inbox.Done(ctx, id, t0); err != nil {
			t.Fatal(err)
		}
	}
	// What is done still outdates what is older, and cannot be heard again.
	if err := inbox.Keep(ctx, heard("c", "Q1", true, 2*time.Second), t0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(waiting(), []string{"a (outdated)", "b", "note"}); diff != "" {
		t.Errorf("waiting (-got +want):\n%s", diff)
	}
	if n, err := inbox.Forget(ctx, t0.Add(time.Minute)); n != 0 || err != nil {
		t.Errorf("forgot %d too early, %v", n, err)
	}
	if n, err := inbox.Forget(ctx, t0.Add(time.Minute+1e6)); n != 4 || err != nil {
		t.Errorf("forgot %d, want 4, %v", n, err)
	}
}
