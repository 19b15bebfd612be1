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
