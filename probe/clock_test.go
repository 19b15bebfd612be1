package probe

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/steady"
)

// clockTest is a Runner that goes by a clock of its own, on a host whose clock is set.
func clockTest(t *testing.T, checks ...Check) (rt *runnerTest, clock *steady.Clock, set func(time.Duration)) {
	t.Helper()
	var ahead atomic.Int64
	clock = &steady.Clock{Wall: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	rt = &runnerTest{Runner: &Runner{Log: slog.New(slog.DiscardHandler), Now: clock.Now}, tape: &tape{}}
	rt.Sink = rt.tape
	rt.StepCause = func(step time.Duration) string { return "set by " + step.String() }
	rt.Apply(checks)
	rt.run(t)
	return rt, clock, func(d time.Duration) { ahead.Add(int64(d)) }
}

func TestRunnerHostClockSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testCheck("web", good)
		rt, _, set := clockTest(t, c)
		for _, step := range []time.Duration{time.Hour, -2 * time.Hour, time.Hour} {
			time.Sleep(20 * time.Minute)
			set(step)
		}
		time.Sleep(20 * time.Minute)
		rt.stop()
		if got := slotsOf(t, rt.tape.of("web", false), c.Every); got != 480 {
			t.Errorf("slots of 80 minutes: got %d, want 480", got)
		}
		if st := rt.Stats(); st.Steps+st.Missed+st.Late+st.Suspect != 0 {
			t.Errorf("the step was noticed: %+v", st)
		}
	})
}

func TestRunnerClockTakenOver(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt, clock, set := clockTest(t, testCheck("web", good))
				time.Sleep(90 * time.Minute)
				set(step)
				clock.Move()
				rt.Follow()
				time.Sleep(5 * time.Minute)
				rt.stop()
				named, repeated := 0, 0
				for _, r := range rt.tape.results() {
					if r.Cause == "set by "+step.String() {
						named++
					}
					if r.Repeat {
						repeated++
						if !r.Extra || r.Outcome != Good {
							t.Errorf("a repeated look: %+v", r)
						}
					}
				}
				forward := step > 0
				if (named == maxMissedEach) != forward || (repeated == 30) == forward {
					t.Errorf("%d slots have the cause, %d were looked at again", named, repeated)
				}
			})
		})
	}
}

// A job that calls in time is not silent because somebody set the clock.
func TestHeartbeatHostClockSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		clock := steady.Clock{Wall: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
		beats := &Beats{}
		c, err := (&Heartbeat{Within: 10 * time.Minute}).Checker(Env{Name: "backup", Every: time.Minute, Beats: beats, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []time.Duration{0, time.Hour, -time.Hour, 2 * time.Minute} {
			beats.Beat("backup", clock.Now())
			for minute := 1; minute <= 12; minute++ {
				time.Sleep(time.Minute)
				if minute == 3 {
					ahead.Add(int64(step))
				}
				if minute == 6 { // nothing is open: it is taken over
					beats.Shift(clock.Move().By())
				}
				if look := c.Check(t.Context()); look.OK != (minute <= 10) || look.Blind {
					t.Errorf("%d minutes after a call, with a step of %s: %+v", minute, step, look)
				}
			}
		}
	})
}
