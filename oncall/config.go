package oncall

import "time"

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
	// People are the keys of people, in order.
	People []string `yaml:"people"`
	// Overrides are exceptions; where several cover an instant the last one in the list wins.
	Overrides []OverrideConfig `yaml:"overrides"`
	// Fallback is who is on call before the first hand-off or when a turn is empty. Default: nobody.
	Fallback string `yaml:"fallback"`
}

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
}

// LevelConfig is one rung of the ladder.
type LevelConfig struct {
	// Page names a rotation or a person.
	Page string `yaml:"page"`
	// After is the delay after the level before it. Range: 0s to 24h. Default: 0s for the first level, 10m for the others. Example: 10m.
	After Delay `yaml:"after"`
}
