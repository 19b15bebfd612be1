package oncall

import (
	"iter"
	"sort"
	"time"
)

// Rotation is people taking turns. Make one with [RotationConfig.Rotation]; the
// zero value has nobody on call. Read-only, so safe for concurrent use.
//
// Turn k begins at the first instant of the hand-off's local time on the k-th
// hand-off date and belongs to person k mod n. A rotation with hours, holidays,
// people who come and go, or several layers is answered by its layers, the last
// one first.
type Rotation struct {
	Name     string
	Zone     *time.Location // nil is UTC
	People   []string       // YAML keys in order; "" is an empty turn; of all layers, from the lowest
	Fallback string         // YAML key, "" for nobody

	hour, minute int
	first        int        // day number of the first hand-off's local date
	turnDays     int        // 0 in the zero value: no turns at all
	layers       []layer    // when not empty they answer instead of the turns above
	overrides    []override // in order of time, never overlapping, merged where they touch and agree
}

// override is who is on call over [from, to) in spite of the turns.
type override struct {
	from, to time.Time // UTC
	person   string    // "" for nobody
}

// answer is who is on call and why, without ends.
type answer struct {
	person string
	source Source
}

// At returns who is on call at t, with the exact ends of the stretch in which
// that answer and its source stay the same.
func (r Rotation) At(t time.Time) Shift {
	t = t.UTC()
	next := sort.Search(len(r.overrides), func(i int) bool { return r.overrides[i].from.After(t) })
	s := Shift{Rotation: r.Name}
	if next > 0 && t.Before(r.overrides[next-1].to) {
		o := r.overrides[next-1]
		s.Person, s.Source, s.From, s.To = o.person, FromOverride, o.from, o.to
		return s
	}
	a, from, to := r.base(t)
	if next > 0 && (from.IsZero() || r.overrides[next-1].to.After(from)) {
		from = r.overrides[next-1].to
	}
	if next < len(r.overrides) && (to.IsZero() || r.overrides[next].from.Before(to)) {
		to = r.overrides[next].from
	}
	s.Person, s.Source, s.From, s.To = a.person, a.source, from, to
	return s
}

// Next returns the shift that follows the one at t; false when that one never ends.
func (r Rotation) Next(t time.Time) (Shift, bool) {
	end := r.At(t).To
	if end.IsZero() {
		return Shift{}, false
	}
	return r.At(end), true
}

// Shifts returns the shifts that cover [from, to), in order, without gap or
// overlap. The first may begin before from and the last may end after to: each
// has its own full ends.
func (r Rotation) Shifts(from, to time.Time) iter.Seq[Shift] {
	return func(yield func(Shift) bool) {
		for at := from.UTC(); at.Before(to); {
			s := r.At(at)
			if !yield(s) || s.To.IsZero() {
				return
			}
			at = s.To
		}
	}
}

// begin returns the first instant of turn k.
func (r Rotation) begin(k int) time.Time {
	return firstInstant(r.first+k*r.turnDays, r.hour, r.minute, r.Zone)
}

// turn returns which turn holds t; -1 before the first. The local date of t
// tells it to within a turn or two (a local day may be skipped or doubled), so no
// walk from the start is needed. An empty turn (its whole day skipped) holds nothing.
func (r Rotation) turn(t time.Time) int {
	zone := r.Zone
	if zone == nil {
		zone = time.UTC
	}
	k := (dateOf(t.In(zone)).dayNumber() - r.first) / r.turnDays
	for k >= 0 && r.begin(k).After(t) {
		k--
	}
	for k = max(k, -1); !r.begin(k + 1).After(t); {
		k++
	}
	return k
}

// answerOf returns who is on call in turn k; k < 0 is the time before the first.
func (r Rotation) answerOf(k int) answer {
	if k >= 0 {
		if p := r.People[k%len(r.People)]; p != "" {
			return answer{p, FromRotation}
		}
	}
	if r.Fallback != "" {
		return answer{r.Fallback, FromFallback}
	}
	return answer{"", FromNobody}
}

// base answers without overrides, with the ends of the run of turns that give the
// same answer; a zero end is no end.
func (r Rotation) base(t time.Time) (answer, time.Time, time.Time) {
	if len(r.layers) > 0 {
		return r.layeredBase(t)
	}
	if len(r.People) == 0 || r.turnDays == 0 {
		return r.answerOf(-1), time.Time{}, time.Time{}
	}
	k := r.turn(t)
	a := r.answerOf(k)
	return a, r.runStart(k, a), r.runEnd(k, a)
}

// runStart goes back from turn k while the answer stays a. Everything that can
// differ is seen in one round of the people; after that only the first turn can
// end the run.
func (r Rotation) runStart(k int, a answer) time.Time {
	if r.sameForEver(a) {
		k = min(k, 0)
	}
	for k >= 0 && (r.answerOf(k-1) == a || r.empty(k-1)) {
		k--
	}
	if k < 0 {
		return time.Time{}
	}
	return r.begin(k)
}

// runEnd goes on from turn k while the answer stays a.
func (r Rotation) runEnd(k int, a answer) time.Time {
	if r.sameForEver(a) {
		return time.Time{}
	}
	for r.answerOf(k+1) == a || r.empty(k+1) {
		k++
	}
	return r.begin(k + 1)
}

// empty reports a turn without any instant: both its ends fall into one gap of
// the clock, as for the skipped day of Apia in 2011.
func (r Rotation) empty(k int) bool {
	return k >= 0 && r.begin(k).Equal(r.begin(k+1))
}

// sameForEver reports that every turn answers a.
func (r Rotation) sameForEver(a answer) bool {
	for k := range r.People {
		if r.answerOf(k) != a {
			return false
		}
	}
	return true
}
