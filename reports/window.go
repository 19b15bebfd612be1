package reports

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxWindow bounds a window that is asked for: what is older has no slots any more,
// and a year's facts of many checks are a lot of memory.
const maxWindow = 400 * 24 * time.Hour

// Window is what a report is about: [From, To), UTC.
type Window struct {
	Kind     string // one of the window kinds
	Title    string // "week 2026-W47", "November 2026", "Saturday 21 November 2026"
	Zone     *time.Location
	From, To time.Time
	Week     Week // of KindWeek only
}

// Window is the week as a window.
func (w Week) Window() Window {
	return Window{Kind: KindWeek, Title: "week " + w.String(), Zone: w.Zone, From: w.From, To: w.To, Week: w}
}

// civil is a date, as days since 1970-01-01.
type civil int

func civilOf(y int, m time.Month, d int) civil { return civil(dayNumber(y, m, d)) }

func (c civil) date() time.Time { return time.Unix(int64(c)*secondsPerDay, 0).UTC() }

// dates makes a window of whole local dates [from, to).
func dates(kind, title string, from, to civil, zone *time.Location) Window {
	return Window{
		Kind: kind, Title: title, Zone: zone,
		From: firstInstant(int(from), 0, 0, zone), To: firstInstant(int(to), 0, 0, zone),
	}
}

// ParseDay reads "2026-11-21": a local day. A nil zone is UTC. A date that a zone
// skipped is refused: it had no time.
func ParseDay(text string, zone *time.Location) (Window, error) {
	zone = zoneOr(zone)
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Window{}, fmt.Errorf("%q is not a day (write it like 2026-11-21)", text)
	}
	from := civilOf(day.Date())
	w := dates(KindDay, day.Format("Monday 2 January 2006"), from, from+1, zone)
	if !w.From.Before(w.To) {
		return Window{}, fmt.Errorf("%s did not exist in %s: clocks skipped it", text, zone)
	}
	return w, nil
}

// ParseMonth reads "2026-11": a local calendar month. A nil zone is UTC.
func ParseMonth(text string, zone *time.Location) (Window, error) {
	zone = zoneOr(zone)
	first, err := time.Parse("2006-01", text)
	if err != nil {
		return Window{}, fmt.Errorf("%q is not a month (write it like 2026-11)", text)
	}
	return dates(KindMonth, first.Format("January 2006"), civilOf(first.Date()), civilOf(first.AddDate(0, 1, 0).Date()), zone), nil
}

// ParseQuarter reads "2026-Q4": three local calendar months. A nil zone is UTC.
func ParseQuarter(text string, zone *time.Location) (Window, error) {
	zone = zoneOr(zone)
	year, number, ok := strings.Cut(text, "-Q")
	first, err := time.Parse("2006", year)
	n, errNumber := strconv.Atoi(number)
	if !ok || err != nil || errNumber != nil || len(number) != 1 || n < 1 || n > 4 {
		return Window{}, fmt.Errorf("%q is not a quarter (write it like 2026-Q4)", text)
	}
	first = first.AddDate(0, 3*(n-1), 0)
	title := fmt.Sprintf("quarter %d of %s", n, year)
	return dates(KindQuarter, title, civilOf(first.Date()), civilOf(first.AddDate(0, 3, 0).Date()), zone), nil
}

// Rolling is the last days (7, 28 or 30) that had ended at now: whole local days, so
// that it says the same all day. A nil zone is UTC.
func Rolling(days int, now time.Time, zone *time.Location) (Window, error) {
	zone = zoneOr(zone)
	if days != 7 && days != 28 && days != 30 {
		return Window{}, fmt.Errorf("%d days is not a rolling window (7d, 28d or 30d are)", days)
	}
	today := today(now, zone)
	title := fmt.Sprintf("%d days to %s", days, (today - 1).date().Format("Monday 2 January 2006"))
	return dates(KindRolling, title, today-civil(days), today, zone), nil
}

// today is the local date at now. Where clocks go back over midnight the second
// showing of yesterday's date belongs to the day that has begun.
func today(now time.Time, zone *time.Location) civil {
	day := civilOf(now.In(zone).Date())
	if !now.Before(firstInstant(int(day)+1, 0, 0, zone)) {
		return day + 1
	}
	return day
}

// Custom is the window between two instants as people write them, see [ParseMoment].
func Custom(from, to string, zone *time.Location) (Window, error) {
	zone = zoneOr(zone)
	start, err := ParseMoment(from, zone)
	if err != nil {
		return Window{}, err
	}
	end, err := ParseMoment(to, zone)
	if err != nil {
		return Window{}, err
	}
	switch {
	case !start.Before(end):
		return Window{}, fmt.Errorf("%s is not before %s", from, to)
	case end.Sub(start) > maxWindow:
		return Window{}, fmt.Errorf("%s to %s is longer than %d days", from, to, int(maxWindow/(24*time.Hour)))
	}
	const form = "Mon 2 Jan 2006 15:04"
	title := start.In(zone).Format(form) + " – " + end.In(zone).Format(form)
	return Window{Kind: KindCustom, Title: title, Zone: zone, From: start, To: end}, nil
}

// ParseMoment reads "2026-11-21", "2026-11-21 09:30" (local: the first instant at
// which clocks show it or, in a gap, later) or RFC 3339 with an offset. It returns
// whole seconds in UTC. A nil zone is UTC.
func ParseMoment(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC().Truncate(time.Second), nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime} {
		if t, err := time.Parse(form, text); err == nil {
			at := firstInstant(int(civilOf(t.Date())), t.Hour(), t.Minute(), zoneOr(zone))
			return at.Add(time.Duration(t.Second()) * time.Second), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time (write it like 2026-11-21, \"2026-11-21 09:30\" or 2026-11-21T09:30:00Z)", text)
}

func zoneOr(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}
