package oncall

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Cover is an override that somebody made while Keepwatch runs, with who made it
// and why. It is kept for good: one that does not hold any more is cancelled.
type Cover struct {
	ID        int64
	Rotation  string
	Person    string    // YAML key, "" for nobody
	From, To  time.Time // UTC, [From, To)
	By        string    // who made it
	Reason    string
	Created   time.Time // UTC
	Cancelled time.Time // UTC; zero while it holds
}

// maxCover is the longest override; a longer one belongs into the file.
const maxCover = 366 * 24 * time.Hour

// Validate says what is wrong with a cover that is to be made, with the roster it
// is made for.
func (c Cover) Validate(r Roster) error {
	_, known := r.Rotations[c.Rotation]
	_, person := r.People[c.Person]
	switch {
	case !known:
		return fmt.Errorf("no rotation %q: the file has %v", c.Rotation, slices.Sorted(maps.Keys(r.Rotations)))
	case !person && c.Person != "":
		return fmt.Errorf("no person %q: the file has %v", c.Person, slices.Sorted(maps.Keys(r.People)))
	case !c.From.Before(c.To):
		return errors.New("the end is not after the beginning, so nothing would be overridden")
	case c.To.Sub(c.From) > maxCover:
		return errors.New("an override longer than a year belongs into the configuration file")
	case c.By == "":
		return errors.New("say who makes the change (--by NAME)")
	case len(c.By) > 100 || len(c.Reason) > 500:
		return errors.New("the name may have 100 characters, the reason 500")
	}
	return nil
}

// CoversSince is how far back covers are asked for: a shift that began before is
// shown with its file's beginning.
const CoversSince = 62 * 24 * time.Hour

// end is when a cover ceases to hold.
func (c Cover) end() time.Time {
	if !c.Cancelled.IsZero() && c.Cancelled.Before(c.To) {
		return c.Cancelled // until then it held, and that stays true
	}
	return c.To
}

// Holds reports whether the cover is in force at an instant.
func (c Cover) Holds(t time.Time) bool { return !t.Before(c.From) && t.Before(c.end()) }

// Lacks says what a cover needs and the file has not got any more; "" when it has all.
func (r Roster) Lacks(c Cover) string {
	if _, ok := r.Rotations[c.Rotation]; !ok {
		return "no rotation " + c.Rotation
	}
	if _, ok := r.People[c.Person]; !ok && c.Person != "" {
		return "no person " + c.Person
	}
	return ""
}

// VoidText says in one sentence why a cover does not hold, and what to do.
func (r Roster) VoidText(c Cover) string {
	return fmt.Sprintf("override %d of %s, until %s, does not hold: the file has %s (keepwatch oncall overrides --cancel %d ends it)",
		c.ID, c.Rotation, c.end().UTC().Format("2006-01-02 15:04 MST"), r.Lacks(c), c.ID)
}

// Void are the covers that would hold now or later and do not, because the file has not
// got their person or rotation any more.
func (r Roster) Void(covers []Cover, now time.Time) []Cover {
	return slices.DeleteFunc(slices.Clone(covers), func(c Cover) bool { return r.Lacks(c) == "" || !now.Before(c.end()) })
}

// With returns the roster with covers in force: they win over the file's
// overrides, and later ones over earlier ones. A cancelled one holds until it was cancelled; those
// of unknown rotations are left out. One that puts somebody on call whom the file no longer
// has held until now and no longer: nobody could be rung. The roster itself is not changed.
func (r Roster) With(covers []Cover, now time.Time) Roster {
	byRotation := map[string][]override{}
	for _, c := range slices.SortedFunc(slices.Values(covers), func(a, b Cover) int { return int(a.ID - b.ID) }) {
		to := c.end()
		if r.Lacks(c) != "" && now.Before(to) {
			to = now
		}
		if !c.From.Before(to) {
			continue
		}
		byRotation[c.Rotation] = append(byRotation[c.Rotation], override{from: c.From.UTC(), to: to.UTC(), person: c.Person})
	}
	if len(byRotation) == 0 {
		return r
	}
	out := Roster{People: r.People, Rotations: maps.Clone(r.Rotations)}
	for name, more := range byRotation {
		if rot, ok := out.Rotations[name]; ok {
			rot.overrides = flatten(append(slices.Clone(rot.overrides), more...))
			out.Rotations[name] = rot
		}
	}
	return out
}

// Swap returns the covers by which two people exchange shifts of a rotation: the
// one at a goes to whoever has the one at b, and the other way round. It is an
// error when nobody has one of them, when both are one person's, or when a shift
// has no end.
func (r Roster) Swap(rotation string, a, b time.Time) ([2]Cover, error) {
	rot, ok := r.Rotations[rotation]
	if !ok {
		return [2]Cover{}, fmt.Errorf("no rotation %q: the file has %v", rotation, slices.Sorted(maps.Keys(r.Rotations)))
	}
	x, y := rot.At(a), rot.At(b)
	switch {
	case x.Person == "" || y.Person == "":
		return [2]Cover{}, errors.New("nobody is on call at one of the times: there is nothing to swap")
	case x.Person == y.Person:
		return [2]Cover{}, fmt.Errorf("%s has both shifts: there is nothing to swap", x.Person)
	case x.From.IsZero() || x.To.IsZero() || y.From.IsZero() || y.To.IsZero():
		return [2]Cover{}, errors.New("one of the shifts has no end: make an override with times instead")
	}
	return [2]Cover{
		{Rotation: rotation, Person: y.Person, From: x.From, To: x.To},
		{Rotation: rotation, Person: x.Person, From: y.From, To: y.To},
	}, nil
}
