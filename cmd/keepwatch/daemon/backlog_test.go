package daemon

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
)

func TestBacklogTurnsRedWithAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &alerting.Memory{}
		b := &backlog{store: store}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		owed := alerting.Page{
			ID: "kw-shop-1/1/1", Incident: "kw-shop-1", Channel: "pagerduty", DedupKey: "kw-shop-1",
			Action: alerting.Trigger, State: alerting.Queued, Created: time.Now().UTC(),
		}
		change := alerting.Change{Incident: alerting.Incident{ID: "kw-shop-1", Service: "shop", State: alerting.Open, Version: 1}, Pages: []alerting.Page{owed}}
		if err := store.Apply(ctx, change); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if pages, oldest := b.now(time.Now()); pages != 1 || oldest != 4*time.Minute || b.problem(time.Now()) != "" {
			t.Errorf("after 4 minutes: %d pages, %v, problem %q", pages, oldest, b.problem(time.Now()))
		}
		time.Sleep(2 * time.Minute)
		if got := b.problem(time.Now()); !strings.Contains(got, "1 pages wait, the oldest for 6m0s") {
			t.Errorf("after 6 minutes: %q", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
