package probe

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
