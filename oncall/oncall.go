// Package oncall answers one question: who is on call at an instant.
//
// It owns people, rotations, overrides and escalation policies. It is pure: no
// clock, no I/O. Zones appear here because hand-offs are local times; every
// instant that leaves is UTC.
package oncall

import (
	"maps"
	"slices"
	"time"
)

// Source says why a person is on call.
type Source string

// The sources.
const (
	FromRotation Source = "rotation"
	FromOverride Source = "override"
	FromFallback Source = "fallback"
	FromNobody   Source = "none"
)

// Shift is who is on call over [From, To). Person is the YAML key, empty when
// nobody is on call. From and To are UTC; a zero From or To has no end on that side.
type Shift struct {
	Rotation string
	Person   string
	From, To time.Time
	Source   Source
}

// Person is somebody who can be paged.
type Person struct {
	// Name is how people call this person. Default: the person's key. Example: Ada.
	Name string `yaml:"name"`
	// Email is where mail for this person goes; needed for e-mail fallback.
	Email string `yaml:"email"`
	// TimeZone is the person's own IANA zone, for "out of hours"; default UTC.
	TimeZone *time.Location `yaml:"time_zone"`
}

// Policy is an escalation policy: ordered levels of whom to page.
type Policy struct {
	Name   string
	Levels []Level
	Repeat int // how often the whole ladder is repeated after its end; 0 = once through
	// AckExpires is how long an acknowledgement holds while it still fails; then
	// the ladder starts anew. 0 = for ever.
	AckExpires time.Duration
	// StillFailingAfter is the same for an incident that somebody closed by hand
	// although it still fails.
	StillFailingAfter time.Duration
	// Hours are the business hours; nil = always. Outside them an incident goes by
	// Outside; without one, what is urgent pages all the same, and what is not waits for them.
	Hours   *WorkHours
	Outside *Policy
}

// Level is one rung. Page names a rotation or a person. After is the delay
// from the level before it (from the opening for the first).
type Level struct {
	Page  string
	After time.Duration
}

// Roster resolves what a level names. The zero value knows nobody. Read-only
// after construction, so safe for concurrent use.
type Roster struct {
	People    map[string]Person
	Rotations map[string]Rotation
}

// Names are the rotations, sorted.
func (r Roster) Names() []string { return slices.Sorted(maps.Keys(r.Rotations)) }

// At returns who is on call at t in every rotation, sorted by its name.
func (r Roster) At(t time.Time) []Shift {
	var out []Shift
	for _, name := range r.Names() {
		out = append(out, r.OnCall(name, t))
	}
	return out
}

// OnCall returns who answers for a name (a rotation or a person) at t. A person's
// name is always on call for itself. An unknown name yields FromNobody.
func (r Roster) OnCall(name string, t time.Time) Shift {
	if rot, ok := r.Rotations[name]; ok {
		return rot.At(t)
	}
	if _, ok := r.People[name]; ok {
		return Shift{Rotation: name, Person: name, Source: FromRotation}
	}
	return Shift{Rotation: name, Source: FromNobody}
}
