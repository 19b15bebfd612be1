package reports

import (
	"fmt"
	"strconv"
	"time"
)

const (
	secondsPerDay = 24 * 60 * 60
	daysPerWeek   = 7
)

// Week is an ISO week in a zone: [From, To) in UTC, from the first instant of its
// local Monday to that of the next. It is 168 hours long, or 167 or 169 where
// clocks change, or 144 where a day was skipped.
type Week struct {
	Year, Number int // of ISO 8601
	Zone         *time.Location
	From, To     time.Time // UTC
}

// WeekOf returns the week that holds t. A nil zone is UTC.
func WeekOf(t time.Time, zone *time.Location) Week {
	if zone == nil {
		zone = time.UTC
	}
	local := t.In(zone)
	day := dayNumber(local.Date())
	monday := day - (int(local.Weekday())+daysPerWeek-1)%daysPerWeek
	w := weekAt(monday, zone)
	if !t.Before(w.To) { // clocks went back over midnight: this is Sunday's date again
		return weekAt(monday+daysPerWeek, zone)
	}
	return w
}

// WeekBefore returns the last week that had ended at t. A nil zone is UTC.
func WeekBefore(t time.Time, zone *time.Location) Week {
	return WeekOf(t, zone).Previous()
}

// ParseWeek reads "2026-W47". A nil zone is UTC.
func ParseWeek(text string, zone *time.Location) (Week, error) {
	bad := fmt.Errorf("%q is not an ISO week (write it like 2026-W47)", text)
	if len(text) != len("2026-W47") || text[4:6] != "-W" {
		return Week{}, bad
	}
	year, err := strconv.ParseUint(text[:4], 10, 16)
	if err != nil {
		return Week{}, bad
	}
	number, err := strconv.ParseUint(text[6:], 10, 8)
	if err != nil {
		return Week{}, bad
	}
	if zone == nil {
		zone = time.UTC
	}
	// 4 January is always in week 1.
	fourth := time.Date(int(year), time.January, 4, 0, 0, 0, 0, time.UTC)
	monday := dayNumber(fourth.Date()) - (int(fourth.Weekday())+daysPerWeek-1)%daysPerWeek
	w := weekAt(monday+(int(number)-1)*daysPerWeek, zone)
	if w.String() != text {
		return Week{}, fmt.Errorf("%q does not exist: %d has %d weeks", text, year, lastWeek(int(year)))
	}
	return w, nil
}

// lastWeek returns 52 or 53. 28 December is always in the last week.
func lastWeek(year int) int {
	_, n := time.Date(year, time.December, 28, 0, 0, 0, 0, time.UTC).ISOWeek()
	return n
}

// weekAt returns the week of a Monday given as days since 1970-01-01.
func weekAt(monday int, zone *time.Location) Week {
	year, number := time.Unix(int64(monday)*secondsPerDay, 0).UTC().ISOWeek()
	return Week{
		Year: year, Number: number, Zone: zone,
		From: firstInstant(monday, 0, 0, zone),
		To:   firstInstant(monday+daysPerWeek, 0, 0, zone),
	}
}

// monday returns the week's Monday as days since 1970-01-01. ISO's own count is
// used, because From may show another date where Monday was skipped.
func (w Week) monday() int {
	fourth := time.Date(w.Year, time.January, 4, 0, 0, 0, 0, time.UTC)
	first := dayNumber(fourth.Date()) - (int(fourth.Weekday())+daysPerWeek-1)%daysPerWeek
	return first + (w.Number-1)*daysPerWeek
}

// String returns "2026-W47".
func (w Week) String() string { return fmt.Sprintf("%04d-W%02d", w.Year, w.Number) }

// Next returns the week after w.
func (w Week) Next() Week { return weekAt(w.monday()+daysPerWeek, w.Zone) }

// Previous returns the week before w.
func (w Week) Previous() Week { return weekAt(w.monday()-daysPerWeek, w.Zone) }

// Length is the real length of the week.
func (w Week) Length() time.Duration { return w.To.Sub(w.From) }

// dayNumber counts days from 1970-01-01.
func dayNumber(y int, m time.Month, d int) int {
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// firstInstant returns the first instant (UTC) at which clocks in zone show the
// local time day (counted from 1970-01-01), hour, minute or later: after a gap, or
// the first of two occurrences. time.Date promises neither: for midnight of
// 2025-09-07 in Santiago it answers 23:00 of the day before. Package oncall has a
// twin of this function: packages of the lowest layer import nothing of ours.
func firstInstant(day, hour, minute int, zone *time.Location) time.Time {
	wall := int64(day)*secondsPerDay + int64(hour)*3600 + int64(minute)*60
	at := wall - 26*3600 // every clock on earth shows less than wall then
	for {
		t := time.Unix(at, 0).In(zone)
		_, offset := t.Zone()
		if candidate := wall - int64(offset); candidate <= at {
			return time.Unix(at, 0).UTC()
		} else if _, end := t.ZoneBounds(); end.IsZero() || candidate < end.Unix() {
			return time.Unix(candidate, 0).UTC()
		} else {
			// ZoneBounds may cut a stretch at the end of a year, and on the last day of a
			// leap year its end may already be behind us: always go forward.
			at = max(end.Unix(), at+3600)
		}
	}
}
