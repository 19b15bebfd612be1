package history

import (
	"slices"
	"time"
)

// Period is [From, To), UTC, in which a check had one interval; a zero To has no end.
type Period struct {
	From, To time.Time
	Slot     time.Duration
}

func (p Period) holds(t time.Time) bool {
	return !t.Before(p.From) && (p.To.IsZero() || t.Before(p.To))
}

// Extend makes the present interval valid from the slot that holds first to the end of
// the one that holds last, as far as nothing else is known: before the known periods (ordered by
// From), between them, and after the last when that has ended. Of what lies beyond the
// log nobody says that it was watched. It returns what is to be added and the whole. A period
// begins on its own grid; the rest of a slot that began under another configuration belongs to
// nobody.
func Extend(known []Period, present time.Duration, first, last time.Time) (added, all []Period) {
	at, end := floor(first, present), floor(last, present).Add(present)
	if slices.ContainsFunc(known, func(p Period) bool { return p.holds(first) }) {
		at = first
	}
	add := func(to time.Time) {
		if from := ceil(at, present); from.Before(to) {
			added = append(added, Period{from, to, present})
		}
	}
	open := true
	for _, p := range known {
		if !p.To.IsZero() && !p.To.After(p.From) {
			continue
		}
		all = append(all, p)
		if open && at.Before(p.From) {
			add(sooner(p.From, end))
		}
		if p.To.IsZero() {
			open = false
		} else if p.To.After(at) {
			at = p.To
		}
	}
	if open {
		add(end)
	}
	all = append(all, added...)
	slices.SortFunc(all, func(a, b Period) int { return a.From.Compare(b.From) })
	return added, all
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// floor is the start of the slot that holds t, on the grid that begins in 1970.
func floor(t time.Time, slot time.Duration) time.Time {
	ms, grid := t.UnixMilli(), slot.Milliseconds()
	return time.UnixMilli(ms - ms%grid).UTC()
}

// ceil is the first start of a slot at or after t.
func ceil(t time.Time, slot time.Duration) time.Time {
	if f := floor(t, slot); !f.Before(t) {
		return f
	} else {
		return f.Add(slot)
	}
}
