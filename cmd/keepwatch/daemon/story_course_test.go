package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/postgres"
)

// ringing lists what is open at the channels: triggered, and not resolved since.
func (n *night) ringing() []string {
	n.phone.mu.Lock()
	defer n.phone.mu.Unlock()
	open := map[string]bool{}
	for _, r := range n.phone.rings {
		key := r.page.Channel + " " + r.page.Person + " " + r.page.DedupKey
		switch r.page.Action {
		case alerting.Trigger:
			open[key] = true
		case alerting.Resolve:
			delete(open, key)
		case alerting.Acknowledge:
		}
	}
	var out []string
	for key := range open {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// quiet wants nothing to be open at the channels.
func (n *night) quiet() {
	n.t.Helper()
	if open := n.ringing(); len(open) != 0 {
		n.t.Errorf("after %v these are still open at the channels: %v", n.now(), open)
	}
}

// says wants a line of an incident's timeline.
func (n *night) says(id string, parts ...string) {
	n.t.Helper()
	entries, err := postgres.Incidents{DB: n.db}.Timeline(n.t.Context(), id)
	if err != nil {
		n.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.At.Format("15:04:05 ") + e.Kind + ": " + e.Text + "\n")
	}
	for _, part := range parts {
		if !strings.Contains(b.String(), part) {
			n.t.Errorf("the timeline of %s lacks %q:\n%s", id, part, b.String())
		}
	}
}

// at wants the n-th ring at an instant of the story, at most a second late.
func (n *night) rangAt(ring int, want time.Duration) {
	n.t.Helper()
	if late := n.phone.at(ring) - want; late < 0 || late > time.Second {
		n.t.Errorf("ring %d came %v after its time %v", ring, late, want)
	}
}

func ackExpires(r *alerting.Rule) {
	r.Policy.AckExpires, r.Policy.StillFailingAfter = 30*time.Minute, 20*time.Minute
}

// The alert that was acknowledged rings nobody at PagerDuty, so a new one opens.
func TestStoryAckExpiresAndPagesAgain(t *testing.T) {
	t.Parallel()
	tellWith(t, ackExpires, func(n *night) {
		n.down.Store(true)
		n.wait(2 * time.Minute)
		id := n.stored()[0].ID
		acked := n.now()
		n.ack(id)
		n.wait(29 * time.Minute)
		n.expect("trigger ada via pagerduty", "acknowledge ada via pagerduty")
		n.wait(2 * time.Minute)
		got := n.phone.heard()
		slices.Sort(got[2:])
		want := []string{"trigger ada via pagerduty", "acknowledge ada via pagerduty", "resolve ada via pagerduty", "trigger ada via mail", "trigger ada via pagerduty"}
		if !slices.Equal(got, want) && !slices.Equal(got, slices.Delete(slices.Clone(want), 3, 4)) {
			n.t.Fatalf("rang %v", got)
		}
		n.rangAt(2, acked+30*time.Minute)
		n.says(id, "acknowledged by ada 30m0s ago and still failing: the escalation starts again")
		if open := n.ringing(); len(open) != 1 || !strings.HasSuffix(open[0], ".2") {
			n.t.Errorf("open at the channels: %v, want the second alert only", open)
		}
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.quiet()
	})
}

func TestStoryAckExpiresOverARestart(t *testing.T) {
	t.Parallel()
	var acked time.Duration
	tellTwice(t, ackExpires, func(n *night) {
		n.down.Store(true)
		n.wait(2 * time.Minute)
		acked = n.now()
		n.ack(n.stored()[0].ID)
		n.wait(10 * time.Minute)
	}, func(n *night) {
		n.wait(21 * time.Minute)
		if got := len(n.phone.heard()); got < 4 {
			n.t.Fatalf("%d rings: %v", got, n.phone.heard())
		}
		n.rangAt(2, acked+30*time.Minute)
	})
}

func TestStoryClosedByHandWhileStillFailing(t *testing.T) {
	t.Parallel()
	tellWith(t, ackExpires, func(n *night) {
		n.down.Store(true)
		n.wait(2 * time.Minute)
		id, closed := n.stored()[0].ID, n.now()
		if err := n.engine.Resolve(n.t.Context(), id, "grace", time.Now()); err != nil {
			n.t.Fatal(err)
		}
		n.wait(19 * time.Minute)
		n.expect("trigger ada via pagerduty", "acknowledge ada via pagerduty")
		if got := n.stored()[0]; got.State != alerting.Acknowledged || !got.Closed || got.AckBy != "grace" {
			n.t.Errorf("stored %+v, want closed by grace and still open", got)
		}
		n.wait(2 * time.Minute)
		n.rangAt(2, closed+20*time.Minute)
		n.says(id, "closed by grace while the checks still fail", "closed by grace and still failing: the escalation starts again")
		// What PagerDuty says of the first alert is old by now.
		if _, err := n.engine.Present(id); err == nil {
			n.t.Error("the first alert counts as present, though a newer one replaced it")
		}
		if got, err := n.engine.Present(id + ".2"); err != nil || got != id {
			n.t.Errorf("the second alert belongs to %q (%v), want %s", got, err, id)
		}
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.quiet()
	})
}

func fiveMinutes(r *alerting.Rule) { r.Reopen = 5 * time.Minute }

func TestStoryFlapIsOneIncident(t *testing.T) {
	t.Parallel()
	tellWith(t, fiveMinutes, func(n *night) {
		for range 3 {
			n.down.Store(true)
			n.wait(3 * time.Minute)
			n.down.Store(false)
			n.wait(3 * time.Minute)
		}
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		if got := n.stored(); len(got) != 1 || !got[0].Recovering() {
			n.t.Fatalf("Postgres holds %+v, want one incident that is recovering", got)
		}
		id, recovered := n.stored()[0].ID, n.stored()[0].Recovered
		n.wait(5 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty", "resolve ada via pagerduty", "resolve grace via pagerduty")
		n.rangAt(2, recovered.Sub(n.start)+5*time.Minute)
		n.says(id, "failing anew, ", "resolved: well since ")
		if got := n.stored()[0]; !got.Resolved.Equal(recovered) {
			n.t.Errorf("resolved at %v, want the moment of recovery %v", got.Resolved, recovered)
		}
		n.quiet()
	})
}

// It fails for two minutes in every ten: longer apart than the window.
func TestStoryFlappingServiceStaysOneIncident(t *testing.T) {
	t.Parallel()
	tellWith(t, fiveMinutes, func(n *night) {
		for range 12 {
			n.down.Store(true)
			n.wait(2 * time.Minute)
			n.down.Store(false)
			n.wait(8 * time.Minute)
		}
		if got := n.stored(); len(got) != 4 {
			n.t.Errorf("%d incidents, want three and then one that goes on", len(got))
		}
		n.says(n.stored()[0].ID, "flapping")
		n.wait(40 * time.Minute)
		n.quiet()
		if got := n.stored(); got[0].State != alerting.Resolved {
			n.t.Errorf("well for 40 minutes and still %s", got[0].State)
		}
	})
}

func TestStoryRecoveringOverARestart(t *testing.T) {
	t.Parallel()
	tellTwice(t, fiveMinutes, func(n *night) {
		n.down.Store(true)
		n.wait(2 * time.Minute)
		n.down.Store(false)
		n.wait(2 * time.Minute)
	}, func(n *night) {
		n.expect("trigger ada via pagerduty")
		n.wait(time.Minute)
		n.down.Store(true)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty")
		if got := n.stored(); len(got) != 1 || got[0].Recovering() || len(got[0].Failures) != 2 {
			n.t.Errorf("stored %+v, want the same incident, failing anew", got)
		}
		n.down.Store(false)
		n.wait(8 * time.Minute)
		n.quiet()
	})
}

func TestStoryLowUrgencyNeverRings(t *testing.T) {
	t.Parallel()
	tellWith(t, func(r *alerting.Rule) { r.Severity = alerting.Warning }, func(n *night) {
		n.down.Store(true)
		n.wait(20 * time.Minute)
		n.expect("trigger ada via chat", "trigger grace via chat")
		if s := n.phone.rings[0].page.Message.Severity; s != "warning" {
			n.t.Errorf("the page is %s, want warning", s)
		}
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.quiet()
	})
}

// Stories begin on Saturday, 1 January 2000, 00:00 UTC.
func TestStoryLowUrgencyWaitsForBusinessHours(t *testing.T) {
	t.Parallel()
	tellTwice(t, func(r *alerting.Rule) {
		r.Severity = alerting.Warning
		r.Policy.Hours = &oncall.WorkHours{Hours: []string{"Sat 01:00-05:00"}}
	}, func(n *night) {
		n.down.Store(true)
		n.wait(30 * time.Minute)
	}, func(n *night) {
		n.wait(29 * time.Minute)
		n.expect()
		n.says(n.stored()[0].ID, "waits for business hours, 2000-01-01T01:00:00Z")
		n.wait(2 * time.Minute)
		n.expect("trigger ada via chat")
		n.rangAt(0, time.Hour)
	})
}

func TestStoryOutsideHoursAnotherPolicyIsPaged(t *testing.T) {
	t.Parallel()
	tellWith(t, func(r *alerting.Rule) {
		r.Policy.Hours = &oncall.WorkHours{Hours: []string{"Mon-Fri 09:00-17:00"}}
		r.Policy.Outside = &oncall.Policy{Name: "night", Levels: []oncall.Level{{Page: "grace"}}}
	}, func(n *night) {
		n.down.Store(true)
		n.wait(30 * time.Minute)
		n.expect("trigger grace via pagerduty")
		if p := n.stored()[0].Policy; p.Name != "night" || p.Hours != nil {
			n.t.Errorf("the incident keeps %+v", p)
		}
	})
}

func TestStoryAlarmSurvivesARestart(t *testing.T) {
	t.Parallel()
	alarm := alerting.Alarm{
		Name: "gap.primary", Summary: "nobody is on call tomorrow",
		Policy: oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "primary"}, {Page: "secondary", After: 10 * time.Minute}}},
	}
	var id string
	tellTwice(t, nil, func(n *night) {
		n.wait(time.Second)
		var err error
		if id, err = n.engine.Raise(n.t.Context(), alarm, time.Now()); err != nil {
			n.t.Fatal(err)
		}
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty")
		if again, err := n.engine.Raise(n.t.Context(), alarm, time.Now()); err != nil || again != id {
			n.t.Errorf("raised again: %s, %v; want %s", again, err, id)
		}
		n.wait(4 * time.Minute)
	}, func(n *night) {
		n.wait(4 * time.Minute)
		if got := n.stored(); len(got) != 1 || got[0].State != alerting.Open || got[0].Alarm != "gap.primary" {
			n.t.Fatalf("stored %+v, want the alarm, open", got)
		}
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		n.rangAt(1, n.phone.at(0)+10*time.Minute)
		if v := n.engine.Snapshot().Alarms; len(v) != 1 || v[0].Open.ID != id || len(v[0].Pages) != 2 {
			n.t.Errorf("the snapshot has %+v", v)
		}
		if err := n.engine.Clear(n.t.Context(), "gap.primary", "grace stands in", time.Now()); err != nil {
			n.t.Fatal(err)
		}
		if err := n.engine.Clear(n.t.Context(), "gap.primary", "grace stands in", time.Now()); err != nil {
			n.t.Errorf("clearing what is not raised: %v", err)
		}
		n.wait(time.Minute)
		n.quiet()
		n.says(id, "cleared: grace stands in")
	})
}

func TestStoryEscalationEndsUnheardAndHealthSaysSo(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.down.Store(true)
		n.wait(9 * time.Minute)
		if got := n.engine.Overdue(time.Now()); len(got) != 0 {
			n.t.Errorf("while the ladder is climbed: %v", got)
		}
		n.wait(5 * time.Minute)
		if got := n.engine.Overdue(time.Now()); len(got) != 1 || !strings.Contains(got[0], "nobody has acknowledged it") {
			n.t.Errorf("at its end: %v", got)
		}
		n.ack(n.stored()[0].ID)
		if got := n.engine.Overdue(time.Now()); len(got) != 0 {
			n.t.Errorf("acknowledged: %v", got)
		}
	})
}
