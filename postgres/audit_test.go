package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

func TestAuditKeepsWhoDidWhat(t *testing.T) {
	t.Parallel()
	audit := postgres.Audit{DB: pgtest.New(t)}
	at := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	entries := []postgres.AuditEntry{
		{At: at, Who: "ada", What: "ack", Object: "kw-shop-1", Detail: "from the console"},
		{At: at.Add(time.Minute), Who: "grace", What: "override", Object: "primary", Detail: "a dentist"},
		{At: at.Add(time.Minute), Who: "alan\x00", What: "note", Object: "kw-shop-1", Detail: strings.Repeat("é", 3000)},
	}
	if err := audit.Add(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	got, err := audit.List(t.Context(), "", at, 10)
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, e := range got {
		who = append(who, e.Who+" "+e.What)
	}
	if diff := cmp.Diff(who, []string{"alan\uFFFD note", "grace override", "ada ack"}); diff != "" {
		t.Errorf("newest first (-got +want):\n%s", diff)
	}
	if n := len(got[0].Detail); n > 2010 {
		t.Errorf("a long detail: got %d bytes, want it cut", n)
	}
	for name, tt := range map[string]struct {
		object string
		since  time.Time
		limit  int
		want   int
	}{
		"of one object": {"kw-shop-1", at, 10, 2},
		"since later":   {"", at.Add(time.Second), 10, 2},
		"at most one":   {"", at, 1, 1},
	} {
		if got, err := audit.List(t.Context(), tt.object, tt.since, tt.limit); err != nil || len(got) != tt.want {
			t.Errorf("%s: got %d entries, %v; want %d", name, len(got), err, tt.want)
		}
	}
	// A daemon that was killed brings what it cannot know to be there.
	if err := audit.Add(t.Context(), append(entries, entries[1])...); err != nil {
		t.Fatal(err)
	}
	// A change without a name is refused, and then nothing of the batch is kept.
	if err := audit.Add(t.Context(), entries[0], postgres.AuditEntry{At: at, What: "ack"}); err == nil {
		t.Error("an entry without who was stored")
	}
	if got, _ := audit.List(t.Context(), "", at, 10); len(got) != 3 {
		t.Errorf("after a refused batch: got %d entries, want 3", len(got))
	}
}

func TestNoticesAreNotedOnce(t *testing.T) {
	t.Parallel()
	notices := postgres.Notices{DB: pgtest.New(t)}
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for i, want := range []bool{true, false} {
		first, err := notices.Put(t.Context(), postgres.Notice{Key: "handoff/primary/1", At: at, MadeAt: at.Add(time.Duration(i) * time.Minute), Detail: "ada to grace"})
		if err != nil || first != want {
			t.Errorf("put %d: got %v, %v; want %v", i, first, err, want)
		}
	}
	got, err := notices.List(t.Context(), at, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []postgres.Notice{{Key: "handoff/primary/1", At: at, MadeAt: at, Detail: "ada to grace"}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("notices (-got +want):\n%s", diff)
	}
	if got, err := notices.List(t.Context(), at.Add(time.Second), 10); err != nil || len(got) != 0 {
		t.Errorf("since later: got %v, %v; want none", got, err)
	}
}

func TestRingsAreAcceptedPagesThatRing(t *testing.T) {
	t.Parallel()
	store := postgres.Incidents{DB: pgtest.New(t)}
	at := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	page := func(id, channel, person string, action alerting.Action, accepted time.Time) alerting.Page {
		p := alerting.Page{
			ID: id, Incident: "kw-shop-1", DedupKey: "kw-shop-1", Channel: channel, Route: "r", Person: person, Action: action,
			State: alerting.Accepted, Created: at, Due: at, AcceptedAt: accepted,
		}
		if accepted.IsZero() {
			p.State = alerting.Rejected
		}
		return p
	}
	err := store.Apply(t.Context(), alerting.Change{Pages: []alerting.Page{
		page("1", "pagerduty", "ada", alerting.Trigger, at),
		page("2", "pagerduty", "ada", alerting.Resolve, at),
		page("3", "mail", "ada", alerting.Trigger, at),
		page("4", "pagerduty", "", alerting.Trigger, at),
		page("5", "pagerduty", "grace", alerting.Trigger, time.Time{}),
		page("6", "pagerduty", "grace", alerting.Trigger, at.Add(time.Hour)),
		page("7", "pagerduty", "alan", alerting.Trigger, at.Add(2*time.Hour)), // the end is not in it
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Rings(t.Context(), at, at.Add(2*time.Hour), []string{"mail"})
	if err != nil {
		t.Fatal(err)
	}
	want := []oncall.Ring{{Person: "ada", Incident: "kw-shop-1", At: at}, {Person: "grace", Incident: "kw-shop-1", At: at.Add(time.Hour)}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("rings (-got +want):\n%s", diff)
	}
	if got, err := store.Rings(t.Context(), at, at.Add(time.Second), nil); err != nil || len(got) != 2 {
		t.Errorf("with mail: got %v, %v; want two", got, err)
	}
}
