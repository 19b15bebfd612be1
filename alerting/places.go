package alerting

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"keepwatch/probe"
)

// A location whose line is broken makes every check fail that one location alone
// can make fail. That is one incident, about the location.
const (
	placeChecks = 3  // fewer checks of a location say nothing about it
	placeAsk    = 20 // checks that are looked at again when one fails from there only
	placePrefix = "location."
)

// sightFrom is what is known from one location.
type sightFrom struct {
	configured int  // checks that are looked at from it
	known      int  // of those, with a look of late
	alone      int  // of those, bad from here and from nowhere else
	fresh      int  // of known, looked at since an instant
	elsewhere  bool // some other location sees something good
}

// failing reports whether most of what the location looks at fails from there only,
// while other locations see well.
func (p sightFrom) failing() bool {
	return p.known >= placeChecks && 2*p.alone > p.known && p.elsewhere
}

// well reports whether the location sees again, or is not used any more.
func (p sightFrom) well() bool {
	return p.configured < placeChecks || p.known >= placeChecks && 4*p.alone < p.known
}

// doubtful reports whether too little was looked at again to tell.
func (p sightFrom) doubtful() bool {
	return p.configured >= placeChecks && p.elsewhere && 2*p.fresh <= min(p.known, placeAsk)
}

// from looks at all checks of a location. mu is held.
func (e *Engine) from(location string, since, now time.Time) sightFrom {
	var out sightFrom
	for _, w := range e.checks {
		ours := slices.Contains(w.rule.Locations, location)
		if ours {
			out.configured++
		}
		bad, others := false, false
		for l, look := range w.tally.seen {
			if look.Outcome == probe.Unknown || now.Sub(look.At) > maxGap(w.rule) {
				continue
			}
			switch {
			case l == location:
				out.known++
				bad = look.Outcome == probe.Bad
				if !look.At.Before(since) {
					out.fresh++
				}
			case look.Outcome == probe.Bad:
				others = true
			default:
				out.elsewhere = true
			}
		}
		if bad && !others {
			out.alone++
		}
	}
	return out
}

// onlyFrom is the one location that sees the incident's checks fail; "" when several do.
func (s Situation) onlyFrom(inc Incident) string {
	only := ""
	for i, p := range s.failingPairs(inc) {
		if i > 0 && p.location != only {
			return ""
		}
		only = p.location
	}
	return only
}

func placeAlarm(location, policy string) string { return placePrefix + location + "." + policy }

// placeOf is what [Situation].Place says of a service. mu is held.
func (e *Engine) placeOf(s *service, location string, since time.Time) (cause *Incident, doubt bool) {
	if a := e.alarms[placeAlarm(location, s.rule.Policy.Name)]; a != nil && a.open != nil {
		return a.open, false
	}
	if len(e.checks) < placeChecks || s.open != nil && s.open.Hold.Kind != HeldForCause {
		return nil, false
	}
	return nil, e.from(location, since, e.now().UTC()).doubtful()
}

// judgePlaces raises and clears the alarms about locations. mu is held.
func (e *Engine) judgePlaces(now time.Time) {
	seen := map[string]sightFrom{}
	for _, name := range slices.Sorted(maps.Keys(e.services)) {
		s := e.services[name]
		if s.open == nil || s.blind || s.open.Recovering() || len(e.checks) < placeChecks {
			continue
		}
		location := e.situation(s).onlyFrom(*s.open)
		alarm := placeAlarm(location, s.rule.Policy.Name)
		if a := e.alarms[alarm]; location == "" || a != nil && a.open != nil && a.open.standsFor(*s.open) {
			continue
		}
		p, known := seen[location]
		if !known {
			p = e.from(location, now, now)
			seen[location] = p
		}
		if p.failing() {
			a := Alarm{
				Name: alarm, Severity: s.rule.Severity.or(), Policy: s.rule.Policy,
				Summary: fmt.Sprintf("location %s sees %d of its %d checks fail that no other location sees fail: its network or machine is broken", location, p.alone, p.known),
			}
			at := e.alarm(a, now)
			e.enactIf(at, func() (Change, bool) { return e.situation(at).raise(a, now, now) })
			e.reconsider()
		}
	}
	e.clearPlaces(now)
}

// clearPlaces resolves the alarms about locations that see again. mu is held.
func (e *Engine) clearPlaces(now time.Time) {
	names := map[string]string{} // of alarms, to locations
	for _, s := range e.services {
		for _, c := range s.rule.Checks {
			for _, l := range c.Locations {
				names[placeAlarm(l, s.rule.Policy.Name)] = l
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.alarms)) {
		a := e.alarms[name]
		if a.open == nil || len(name) < len(placePrefix) || name[:len(placePrefix)] != placePrefix {
			continue
		}
		location, used := names[name]
		if used && !e.from(location, now, now).well() {
			continue
		}
		e.enact(a, e.situation(a).resolve(now, now, "cleared: what the location sees is as good as elsewhere again, or it is not used any more"))
		e.reconsider()
	}
}

// askFrom asks for looks at other checks of a location. mu is held.
func (e *Engine) askFrom(location string, now time.Time) {
	asked := 0
	for _, name := range slices.Sorted(maps.Keys(e.checks)) {
		w := e.checks[name]
		if asked < placeAsk && slices.Contains(w.rule.Locations, location) {
			asked++
			w.tally.start(probe.Bad, now)
		}
	}
	e.stir()
}
