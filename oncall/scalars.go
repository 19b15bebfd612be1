package oncall

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date is a civil date in the proleptic Gregorian calendar. The zero value
// means not set.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// IsZero reports whether the date was never set.
func (d Date) IsZero() bool { return d == Date{} }

// String returns "2026-01-05", and "" for the zero value.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// UnmarshalText reads "2026-01-05".
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a date (write it like 2026-01-05)", text)
	}
	*d = dateOf(t)
	return nil
}

// dateOf returns the date that t shows in its own zone.
func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{Year: y, Month: m, Day: d}
}

// dayNumber counts days from 1970-01-01. Going through UTC is safe: UTC has no gaps.
func (d Date) dayNumber() int {
	return int(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// LocalTime is a wall-clock time without a zone, to the minute. The zero value
// means not set.
type LocalTime struct {
	Date
	Hour, Minute int
}

// String returns "2026-12-24 09:00", and "" for the zero value.
func (l LocalTime) String() string {
	if l == (LocalTime{}) {
		return ""
	}
	return fmt.Sprintf("%s %02d:%02d", l.Date, l.Hour, l.Minute)
}

// UnmarshalText reads "2026-12-24 09:00" or "2026-12-24T09:00".
func (l *LocalTime) UnmarshalText(text []byte) error {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		t, err := time.Parse(layout, string(text))
		if err == nil && len(text) == len(layout) {
			*l = LocalTime{Date: dateOf(t), Hour: t.Hour(), Minute: t.Minute()}
			return nil
		}
	}
	return fmt.Errorf("%q is not a local time (write it like 2026-12-24 09:00)", text)
}

// In returns the first instant (UTC) at which clocks in zone show l or later: in
// a gap that is the first instant after it, in an overlap the first occurrence.
// A nil zone is UTC.
func (l LocalTime) In(zone *time.Location) time.Time {
	return firstInstant(l.dayNumber(), l.Hour, l.Minute, zone)
}

// Handoff is when turns end: at a time of one weekday, or of any day. The zero
// value means not set.
type Handoff struct {
	Daily        bool
	Weekday      time.Weekday // only when not Daily
	Hour, Minute int
	Set          bool
}

// String returns "Monday 09:00" or "daily 09:00", and "" for the zero value.
func (h Handoff) String() string {
	switch {
	case !h.Set:
		return ""
	case h.Daily:
		return fmt.Sprintf("daily %02d:%02d", h.Hour, h.Minute)
	}
	return fmt.Sprintf("%s %02d:%02d", h.Weekday, h.Hour, h.Minute)
}

// UnmarshalText reads "Monday 09:00", "mon 9:00" or "daily 09:00".
func (h *Handoff) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a hand-off (write a weekday and a time like Monday 09:00, or daily 09:00)", text)
	day, clock, ok := strings.Cut(string(text), " ")
	if !ok {
		return bad
	}
	t, err := time.Parse("15:04", strings.TrimSpace(clock))
	if err != nil {
		return bad
	}
	next := Handoff{Hour: t.Hour(), Minute: t.Minute(), Set: true}
	if strings.EqualFold(day, "daily") {
		next.Daily = true
		*h = next
		return nil
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(day, d.String()) || strings.EqualFold(day, d.String()[:3]) {
			next.Weekday = d
			*h = next
			return nil
		}
	}
	return bad
}

// Turn is the length of a turn in local calendar days. The zero value means not set.
type Turn struct{ Days int }

// maxTurnDays bounds a turn to a leap year; longer is surely a slip.
const maxTurnDays = 366

// String returns "2 weeks" or "3 days", and "" for the zero value.
func (t Turn) String() string {
	switch {
	case t.Days == 0:
		return ""
	case t.Days == 7:
		return "1 week"
	case t.Days%7 == 0:
		return strconv.Itoa(t.Days/7) + " weeks"
	case t.Days == 1:
		return "1 day"
	}
	return strconv.Itoa(t.Days) + " days"
}

// UnmarshalText reads "1 week", "2 weeks", "1 day" or "3 days".
func (t *Turn) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not the length of a turn (write it like 1 week, 2 weeks, 1 day or 3 days)", text)
	count, unit, ok := strings.Cut(string(text), " ")
	if !ok {
		return bad
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || count[0] == '+' {
		return bad
	}
	switch unit {
	case "day", "days":
	case "week", "weeks":
		if n > maxTurnDays {
			return bad
		}
		n *= 7
	default:
		return bad
	}
	if n > maxTurnDays {
		return fmt.Errorf("a turn of %q is too long (at most %d days)", text, maxTurnDays)
	}
	t.Days = n
	return nil
}

// Delay is how long a level waits. It knows whether it was written, because
// "after: 0s" (at once) is not the default. The zero value means not set.
type Delay struct {
	time.Duration
	Set bool
}

// String returns the duration, and "" for the zero value.
func (d Delay) String() string {
	if !d.Set {
		return ""
	}
	return d.Duration.String()
}

// errDelay says how a delay is written.
var errDelay = errors.New("is not a delay (write it like 10m, 90s or 0s)")

// UnmarshalText reads a duration like "10m" or "0s".
func (d *Delay) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q %w", text, errDelay)
	}
	*d = Delay{Duration: v, Set: true}
	return nil
}
