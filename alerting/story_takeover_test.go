package alerting

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// TestStoryTakeoverMidConfirmation: the leader dies when a failure is half confirmed. The
// stand-by has seen the same, so it needs no second look of its own, and the page tells
// when the failure began.
func TestStoryTakeoverMidConfirmation(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.hear(true)
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		w.fail()
		time.Sleep(time.Minute) // one bad slot; nobody looks again in this world
		began := time.Now().UTC().Truncate(time.Minute)
		w.want(w.pager.taken())
		p.lead(1)
		time.Sleep(time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		if open := w.open(); len(open) != 1 || !open[0].Started.Equal(began) {
			w.t.Errorf("got %+v, want one that began at %s", open, began)
		}
	})
}

// TestStoryTakeoverPagesAtOnce: what failed while nobody led is paged by whoever leads
// next, at once.
func TestStoryTakeoverPagesAtOnce(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.hear(true)
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		p.lead(-1)
		w.fail()
		time.Sleep(3 * time.Minute)
		p.lead(1)
		time.Sleep(time.Second)
		w.want(w.pager.taken(), "trigger person:ada")
	})
}

// TestStoryTakeoverAfterTheDark: the leader paged while the database was away, and dies
// before the database knows. The other daemon pages for the same outage under the same
// key: one incident at PagerDuty, whoever speaks.
func TestStoryTakeoverAfterTheDark(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.hear(true)
		private := &Memory{} // what the first daemon can write to while the database is away
		p.daemons[0].engine.Store, p.daemons[0].sender.Store = private, private
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		w.fail()
		time.Sleep(3 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		p.lead(1)
		time.Sleep(time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:ada")
		sent := w.pager.sent
		if a, b := sent[0].page, sent[1].page; a.DedupKey != b.DedupKey || a.ID != b.ID {
			w.t.Errorf("got pages %s and %s under the keys %s and %s, want the same", a.ID, b.ID, a.DedupKey, b.DedupKey)
		}
	})
}

// TestStoryTakeoverReopensNothing: the leader resolved an incident a moment ago. What the
// stand-by saw of that outage must not open it again, whatever it saw last.
func TestStoryTakeoverReopensNothing(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.hear(true)
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		w.fail()
		time.Sleep(4 * time.Minute)
		p.hear(false) // the stand-by does not see the recovery
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
		p.lead(1)
		p.hear(true)
		time.Sleep(10 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
	})
}

// looks lets a stand-by see the last two slots in its own way.
func (s *standBy) looks(o probe.Outcome) {
	slot := time.Now().UTC().Truncate(time.Minute)
	for _, at := range []time.Time{slot.Add(-time.Minute), slot} {
		for _, loc := range threeLocations().Locations {
			s.engine.Record(look(loc, at, o))
		}
	}
}

// TestStoryTakeoverLateLook: the stand-by looked before the recovery and judged that after
// the leader had resolved. That look says nothing about a new outage; the next slot does.
func TestStoryTakeoverLateLook(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		w.fail()
		time.Sleep(4 * time.Minute)
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
		p.daemons[1].looks(probe.Bad)
		p.lead(1)
		time.Sleep(30 * time.Second)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
		w.fail()
		time.Sleep(3 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada", "trigger person:ada")
	})
}

// TestStoryTakeoverEarlyLook: the stand-by looked a moment before the outage began, in the
// slots in which the leader saw it begin. When it takes over that is no recovery.
func TestStoryTakeoverEarlyLook(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		w.fail()
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		p.daemons[1].looks(probe.Good)
		p.lead(1)
		time.Sleep(5 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		w.heal()
		time.Sleep(3 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
	})
}

// TestStoryTakeoverBlindToThePast: when the database cannot say which incidents have
// ended, what the stand-by saw before does not count.
func TestStoryTakeoverBlindToThePast(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.hear(true)
		p.daemons[1].engine.Ended = func(context.Context, time.Time) (map[string]Past, error) {
			return nil, errors.New("away")
		}
		p.lead(0)
		time.Sleep(5*time.Minute + time.Second)
		p.lead(-1)
		w.fail()
		time.Sleep(3 * time.Minute)
		led := time.Now().UTC()
		p.lead(1)
		time.Sleep(time.Second)
		w.want(w.pager.taken())
		time.Sleep(3 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		if open := w.open(); len(open) != 1 || open[0].Started.Before(led.Truncate(time.Second)) {
			w.t.Errorf("got %+v, want one that began after %s", open, led)
		}
	})
}

// TestStoryTakeoverWithAnotherFile: the leader was told of a service that the stand-by's
// file has not got, and dies while that fails. Whoever takes over does not call it well:
// the ladder climbs on, health says what is wrong, and with the right file all goes on.
func TestStoryTakeoverWithAnotherFile(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		cart := w.rules[0]
		cart.Service = "cart"
		both := []Rule{w.rules[0], cart}
		p := w.pair()
		p.hear(true)
		p.lead(0)
		p.daemons[0].engine.Apply(both, oncall.Roster{People: w.people}, w.routing())
		time.Sleep(5*time.Minute + time.Second)
		w.fail()
		time.Sleep(3 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:ada")
		p.lead(1)
		time.Sleep(10 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "trigger person:ada", "trigger person:grace", "trigger person:grace")
		said := strings.Join(p.daemons[1].engine.Overdue(time.Now()), "\n")
		if !strings.Contains(said, "kw-cart-") || strings.Count(said, "the service is not in this daemon's file") != 1 {
			t.Errorf("overdue: %q, want that cart is not in the file", said)
		}
		w.heal()
		time.Sleep(3 * time.Minute)
		if open := w.open(); len(open) != 1 || open[0].Service != "cart" {
			t.Fatalf("open: %+v, want cart's, which nobody sees", open)
		}
		p.daemons[1].engine.Apply(both, oncall.Roster{People: w.people}, w.routing())
		time.Sleep(5 * time.Minute)
		if open := w.open(); len(open) != 0 {
			t.Errorf("open: %+v, want none: it is seen and well", open)
		}
		if said := p.daemons[1].engine.Overdue(time.Now()); len(said) > 0 {
			t.Errorf("overdue: %q, want nothing", said)
		}
		// A service that was taken out of the file of a daemon that led: as ever.
		w.fail()
		time.Sleep(3 * time.Minute)
		p.lead(-1)
		p.daemons[0].engine.Apply(w.rules, oncall.Roster{People: w.people}, w.routing())
		p.lead(0)
		time.Sleep(time.Second)
		if open := w.open(); len(open) != 1 || open[0].Service != "shop" {
			t.Errorf("open: %+v, want only shop's", open)
		}
	})
}
