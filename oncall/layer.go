package oncall

import (
	"slices"
	"sort"
	"time"
)

// layer is one order of turns with its own zone, hours and holidays. A rotation
// whose turns are not simply counted in calendar days is made of layers; a later
// one wins wherever it has somebody.
type layer struct {
	zone         *time.Location
	hour, minute int // of the hand-off
	first        int // day of the first hand-off, counted from 1970-01-01
	turnDays     int
	worked       bool    // turns are counted in worked days only
	hours        []Hours // none: all day
	holidays     []int   // days, ascending
	queue        queue
}

// stretch is [from, to) in UTC; a zero end is no end.
type stretch struct{ from, to time.Time }

// within cuts s to o.
func (s stretch) within(o stretch) stretch {
	if s.from.IsZero() || o.from.After(s.from) {
		s.from = o.from
	}
	if s.to.IsZero() || (!o.to.IsZero() && o.to.Before(s.to)) {
		s.to = o.to
	}
	return s
}

// at returns who is on call in this layer at t, "" for nobody, and a stretch
// around t in which nothing changes. It need not be the longest one.
func (l layer) at(t time.Time) (string, stretch) {
	on, s := l.duty(t)
	k := l.turn(t)
	turn := stretch{to: l.begin(k + 1)}
	if k >= 0 {
		turn.from = l.begin(k)
	}
	s = s.within(turn)
	day := l.day(t)
	i := sort.SearchInts(l.queue.changes, day+1) // the first change after the day
	if i < len(l.queue.changes) {
		s = s.within(stretch{to: l.midnight(l.queue.changes[i])})
	}
	if i > 0 {
		s = s.within(stretch{from: l.midnight(l.queue.changes[i-1])})
	}
	if !on {
		return "", s
	}
	return l.queue.person(k, day), s
}

func (l layer) midnight(day int) time.Time { return firstInstant(day, 0, 0, l.zone) }

// day returns the local day of t: the last one whose first instant has come. A
// clock that goes back over midnight does not bring the day before back.
func (l layer) day(t time.Time) int {
	d := dateOf(t.In(l.zone)).dayNumber()
	for !l.midnight(d + 1).After(t) {
		d++
	}
	return d
}

// works reports whether stretches of hours begin on a day.
func (l layer) works(day int) bool {
	if _, free := slices.BinarySearch(l.holidays, day); free {
		return false
	}
	return l.weekdayWorked(weekdayOf(day))
}

// weekdayOf returns the weekday of a day; 1970-01-01 was a Thursday.
func weekdayOf(day int) int { return ((day+4)%7 + 7) % 7 }

func (l layer) weekdayWorked(weekday int) bool {
	return len(l.hours) == 0 || slices.ContainsFunc(l.hours, func(h Hours) bool { return h.Days[weekday] })
}

// worksIn returns the stretches of hours that begin on a day.
func (l layer) worksIn(day int) []stretch {
	if !l.works(day) {
		return nil
	}
	if len(l.hours) == 0 {
		return []stretch{{l.midnight(day), l.midnight(day + 1)}}
	}
	var out []stretch
	for _, h := range l.hours {
		if !h.Days[weekdayOf(day)] {
			continue
		}
		end, minutes := day, h.To
		if h.To <= h.From {
			end++
		}
		if minutes == minutesPerDay {
			end, minutes = end+1, 0
		}
		s := stretch{firstInstant(day, h.From/60, h.From%60, l.zone), firstInstant(end, minutes/60, minutes%60, l.zone)}
		if s.from.Before(s.to) { // hours that lie wholly in a gap of the clock do not happen
			out = append(out, s)
		}
	}
	return out
}

// duty reports whether the layer works at t, and a stretch around t for which that holds.
func (l layer) duty(t time.Time) (bool, stretch) {
	if len(l.hours) == 0 && len(l.holidays) == 0 {
		return true, stretch{}
	}
	day := l.day(t)
	free := stretch{l.midnight(day - 1), l.midnight(day + 1)}
	for d := day - 2; d <= day+1; d++ { // the longest hours end on the day after the next
		for _, s := range l.worksIn(d) {
			switch {
			case !t.Before(s.from) && t.Before(s.to):
				return true, s
			case !s.to.After(t) && s.to.After(free.from):
				free.from = s.to
			case s.from.After(t) && s.from.Before(free.to):
				free.to = s.from
			}
		}
	}
	return false, free
}

// workedBefore counts the worked days in [first, day).
func (l layer) workedBefore(day int) int {
	if day <= l.first {
		return 0
	}
	weeks, rest := (day-l.first)/7, (day-l.first)%7
	n := 0
	for w := range 7 {
		if l.weekdayWorked(w) {
			n += weeks
		}
	}
	for d := day - rest; d < day; d++ {
		if l.weekdayWorked(weekdayOf(d)) {
			n++
		}
	}
	for _, h := range l.holidays {
		if h >= l.first && h < day && l.weekdayWorked(weekdayOf(h)) {
			n--
		}
	}
	return n
}

// beginDay returns the day on which turn k begins.
func (l layer) beginDay(k int) int {
	if !l.worked {
		return l.first + k*l.turnDays
	}
	// The day of worked day number n: the smallest day with more than n worked days up
	// to and with it. One worked day a week and the holidays bound the search.
	n := k * l.turnDays
	span := 7*(n+1) + 7*len(l.holidays) + 7
	return l.first + sort.Search(span, func(i int) bool { return l.workedBefore(l.first+i+1) > n })
}

func (l layer) begin(k int) time.Time { return firstInstant(l.beginDay(k), l.hour, l.minute, l.zone) }

// turnFrom returns the first turn that begins on or after a day.
func (l layer) turnFrom(day int) int {
	if day <= l.first {
		return 0
	}
	if l.worked {
		return (l.workedBefore(day) + l.turnDays - 1) / l.turnDays
	}
	return (day - l.first + l.turnDays - 1) / l.turnDays
}

// turn returns which turn holds t; -1 before the first.
func (l layer) turn(t time.Time) int {
	k := l.turnFrom(dateOf(t.In(l.zone)).dayNumber())
	for k >= 0 && l.begin(k).After(t) {
		k--
	}
	for k = max(k, -1); !l.begin(k + 1).After(t); {
		k++
	}
	return k
}
