package probe

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tape is a Sink that keeps everything.
type tape struct {
	mu  sync.Mutex
	all []Result
}

func (s *tape) Record(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r)
}

func (s *tape) results() []Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// of returns the results of one check, extra ones or those of slots.
func (s *tape) of(check string, extra bool) []Result {
	return slices.DeleteFunc(s.results(), func(r Result) bool { return r.Check != check || r.Extra != extra })
}

// checkerFunc is a Checker made of a function.
type checkerFunc func(ctx context.Context) Look

func (f checkerFunc) Check(ctx context.Context) Look { return f(ctx) }

func good(context.Context) Look { return Look{OK: true} }

func bad(context.Context) Look {
	return Look{Fault: Fault{Class: ClassStatus, Phase: phaseExpect, Message: "the status is 500", Body: []byte("oops")}}
}

// testCheck is a check with a short interval at one location.
func testCheck(name string, look checkerFunc) Check {
	return Check{
		Name: name, Kind: "fake", Every: 10 * time.Second, Timeout: 2 * time.Second, Quorum: 1,
		Locations: []string{"here"}, Checker: look, Spec: name,
	}
}

// runnerTest is a Runner under way in a bubble.
type runnerTest struct {
	*Runner
	tape *tape
	stop func() // ends Run and waits for it
}

func runIn(t *testing.T, checks ...Check) *runnerTest {
	t.Helper()
	sink := &tape{}
	rt := &runnerTest{Runner: &Runner{Sink: sink, Log: slog.New(slog.DiscardHandler)}, tape: sink}
	rt.Apply(checks)
	rt.run(t)
	return rt
}

func (rt *runnerTest) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- rt.Run(ctx) }()
	stopped := false
	rt.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	}
	t.Cleanup(rt.stop)
}

// slotsOf fails the test unless the results cover consecutive slots once each,
// and returns how many there are.
func slotsOf(t *testing.T, rs []Result, every time.Duration) int {
	t.Helper()
	slices.SortStableFunc(rs, func(a, b Result) int { return a.Slot.Compare(b.Slot) })
	for i, r := range rs {
		if got := floorTo(r.Slot.UnixNano(), every); got != r.Slot.UnixNano() {
			t.Errorf("slot %v does not lie on the grid of %v", r.Slot, every)
		}
		if i > 0 && r.Slot.Sub(rs[i-1].Slot) != every {
			t.Errorf("slot %v follows %v: want one every %v", r.Slot, rs[i-1].Slot, every)
		}
	}
	return len(rs)
}

func TestRunnerADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast, slow := testCheck("fast", good), testCheck("slow", good)
		slow.Every, slow.Locations = 15*time.Minute, []string{"west", "east"}
		rt := runIn(t, fast, slow)
		time.Sleep(24 * time.Hour)
		rt.stop()
		if got := slotsOf(t, rt.tape.of("fast", false), fast.Every); got != 8640 {
			t.Errorf("slots of a day at 10 s: got %d, want 8640", got)
		}
		for _, location := range slow.Locations {
			rs := slices.DeleteFunc(rt.tape.of("slow", false), func(r Result) bool { return r.Location != location })
			if got := slotsOf(t, rs, slow.Every); got != 96 {
				t.Errorf("slots of a day at 15 min from %s: got %d, want 96", location, got)
			}
		}
		for _, r := range rt.tape.results() {
			if r.Outcome != Good || r.Attempts != 1 || r.Lag > time.Millisecond || r.Round != r.Slot.UnixNano() {
				t.Fatalf("got %+v, want a good first attempt on time", r)
			}
			if in := r.Started.Sub(r.Slot); in < 0 || in >= 15*time.Minute || r.Check == "fast" && in >= 10*time.Second {
				t.Fatalf("started %v after the start of its slot", in)
			}
		}
	})
}

func TestRunnerRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		retries  int
		timeout  time.Duration
		bads     int // bad attempts before a good one
		outcome  Outcome
		attempts int
	}{
		{name: "good at once", retries: 2, bads: 0, outcome: Good, attempts: 1},
		{name: "good at last", retries: 2, bads: 2, outcome: Good, attempts: 3},
		{name: "bad to the end", retries: 2, bads: 9, outcome: Bad, attempts: 3},
		{name: "no retries", retries: 0, bads: 1, outcome: Bad, attempts: 1},
		{name: "no room for a whole attempt", retries: 2, timeout: 9900 * time.Millisecond, bads: 1, outcome: Bad, attempts: 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := testCheck("web", func(ctx context.Context) Look {
					if calls++; calls > tc.bads {
						return good(ctx)
					}
					return bad(ctx)
				})
				c.Retries = tc.retries
				if tc.timeout != 0 {
					c.Timeout = tc.timeout
				}
				rt := runIn(t, c)
				time.Sleep(c.Every)
				rt.stop()
				rs := rt.tape.results()
				if len(rs) != 1 {
					t.Fatalf("results: got %d, want 1", len(rs))
				}
				if rs[0].Outcome != tc.outcome || rs[0].Attempts != tc.attempts {
					t.Errorf("got %v after %d attempts, want %v after %d", rs[0].Outcome, rs[0].Attempts, tc.outcome, tc.attempts)
				}
				if got, want := rs[0].Soft(), tc.outcome == Good && tc.bads > 0; got != want {
					t.Errorf("soft: got %v, want %v", got, want)
				}
			})
		})
	}
}

// A checker that ignores its deadline holds one goroutine, not its slots.
func TestRunnerHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		rt := runIn(t, testCheck("stuck", func(context.Context) Look {
			calls.Add(1)
			<-release
			return Look{OK: true}
		}), testCheck("other", good))
		time.Sleep(time.Minute)
		stuck := rt.tape.of("stuck", false)
		if got := calls.Load(); got != 1 {
			t.Errorf("calls of a hanging checker: got %d, want 1", got)
		}
		if got := slotsOf(t, stuck, 10*time.Second); got < 5 {
			t.Errorf("slots of a hanging checker: got %d, want at least 5 of 6", got)
		}
		for i, r := range stuck {
			want := causeMissed
			if i == 0 {
				want = causeBlind
			}
			if r.Outcome != Unknown || r.Cause != want {
				t.Errorf("slot %d: got %v %q, want unknown %q", i, r.Outcome, r.Cause, want)
			}
		}
		if got := slotsOf(t, rt.tape.of("other", false), 10*time.Second); got != 6 {
			t.Errorf("slots of its neighbour: got %d, want 6", got)
		}
		close(release)
		time.Sleep(20 * time.Second)
		rt.stop()
		rs := rt.tape.of("stuck", false)
		if last := rs[len(rs)-1]; last.Outcome != Good {
			t.Errorf("after it came back: got %v %q, want good", last.Outcome, last.Cause)
		}
		slotsOf(t, rs, 10*time.Second)
		if got := rt.Stats().Broken; got != 1 {
			t.Errorf("broken: got %d, want 1", got)
		}
	})
}

func TestRunnerPanicIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := runIn(t, testCheck("bug", func(context.Context) Look { panic("nil map") }))
		time.Sleep(10 * time.Second)
		rt.stop()
		rs := rt.tape.results()
		if len(rs) != 1 || rs[0].Outcome != Unknown || rs[0].Cause != causeBlind || rs[0].Look.Fault.Class != ClassBroken {
			t.Errorf("got %+v, want one unknown, blind, broken", rs)
		}
	})
}

func TestRunnerBlindIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testCheck("ping", func(context.Context) Look { return Look{Blind: true} })
		c.Retries = 3
		rt := runIn(t, c)
		time.Sleep(10 * time.Second)
		rt.stop()
		rs := rt.tape.results()
		if len(rs) != 1 || rs[0].Outcome != Unknown || rs[0].Cause != causeBlind || rs[0].Attempts != 1 {
			t.Errorf("got %+v, want one unknown, blind, after one attempt", rs)
		}
	})
}

func TestRunnerShutdown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		look  checkerFunc
		cause string
	}{
		{name: "a look that heeds its context", cause: causeShutdown, look: func(ctx context.Context) Look {
			<-ctx.Done()
			return bad(ctx)
		}},
		{name: "a look between two attempts", cause: causeShutdown, look: bad},
		{name: "a look that does not come back", cause: causeShutdown, look: func(context.Context) Look {
			time.Sleep(time.Minute)
			return Look{OK: true}
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := make(chan struct{}, 1)
				c := testCheck("web", func(ctx context.Context) Look {
					select {
					case begun <- struct{}{}:
					default:
					}
					return tc.look(ctx)
				})
				c.Retries = 5
				rt := runIn(t, c)
				<-begun
				start := time.Now()
				rt.stop()
				if took := time.Since(start); took > stopWithin {
					t.Errorf("stopping took %v, want at most %v", took, stopWithin)
				}
				time.Sleep(2 * time.Minute) // what comes back later must change nothing
				rs := rt.tape.results()
				if len(rs) != 1 || rs[0].Outcome != Unknown || rs[0].Cause != tc.cause {
					t.Errorf("got %+v, want one unknown %q", rs, tc.cause)
				}
			})
		})
	}
}

func TestRunnerLookAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testCheck("web", func(ctx context.Context) Look {
			time.Sleep(time.Second)
			return bad(ctx)
		})
		c.Locations, c.Every, c.Retries = []string{"west", "east", "away"}, time.Hour, 3
		rt := &runnerTest{Runner: &Runner{Locations: []string{"west", "east"}, Log: slog.New(slog.DiscardHandler)}, tape: &tape{}}
		rt.Sink = rt.tape
		rt.Apply([]Check{c})
		rt.LookAgain("web") // not running: nothing happens
		time.Sleep(time.Second)
		rt.run(t)
		time.Sleep(3 * time.Second)
		if got := len(rt.tape.of("web", true)); got != 0 {
			t.Errorf("extra looks asked for before Run: got %d, want 0", got)
		}
		asked := time.Now().UTC()
		for range 5 {
			rt.LookAgain("web")
			rt.LookAgain("unknown")
		}
		synctest.Wait()
		rt.LookAgain("web") // one is in flight
		time.Sleep(2 * time.Second)
		rs := rt.tape.of("web", true)
		if len(rs) != 2 {
			t.Fatalf("extra looks: got %d, want one from each of 2 locations", len(rs))
		}
		for _, r := range rs {
			if r.Round != asked.UnixNano() || r.Outcome != Bad || r.Attempts != 1 || !r.Started.Equal(asked) {
				t.Errorf("got %+v, want one bad attempt of round %d", r, asked.UnixNano())
			}
		}
		rt.LookAgain("web")
		time.Sleep(2 * time.Second)
		rt.stop()
		if got := len(rt.tape.of("web", true)); got != 4 {
			t.Errorf("extra looks after a second round: got %d, want 4", got)
		}
		rt.LookAgain("web") // no longer running: nothing happens
	})
}

// A look that ends a little after the next one is due delays it a little.
func TestRunnerOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testCheck("web", func(context.Context) Look {
			time.Sleep(10200 * time.Millisecond)
			return Look{OK: true}
		})
		c.Timeout = c.Every
		rt := runIn(t, c)
		time.Sleep(35 * time.Second)
		rt.stop()
		rs := rt.tape.of("web", false)
		if len(rs) < 3 {
			t.Fatalf("results: got %d, want at least 3", len(rs))
		}
		for i, r := range rs[:3] {
			if want := time.Duration(i) * 200 * time.Millisecond; r.Outcome != Good || r.Lag != want {
				t.Errorf("look %d: got %v %q, %v late; want good, %v late", i, r.Outcome, r.Cause, r.Lag, want)
			}
		}
	})
}

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

func TestRunnerSuspect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		lag      time.Duration // of this process, in the first look
		each     bool          // and in those that follow
		lagging  bool          // and all the time
		second   checkerFunc
		outcome  Outcome
		cause    string
		attempts int
	}{
		{name: "bad on time", second: bad, outcome: Bad, attempts: 1},
		{name: "bad with a harmless lag", lag: 150 * time.Millisecond, second: bad, outcome: Bad, attempts: 1},
		{name: "bad when late, good when not", lag: 300 * time.Millisecond, second: good, outcome: Good, attempts: 2},
		{name: "bad when late and when not", lag: 300 * time.Millisecond, second: bad, outcome: Bad, attempts: 2},
		{name: "late in every look", lag: 300 * time.Millisecond, each: true, second: bad, outcome: Unknown, cause: causeSuspect, attempts: 2},
		{name: "never on time", lag: 300 * time.Millisecond, lagging: true, second: bad, outcome: Unknown, cause: causeSuspect, attempts: 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt := &runnerTest{Runner: &Runner{Log: slog.New(slog.DiscardHandler)}, tape: &tape{}}
				rt.Sink = rt.tape
				calls := 0
				note := func() { rt.sentinel.note(rt.now().mono, tc.lag) }
				rt.Apply([]Check{testCheck("web", func(ctx context.Context) Look {
					if calls++; calls > 1 {
						if tc.each {
							note()
						}
						return tc.second(ctx)
					}
					note()
					if tc.lagging {
						go func() {
							for range 200 {
								time.Sleep(50 * time.Millisecond)
								note()
							}
						}()
					}
					return bad(ctx)
				})})
				rt.run(t)
				time.Sleep(25 * time.Second)
				rt.stop()
				r := rt.tape.results()[0]
				if r.Outcome != tc.outcome || r.Cause != tc.cause || r.Attempts != tc.attempts {
					t.Errorf("got %v %q after %d attempts, want %v %q after %d", r.Outcome, r.Cause, r.Attempts, tc.outcome, tc.cause, tc.attempts)
				}
			})
		})
	}
}

// A clock that jumped during a look means that the machine may have slept.
func TestRunnerSuspectAfterSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, begun := 0, make(chan struct{})
		rt, step := stepTest(t, testCheck("web", func(ctx context.Context) Look {
			if calls++; calls > 1 {
				return good(ctx)
			}
			close(begun)
			time.Sleep(time.Second)
			return bad(ctx)
		}))
		<-begun
		time.Sleep(500 * time.Millisecond)
		step(time.Hour)
		time.Sleep(11 * time.Second)
		rt.stop()
		if r := rt.tape.results()[0]; r.Outcome != Good || r.Attempts != 2 {
			t.Errorf("got %v after %d attempts, want good after 2", r.Outcome, r.Attempts)
		}
	})
}

func TestRunnerEvidenceOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		rt := runIn(t, testCheck("web", func(ctx context.Context) Look {
			n++
			look := bad(ctx)
			switch n {
			case 4:
				return good(ctx)
			case 6:
				look.Fault.Message = "another"
			}
			return look
		}))
		time.Sleep(70 * time.Second)
		rt.stop()
		var got []bool
		for _, r := range rt.tape.results() {
			got = append(got, len(r.Look.Fault.Body) > 0)
		}
		want := []bool{true, false, false, false, true, true, true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("evidence kept (-want +got):\n%s", diff)
		}
	})
}

func TestRunnerMaxInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &runnerTest{Runner: &Runner{Log: slog.New(slog.DiscardHandler), MaxInFlight: 1}, tape: &tape{}}
		rt.Sink = rt.tape
		hold := func(ctx context.Context) Look {
			<-ctx.Done()
			return bad(ctx)
		}
		a, b := testCheck("a", hold), testCheck("b", hold)
		a.Timeout, b.Timeout = 9*time.Second, 9*time.Second
		rt.Apply([]Check{a, b})
		rt.run(t)
		time.Sleep(time.Minute)
		rt.stop()
		if rt.Stats().Missed == 0 {
			t.Error("no slot was missed with room for one look only")
		}
		slotsOf(t, rt.tape.of("a", false), 10*time.Second)
		slotsOf(t, rt.tape.of("b", false), 10*time.Second)
	})
}

func TestRunnerRunsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := runIn(t, testCheck("web", good))
		time.Sleep(30 * time.Second)
		rt.stop()
		time.Sleep(time.Hour)
		rt.run(t)
		time.Sleep(30 * time.Second)
		rt.stop()
		rs := rt.tape.results()
		if len(rs) != 6 || rt.Stats().Missed != 0 {
			t.Errorf("got %d results and %d missed, want 6 and none for the time it did not run", len(rs), rt.Stats().Missed)
		}
	})
}
