package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The dead-man's switch is told once a minute, by the leader, while nothing is
// overdue, and by nobody else at no other time.
func TestAuditorTellsOnlyWhileAllIsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the four below
		var pings []time.Duration
		leads, overdue, answer := true, []string(nil), error(nil)
		start := time.Now()
		a := &auditor{
			leads:    func() bool { mu.Lock(); defer mu.Unlock(); return leads },
			problems: func(time.Time) []string { mu.Lock(); defer mu.Unlock(); return overdue },
			deadman: func() (func(context.Context) error, time.Duration) {
				return func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					pings = append(pings, time.Since(start))
					return answer
				}, time.Minute
			},
			log: slog.New(slog.DiscardHandler),
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.Run(ctx) })
		during := func(change func()) int {
			mu.Lock()
			change()
			before := len(pings)
			mu.Unlock()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return len(pings) - before
		}
		for _, tt := range []struct {
			name   string
			change func()
			want   int
		}{
			{"all is well", func() {}, 10},
			{"something is overdue", func() { overdue = []string{"incident x: the next level was due 2m ago"} }, 0},
			{"mended", func() { overdue = nil }, 10},
			{"another daemon leads", func() { leads = false }, 0},
			{"it leads again and the switch is away", func() { leads, answer = true, errors.New("HTTP 503") }, 10},
		} {
			if got := during(tt.change); got != tt.want {
				t.Errorf("%s: %d pings in ten minutes, want %d", tt.name, got, tt.want)
			}
		}
		if got := a.trouble(); !strings.HasPrefix(got, "HTTP 503, since ") {
			t.Errorf("trouble %q", got)
		}
		if during(func() { answer = nil }); a.trouble() != "" {
			t.Errorf("after it answered: %q", a.trouble())
		}
		stop()
		wg.Wait()
	})
}
