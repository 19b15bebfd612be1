package oncall

import (
	"maps"
	"slices"
	"time"
)

// leastGap is the shortest gap that is told.
const leastGap = time.Minute

// Gaps returns the stretches of [from, to) of at least a minute in which nobody
// is on call in a rotation, in order of rotations and times.
func (r Roster) Gaps(from, to time.Time) []Shift {
	var out []Shift
	for _, name := range slices.Sorted(maps.Keys(r.Rotations)) {
		for s := range r.Rotations[name].Shifts(from, to) {
			if s.Person != "" {
				continue
			}
			if s.From.Before(from) {
				s.From = from.UTC()
			}
			if s.To.IsZero() || s.To.After(to) {
				s.To = to.UTC()
			}
			if s.To.Sub(s.From) >= leastGap {
				out = append(out, s)
			}
		}
	}
	return out
}

// Difference is a stretch in which two rosters answer differently.
type Difference struct {
	Rotation    string
	From, To    time.Time // UTC
	Before, Now string    // YAML keys of people, "" for nobody
}

// Differences returns where two rosters answer differently over [from, to), in
// order of rotations and times. A rotation that only one of them has is nobody's
// in the other.
func Differences(before, now Roster, from, to time.Time) []Difference {
	names := map[string]bool{}
	for _, r := range []Roster{before, now} {
		for name := range r.Rotations {
			names[name] = true
		}
	}
	var out []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, differ(name, before.Rotations[name], now.Rotations[name], from.UTC(), to.UTC())...)
	}
	return out
}

// differ is Differences for one rotation.
func differ(name string, before, now Rotation, from, to time.Time) []Difference {
	var out []Difference
	for at := from; at.Before(to); {
		x, y := before.At(at), now.At(at)
		end := to
		for _, s := range []Shift{x, y} {
			if !s.To.IsZero() && s.To.Before(end) {
				end = s.To
			}
		}
		d := Difference{Rotation: name, From: at, To: end, Before: x.Person, Now: y.Person}
		switch n := len(out); {
		case x.Person == y.Person:
		case n > 0 && out[n-1].To.Equal(at) && out[n-1].Before == d.Before && out[n-1].Now == d.Now:
			out[n-1].To = end
		default:
			out = append(out, d)
		}
		at = end
	}
	return out
}
