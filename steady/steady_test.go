package steady

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	// The zone of the host must be one that can be changed.
	_ "time/tzdata"
)

// host is a machine whose clock can be set and that can be suspended.
type host struct{ ahead, slept atomic.Int64 }

func (h *host) clock() *Clock {
	return &Clock{
		Wall:   func() time.Time { return time.Now().Add(time.Duration(h.ahead.Load() + h.slept.Load())) },
		Asleep: func() time.Duration { return 5*time.Hour + time.Duration(h.slept.Load()) }, // since it was booted
	}
}

func TestClockGoesOnWhenTheHostIsSet(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour, time.Millisecond, -400 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var h host
			c := h.clock()
			start := c.Now()
			if ahead := c.Ahead(); ahead != 0 || !start.Equal(time.Now()) || start.Location() != time.UTC {
				t.Errorf("starts at %v, %s ahead", start, ahead)
			}
			time.Sleep(time.Minute)
			h.ahead.Add(int64(step))
			time.Sleep(time.Minute)
			if got := c.Now().Sub(start); got != 2*time.Minute || c.Ahead() != step {
				t.Errorf("after a step of %s: %s passed, want 2m; %s ahead", step, got, c.Ahead())
			}
			if m := c.Move(); m.By() != step || c.Ahead() != 0 || !m.From.Equal(start.Add(2*time.Minute)) {
				t.Errorf("moved by %s, want %s; %s ahead", m.By(), step, c.Ahead())
			}
			time.Sleep(time.Minute)
			if got := c.Now().Sub(start); got != 3*time.Minute+step {
				t.Errorf("after the move: %s, want %s", got, 3*time.Minute+step)
			}
			if moves := c.Moves(); len(moves) != 1 || moves[0].By() != step {
				t.Errorf("moves: %v", moves)
			}
		})
	}
}

func TestClockGoesOnWhileTheHostSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h host
		c := h.clock()
		start := c.Now()
		time.Sleep(time.Minute)
		h.slept.Add(int64(8 * time.Hour))
		time.Sleep(rereadEvery)
		if got, want := c.Now().Sub(start), 8*time.Hour+time.Minute+rereadEvery; got != want || c.Ahead() != 0 {
			t.Errorf("%s passed, want %s; %s ahead", got, want, c.Ahead())
		}
		// The time between the two readings is no sleep, and time never runs back.
		h.slept.Add(int64(sleepLimit / 2))
		time.Sleep(rereadEvery)
		now := c.Now()
		h.slept.Add(-int64(sleepLimit / 2))
		time.Sleep(rereadEvery)
		if got := c.Now().Sub(now); got != rereadEvery {
			t.Errorf("%s passed, want %s", got, rereadEvery)
		}
	})
}

// The zone of the host changes what is printed for people there, never an instant.
func TestClockKnowsNoZone(t *testing.T) {
	t.Parallel()
	york, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var zone atomic.Pointer[time.Location]
		zone.Store(time.UTC)
		c := &Clock{Wall: func() time.Time { return time.Now().In(zone.Load()) }}
		time.Sleep(time.Until(time.Date(2026, 3, 8, 6, 59, 0, 0, time.UTC))) // 01:59, a minute before a gap
		start := c.Now()
		zone.Store(york)
		time.Sleep(2 * time.Minute)
		if got := c.Now().Sub(start); got != 2*time.Minute || c.Ahead() != 0 || c.Now().Location() != time.UTC {
			t.Errorf("%s passed, want 2m; %s ahead; %v", got, c.Ahead(), c.Now())
		}
	})
}

func TestMoveSaysByHowMuch(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC)
	for by, want := range map[time.Duration]string{
		time.Hour: "+1h0m0s", -time.Hour: "-1h0m0s", 1500 * time.Millisecond: "+1.5s", 90*time.Second + time.Millisecond: "+1m30s",
	} {
		if got := (Move{From: at, To: at.Add(by)}).String(); got != "the clock of this host was set by "+want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

func TestSuspendedIsSmallOrTrue(t *testing.T) {
	t.Parallel()
	if got := Suspended(); got < 0 {
		t.Errorf("this host was suspended for %s", got)
	}
}
