package oncall

import (
	"fmt"
	"time"
)

// RotationConfig is a rotation as written in the file.
type RotationConfig struct {
	// TimeZone is the IANA zone of start, hand-offs and overrides. Default: UTC.
	TimeZone *time.Location `yaml:"time_zone"`
	// Start is a local date; the first hand-off on or after it begins the first person's turn. Example: 2026-01-05.
	Start Date `yaml:"start"`
	// Handoff is when a turn ends: a weekday and time, or "daily 09:00". Default: Monday 09:00.
	Handoff Handoff `yaml:"handoff"`
	// Every is the length of a turn: "1 week", "2 weeks", "1 day", "3 days". Default: 1 week, or 1 day with a daily hand-off.
	Every Turn `yaml:"every"`
	// People are the keys of people, in order. Somebody may come and go: "alan from 2026-03-02",
	// "grace until 2026-06-01" (the first day without her). "" is a turn of nobody.
	People []Member `yaml:"people"`
	// Hours are the parts of the week in which the people are on call; outside, the layers below
	// answer, then fallback. Default: always. Example: [Mon-Fri 09:00-17:00, Sat 10:00-14:00].
	Hours []Hours `yaml:"hours"`
	// Holidays names a calendar of the block holidays: on its dates nobody of people works. Default: none.
	Holidays string `yaml:"holidays"`
	// Count says which days a turn is made of: all ("calendar"), or only those on which people
	// work ("worked"), so that weekends and holidays use up nobody's turn; that needs a daily
	// hand-off. Default: calendar.
	Count Count `yaml:"count"`
	// Layers are more orders of turns, for example one for each part of the day; a later one wins
	// wherever it has somebody, and all of them win over people above. Default: none.
	Layers []LayerConfig `yaml:"layers"`
	// Overrides are exceptions; where several cover an instant the last one in the list wins.
	Overrides []OverrideConfig `yaml:"overrides"`
	// Fallback is who is on call before the first hand-off or when a turn is empty. Default: nobody.
	Fallback string `yaml:"fallback"`
}

// LayerConfig is one more order of turns of a rotation. What is left out is as in
// the rotation itself, save hours and holidays.
type LayerConfig struct {
	// TimeZone is the IANA zone of this layer's dates and times. Default: the rotation's.
	TimeZone *time.Location `yaml:"time_zone"`
	// Start is the local date on or after which the first hand-off is. Default: the rotation's.
	Start Date `yaml:"start"`
	// Handoff is when a turn ends. Default: the rotation's.
	Handoff Handoff `yaml:"handoff"`
	// Every is the length of a turn. Default: the rotation's; with a hand-off of its own, 1 week or 1 day.
	Every Turn `yaml:"every"`
	// People are the keys of people, in order, as in the rotation.
	People []Member `yaml:"people"`
	// Hours are the parts of the week in which this layer is on call. Default: always.
	Hours []Hours `yaml:"hours"`
	// Holidays names a calendar on whose dates this layer does not work. Default: none.
	Holidays string `yaml:"holidays"`
	// Count says which days a turn is made of. Default: calendar.
	Count Count `yaml:"count"`
}

// Count says which days a turn is made of. The zero value is all of them.
type Count string

// The ways to count.
const (
	CountCalendar Count = "calendar"
	CountWorked   Count = "worked"
)

// UnmarshalText reads "calendar" or "worked".
func (c *Count) UnmarshalText(text []byte) error {
	switch v := Count(text); v {
	case CountCalendar, CountWorked:
		*c = v
		return nil
	}
	return fmt.Errorf("%q is no way to count turns (calendar or worked)", text)
}

// String returns the word.
func (c Count) String() string { return string(c) }

// OverrideConfig puts a person on call over [from, to) in the rotation's local time.
type OverrideConfig struct {
	// From is the first local instant. Example: 2026-12-24 09:00.
	From LocalTime `yaml:"from"`
	// To is the local end, not included.
	To LocalTime `yaml:"to"`
	// Person is a key of people; "" means that nobody is on call.
	Person string `yaml:"person"`
}

// PolicyConfig is an escalation policy as written in the file.
type PolicyConfig struct {
	// Levels are tried in order until somebody acknowledges.
	Levels []LevelConfig `yaml:"levels"`
	// Repeat is how often the ladder starts again after its last level; 0 to 20. Default: 0.
	Repeat int `yaml:"repeat"`
	// AckExpires is how long an acknowledgement holds while it still fails; then the ladder starts
	// anew. 0s is for ever, else 5m to 168h. Default: 4h. Example: 30m.
	AckExpires Delay `yaml:"ack_expires"`
	// StillFailingAfter is how long it stays quiet after somebody closed the incident by hand
	// although it still fails; then the ladder starts anew. 0s is for ever, else 1m to 168h. Default: 30m.
	StillFailingAfter Delay `yaml:"still_failing_after"`
	// TimeZone is the IANA zone of hours. Default: UTC.
	TimeZone *time.Location `yaml:"time_zone"`
	// Hours are the business hours. Outside them incidents go by outside; without it, services of
	// severity warning or info wait for the hours, and all others page as ever. Default: always. Example: [Mon-Fri 09:00-17:00].
	Hours []Hours `yaml:"hours"`
	// Holidays names a calendar of the block holidays on whose dates there are no business hours. Default: none.
	Holidays string `yaml:"holidays"`
	// Outside names the escalation for incidents that open outside hours. Default: this one. Example: night.
	Outside string `yaml:"outside"`
}

// LevelConfig is one rung of the ladder.
type LevelConfig struct {
	// Page names a rotation or a person.
	Page string `yaml:"page"`
	// After is the delay after the level before it. Range: 0s to 24h. Default: 0s for the first level, 10m for the others. Example: 10m.
	After Delay `yaml:"after"`
}
