package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

func TestSilences(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := postgres.Silences{DB: pgtest.New(t)}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	deploy := alerting.Silence{Service: "shop", From: now, To: now.Add(time.Hour), By: "ada", Reason: "deploy \x00", Created: now}
	west := alerting.Silence{Check: "front*", Location: "west", From: now.Add(time.Hour), To: now.Add(2 * time.Hour), By: "grace", Reason: "line", Created: now}
	var err error
	if deploy, err = s.Add(ctx, deploy); err != nil {
		t.Fatal(err)
	}
	if west, err = s.Add(ctx, west); err != nil {
		t.Fatal(err)
	}
	deploy.Reason = "deploy \uFFFD"
	list := func(since time.Time) []alerting.Silence {
		t.Helper()
		got, err := s.List(ctx, since)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff(list(now), []alerting.Silence{west, deploy}); diff != "" {
		t.Errorf("both (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(list(now.Add(time.Hour)), []alerting.Silence{west}); diff != "" {
		t.Errorf("after the first is over (-got +want):\n%s", diff)
	}
	for _, tt := range []struct {
		id   string
		at   time.Time
		want bool
	}{
		{"s999", now, false},
		{"deploy", now, false},
		{deploy.ID, now.Add(time.Hour), false}, // it is over
		{deploy.ID, now.Add(time.Minute), true},
		{deploy.ID, now.Add(2 * time.Minute), false}, // it was ended before
	} {
		if got, err := s.End(ctx, tt.id, "alan", tt.at); err != nil || got != tt.want {
			t.Errorf("end %s at %v: %v, %v; want %v", tt.id, tt.at, got, err, tt.want)
		}
	}
	deploy.Ended, deploy.EndedBy = now.Add(time.Minute), "alan"
	if diff := cmp.Diff(list(now), []alerting.Silence{west, deploy}); diff != "" {
		t.Errorf("with one ended (-got +want):\n%s", diff)
	}
	if _, err := s.Add(ctx, alerting.Silence{From: now, To: now.Add(time.Hour), By: "ada", Reason: "all"}); err == nil {
		t.Error("a silence that matches nothing was stored")
	}
}
