package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	flapWithin   = time.Hour        // failures of that long count
	flapAt       = 4                // so many of them are flapping
	flapWindow   = 30 * time.Minute // a flapping service must be well for so long
	keepFailures = 20
	settle       = 30 * time.Second // for which a window is prolonged while it is not clear how things stand
)

// follow goes with what the checks say about an open incident. A recovered one is
// kept open for a while: should the service fail anew, it is the same incident,
// and nobody is paged who knows of it.
func (s Situation) follow(d *draft) (changed bool) {
	inc := &d.change.Incident
	if !inc.Recovering() {
		if s.recovered(d.now) {
			s.recover(d)
			return true
		}
		return s.widen(d)
	}
	if failing, _ := s.failing(d.now); len(failing) > 0 {
		s.reopen(d, failing)
		return true
	}
	if inc.ClosesAt.After(d.now) {
		return false
	}
	bad, fresh := s.evidence(d.now)
	if bad || !fresh && d.now.Before(inc.Recovered.Add(2*s.window(*inc, d.now)+settle)) {
		inc.ClosesAt = d.now.Add(settle)
		return true
	}
	s.finish(d, inc.Recovered, "", fmt.Sprintf("resolved: well since %s, for %s", clock(inc.Recovered), length(d.now.Sub(inc.Recovered))))
	return true
}

// recover closes the incident, or keeps it open for as long as the rule says.
func (s Situation) recover(d *draft) {
	inc := &d.change.Incident
	news := s.goodNews() + ", after " + length(d.now.Sub(inc.Opened))
	if s.Rule.Reopen <= 0 {
		inc.Recovered = d.now
		s.finish(d, d.now, "", "recovered: "+news)
		return
	}
	window := s.window(*inc, d.now)
	inc.Recovered, inc.ClosesAt = d.now, d.now.Add(window)
	text := fmt.Sprintf("recovered: %s; resolved at %s unless it fails anew", news, clock(inc.ClosesAt))
	if window > s.Rule.Reopen {
		text = fmt.Sprintf("recovered: %s; flapping (failed %d times within an hour), so it is resolved when it was well for %s",
			news, len(within1h(inc.Failures, d.now)), length(window))
	}
	d.entry("recovering", "", text)
}

// window is how long a recovered incident is kept open.
func (s Situation) window(inc Incident, now time.Time) time.Duration {
	if len(within1h(inc.Failures, now)) >= flapAt {
		return max(s.Rule.Reopen, flapWindow)
	}
	return s.Rule.Reopen
}

// reopen goes on with an incident that had recovered.
func (s Situation) reopen(d *draft, failing []string) {
	inc := &d.change.Incident
	inc.Summary = s.summary(failing)
	d.entry("reopened", "", fmt.Sprintf("failing anew, %s after it had recovered: %s", length(d.now.Sub(inc.Recovered)), s.describe(failing)))
	inc.Recovered, inc.ClosesAt = time.Time{}, time.Time{}
	for _, c := range failing {
		if !slices.Contains(inc.Checks, c) {
			inc.Checks = append(slices.Clone(inc.Checks), c)
		}
	}
	slices.Sort(inc.Checks)
	inc.Failures = append(within1h(inc.Failures, d.now), d.now)
	if len(inc.Failures) == flapAt {
		d.entry("note", "", fmt.Sprintf("flapping: %s failed %d times within an hour; it stays one incident until it was well for %s",
			inc.Service, flapAt, length(max(s.Rule.Reopen, flapWindow))))
	}
	if inc.Closed || inc.unbegun() { // whoever closed it thought that it was over
		s.anew(d)
	}
}

// evidence says whether the last known word on any check is bad, and whether
// every failing check was seen well of late.
func (s Situation) evidence(now time.Time) (bad, fresh bool) {
	fresh = true
	for _, u := range s.Rule.units() {
		bad = bad || s.badOf(u, maxGap, now)
		if u.has(s.Open.Checks) && s.goodOf(u, 1, now) < u.need {
			fresh = false
		}
	}
	return bad, fresh
}

// within1h are the failures of the last hour, the newest ones.
func within1h(failures []time.Time, now time.Time) []time.Time {
	var out []time.Time
	for _, at := range failures {
		if now.Sub(at) < flapWithin {
			out = append(out, at)
		}
	}
	return out[max(0, len(out)-keepFailures+1):]
}

// names lists names for people.
func names(list []string) string { return strings.Join(list, ", ") }
