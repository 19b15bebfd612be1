package reports

import (
	"cmp"
	"slices"
	"time"
)

// The notes of exclusions that count for less than they say.
const (
	noteLate       = "declared after it began: nothing is excluded"
	noteCap        = "more than may be excluded in a week"
	noteUnapproved = "not approved by a second person: nothing is excluded"
	noteCovered    = "excluded already"
	noteCancelled  = "cancelled"
)

// exclude says which time of a service does not count, and what the footnotes of a
// window say of it. Planned maintenance counts when it was declared before it began,
// the first ceiling of each ISO week of the window's zone; a correction counts
// whenever a second person approved it. all may hold more than the window, and must
// hold the whole weeks that it touches: the ceiling is theirs.
func exclude(all []Exclusion, w Window, ceiling time.Duration) (intervals []Interval, notes []Exclusion) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Exclusion) int {
		// Planned time first: what it covers needs no correction.
		return cmp.Or(cmp.Compare(kindOrder(a), kindOrder(b)), a.From.Compare(b.From), cmp.Compare(a.ID, b.ID))
	})
	left := map[int]time.Duration{} // of the ceiling, by the week's Monday
	for _, x := range all {
		counted, note := x.counts(intervals, w.Zone, ceiling, left)
		intervals = append(intervals, counted...)
		if !x.From.Before(w.To) || !x.To.After(w.From) {
			continue // of the same week, but not of the window
		}
		for _, c := range counted {
			if s, ok := (Span{From: c.From, To: c.To}).clip(w.From, w.To); ok {
				x.CountedMs += s.Ms()
			}
		}
		x.Note = note
		notes = append(notes, x)
	}
	return intervals, notes
}

// counts is which time of x is left out beside what is taken already, and why it is
// less than what was declared.
func (x Exclusion) counts(taken []Interval, zone *time.Location, ceiling time.Duration, left map[int]time.Duration) (counted []Interval, note string) {
	to, note := x.effective()
	if note == noteLate || note == noteUnapproved {
		return nil, note
	}
	counted = subtract(Interval{x.From, to}, taken)
	if len(counted) == 0 && x.From.Before(to) {
		note = noteCovered
	}
	if x.Kind == Correction {
		return counted, note
	}
	counted, cut := underCeiling(counted, zone, ceiling, left)
	if cut {
		note = noteCap
	}
	return counted, note
}

func kindOrder(x Exclusion) int {
	if x.Kind == Correction {
		return 1
	}
	return 0
}

// effective is when the exclusion ends, and why it is less than what was declared.
// A cancelled correction never was; a cancelled window ends when it was cancelled.
func (x Exclusion) effective() (to time.Time, note string) {
	cancelled := !x.Cancelled.IsZero() && x.Cancelled.Before(x.To)
	switch {
	case x.Kind == Correction && !x.Cancelled.IsZero():
		return x.From, noteCancelled
	case x.Kind == Correction && (x.Approver == "" || x.Approver == x.Author):
		return x.From, noteUnapproved
	case x.Kind != Correction && x.DeclaredAt.After(x.From):
		return x.From, noteLate
	case cancelled && x.Cancelled.After(x.From):
		return x.Cancelled, noteCancelled
	case cancelled:
		return x.From, noteCancelled
	}
	return x.To, ""
}

// underCeiling cuts pieces to what is left of each week's ceiling, and takes it from there.
func underCeiling(pieces []Interval, zone *time.Location, ceiling time.Duration, left map[int]time.Duration) (kept []Interval, cut bool) {
	for _, p := range pieces {
		for p.From.Before(p.To) {
			week := WeekOf(p.From, zone)
			monday := week.monday()
			if _, known := left[monday]; !known {
				left[monday] = ceiling
			}
			end := earlier(p.To, week.To)
			length := min(end.Sub(p.From), left[monday])
			if length > 0 {
				kept = append(kept, Interval{p.From, p.From.Add(length)})
				left[monday] -= length
			}
			cut = cut || p.From.Add(length).Before(end)
			p.From = end
		}
	}
	return kept, cut
}

// subtract returns what is left of x without taken.
func subtract(x Interval, taken []Interval) []Interval {
	if !x.From.Before(x.To) {
		return nil
	}
	left := []Interval{x}
	for _, t := range taken {
		var next []Interval
		for _, l := range left {
			for _, part := range []Interval{{l.From, earlier(l.To, t.From)}, {later(l.From, t.To), l.To}} {
				if part.From.Before(part.To) {
					next = append(next, part)
				}
			}
		}
		left = next
	}
	return left
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Counted is how much of a window is left out of the figures by what was declared
// for one service. all must hold the whole weeks that the window touches.
func Counted(all []Exclusion, w Window, ceiling time.Duration) time.Duration {
	w.Zone = zoneOr(w.Zone)
	intervals, _ := exclude(all, w, ceiling)
	var sum time.Duration
	for _, x := range intervals { // they do not overlap
		if c, ok := (Span{From: x.From, To: x.To}).clip(w.From, w.To); ok {
			sum += c.To.Sub(c.From)
		}
	}
	return sum
}
