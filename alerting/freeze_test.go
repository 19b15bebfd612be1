package alerting

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// freezer is a primary that is frozen with its process in the middle of a step, once: the
// step ends long after its deadline, with the deadline's error.
type freezer struct {
	Book

	frozen bool
}

// Apply implements [Store].
func (f *freezer) Apply(ctx context.Context, c Change) error {
	if !f.frozen {
		f.frozen = true
		time.Sleep(20 * time.Second)
		return ctx.Err()
	}
	return f.Book.Apply(ctx, c)
}

func TestFrozenProcessDoesNotBlameTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		primary := &freezer{}
		f := &Failover{Primary: primary, Log: slog.New(slog.DiscardHandler)}
		if err := f.Apply(t.Context(), Change{Incident: Incident{ID: "kw-shop-1", Service: "shop", State: Open, Version: 1}}); err != nil {
			t.Fatal(err)
		}
		if got := f.State().Mode; got != OnPrimary {
			t.Errorf("after a freeze of 20 s steps go to %s, want the primary", got)
		}
		if open, err := primary.OpenIncidents(t.Context()); err != nil || len(open) != 1 {
			t.Errorf("open %v %v, want the incident in the primary", open, err)
		}
	})
}

func TestWakesUpWithCaution(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		late time.Duration
		want time.Duration
	}{
		"in time":            {0, 0},
		"a loaded machine":   {frozenAfter, 0},
		"frozen for minutes": {time.Minute, caution},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAlarmClock(0, time.Now)
				defer a.stop()
				a.set(time.Second)
				time.Sleep(time.Second + tt.late)
				start := time.Now()
				if !a.awake(t.Context()) || time.Since(start) != tt.want {
					t.Errorf("waited %s, want %s", time.Since(start), tt.want)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				a.set(0)
				time.Sleep(time.Minute)
				if a.awake(ctx) {
					t.Error("goes on although the lead is gone")
				}
			})
		})
	}
}
