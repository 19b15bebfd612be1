package alerting

import (
	"math"
	"slices"
	"time"

	"keepwatch/probe"
)

// Redundancy is checks that stand in for each other: the service fails when fewer
// than Need of them can be good. Each of them is in the rule's Checks too.
type Redundancy struct {
	Need int
	Of   []string
}

// unit is checks of which need must be good: a critical check, or a redundant group.
type unit struct {
	checks []CheckRule
	need   int
}

// units are the rule's checks by what depends on them.
func (r Rule) units() []unit {
	if len(r.Redundant) == 0 {
		all := make([]unit, 0, len(r.Checks))
		for i := range r.Checks {
			all = append(all, unit{checks: r.Checks[i : i+1], need: 1})
		}
		return all
	}
	grouped := map[string]bool{}
	var all []unit
	for _, g := range r.Redundant {
		u := unit{need: g.Need}
		for _, c := range r.Checks {
			if slices.Contains(g.Of, c.Name) {
				u.checks = append(u.checks, c)
				grouped[c.Name] = true
			}
		}
		all = append(all, u)
	}
	for i, c := range r.Checks {
		if !grouped[c.Name] {
			all = append(all, unit{checks: r.Checks[i : i+1], need: 1})
		}
	}
	return all
}

// fatal is how many of the unit must fail for it to fail.
func (u unit) fatal() int { return max(len(u.checks)-u.need+1, 1) }

// has reports whether any of the checks is in the unit.
func (u unit) has(checks []string) bool {
	return slices.ContainsFunc(u.checks, func(c CheckRule) bool { return slices.Contains(checks, c.Name) })
}

// failing are the checks of a unit that have been bad for long enough, when that
// makes it fail, and since when it does.
func (s Situation) failingOf(u unit, now time.Time) (checks []string, since time.Time) {
	var starts []time.Time
	for _, c := range u.checks {
		if n, first := row(s.Recent[c.Name], probe.Bad, maxGap(c), now); n >= max(s.Rule.Confirm, 1) {
			checks = append(checks, c.Name)
			starts = append(starts, first.Slot)
		}
	}
	if len(checks) < u.fatal() {
		return nil, time.Time{}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return checks, starts[u.fatal()-1]
}

// goodOf counts the checks of a unit that have been good in a row n times, each of late.
func (s Situation) goodOf(u unit, n int, now time.Time) int {
	good := 0
	for _, c := range u.checks {
		if have, _ := row(s.Recent[c.Name], probe.Good, maxGap(c), now); have >= n {
			good++
		}
	}
	return good
}

// badOf reports whether the last known words on a unit, however old, make it fail:
// silence since does not make it good.
func (s Situation) badOf(u unit, gap func(CheckRule) time.Duration, now time.Time) bool {
	bad := 0
	for _, c := range u.checks {
		if n, _ := row(s.Recent[c.Name], probe.Bad, gap(c), now); n > 0 {
			bad++
		}
	}
	return bad >= u.fatal()
}

func everGap(CheckRule) time.Duration { return math.MaxInt64 }

// outcome is what a unit is when its checks are as given: Kleene's k of n.
func (u unit) outcome(of func(check string) probe.Outcome) probe.Outcome {
	good, bad := 0, 0
	for _, c := range u.checks {
		switch of(c.Name) {
		case probe.Good:
			good++
		case probe.Bad:
			bad++
		case probe.Unknown:
		}
	}
	switch {
	case bad >= u.fatal():
		return probe.Bad
	case good >= u.need:
		return probe.Good
	}
	return probe.Unknown
}
