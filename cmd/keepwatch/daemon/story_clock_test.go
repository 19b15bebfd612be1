package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/ledger"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

// clockNight is a night on a host whose clock is set.
type clockNight struct {
	*night
	d     *daemon
	ahead atomic.Int64 // of the host's clock
}

// tellClock runs a story with everything that goes by the daemon's clock, wired as the
// daemon does.
func tellClock(t *testing.T, story func(n *clockNight)) {
	t.Helper()
	dsn, dir := pgtest.DSN(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		db, err := postgres.Open(t.Context(), dsn, log)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		n := &clockNight{night: &night{t: t, db: db, start: time.Now(), phone: &phone{start: time.Now()}}, d: &daemon{database: &database{beats: &probe.Beats{}}}}
		n.blind.Store(&[]string{})
		n.gate = &gate{Primary: postgres.Incidents{DB: db}}
		n.d.Log = log
		n.d.makeClock()
		n.d.clock.Asleep = nil // a real clock has no place in a bubble
		n.d.clock.Wall = func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }
		keeper := &ledger.Keeper{Store: &postgres.Results{DB: db}, Agent: "here", Now: n.d.now, Breaks: n.d.breaks, Log: log}
		n.clock, n.store = n.d.now, keeper
		n.build(dir)
		n.runner.StepCause = n.d.stepCause
		n.d.engine, n.d.failover, n.d.runner = n.engine, n.failover, n.runner
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = n.d.host.Run(ctx) })
		all.Go(func() { _ = keeper.Run(ctx) })
		defer func() {
			n.end()
			cancel()
			all.Wait()
		}()
		story(n)
	})
}

func (n *clockNight) set(d time.Duration) { n.ahead.Add(int64(d)) }

// says fails unless the line of health about the clock has a level and a part.
func (n *clockNight) says(level, part string) {
	n.t.Helper()
	l, ok := n.d.host.line()
	if !ok || string(l.Level) != level || !strings.Contains(l.Text, part) {
		n.t.Errorf("after %v health says of the clock: %q %q, want %q, %q", n.now(), l.Level, l.Text, level, part)
	}
}

// line is the check's timeline as reports see it.
func (n *clockNight) line(from, to time.Time) []reports.Span {
	n.t.Helper()
	lines, err := postgres.Reports{DB: n.db}.Timelines(n.t.Context(), []string{"front"}, from, to, n.d.now())
	if err != nil {
		n.t.Fatal(err)
	}
	return lines["front"].Spans
}

// A clock that is set forward while nothing is open is taken over after a minute. Nobody
// is paged for it, and what the clock jumped over is unknown, with its cause.
func TestStoryHostClockSetForward(t *testing.T) {
	t.Parallel()
	tellClock(t, func(n *clockNight) {
		n.wait(30 * time.Minute)
		if l, ok := n.d.host.line(); ok {
			n.t.Errorf("health speaks of the clock: %+v", l)
		}
		n.set(time.Hour)
		n.wait(30 * time.Second)
		n.says("amber", "differs by +1h0m0s")
		if got := n.d.host.count(); got != 1 {
			n.t.Errorf("%d steps were noticed, want 1", got)
		}
		n.wait(time.Minute)
		n.says("ok", "set by +1h0m0s")
		if ahead := n.d.clock.Ahead(); ahead != 0 {
			n.t.Errorf("the clock is still %s ahead", ahead)
		}
		n.wait(40 * time.Minute)
		n.expect()
		spans := n.line(n.start.Add(2*time.Minute), n.d.now().Add(-5*time.Minute))
		if len(spans) < 3 {
			n.t.Fatalf("spans: %+v", spans)
		}
		first, last := spans[0], spans[len(spans)-1]
		if first.Verdict != reports.Good || last.Verdict != reports.Good {
			n.t.Errorf("it was not seen well before and after: %+v", spans)
		}
		var gap time.Duration
		for _, s := range spans[1 : len(spans)-1] {
			if gap += s.To.Sub(s.From); s.Verdict != reports.Unknown || !strings.Contains(s.Cause, "the clock of this host was set by +1h0m0s") {
				n.t.Errorf("the gap says %q", s.Cause)
			}
		}
		if (gap - time.Hour).Abs() > 2*storyInterval {
			n.t.Errorf("the gap is %s", gap)
		}
	})
}

// While an incident is open nothing moves, whichever way the clock is set; the ladder
// goes on to the second. Then the clock is taken over, and a failure in time that is
// lived through again pages as any other.
func TestStoryHostClockSetBackDuringIncident(t *testing.T) {
	t.Parallel()
	tellClock(t, func(n *clockNight) {
		n.wait(20*time.Minute + 7*time.Second)
		n.down.Store(true)
		n.wait(3 * time.Minute)
		n.expect("trigger ada via pagerduty")
		n.set(time.Hour)
		n.wait(3 * time.Minute)
		n.set(-2 * time.Hour)
		n.wait(6 * time.Minute)
		n.says("amber", "differs by -1h0m0s")
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		if late := n.phone.at(1) - n.phone.at(0) - 10*time.Minute; late.Abs() > time.Second {
			n.t.Errorf("the second level is %s off", late)
		}
		n.down.Store(false)
		n.wait(2 * time.Minute)
		rings := []string{"trigger ada via pagerduty", "trigger grace via pagerduty", "resolve ada via pagerduty", "resolve grace via pagerduty"}
		n.expect(rings...)
		n.wait(2 * time.Minute)
		n.says("ok", "set by -1h0m0s")
		n.wait(20 * time.Minute)
		n.expect(rings...)
		failed := n.now()
		n.down.Store(true)
		n.wait(time.Minute)
		n.expect(append(rings, "trigger ada via pagerduty")...)
		if took := n.phone.at(4) - failed; took > storyInterval+5*time.Second {
			n.t.Errorf("paged %s after the failure", took)
		}
		n.down.Store(false)
		n.wait(2 * time.Minute)
		rings = append(rings, "trigger ada via pagerduty", "resolve ada via pagerduty")
		n.expect(rings...)
		n.wait(2 * time.Minute) // and once more in that hour: an episode of its own
		n.down.Store(true)
		n.wait(time.Minute)
		rings = append(rings, "trigger ada via pagerduty")
		n.expect(rings...)
		n.down.Store(false)
		n.wait(2 * time.Minute)
		rings = append(rings, "resolve ada via pagerduty")
		n.expect(rings...)
		// The hour that was lived through twice says what was seen the first time.
		spans := n.line(n.start.Add(2*time.Minute), n.start.Add(34*time.Minute))
		var bad time.Duration
		for _, s := range spans {
			if s.Verdict == reports.Bad {
				bad += s.To.Sub(s.From)
			}
		}
		if (bad - 12*time.Minute).Abs() > 2*storyInterval {
			n.t.Errorf("%s of downtime, want 12m: %+v", bad, spans)
		}
		if v, err := (postgres.Reports{DB: n.db}).Verify(n.t.Context(), []string{"front"}, n.start.Add(-time.Hour), n.start.Add(time.Hour)); err != nil || len(v.Differences) > 0 {
			n.t.Errorf("the ledger does not agree with the results: %v, %v", v, err)
		}
	})
}

// A clock that is set and soon set back again is never taken over, and leaves no trace.
func TestStoryHostClockSetAndRightAgain(t *testing.T) {
	t.Parallel()
	tellClock(t, func(n *clockNight) {
		n.wait(20 * time.Minute)
		for _, step := range []time.Duration{time.Hour, -time.Hour, -time.Hour, time.Hour} {
			n.set(step)
			n.wait(50 * time.Second)
		}
		n.wait(10 * time.Minute)
		n.says("ok", "set 4 times since the start, and right again")
		n.expect()
		if moves := n.d.clock.Moves(); len(moves) != 0 {
			n.t.Errorf("moved: %v", moves)
		}
		if st := n.runner.Stats(); st.Missed+st.Late+st.Steps+st.Extra != 0 {
			n.t.Errorf("looks were missed or repeated: %+v", st)
		}
	})
}
