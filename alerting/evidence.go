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

// goodNews says what became of the checks that failed. Not each is good: of a redundant
// group one may be enough, and one may be taken out of the file.
func (s Situation) goodNews() string {
	if s.blind {
		return "monitoring sees " + names(s.Open.Checks) + " again"
	}
	of := map[string][]string{}
	for _, check := range s.Open.Checks {
		state := s.became(check)
		of[state] = append(of[state], check)
	}
	var parts []string
	for _, state := range []string{becameGood, becameSpare, becameUnseen, becameGone} {
		if checks := of[state]; len(checks) > 0 {
			parts = append(parts, names(checks)+" "+state)
		}
	}
	return strings.Join(parts, "; ")
}

// What becomes of checks that failed, in words that follow their names.
const (
	becameGood   = "good again"
	becameSpare  = "still failing, but enough others of the group are good"
	becameUnseen = "not seen of late, but enough others of the group are good"
	becameGone   = "no longer needed by the service"
)

func (s Situation) became(check string) string {
	if !slices.ContainsFunc(s.Rule.Checks, func(c CheckRule) bool { return c.Name == check }) {
		return becameGone
	}
	for _, v := range slices.Backward(s.Recent[check]) {
		switch v.Outcome {
		case probe.Good:
			return becameGood
		case probe.Bad:
			return becameSpare
		case probe.Unknown:
		}
	}
	return becameUnseen
}

// maxGap is how far apart two verdicts of a check may be to count as in a row.
func maxGap(c CheckRule) time.Duration { return 3*c.Every + c.Timeout + 30*time.Second }
