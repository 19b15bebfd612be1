package oncall

import (
	"maps"
	"slices"
	"time"
)

// Handover is the instant at which a rotation passes from one person to another.
type Handover struct {
	Rotation string
	At       time.Time // UTC
	From, To string    // YAML keys; "" is nobody
	Until    time.Time // UTC, when To's turn ends; zero when it never does
}

// Handovers returns the changes of person in [from, to), in order of rotations
// and times. A shift that only changes its reason (an override by the same person)
// is none.
func (r Roster) Handovers(from, to time.Time) []Handover {
	var out []Handover
	for _, name := range slices.Sorted(maps.Keys(r.Rotations)) {
		before, begun := Shift{}, false
		// From the instant before from, so that a shift that begins at from is seen to follow another.
		for s := range joined(r.Rotations[name], from.Add(-time.Nanosecond), to) {
			if begun && !s.From.Before(from) {
				out = append(out, Handover{Rotation: name, At: s.From, From: before.Person, To: s.Person, Until: s.To})
			}
			before, begun = s, true
		}
	}
	return out
}

// joined yields the shifts that touch [from, to) with neighbours of one person made
// one. The first may begin before from and the last may end after to, each with its
// full end as far as the shifts around the window tell.
func joined(rot Rotation, from, to time.Time) func(yield func(Shift) bool) {
	return func(yield func(Shift) bool) {
		var open Shift
		begun := false
		for s := range rot.Shifts(from, to) {
			if begun && s.Person == open.Person {
				open.To = s.To
				continue
			}
			if begun && !yield(open) {
				return
			}
			open, begun = s, true
		}
		if !begun {
			return
		}
		// An override may cut a turn behind the window too; a few steps tell.
		for range 8 {
			next := rot.At(open.To)
			if open.To.IsZero() || next.Person != open.Person {
				break
			}
			open.To = next.To
		}
		yield(open)
	}
}

// Hole is a stretch in which a page would not find whom it looks for.
type Hole struct {
	Rotation string    // that has nobody; "" when it is all of Policy's together
	Policy   string    // the first one that uses the rotation
	From, To time.Time // UTC; zero when it has no beginning, or no end
	// Bare reports that for a part of it no level of Policy has anybody: a page would
	// reach the last resort only.
	Bare bool
}

// Holes returns where policies find nobody over [from, to), each with its own ends
// also where those lie outside, so that it stays the same hole while time goes on;
// in order of beginnings. planned reports that a
// rotation is not meant to be filled all the time (it has hours): it counts only
// where the whole policy has nobody. nil means that all are meant to be filled.
func (r Roster) Holes(policies []Policy, planned func(rotation string) bool, from, to time.Time) []Hole {
	filled := func(name string) bool {
		_, ok := r.Rotations[name]
		return ok && (planned == nil || !planned(name))
	}
	bare, first := map[string][]Shift{}, map[string]string{}
	var out []Hole
	for _, p := range policies {
		stretches, told := r.bare(p, from, to), false
		for _, l := range p.Levels {
			if !filled(l.Page) {
				continue
			}
			told = true
			if bare[l.Page] = append(bare[l.Page], stretches...); first[l.Page] == "" {
				first[l.Page] = p.Name
			}
		}
		for _, b := range stretches {
			if !told {
				out = append(out, Hole{Policy: p.Name, From: b.From, To: b.To, Bare: true})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(first)) {
		for _, h := range gapsOf(r.Rotations[name], from, to) {
			hit := slices.ContainsFunc(bare[name], func(b Shift) bool { return len(common([]Shift{b}, []Shift{h})) > 0 })
			out = append(out, Hole{Rotation: name, Policy: first[name], From: h.From, To: h.To, Bare: hit})
		}
	}
	slices.SortStableFunc(out, func(a, b Hole) int { return a.From.Compare(b.From) })
	return out
}

// gapsOf returns the stretches of at least leastGap that touch [from, to) without anybody.
func gapsOf(rot Rotation, from, to time.Time) []Shift {
	var out []Shift
	for s := range joined(rot, from, to) {
		if s.Person != "" {
			continue
		}
		if s.To.IsZero() || s.To.Sub(s.From) >= leastGap {
			out = append(out, s)
		}
	}
	return out
}

// bare returns the stretches in which no level of a policy has anybody.
func (r Roster) bare(p Policy, from, to time.Time) []Shift {
	if len(p.Levels) == 0 {
		return nil
	}
	var left []Shift
	for i, l := range p.Levels {
		if _, person := r.People[l.Page]; person {
			return nil
		}
		gaps := gapsOf(r.Rotations[l.Page], from, to)
		if i == 0 {
			left = gaps
			continue
		}
		left = common(left, gaps)
	}
	return left
}

// common returns what two lists of stretches share, those of at least leastGap.
func common(a, b []Shift) []Shift {
	var out []Shift
	for _, x := range a {
		for _, y := range b {
			s := x
			if y.From.After(s.From) {
				s.From = y.From
			}
			if s.To.IsZero() || !y.To.IsZero() && y.To.Before(s.To) {
				s.To = y.To
			}
			if s.To.IsZero() || s.To.Sub(s.From) >= leastGap {
				out = append(out, s)
			}
		}
	}
	return out
}
