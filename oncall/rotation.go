package oncall

import "time"

// Date is a civil date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// LocalTime is a wall-clock time without a zone, to the minute.
type LocalTime struct {
	Date
	Hour, Minute int
}

// Handoff is when a turn ends.
type Handoff struct {
	Daily        bool
	Weekday      time.Weekday
	Hour, Minute int
	Set          bool
}

// Turn is the length of a turn in days; 0 means the default.
type Turn struct{ Days int }

// Rotation is people taking turns.
type Rotation struct{ Name string }

// At returns who is on call at t.
func (r Rotation) At(t time.Time) Shift { panic("not yet") }
