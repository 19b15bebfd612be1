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

// Extend makes the present interval valid from the slot that holds first on, as
// far as nothing else is known: before the known periods (ordered by From), between
// them, and after the last when that has ended. It returns what is to be added and
// the whole. A period begins on its own grid; the rest of a slot that began under
// another configuration belongs to nobody.
func Extend(known []Period, present time.Duration, first time.Time) (added, all []Period) {
	at := floor(first, present)
	if slices.ContainsFunc(known, func(p Period) bool { return p.holds(first) }) {
		at = first
	}
	open := true
	for _, p := range known {
		if !p.To.IsZero() && !p.To.After(p.From) {
			continue
		}
		all = append(all, p)
		if open && at.Before(p.From) {
			if from := ceil(at, present); from.Before(p.From) {
				added = append(added, Period{from, p.From, present})
			}
		}
		if p.To.IsZero() {
			open = false
		} else if p.To.After(at) {
			at = p.To
		}
	}
	if open {
		added = append(added, Period{From: ceil(at, present), Slot: present})
	}
	all = append(all, added...)
	slices.SortFunc(all, func(a, b Period) int { return a.From.Compare(b.From) })
	return added, all
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
