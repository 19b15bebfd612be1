package alerting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/probe"
)

func TestStoryStoreAway(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		time.Sleep(time.Minute)
		w.store.away.Store(true)
		w.fail()
		time.Sleep(5 * time.Minute)
		v := w.engine.Snapshot()
		if v.Services[0].Open == nil || v.Unwritten == 0 {
			t.Errorf("with the store away: open %v, unwritten %d", v.Services[0].Open, v.Unwritten)
		}
		if overdue := w.engine.Overdue(time.Now()); len(overdue) == 0 || !strings.Contains(overdue[0], "memory only") {
			t.Errorf("health does not say that changes are kept in memory: %q", overdue)
		}
		if problems := w.sender.Problems(time.Now()); len(problems) == 0 {
			t.Error("health does not say that the outbox is silent")
		}
		w.store.away.Store(false)
		back := time.Now()
		time.Sleep(30 * time.Second)
		w.want(w.pager.taken(), "trigger person:ada")
		if at := w.pager.when("trigger person:ada"); len(at) == 1 && at[0].Sub(back) > 10*time.Second {
			t.Errorf("paged %s after the store came back", at[0].Sub(back))
		}
		if overdue := w.engine.Overdue(time.Now()); len(overdue) != 0 {
			t.Errorf("still overdue: %q", overdue)
		}
	})
}

func TestStoryStoreAwayAtStart(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		old := w.open()[0].ID
		w.stop()
		// Another daemon starts while the store is away: it decides from memory, and
		// when the store returns it finds that this outage has a name already.
		w.store.away.Store(true)
		w.start()
		time.Sleep(2 * time.Minute)
		if v := w.engine.Snapshot(); v.Restored || v.Services[0].Open == nil {
			t.Errorf("restored %v, open %v, want a decision from memory", v.Restored, v.Services[0].Open)
		}
		w.store.away.Store(false)
		time.Sleep(time.Minute)
		open := w.open()
		if len(open) != 1 || open[0].ID != old {
			t.Errorf("open %+v, want only %s", open, old)
		}
		w.heal()
		time.Sleep(2 * time.Minute)
		if open := w.open(); len(open) != 0 {
			t.Errorf("still open: %+v", open)
		}
	})
}

func TestStoryPagerDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer Receipt
		within time.Duration // fallback after the page was owed
		later  []string      // what the pager takes when it is well again
	}{
		{"unavailable", Receipt{Class: Again, Status: 503, Detail: "HTTP 503"}, 2*time.Minute + time.Second, []string{"trigger person:ada"}},
		{"limited for long", Receipt{Class: Again, Status: 429, RetryAfter: 4 * time.Minute, Detail: "HTTP 429"}, 2*time.Minute + time.Second, []string{"trigger person:ada"}},
		{"refused", Receipt{Class: Refused, Status: 400, Detail: "HTTP 400: bad"}, time.Second, nil},
		{"wrong key", Receipt{Class: Setup, Status: 401, Detail: "HTTP 401"}, time.Second, []string{"trigger person:ada"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tell(t, func(w *world) {
				t := w.t
				w.rules[0].Policy.Levels = w.rules[0].Policy.Levels[:1]
				w.pager.set(func(Page) Receipt { return tt.answer })
				w.start()
				w.fail()
				time.Sleep(3 * time.Minute)
				owed := w.open()[0].Opened
				w.want(w.mail.taken(), "trigger person:ada")
				if at := w.mail.when("trigger person:ada"); len(at) == 1 && at[0].Sub(owed) > tt.within {
					t.Errorf("fallback after %s, want %s", at[0].Sub(owed), tt.within)
				}
				if p := w.sender.Problems(time.Now()); len(p) != 1 || !strings.Contains(p[0], tt.answer.Detail) {
					t.Errorf("health says %q", p)
				}
				w.pager.set(nil)
				time.Sleep(6 * time.Minute)
				w.want(w.pager.taken(), tt.later...)
				w.want(w.mail.taken(), "trigger person:ada")
				w.heal()
				time.Sleep(2 * time.Minute)
				w.want(w.mail.taken(), "trigger person:ada", "resolve person:ada")
				if tt.later != nil {
					w.want(w.pager.taken(), append(tt.later, "resolve person:ada")...)
				}
				w.settled()
			})
		})
	}
}

// settled fails the test when a page is still owed.
func (w *world) settled() {
	w.t.Helper()
	if b, err := w.store.Backlog(w.t.Context()); err != nil || b.Pages != 0 {
		w.t.Errorf("still owed: %+v %v", b, err)
	}
}

func TestStoryPagerRecoversInTime(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.pager.set(func(Page) Receipt { return Receipt{Class: Again, Status: 500, Detail: "HTTP 500"} })
		w.start()
		w.fail()
		time.Sleep(80 * time.Second)
		w.pager.set(nil)
		time.Sleep(2 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		w.want(w.mail.taken())
		if n := len(w.pager.sent); n < 4 || n > 20 {
			t.Errorf("%d attempts in 80 s", n)
		}
	})
}

func TestStoryRecoveredBeforeDelivery(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.pager.set(func(Page) Receipt { return Receipt{Class: Again, Status: 503, Detail: "HTTP 503"} })
		w.start()
		time.Sleep(30 * time.Second) // the next slot sees it fail, and the one after that well again
		w.fail()
		time.Sleep(70 * time.Second)
		id := w.open()[0].ID
		w.heal()
		time.Sleep(70 * time.Second)
		w.pager.set(nil)
		time.Sleep(10 * time.Minute)
		// Nobody is woken for what is over; but a 503 may have been processed all
		// the same, and a resolve of nothing costs nothing.
		w.want(w.pager.taken(), "resolve person:ada", "resolve person:ada")
		w.want(w.mail.taken())
		w.settled()
		if tl := w.timeline(id); !strings.Contains(tl, "may have rung all the same") {
			t.Errorf("the timeline does not say so:\n%s", tl)
		}
	})
}

// What had no key to go by never left: nothing can have rung, so nothing is to be closed,
// and nothing waits for ever for somebody to add a key.
func TestStoryRecoveredWithoutAKey(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.pager.set(func(Page) Receipt { return Receipt{Class: Setup, Detail: "no key is configured"} })
		w.start()
		w.fail()
		time.Sleep(20*time.Minute + time.Second) // between two attempts
		id := w.open()[0].ID
		pages, err := w.store.Pages(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := pages[0].Status(w.open()[0], pages, nil); !strings.HasPrefix(got, "failed (no key is configured), tried again at ") {
			t.Errorf("the page stands %q", got)
		}
		if tl := w.timeline(id); strings.Count(tl, "no key is configured") != 2 { // ada's and grace's
			t.Errorf("the timeline does not say it once for each page:\n%s", tl)
		}
		w.heal()
		time.Sleep(20 * time.Minute)
		w.want(w.pager.taken())
		w.settled()
		if tl := w.timeline(id); strings.Contains(tl, "may have rung all the same") {
			t.Errorf("the timeline thinks that it may have rung:\n%s", tl)
		}
	})
}

// A trigger without an answer may be processed late, even after its resolve:
// the resolve is held, and repeated.
func TestStoryHeldResolve(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		lost := 2
		w.pager.set(func(p Page) Receipt {
			if p.Action == Trigger && lost > 0 {
				lost--
				return Receipt{Class: Doubtful, Detail: "timed out"}
			}
			return Receipt{Class: Taken, Status: 202}
		})
		w.start()
		w.fail()
		time.Sleep(10 * time.Second)
		w.heal()
		time.Sleep(10 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada", "resolve person:ada")
		var unsure time.Time
		for _, s := range w.pager.sent {
			if s.got == Doubtful {
				unsure = s.at
			}
		}
		at := w.pager.when("resolve person:ada")
		if d := at[0].Sub(unsure); d < time.Minute {
			t.Errorf("the resolve went out %s after the doubt, want a minute", d)
		}
		if d := at[1].Sub(at[0]); d < time.Minute || d > 62*time.Second {
			t.Errorf("the echo came %s later, want a minute", d)
		}
		w.settled()
	})
}

// Fifty incidents at once, a pager that hangs: the mail goes out all the same,
// and no probe waits for it.
func TestStorySlowPager(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.rules[0].Policy.Levels = w.rules[0].Policy.Levels[:1]
		w.pager.takes = time.Hour
		w.start()
		time.Sleep(time.Second) // the store has been read
		now := time.Now().UTC()
		for i := range 50 {
			d := newDraft(Incident{ID: fmt.Sprintf("kw-many-%d", i), Service: "many", State: Acknowledged, Opened: now, Started: now}, now)
			d.owe(Page{Channel: "pagerduty", Route: fmt.Sprintf("person:%d", i), Action: Trigger, Message: Message{Summary: "x", Severity: "critical"}})
			if i == 49 {
				d.owe(Page{Channel: "mail", Route: "person:ada", Action: Trigger, Message: Message{Summary: "x", Severity: "info"}})
			}
			if err := w.store.Apply(context.Background(), d.change); err != nil {
				t.Fatal(err)
			}
		}
		w.sender.Wake()
		time.Sleep(3 * time.Second)
		w.want(w.mail.taken(), "trigger person:ada")
		time.Sleep(3 * time.Minute)
		if n := len(w.mail.taken()); n != 51 {
			t.Errorf("%d mails after 3 minutes of a hanging pager, want 51", n)
		}
	})
}

// The limit of 100 a minute and route: 300 pages take about three minutes and none is lost.
func TestStoryLimit(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		time.Sleep(time.Second) // the store has been read
		now := time.Now().UTC()
		for i := range 300 {
			d := newDraft(Incident{ID: fmt.Sprintf("kw-many-%d", i), Service: "many", State: Acknowledged, Opened: now, Started: now}, now)
			d.owe(Page{Channel: "pagerduty", Route: serviceRoute, Action: Trigger, Message: Message{Summary: "x", Severity: "critical"}})
			if err := w.store.Apply(context.Background(), d.change); err != nil {
				t.Fatal(err)
			}
		}
		w.sender.Wake()
		time.Sleep(time.Minute)
		if n := len(w.pager.taken()); n < 100 || n > 120 {
			t.Errorf("%d pages in the first minute, want 100 to 120", n)
		}
		time.Sleep(2 * time.Minute)
		if n := len(w.pager.taken()); n != 300 {
			t.Errorf("%d pages in three minutes, want 300", n)
		}
	})
}

func TestRecordNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{Store: &Memory{}}
		e.init()
		e.run(true) // it leads, and its loop hangs
		for range inboxSize + 7 {
			e.Record(probe.Result{Check: "front"})
		}
		if got := e.Snapshot().Dropped; got != 7 {
			t.Errorf("dropped %d, want 7", got)
		}
	})
}

// The fallback was owed by a deliverer that the engine does not hear: the
// resolve reaches it all the same.
func TestStoryFallbackOfAnother(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.deaf = true
		w.rules[0].Policy.Levels = w.rules[0].Policy.Levels[:1]
		w.pager.set(func(Page) Receipt { return Receipt{Class: Refused, Status: 400, Detail: "HTTP 400"} })
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		w.want(w.mail.taken(), "trigger person:ada")
		w.heal()
		time.Sleep(2 * time.Minute)
		w.want(w.mail.taken(), "trigger person:ada", "resolve person:ada")
		w.settled()
	})
}

// Two episodes within one slot are two incidents with two keys: the second
// would otherwise be taken for a repetition, and its page be lost.
func TestStoryTwoEpisodesInOneSlot(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		rule := threeLocations()
		rule.Locations, rule.Quorum, rule.Every = []string{"moon"}, 1, time.Hour // nobody there: the prober says nothing
		w.mute["moon"] = true
		w.rules[0].Checks = []CheckRule{rule}
		w.start()
		say := func(o probe.Outcome) {
			time.Sleep(5 * time.Second)
			r := extraLook("moon", time.Now().UTC(), o)
			r.Slot = r.Slot.Truncate(time.Hour)
			w.engine.Record(r)
		}
		for range 3 {
			say(probe.Bad)
			say(probe.Bad)
			say(probe.Good)
			say(probe.Good)
		}
		time.Sleep(5 * time.Second)
		one := []string{"trigger person:ada", "resolve person:ada"}
		w.want(w.pager.taken(), slices.Concat(one, one, one)...)
	})
}

// An acknowledgement that no store takes says so, and holds in memory.
func TestStoryAckWithoutStore(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.start()
		w.fail()
		time.Sleep(2 * time.Minute)
		id := w.open()[0].ID
		w.store.away.Store(true)
		if err := w.engine.Ack(w.t.Context(), id, "ada", time.Now()); !errors.Is(err, errGone) {
			w.t.Errorf("got %v, want the store's error", err)
		}
		time.Sleep(20 * time.Minute)
		w.store.away.Store(false)
		time.Sleep(time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "acknowledge person:ada")
	})
}
