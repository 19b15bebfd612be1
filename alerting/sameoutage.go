package alerting

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// One outage rings once, whoever notices it first: an alarm about a budget that burns
// may be raised before the checks have confirmed what they see. The incident that they
// then open is held while the alarm is open, and the alarm's timeline tells what fails.

// sameWithin is how long after an alarm was raised the failing of the checks may begin to
// be what it told of: what fails now and then may be well at the moment of the alarm.
// What begins later is news, and rings.
const sameWithin = 5 * time.Minute

// told are the open alarms that tell of this service's failing checks. mu is held.
func (e *Engine) told(s *service) []*Incident {
	if s.rule.Service == "" || e.services[s.rule.Service] != s {
		return nil
	}
	var out []*Incident
	for _, name := range slices.Sorted(maps.Keys(e.alarms)) {
		a := e.alarms[name]
		if a.open == nil || a.open.Service != s.rule.Service {
			continue
		}
		// After a restart an alarm is known, and not yet what it tells of.
		if a.tells || s.open != nil && s.open.Hold.Ref == a.open.ID {
			out = append(out, a.open)
		}
	}
	return out
}

// toldBy is the alarm that has paged for an incident already; nil when none has.
func (s Situation) toldBy(inc Incident) *Incident {
	for _, a := range s.Told {
		if !a.standsFor(inc) || a.Hold.Kind != "" {
			continue
		}
		before := !a.Opened.After(inc.Opened) && !inc.Started.After(a.Opened.Add(sameWithin))
		if inc.Hold.Ref == a.ID || before {
			return a
		}
	}
	return nil
}

func heldByAlarm(a *Incident) Hold {
	return Hold{
		Kind: HeldByCause, Ref: a.ID,
		Text: fmt.Sprintf("%s has paged for it already (%s): nobody is paged a second time", a.ID, clip(a.Summary, 200)),
	}
}

// confirm writes into the timeline of an alarm that has paged for a service which of
// its checks fail. mu is held.
func (e *Engine) confirm(s *service, before *Incident) {
	if s.open == nil || s.open.Hold.Kind != HeldByCause || before != nil && before.Hold.Ref == s.open.Hold.Ref {
		return
	}
	for _, a := range e.alarms {
		if a.open == nil || a.open.ID != s.open.Hold.Ref {
			continue
		}
		d := newDraft(*a.open, e.now().UTC())
		d.entry("note", "", clip("the checks confirm it: "+s.open.Summary+" ("+s.open.ID+")", 1000))
		e.enact(a, d.change)
		return
	}
}

// freed lets the incident that an alarm has paged for decide anew when the alarm is
// closed, or held itself. mu is held.
func (e *Engine) freed(alarm *service, before *Incident) {
	if before == nil || before.Alarm == "" || alarm.open != nil && alarm.open.Hold.Kind == before.Hold.Kind {
		return
	}
	if s := e.services[before.Service]; s != nil && s.open != nil && s.open.Hold.Ref == before.ID {
		e.decide(s, e.now().UTC())
	}
}

// rings is the open incident of a service that has paged for what an alarm tells of; nil
// when none has. mu is held.
func (e *Engine) rings(a Alarm) *service {
	s := e.services[a.Service]
	if !a.Failing || s == nil || s.open == nil || s.open.Recovering() || s.open.Hold.Kind != "" {
		return nil
	}
	if !s.open.standsFor(Incident{Severity: a.Severity}) {
		return nil
	}
	return s
}
