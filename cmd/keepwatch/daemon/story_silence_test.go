package daemon

import (
	"testing"
	"time"

	"keepwatch/alerting"
)

func (n *night) silence(from, to time.Duration) {
	n.engine.SetSilences("people", []alerting.Silence{{
		ID: "s1", Service: "shop", From: n.start.Add(from), To: n.start.Add(to), By: "ada", Reason: "deploy",
	}})
}

func TestStorySilenceEndsWhileStillFailing(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.silence(time.Minute, time.Hour)
		n.wait(5 * time.Minute)
		n.down.Store(true)
		n.wait(50 * time.Minute)
		n.expect()
		got := n.stored()
		if len(got) != 1 || got[0].State != alerting.Open || got[0].Hold.Kind != alerting.HeldBySilence {
			n.t.Fatalf("Postgres holds %+v, want one open incident that is silenced", got)
		}
		n.says(got[0].ID, "silenced by ada: deploy, until ")
		n.wait(10 * time.Minute)
		n.expect("trigger ada via pagerduty")
		n.rangAt(0, time.Hour)
		n.says(got[0].ID, "the silence has ended and it still fails")
		n.wait(10 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.quiet()
	})
}

func TestStorySilencedFailureThatRecoversPagesNobody(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.silence(0, time.Hour)
		n.down.Store(true)
		n.wait(20 * time.Minute)
		n.down.Store(false)
		n.wait(2 * time.Hour)
		n.expect()
		n.oneResolved()
	})
}

// The silence begins after somebody was paged: the phone must not stay red.
func TestStoryResolveIsNeverSwallowed(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.down.Store(true)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty")
		n.silence(3*time.Minute, time.Hour)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty", "resolve ada via pagerduty")
		n.rangAt(1, 3*time.Minute)
		n.quiet()
		n.wait(time.Hour)
		n.expect("trigger ada via pagerduty", "resolve ada via pagerduty", "trigger ada via pagerduty")
		n.rangAt(2, time.Hour)
		if a, b := n.phone.rings[0].page.DedupKey, n.phone.rings[2].page.DedupKey; a == b {
			n.t.Errorf("both pages have the key %s: what was resolved there rings nobody", a)
		}
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.quiet()
	})
}

func TestStoryResolveOfAnAcknowledgedIncidentReachesThePhoneInASilence(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.down.Store(true)
		n.wait(2 * time.Minute)
		n.ack(n.stored()[0].ID)
		n.silence(3*time.Minute, time.Hour)
		n.wait(5 * time.Minute)
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty", "acknowledge ada via pagerduty", "resolve ada via pagerduty")
		n.quiet()
	})
}

// After a restart the silences are not read yet: one that was in force goes on,
// and ends when it should.
func TestStorySilenceSurvivesARestart(t *testing.T) {
	t.Parallel()
	tellTwice(t, nil, func(n *night) {
		n.silence(0, 20*time.Minute)
		n.down.Store(true)
		n.wait(10 * time.Minute)
	}, func(n *night) {
		n.wait(9 * time.Minute)
		n.expect()
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty")
		n.rangAt(0, 20*time.Minute)
	})
}
