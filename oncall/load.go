package oncall

import (
	"slices"
	"time"
)

// The night, in a person's own local time.
const (
	nightBegins = 22 // hours
	nightEnds   = 6
)

// Load is how much somebody was on call. The parts overlap: a Sunday's night
// counts as night and as weekend.
type Load struct {
	Person  string
	Shifts  int // that began or went on in the time
	Total   time.Duration
	Night   time.Duration // 22:00 to 06:00 in the person's zone
	Weekend time.Duration // Saturday and Sunday in the person's zone
	Holiday time.Duration // dates of the given calendar in the person's zone
}

// Loads adds up who was on call over [from, to) in some rotations, by the keys of
// people. Somebody who is on call in two rotations at once is counted in both.
// Holidays are the dates that count as such for everybody.
func (r Roster) Loads(rotations []string, from, to time.Time, holidays []Holiday) []Load {
	loads := map[string]*Load{}
	var names []string
	for _, name := range rotations {
		for s := range r.Rotations[name].Shifts(from, to) {
			if s.Person == "" {
				continue
			}
			l := loads[s.Person]
			if l == nil {
				l = &Load{Person: s.Person}
				loads[s.Person] = l
				names = append(names, s.Person)
			}
			begin, end := from, to
			if s.From.After(from) {
				begin = s.From
			}
			if !s.To.IsZero() && s.To.Before(to) {
				end = s.To
			}
			l.Shifts++
			l.add(begin, end, r.People[s.Person].TimeZone, holidays)
		}
	}
	slices.Sort(names)
	out := make([]Load, 0, len(names))
	for _, name := range names {
		out = append(out, *loads[name])
	}
	return out
}

// add counts [from, to) in a zone; nil is UTC. It goes from one local 00:00, 06:00
// or 22:00 to the next, whatever the clock does between.
func (l *Load) add(from, to time.Time, zone *time.Location, holidays []Holiday) {
	if zone == nil {
		zone = time.UTC
	}
	l.Total += to.Sub(from)
	day := dateOf(from.In(zone)).dayNumber()
	for ; ; day++ {
		begin, end := firstInstant(day, 0, 0, zone), firstInstant(day+1, 0, 0, zone)
		if !begin.Before(to) {
			return
		}
		whole := overlap(from, to, begin, end)
		morning := overlap(from, to, begin, firstInstant(day, nightEnds, 0, zone))
		evening := overlap(from, to, firstInstant(day, nightBegins, 0, zone), end)
		l.Night += morning + evening
		if w := time.Weekday(weekdayOf(day)); w == time.Saturday || w == time.Sunday {
			l.Weekend += whole
		}
		if slices.ContainsFunc(holidays, func(h Holiday) bool { return h.dayNumber() == day }) {
			l.Holiday += whole
		}
	}
}

// overlap is how long [a, b) and [c, d) have in common.
func overlap(a, b, c, d time.Time) time.Duration {
	if c.After(a) {
		a = c
	}
	if d.Before(b) {
		b = d
	}
	return max(b.Sub(a), 0)
}

// Due returns who of a rotation's people should be next, by fairness alone: the one
// with the least time on call over [from, to), the first in order of two equals; ""
// when there is nobody.
func (r Roster) Due(rotation string, from, to time.Time) string {
	totals := map[string]time.Duration{}
	for _, l := range r.Loads([]string{rotation}, from, to, nil) {
		totals[l.Person] = l.Total
	}
	best := ""
	for _, p := range r.Rotations[rotation].People {
		if p != "" && (best == "" || totals[p] < totals[best]) {
			best = p
		}
	}
	return best
}
