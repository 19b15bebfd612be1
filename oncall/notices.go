package oncall

import (
	"fmt"
	"strings"
	"time"
)

// NoticesConfig says what people are told in good time, by mail. Notices never
// ring, and each is sent once.
type NoticesConfig struct {
	// Handoffs tells who begins and who ends a turn, at each change of person. Default: false.
	Handoffs bool `yaml:"handoffs"`
	// Week is when everybody with a turn in the next 7 days is told, in the person's own zone: a weekday and a
	// time. Default: never. Example: Friday 15:00.
	Week Handoff `yaml:"week"`
}

// Validate reports every mistake with its path inside the block.
func (c NoticesConfig) Validate(report func(path, msg string)) {
	if c.Week.Daily {
		report("week", "is every day; a look ahead is once a week (write a weekday and a time like Friday 15:00)")
	}
}

// DrillConfig is a page that is sent on purpose once a month, so that nobody learns
// in the first bad night that the chain is broken.
type DrillConfig struct {
	// Page is whom to page: an escalation, a rotation or a person. Required. Example: primary.
	Page string `yaml:"page"`
	// At is when, in time_zone: which weekday of the month and the time. Required. Example: first Monday 11:00.
	At Monthly `yaml:"at"`
	// TimeZone is the IANA zone of at. Default: UTC.
	TimeZone *time.Location `yaml:"time_zone"`
	// Within is how long somebody has to acknowledge before the drill has failed. Default: 15m. Range: 1m to 24h.
	Within time.Duration `yaml:"within"`
}

// SetDefaults fills what was left out.
func (c *DrillConfig) SetDefaults() {
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
	}
	if c.Within == 0 {
		c.Within = 15 * time.Minute
	}
}

// Validate reports every mistake with its path inside the block. Whether page
// exists is for the caller to check.
func (c DrillConfig) Validate(report func(path, msg string)) {
	if c.Page == "" {
		report("page", "is missing (write an escalation, a rotation or a person)")
	}
	if !c.At.Set {
		report("at", "is missing (write it like first Monday 11:00)")
	}
	if c.Within != 0 && (c.Within < time.Minute || c.Within > 24*time.Hour) {
		report("within", "is out of range (1m to 24h)")
	}
}

// Monthly is a time on one weekday of each month. As text: "first Monday 11:00",
// "last Friday 09:30". The zero value means not set.
type Monthly struct {
	Nth          int // 1 to 4, or -1 for the last
	Weekday      time.Weekday
	Hour, Minute int
	Set          bool
}

// nths names the weeks of a month, from 1.
func nths() []string { return []string{"", "first", "second", "third", "fourth"} }

// String returns the text form, and "" for the zero value.
func (m Monthly) String() string {
	if !m.Set {
		return ""
	}
	word := "last"
	if m.Nth > 0 {
		word = nths()[m.Nth]
	}
	return fmt.Sprintf("%s %s %02d:%02d", word, m.Weekday, m.Hour, m.Minute)
}

// UnmarshalText reads the text form.
func (m *Monthly) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is no day of the month (write it like first Monday 11:00 or last Friday 09:30)", text)
	word, rest, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !ok {
		return bad
	}
	var day Handoff
	if err := day.UnmarshalText([]byte(strings.TrimSpace(rest))); err != nil || day.Daily {
		return bad
	}
	next := Monthly{Nth: -1, Weekday: day.Weekday, Hour: day.Hour, Minute: day.Minute, Set: true}
	if !strings.EqualFold(word, "last") {
		next.Nth = 0
		for i, w := range nths() {
			if i > 0 && strings.EqualFold(word, w) {
				next.Nth = i
			}
		}
		if next.Nth == 0 {
			return bad
		}
	}
	*m = next
	return nil
}

// In returns the instant (UTC) in a month; nil is UTC.
func (m Monthly) In(year int, month time.Month, zone *time.Location) time.Time {
	day := Date{Year: year, Month: month, Day: 1}.dayNumber()
	if m.Nth < 0 {
		next := time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
		day = dateOf(next).dayNumber() - 7
	} else {
		day += 7 * (m.Nth - 1)
	}
	for weekdayOf(day) != int(m.Weekday) {
		day++
	}
	return firstInstant(day, m.Hour, m.Minute, zone)
}

// Last returns the newest instant at or before t; zero when m is not set.
func (m Monthly) Last(t time.Time, zone *time.Location) time.Time {
	if !m.Set {
		return time.Time{}
	}
	if zone == nil {
		zone = time.UTC
	}
	local := t.In(zone)
	for back := 0; ; back++ {
		first := time.Date(local.Year(), local.Month()-time.Month(back), 1, 0, 0, 0, 0, time.UTC)
		if at := m.In(first.Year(), first.Month(), zone); !at.After(t) {
			return at
		}
	}
}

// Last returns the newest hand-off time of a zone at or before t; zero when h is
// not set. Nil is UTC.
func (h Handoff) Last(t time.Time, zone *time.Location) time.Time {
	if !h.Set {
		return time.Time{}
	}
	if zone == nil {
		zone = time.UTC
	}
	// From tomorrow on backwards: a first instant may lie on the other side of midnight.
	for day := dateOf(t.In(zone)).dayNumber() + 1; ; day-- {
		if !h.Daily && weekdayOf(day) != int(h.Weekday) {
			continue
		}
		if at := firstInstant(day, h.Hour, h.Minute, zone); !at.After(t) {
			return at
		}
	}
}
