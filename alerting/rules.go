package alerting

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// blindPrefix begins the names of the services that stand for monitoring
// itself, one per escalation policy.
const blindPrefix = "keepwatch-blind-"

// Monitoring is blind when less than half of the slots could be judged, and
// sees again at four fifths.
const (
	blindBelow = 0.5
	sightAbove = 0.8
)

// Apply sets the rules, the roster and the routing: before Run, and at each reload.
// A check whose rule is unchanged keeps its rounds. Open incidents keep the policy
// they were opened with, and the next level is looked up in the new roster; an
// incident whose service is gone is resolved, and its timeline says so.
func (e *Engine) Apply(rules []Rule, roster oncall.Roster, routing Routing) {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UTC()
	e.roster, e.routing, e.applied = roster, routing, now
	old := e.services
	e.services = map[string]*service{}
	for _, r := range rules {
		e.services[r.Service] = carry(old[r.Service], r, now)
	}
	for _, r := range blindRules(rules) {
		s := carry(old[r.Service], r, now)
		s.blind = true
		e.services[r.Service] = s
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if gone := old[name]; e.services[name] == nil && gone.open != nil {
			e.enact(gone, e.situation(gone).resolve(now, now, "closed: the service is no longer configured"))
		}
	}
	e.watch(rules, now)
	e.expect()
	e.reconsider()
}

// SetRoster exchanges who is on call, and leaves rules and routing alone. The next
// page of a running incident goes by the new roster.
func (e *Engine) SetRoster(roster oncall.Roster) {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roster = roster
	e.stir()
}

// carry makes the service of a rule, with what was known of it.
func carry(old *service, r Rule, now time.Time) *service {
	s := &service{rule: r, recent: map[string][]Verdict{}, notBefore: now.Truncate(time.Second)}
	if old == nil {
		return s
	}
	s.open, s.pages, s.notBefore, s.ended, s.past = old.open, old.pages, old.notBefore, old.ended, old.past
	for _, c := range r.Checks {
		s.recent[c.Name] = old.recent[c.Name]
	}
	return s
}

// watch makes the tallies, keeping those whose rule is the same. mu is held.
func (e *Engine) watch(rules []Rule, now time.Time) {
	old := e.checks
	e.checks = map[string]*watched{}
	for _, r := range rules {
		for _, c := range r.Checks {
			w := e.checks[c.Name]
			if w == nil {
				w = &watched{rule: c}
				e.checks[c.Name] = w
				if have := old[c.Name]; have != nil && sameCheck(have.rule, c) {
					w.tally = have.tally
				} else {
					w.tally = NewTally(c, now)
				}
			}
			w.services = append(w.services, e.services[r.Service])
		}
	}
}

func sameCheck(a, b CheckRule) bool {
	return a.Name == b.Name && a.Quorum == b.Quorum && a.Every == b.Every && a.Timeout == b.Timeout &&
		slices.Equal(a.Locations, b.Locations)
}

// blindRules makes one rule per escalation policy about the sight of its checks.
func blindRules(rules []Rule) []Rule {
	byPolicy := map[string]*Rule{}
	for _, r := range rules {
		b := byPolicy[r.Policy.Name]
		if b == nil {
			b = &Rule{Service: blindPrefix + r.Policy.Name, Confirm: 1, Recover: 1, Policy: r.Policy}
			byPolicy[r.Policy.Name] = b
		}
		for _, c := range r.Checks {
			if !slices.ContainsFunc(b.Checks, func(k CheckRule) bool { return k.Name == c.Name }) {
				b.Checks = append(b.Checks, CheckRule{Name: c.Name, Every: time.Minute})
			}
		}
	}
	out := make([]Rule, 0, len(byPolicy))
	for _, b := range byPolicy {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.Service, b.Service) })
	return out
}

// judgeSight tells the services that stand for monitoring itself how much was
// seen of late. mu is held.
func (e *Engine) judgeSight(now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(e.services)) {
		s := e.services[name]
		if !s.blind {
			continue
		}
		for _, c := range s.rule.Checks {
			s.hear(sight(e.checks[c.Name].tally, c.Name, now))
		}
		e.decide(s, now)
	}
}

// sight is the verdict on how well a check can be seen.
func sight(t *Tally, check string, now time.Time) Verdict {
	v := Verdict{Check: check, Round: now.UnixNano(), At: now, Slot: now}
	share, ok := t.Coverage(now)
	switch {
	case !ok:
	case share < blindBelow:
		v.Outcome = probe.Bad
		v.Fault = probe.Fault{Class: probe.ClassBroken, Message: fmt.Sprintf("only %.0f%% of its slots in %s could be judged", share*100, length(t.window()))}
	case share >= sightAbove:
		v.Outcome = probe.Good
	}
	return v
}
