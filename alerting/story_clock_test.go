package alerting

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"keepwatch/steady"
)

// host is a machine whose clock can be set.
type host struct {
	ahead atomic.Int64
	clock steady.Clock
}

func newHost(w *world) *host {
	h := &host{}
	h.clock.Wall = func() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }
	w.now = h.clock.Now
	return h
}

// set moves the host's clock by d.
func (h *host) set(d time.Duration) { h.ahead.Add(int64(d)) }

// tellStepped tells a story for each way to set the clock. In the story the second step
// comes when it calls next for the second time.
func tellStepped(t *testing.T, story func(w *world, next func())) {
	t.Helper()
	for _, steps := range [][2]time.Duration{{time.Hour, 0}, {-time.Hour, 0}, {time.Hour, -time.Hour}, {-time.Hour, time.Hour}} {
		t.Run(fmt.Sprint(steps[0], " then ", steps[1]), func(t *testing.T) {
			t.Parallel()
			tell(t, func(w *world) {
				h, n := newHost(w), 0
				story(w, func() {
					h.set(steps[n])
					n++
				})
			})
		})
	}
}

// off fails unless b came want after a, to a second.
func (w *world) off(what string, a, b []time.Time, want time.Duration) {
	w.t.Helper()
	if len(a) != 1 || len(b) != 1 {
		w.t.Fatalf("%s: %d and %d pages, want one each", what, len(a), len(b))
	}
	if d := b[0].Sub(a[0]) - want; d.Abs() > time.Second {
		w.t.Errorf("%s: %s off", what, d)
	}
}

func TestStoryClockSetDuringEscalation(t *testing.T) {
	t.Parallel()
	tellStepped(t, func(w *world, next func()) {
		w.start()
		time.Sleep(2*time.Minute + 30*time.Second)
		w.fail()
		time.Sleep(3 * time.Minute)
		next()
		time.Sleep(4 * time.Minute)
		next()
		time.Sleep(10 * time.Minute)
		w.off("second level", w.pager.when("trigger person:ada"), w.pager.when("trigger person:grace"), 10*time.Minute)
		w.heal()
		healed := time.Now()
		time.Sleep(3 * time.Minute)
		w.off("resolve", []time.Time{healed}, w.pager.when("resolve person:ada"), 30*time.Second) // the next slot
		w.settled()
		// And nobody was told that nothing is seen.
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:grace", "resolve person:ada", "resolve person:grace")
	})
}

func TestStoryClockSetWhileResolveIsHeld(t *testing.T) {
	t.Parallel()
	tellStepped(t, func(w *world, next func()) {
		var doubt []time.Time
		w.pager.set(func(p Page) Receipt {
			if p.Action == Trigger && doubt == nil {
				doubt = []time.Time{time.Now()}
				return Receipt{Class: Doubtful, Detail: "timed out"}
			}
			return Receipt{Class: Taken, Status: 202}
		})
		w.rules[0].Recover, w.rules[0].Confirm = 1, 1
		w.fail()
		w.start()
		w.sender.Pace(0, 3*time.Minute)
		time.Sleep(90 * time.Second)
		w.heal()
		time.Sleep(45 * time.Second) // seen well: the resolve is owed, and held
		next()
		time.Sleep(30 * time.Second)
		next()
		time.Sleep(2 * time.Minute)
		w.off("held resolve", doubt, w.pager.when("resolve person:ada"), 3*time.Minute)
		time.Sleep(3 * time.Minute)
		w.settled()
	})
}

func TestStoryClockSetWhilePageWaits(t *testing.T) {
	t.Parallel()
	tellStepped(t, func(w *world, next func()) {
		tries := 0
		w.pager.set(func(Page) Receipt {
			if tries++; tries == 1 {
				return Receipt{Class: Again, Status: 429, RetryAfter: 40 * time.Second}
			}
			return Receipt{Class: Taken, Status: 202}
		})
		w.fail()
		w.start()
		time.Sleep(15 * time.Second)
		pages, err := w.store.Pages(w.t.Context(), w.open()[0].ID)
		if err != nil || len(pages) == 0 || pages[0].State != Queued {
			w.t.Fatalf("pages: %+v %v", pages, err)
		}
		due := pages[0].Due // the host's clock was right until now
		next()
		time.Sleep(5 * time.Second)
		next()
		time.Sleep(2 * time.Minute)
		w.off("the page that waits", []time.Time{due}, w.pager.when("trigger person:ada"), 0)
	})
}

func TestStoryClockSetAfterAck(t *testing.T) {
	t.Parallel()
	tellStepped(t, func(w *world, next func()) {
		w.rules[0].Policy.AckExpires = 20 * time.Minute
		w.fail()
		w.start()
		time.Sleep(2 * time.Minute)
		acked := time.Now()
		if err := w.engine.Ack(w.t.Context(), w.open()[0].ID, "ada", w.now()); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		next()
		time.Sleep(5 * time.Minute)
		next()
		time.Sleep(15 * time.Minute)
		w.off("paged anew after the acknowledgement ran out", []time.Time{acked}, w.pager.when("trigger person:ada")[1:], 20*time.Minute)
	})
}

func TestStoryClockTakenOver(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour, -25 * time.Hour, 400 * 24 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			t.Parallel()
			tell(t, func(w *world) {
				h := newHost(w)
				w.start()
				time.Sleep(30 * time.Minute)
				w.fail()
				time.Sleep(2 * time.Minute)
				h.set(step)
				move := func() { h.clock.Move() }
				if w.engine.Rebase(func() bool { return false }, move) {
					t.Fatal("the clock was moved under an open incident")
				}
				w.heal()
				time.Sleep(5 * time.Minute)
				if w.engine.Rebase(func() bool { return true }, move) {
					t.Fatal("the clock was moved while a page was owed")
				}
				if !w.engine.Rebase(func() bool { return false }, move) {
					t.Fatal("the clock was not moved though nothing is open")
				}
				if ahead := h.clock.Ahead(); ahead != 0 {
					t.Errorf("the clock is still %s ahead", ahead)
				}
				before := len(w.pager.taken()) + len(w.mail.taken())
				time.Sleep(40*time.Minute + 30*time.Second)
				if after := len(w.pager.taken()) + len(w.mail.taken()); after != before {
					t.Errorf("somebody was paged for a step of the clock: %q %q", w.pager.taken(), w.mail.taken())
				}
				w.fail()
				failed := time.Now()
				time.Sleep(time.Minute)
				at := w.pager.when("trigger person:ada")
				if len(at) != 2 || at[1].Sub(failed) > 33*time.Second {
					t.Fatalf("paged %v after a failure at %v", at, failed)
				}
				if open := w.open(); len(open) != 1 || open[0].Started.After(w.now()) {
					t.Errorf("open: %+v at %v", open, w.now())
				}
				w.heal()
				time.Sleep(4 * time.Minute)
				w.settled()
			})
		})
	}
}

// After the clock was set back and taken over, time is lived through again, and a prober
// that sees nothing in it is missed as at any other time.
func TestStoryBlindAfterClockSetBack(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		h := newHost(w)
		w.start()
		time.Sleep(20 * time.Minute)
		h.set(-2 * time.Hour)
		if !w.engine.Rebase(func() bool { return false }, func() { h.clock.Move() }) {
			w.t.Fatal("not moved")
		}
		time.Sleep(20 * time.Minute)
		w.turn(w.mute, true, nil)
		time.Sleep(12 * time.Minute)
		if got := w.pager.taken(); len(got) == 0 {
			w.t.Error("nobody was paged though nothing is seen")
		}
	})
}

// Each daemon has a host of its own: a step of the leader's moves nothing, and whoever
// takes over goes by the instants that are stored.
func TestStoryClockOfTheLeaderSet(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			t.Parallel()
			tell(t, func(w *world) {
				first, second := newHost(w), newHost(w)
				p := w.pair()
				for i, h := range []*host{first, second} {
					p.daemons[i].engine.Now, p.daemons[i].sender.Now = h.clock.Now, h.clock.Now
				}
				p.lead(0)
				time.Sleep(2 * time.Minute)
				w.fail()
				time.Sleep(3 * time.Minute)
				first.set(step)
				time.Sleep(3 * time.Minute)
				p.lead(1)
				time.Sleep(8 * time.Minute)
				w.off("second level", w.pager.when("trigger person:ada"), w.pager.when("trigger person:grace"), 10*time.Minute)
			})
		})
	}
}
