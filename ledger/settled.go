package ledger

import (
	"slices"
	"time"

	"keepwatch/reports"
)

// settled is the end of the slots that can be folded: those that have ended and have
// every answer, or have waited long enough. It is at most the end of the day.
func (h *head) settled(clock time.Time) time.Time {
	at, end := h.day.Until, h.day.End()
	rows := h.rows
	for at.Before(end) {
		rev, from, to := h.revAt(at)
		switch {
		case rev == nil: // nobody asked: settled as a whole
			to = earlier(to, end)
			if clock.Before(to.Add(graceMax + graceMore)) {
				return at
			}
			at = to
			continue
		case at.Before(from): // the rest of a slot that began under another configuration
			if clock.Before(from) {
				return at
			}
			at = from
			continue
		}
		slot := slotOf(at, rev.Slot)
		for len(rows) > 0 && rows[0].Slot.Before(slot) {
			rows = rows[1:]
		}
		next := closed(*rev, slot, rows, clock)
		if next.Equal(slot) {
			return at
		}
		at = earlier(earlier(next, to), end)
	}
	return at
}

// closed is the end of the slot, or of the slots without results, that are settled from
// slot on; slot itself when none is. rows begin with it.
func closed(rev reports.Rev, slot time.Time, rows []Row, clock time.Time) time.Time {
	next := slot.Add(rev.Slot)
	switch {
	case len(rows) == 0 || !rows[0].Slot.Before(next):
		return silent(rev, slot, rows, clock)
	case clock.Before(next), clock.Before(next.Add(grace(rev.Slot))) && !answered(rev, slot, rows):
		return slot
	}
	return next
}

// revAt is the configuration at an instant and the stretch of it; without one the
// stretch is what lies between its neighbours. A slot that began before its
// configuration belongs to nobody, so from may be after at.
func (h *head) revAt(at time.Time) (rev *reports.Rev, from, to time.Time) {
	to = h.day.End()
	for i := range h.revs {
		r := &h.revs[i]
		if r.From.After(at) {
			return nil, at, earlier(to, r.From)
		}
		if !r.To.IsZero() && !r.To.After(at) || r.Slot < time.Millisecond {
			continue
		}
		if !r.To.IsZero() {
			to = earlier(to, r.To)
		}
		from = at
		if slot := slotOf(at, r.Slot); slot.Before(r.From) {
			from = earlier(slot.Add(r.Slot), to)
		}
		return r, from, to
	}
	return nil, at, to
}

// grace is how long a slot waits after its end.
func grace(slot time.Duration) time.Duration { return min(slot, graceMax) + graceMore }

// slotOf is the start of the slot that an instant belongs to.
func slotOf(at time.Time, length time.Duration) time.Time {
	return at.Add(-time.Duration(at.UnixMilli()%length.Milliseconds()) * time.Millisecond)
}

// answered reports whether every location has told about a slot; rows begin with it.
func answered(rev reports.Rev, slot time.Time, rows []Row) bool {
	told := 0
	for _, row := range rows {
		if !row.Slot.Equal(slot) {
			break
		}
		if slices.Contains(rev.Locations, row.Location) {
			told++
		}
	}
	return told >= len(rev.Locations)
}

// silent is the end of the slots from slot on that nobody told of in time; slot itself
// when there is none.
func silent(rev reports.Rev, slot time.Time, rows []Row, clock time.Time) time.Time {
	waited := clock.Sub(slot.Add(rev.Slot + grace(rev.Slot)))
	if waited < 0 {
		return slot
	}
	n := int64(waited/rev.Slot) + 1
	if len(rows) > 0 {
		n = min(n, max(int64(rows[0].Slot.Sub(slot)/rev.Slot), 1))
	}
	return slot.Add(time.Duration(n) * rev.Slot)
}
