package oncall

import (
	"iter"
	"time"
)

// Rotation is people taking turns. Make one with [RotationConfig.Rotation]; the
// zero value has nobody on call. Read-only, so safe for concurrent use.
type Rotation struct {
	Name     string
	Zone     *time.Location
	People   []string // YAML keys in order; "" is an empty turn
	Fallback string   // YAML key, "" for nobody

	handoff   Handoff
	first     int // day number of the first hand-off's local date
	turnDays  int
	overrides []override // in order of time, not touching where the person is the same, never overlapping
}

// override is who is on call over [from, to) in spite of the turns.
type override struct {
	from, to time.Time
	person   string
}

// At returns who is on call at t.
func (r Rotation) At(t time.Time) Shift { panic("not yet") }

// Next returns the shift that follows the one at t; false when that one never ends.
func (r Rotation) Next(t time.Time) (Shift, bool) { panic("not yet") }

// Shifts returns the shifts that cover [from, to), in order, each with its own
// full ends.
func (r Rotation) Shifts(from, to time.Time) iter.Seq[Shift] { panic("not yet") }

// Rotation builds the rotation. The configuration must be valid.
func (c RotationConfig) Rotation(name string) Rotation { panic("not yet") }

// Policy builds the policy. The configuration must be valid.
func (c PolicyConfig) Policy(name string) Policy { panic("not yet") }

// SetDefaults fills what was left out.
func (c *RotationConfig) SetDefaults() { panic("not yet") }

// Validate reports every mistake.
func (c RotationConfig) Validate(report func(path, msg string)) { panic("not yet") }

// SetDefaults fills what was left out.
func (c *PolicyConfig) SetDefaults() { panic("not yet") }

// Validate reports every mistake.
func (c PolicyConfig) Validate(report func(path, msg string)) { panic("not yet") }
