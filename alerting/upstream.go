package alerting

import (
	"slices"
	"time"

	"keepwatch/probe"
)

// upstream is how the services stand that s cannot work without. mu is held.
func (e *Engine) upstream(s *service) []Upstream {
	var out []Upstream
	for _, name := range s.rule.DependsOn {
		up := e.services[name]
		if up == nil || s.open != nil && s.open.Alarm != "" {
			continue
		}
		out = append(out, Upstream{Service: name, Open: up.open, WellAt: up.wellAt()})
	}
	return out
}

// wellAt is the oldest of the newest known verdicts of its checks; zero when one
// of them (of a redundant group, as many as it needs) is bad or missing.
func (s *service) wellAt() time.Time {
	var oldest time.Time
	for _, u := range s.rule.units() {
		var good []time.Time
		for _, c := range u.checks {
			if recent := s.recent[c.Name]; len(recent) > 0 && recent[len(recent)-1].Outcome == probe.Good {
				good = append(good, recent[len(recent)-1].At)
			}
		}
		if len(good) < u.need {
			return time.Time{}
		}
		slices.SortFunc(good, func(a, b time.Time) int { return b.Compare(a) })
		if at := good[max(u.need, 1)-1]; oldest.IsZero() || at.Before(oldest) { // the newest that suffice
			oldest = at
		}
	}
	return oldest
}

// spread tells those who depend on a service that its incident came, went or
// recovered, and looks again where that says something. mu is held.
func (e *Engine) spread(s *service, before *Incident) {
	now := e.now().UTC()
	failed, fails := before != nil && !before.Recovering(), s.open != nil && !s.open.Recovering()
	if failed == fails || s.rule.Service == "" || e.services[s.rule.Service] != s {
		return
	}
	if fails {
		e.lookFor(s, now)
	}
	for _, d := range e.services {
		if d.open == nil || !slices.Contains(d.rule.DependsOn, s.rule.Service) {
			continue
		}
		if !fails { // it may be well again, too
			e.lookAgain(d, probe.Good, now)
		}
		e.decide(d, now)
	}
}

// lookFor looks at what a service that fails depends on, and at what else the
// location sees that alone sees it fail. mu is held.
func (e *Engine) lookFor(s *service, now time.Time) {
	for _, name := range s.rule.DependsOn {
		if up := e.services[name]; up != nil {
			e.lookAgain(up, probe.Bad, now)
		}
	}
	if s.open.Hold.Kind != HeldForCause {
		return
	}
	if location := e.situation(s).onlyFrom(*s.open); location != "" {
		e.askFrom(location, now)
	}
}

// ripple lets those wait no longer who look at this service before they page. mu is held.
func (e *Engine) ripple(s *service, now time.Time) {
	for _, d := range e.services {
		if d.open != nil && d.open.Hold.Kind == HeldForCause && slices.Contains(d.rule.DependsOn, s.rule.Service) {
			e.decide(d, now)
		}
	}
}

// lookAgain asks for extra looks at a service's checks. mu is held.
func (e *Engine) lookAgain(s *service, o probe.Outcome, now time.Time) {
	for _, c := range s.rule.Checks {
		if w := e.checks[c.Name]; w != nil {
			w.tally.start(o, now)
		}
	}
	e.stir()
}
