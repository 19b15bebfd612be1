package alerting

import (
	"slices"
	"strings"
	"time"

	"keepwatch/probe"
)

// recovered reports that every failing check (of a redundant group, as many as it
// needs) has been good for long enough and that nothing else makes the service fail
// by its last known verdicts.
func (s Situation) recovered(now time.Time) bool {
	left := false
	for _, u := range s.Rule.units() {
		if u.has(s.Open.Checks) {
			left = true
			if s.goodOf(u, max(s.Rule.Recover, 1), now) < u.need {
				return false
			}
			continue
		}
		if s.badOf(u, everGap, now) {
			return false
		}
	}
	if left {
		return true
	}
	// None of the failing checks is configured any more: the others must say that
	// the service is well.
	for _, u := range s.Rule.units() {
		if s.goodOf(u, max(s.Rule.Recover, 1), now) < u.need {
			return false
		}
	}
	return len(s.Rule.Checks) > 0
}

// widen notes checks that have begun to fail since.
func (s Situation) widen(d *draft) bool {
	inc := &d.change.Incident
	var more []string
	failing, _ := s.failing(d.now)
	for _, check := range failing {
		if !slices.Contains(inc.Checks, check) {
			more = append(more, check)
		}
	}
	if len(more) == 0 {
		return false
	}
	slices.Sort(more)
	inc.Checks = slices.Sorted(slices.Values(append(slices.Clone(inc.Checks), more...)))
	d.entry("note", "", "also failing: "+s.describe(more))
	return true
}

// row counts the newest verdicts in a row that say o, and returns the oldest of
// them. Unknown ones neither count nor break the row, but evidence does not keep:
// a gap longer than maxGap ends it.
func row(recent []Verdict, o probe.Outcome, gap time.Duration, now time.Time) (n int, first Verdict) {
	next := now
	for _, v := range slices.Backward(recent) {
		if v.Outcome == probe.Unknown {
			continue
		}
		if v.Outcome != o || next.Sub(v.At) > gap {
			break
		}
		n, first, next = n+1, v, v.At
	}
	return n, first
}

// summary is the one sentence that wakes somebody.
func (s Situation) summary(checks []string) string {
	if s.blind {
		return "monitoring is blind: " + s.describe(checks)
	}
	return s.Rule.Service + " is failing: " + s.describe(checks)
}

// describe names checks with what is wrong with them.
func (s Situation) describe(checks []string) string {
	parts := make([]string, 0, len(checks))
	for _, c := range checks {
		if f := s.fault(c); f != "" {
			c += " (" + f + ")"
		}
		parts = append(parts, c)
	}
	return clip(strings.Join(parts, "; "), 900)
}

// fault is what the newest bad verdict of a check says.
func (s Situation) fault(check string) string {
	for _, v := range slices.Backward(s.Recent[check]) {
		if v.Outcome != probe.Bad {
			continue
		}
		text := v.Fault.Message
		if text == "" {
			text = string(v.Fault.Class)
		}
		if len(v.Failing) > 0 {
			text = strings.TrimPrefix(text+", from "+strings.Join(v.Failing, " and "), ", ")
		}
		return text
	}
	return ""
}

func (s Situation) goodNews() string {
	checks := names(s.Open.Checks)
	if s.blind {
		return "monitoring sees " + checks + " again"
	}
	return checks + " good again"
}

// maxGap is how far apart two verdicts of a check may be to count as in a row.
func maxGap(c CheckRule) time.Duration { return 3*c.Every + c.Timeout + 30*time.Second }
