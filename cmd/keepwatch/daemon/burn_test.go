package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/reports"
)

func TestStoryBudgetBurns(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		b := watchBudget(n, allGood)
		b.pass(2 * time.Minute)

		// One bad slot wakes nobody.
		slot := time.Now().Truncate(budgetSlot).Add(budgetSlot)
		b.what = func(s time.Time) probe.Outcome {
			if s.Equal(slot) {
				return probe.Bad
			}
			return probe.Good
		}
		b.pass(time.Hour)
		if got := b.pages(); got != 0 {
			t.Fatalf("one bad slot: %d pages, want none", got)
		}

		// A total outage that no confirmed look told of pages within five minutes.
		down := n.now()
		b.what = allBad
		b.pass(5*time.Minute + budgetSlot)
		after := b.rung(down)
		if after == 0 || after > 5*time.Minute+budgetSlot || b.pages() != 1 {
			t.Fatalf("total outage: paged after %v, %d pages; want one within five minutes of its first slot", after, b.pages())
		}
		// The slower rules fire too, and are told to the incident that is open.
		b.pass(30 * time.Minute)
		if got := b.pages(); got != 1 {
			t.Fatalf("while it goes on: %d pages, want 1", got)
		}
		inc := n.stored()[0]
		if inc.Alarm != "burn.outage.api" || !strings.Contains(inc.Summary, "18x as fast as 95% allows") {
			t.Errorf("got incident of %q: %q", inc.Alarm, inc.Summary)
		}
		notes := n.timeline(inc.ID, "note")
		for _, rule := range []string{"rule fast fires from 6.72x", "rule slow fires from 2.8x"} {
			if !slices.ContainsFunc(notes, func(s string) bool { return strings.Contains(s, rule) }) {
				t.Errorf("the notes do not tell of %s: %q", rule, notes)
			}
		}

		// It ends: the alarm is cleared, and the slower windows wake nobody.
		b.what = allGood
		b.pass(40 * time.Minute)
		if got, _ := (postgres.Incidents{DB: n.db}).Get(n.t.Context(), inc.ID); got.State != alerting.Resolved {
			t.Errorf("40 minutes later the incident is %s, want resolved", got.State)
		}
		if got := b.pages(); got != 1 {
			t.Errorf("after the end: %d pages, want 1", got)
		}
	})
}

// TestStoryHalfAnOutage: every other slot is bad, and no two looks in a row.
func TestStoryHalfAnOutage(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		b := watchBudget(n, allGood)
		half := n.now()
		b.what = func(s time.Time) probe.Outcome { return probe.Outcome(1 + s.Unix()/30%2) }
		b.pass(19 * time.Minute)
		if b.pages() != 0 {
			t.Errorf("paged after %v, which is too early for 2 %% of the budget", b.rung(half))
		}
		b.pass(2 * time.Minute)
		if b.pages() != 1 || n.stored()[0].Alarm != "burn.fast.api" {
			t.Errorf("after %v: %d pages, want one of the rule fast within about 20 minutes", n.now()-half, b.pages())
		}
	})
}

// TestStoryConfirmedOutageIsNotPagedTwice: checks opened an incident; the budget's
// rules are notes in its timeline.
func TestStoryConfirmedOutageIsNotPagedTwice(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		b := watchBudget(n, allGood)
		// The engine's own check is of the same service now.
		b.file.Services[0].Name = "shop"
		n.wait(2 * time.Minute)
		n.down.Store(true)
		b.what = allBad
		b.pass(40 * time.Minute)
		service := 0
		for _, inc := range n.stored() {
			if inc.Alarm != "" && !inc.Severity.LowUrgency() {
				t.Errorf("a second incident wakes people: %s %q", inc.Alarm, inc.Summary)
			}
			if inc.Service == "shop" && inc.Alarm == "" {
				service++
				notes := strings.Join(n.timeline(inc.ID, "note"), "\n")
				for _, rule := range []string{"rule outage", "rule fast"} {
					if !strings.Contains(notes, rule) {
						t.Errorf("the incident's notes do not tell of %s:\n%s", rule, notes)
					}
				}
			}
		}
		if service != 1 {
			t.Errorf("got %d incidents of the service, want 1", service)
		}
		for _, r := range n.phone.rings {
			if r.page.Action == alerting.Trigger && strings.Contains(r.page.Message.Summary, "error budget") {
				t.Errorf("the budget rang: %s", r.page.Message.Summary)
			}
		}
	})
}

// TestStoryBudgetGone: once a week, also after a restart; a new week clears it.
func TestStoryBudgetGone(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		down := n.start.Add(-8 * time.Hour)
		b := watchBudget(n, func(slot time.Time) probe.Outcome {
			if slot.Before(down) {
				return probe.Good
			}
			return probe.Bad
		})
		b.file.Services[0].Burn.Rules = []reports.BurnRule{{Name: "never", Long: 7 * 24 * time.Hour, Short: time.Hour, Rate: 18_000, Urgency: reports.UrgentTicket}}
		b.pass(20 * time.Minute)
		if b.pages() != 0 {
			t.Errorf("%d pages before the budget is gone", b.pages())
		}
		b.pass(10 * time.Minute)
		gone := func() (ids []string, open int) {
			for _, inc := range n.stored() {
				if strings.HasPrefix(inc.Alarm, "budget-gone.") {
					ids = append(ids, inc.ID)
					if inc.State != alerting.Resolved {
						open++
					}
				}
			}
			return ids, open
		}
		ids, open := gone()
		if len(ids) != 1 || open != 1 || b.pages() != 1 {
			t.Fatalf("got incidents %v, %d open, %d pages; want one of each", ids, open, b.pages())
		}
		if err := n.engine.Resolve(n.t.Context(), ids[0], "ada", time.Now()); err != nil {
			t.Fatal(err)
		}
		b.stops[len(b.stops)-1]()
		b.stops = b.stops[:len(b.stops)-1]
		b.start()
		b.pass(30 * time.Minute)
		if ids, _ := gone(); len(ids) != 1 || b.pages() != 1 {
			t.Errorf("after a restart: incidents %v, %d pages; want still one", ids, b.pages())
		}
	})
}

// TestStoryBudgetFirst: the budget's alarm rings before the checks have confirmed. What
// they then open is the same outage: nobody is paged again, and the alarm says what
// fails. What begins later is news, and when the alarm is closed while it fails on, it rings.
func TestStoryBudgetFirst(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		b := watchBudget(n, allGood)
		b.file.Services[0].Name = "shop"
		b.pass(2 * time.Minute)
		b.what = allBad
		b.pass(5*time.Minute + budgetSlot)
		alarm := n.stored()[0]
		if b.pages() != 1 || alarm.Alarm != "burn.outage.shop" {
			t.Fatalf("%d pages, incident of %q; want one of the rule outage", b.pages(), alarm.Alarm)
		}
		n.down.Store(true)
		b.pass(3 * time.Minute)
		shop := b.openOf("shop")
		if b.pages() != 1 || shop.Hold.Ref != alarm.ID || !strings.Contains(shop.Hold.Text, "nobody is paged a second time") {
			t.Fatalf("after the checks confirmed: %d pages, hold %+v; want still one page", b.pages(), shop.Hold)
		}
		if notes := strings.Join(n.timeline(alarm.ID, "note"), "\n"); !strings.Contains(notes, "the checks confirm it: shop is failing") {
			t.Errorf("the alarm's timeline does not tell what fails:\n%s", notes)
		}
		// It recovers: both close, and nothing rings.
		n.down.Store(false)
		b.what = allGood
		b.pass(40 * time.Minute)
		if left := n.stillOpen(); len(left) != 0 || b.pages() != 1 {
			t.Fatalf("after the end: open %v, %d pages; want none and 1", left, b.pages())
		}

		// Another night: half an outage rings and is acknowledged; then everything fails, which is news.
		b.what = func(s time.Time) probe.Outcome { return probe.Outcome(1 + s.Unix()/30%2) }
		b.pass(22 * time.Minute)
		if b.pages() != 2 {
			t.Fatalf("half an outage: %d pages, want a second", b.pages())
		}
		b.pass(10 * time.Minute)
		n.down.Store(true)
		b.pass(2 * time.Minute)
		if b.pages() != 3 {
			t.Fatalf("a total outage ten minutes later: %d pages, want a third", b.pages())
		}
	})
}

// TestStoryBudgetAlarmClosedByHand: somebody closes the alarm that paged for an outage
// which goes on. Two minutes later the checks' own incident rings.
func TestStoryBudgetAlarmClosedByHand(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		b := watchBudget(n, allGood)
		b.file.Services[0].Name = "shop"
		b.pass(2 * time.Minute)
		b.what = allBad
		b.pass(5*time.Minute + budgetSlot)
		alarm := n.stored()[0]
		n.down.Store(true)
		b.pass(time.Minute)
		b.what = allGood // only the checks see it now
		if err := n.engine.Resolve(n.t.Context(), alarm.ID, "ada", time.Now()); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Minute)
		if b.pages() != 1 {
			t.Errorf("%d pages a minute later, want 1", b.pages())
		}
		b.pass(2 * time.Minute)
		if shop := b.openOf("shop"); b.pages() != 2 || shop.Hold.Kind != "" {
			t.Errorf("%d pages, hold %+v; want a second page", b.pages(), shop.Hold)
		}
	})
}

// TestStoryOutageThatIsOver: a slow rule fires when the incident that paged is closed
// already. It rings only for what nobody was paged for.
func TestStoryOutageThatIsOver(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		b := watchBudget(n, allGood)
		b.file.Services[0].Name = "shop"
		b.file.Services[0].Burn.Rules = []reports.BurnRule{{Name: "slow", Long: 3 * time.Hour, Short: 15 * time.Minute, Rate: 2_800, Urgency: reports.UrgentPage}}
		b.stops[len(b.stops)-1]()
		b.stops = b.stops[:len(b.stops)-1]
		n.down.Store(true)
		b.what = allBad
		b.pass(30 * time.Minute)
		n.down.Store(false)
		b.what = allGood
		b.pass(3 * time.Minute)
		paged := b.pages() // and the next level
		if left := n.stillOpen(); len(left) != 0 || paged == 0 {
			t.Fatalf("before the watch over the budget: open %v, %d pages; want none and some", left, paged)
		}
		b.start()
		b.pass(10 * time.Minute)
		if b.pages() != paged {
			t.Fatalf("an outage that is over and was paged rang again: %d pages, want %d", b.pages(), paged)
		}
		b.what = allBad
		b.pass(24 * time.Minute)
		if b.pages() != paged {
			t.Errorf("%d pages before what nobody was paged for burns by itself, want %d", b.pages(), paged)
		}
		b.pass(3 * time.Minute)
		if b.pages() != paged+1 {
			t.Errorf("%d pages, want one more than %d: nobody was paged for this", b.pages(), paged)
		}
	})
}
