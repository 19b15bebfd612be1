package probe

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stepTest is a Runner whose wall clock the test can step.
func stepTest(t *testing.T, checks ...Check) (rt *runnerTest, step func(time.Duration)) {
	t.Helper()
	var mu sync.Mutex
	var skew time.Duration
	rt = &runnerTest{Runner: &Runner{Log: slog.New(slog.DiscardHandler)}, tape: &tape{}}
	rt.Sink = rt.tape
	rt.skew = func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return skew
	}
	rt.Apply(checks)
	rt.run(t)
	return rt, func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		skew += d
	}
}

func TestRunnerClockStep(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour, 3607 * time.Second, -3607 * time.Second, 4 * time.Second, -time.Second, 100 * time.Millisecond} {
		t.Run(step.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var starts []time.Time
				c := testCheck("web", func(ctx context.Context) Look {
					starts = append(starts, time.Now())
					return good(ctx)
				})
				rt, stepBy := stepTest(t, c)
				time.Sleep(5 * time.Minute)
				stepBy(step)
				time.Sleep(2 * time.Hour)
				rt.stop()
				for i := 1; i < len(starts); i++ {
					if gap := starts[i].Sub(starts[i-1]); (gap - c.Every).Abs() > time.Second {
						t.Errorf("start %d came %v after the one before, want %v give or take a second", i, gap, c.Every)
					}
				}
				seen := map[time.Time]bool{}
				for _, r := range rt.tape.of("web", false) {
					if seen[r.Slot] {
						t.Errorf("slot %v has two results", r.Slot)
					}
					seen[r.Slot] = true
					if r.Outcome == Good && (r.Started.Before(r.Slot) || !r.Started.Before(r.Slot.Add(c.Every))) {
						t.Errorf("a look of %v is in slot %v", r.Started, r.Slot)
					}
				}
				last := starts[len(starts)-1].Add(step).UTC()
				all := rt.tape.results()
				if got := all[len(all)-1].Slot; !got.Equal(last.Truncate(c.Every)) || all[len(all)-1].Extra {
					t.Errorf("the last slot is %v, want that of the stepped wall %v", got, last)
				}
				wantSteps := int64(1)
				if step < stepLimit && step > -stepLimit {
					wantSteps = 0
				}
				if got := rt.Stats().Steps; got != wantSteps {
					t.Errorf("steps: got %d, want %d", got, wantSteps)
				}
				if got, want := rt.Stats().Missed > 0, step > 10*time.Second; got != want && step.Abs() > 10*time.Second {
					t.Errorf("slots jumped over: got %d", rt.Stats().Missed)
				}
			})
		})
	}
}

// A process that is stopped for a while (SIGSTOP, a paused VM) must not catch up.
func TestRunnerFreeze(t *testing.T) {
	t.Parallel()
	for _, freeze := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 25 * time.Second, 24 * time.Hour} {
		t.Run(freeze.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt := &Runner{Sink: &tape{}, Log: slog.New(slog.DiscardHandler)}
				c := testCheck("web", good)
				rt.Apply([]Check{c})
				rt.open()
				e := rt.entries[key{"web", "here"}]
				time.Sleep(e.plan.due - rt.now().mono)
				first := e.plan.slot
				time.Sleep(freeze) // nobody took a turn in all that time
				got := rt.turn()
				var starts []int64
				for _, res := range got.results {
					starts = append(starts, res.Slot.UnixNano())
					if res.Outcome != Unknown || (res.Cause != causeLate && res.Cause != causeMissed) {
						t.Errorf("got %v %q, want unknown, late or missed", res.Outcome, res.Cause)
					}
				}
				for _, f := range got.flights {
					starts = append(starts, f.slot)
				}
				if len(got.flights) > 1 {
					t.Errorf("looks after the freeze: got %d, want at most one", len(got.flights))
				}
				expected := int64(freeze/c.Every) + 1
				if freeze%c.Every > tolerance(c.Every) && freeze < tolerance(c.Every) {
					expected = 1
				}
				if expected > maxMissedEach {
					if rt.stats.missed.Load() < expected-1 || rt.stats.unsent.Load() != rt.stats.missed.Load()-maxMissedEach {
						t.Errorf("missed %d, unsent %d, want about %d and all but %d", rt.stats.missed.Load(), rt.stats.unsent.Load(), expected, maxMissedEach)
					}
					expected = maxMissedEach
					first = starts[0]
				}
				var want []int64
				for i := range int64(len(starts)) {
					want = append(want, first+i*int64(c.Every))
				}
				if diff := cmp.Diff(want, starts); diff != "" {
					t.Errorf("slots after the freeze (-want +got):\n%s", diff)
				}
				if n := int64(len(starts)); n < expected || n > expected+1 {
					t.Errorf("slots after the freeze: got %d, want about %d", n, expected)
				}
			})
		})
	}
}
