package history

import (
	"strconv"
	"strings"
	"time"
)

// layouts are the written times that are understood; fractions of a second may
// follow each. Month before day is JMeter's own example.
//
//nolint:gochecknoglobals // a table that nobody changes
var layouts = []string{
	time.RFC3339,
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05",
	"2006/01/02 15:04:05",
	"01/02/06 15:04:05",
	"01/02/2006 15:04:05",
}

// earliest is the first time that a log can sensibly have.
//
//nolint:gochecknoglobals // as good as a constant
var earliest = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// clock reads the times of one file.
type clock struct {
	zone     *time.Location
	now      time.Time
	layout   int // the one that fitted last
	zoneless bool
	last     time.Time
}

// read returns the time that text means, and why it cannot.
func (c *clock) read(text string) (time.Time, string) {
	text = strings.TrimSpace(text)
	t, why := c.parse(text)
	switch {
	case why != "":
		return time.Time{}, why
	case t.Before(earliest):
		return time.Time{}, "has the time " + text + ", which is before the year 2000 (milliseconds since 1970 are meant)"
	case t.After(c.now):
		return time.Time{}, "has the time " + text + ", which is still to come"
	}
	t = t.UTC().Truncate(time.Millisecond)
	c.last = t
	return t, ""
}

func (c *clock) parse(text string) (time.Time, string) {
	if text != "" && strings.Trim(text, "0123456789") == "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms > 1<<53 {
			return time.Time{}, "has the time " + cut(text) + ", which is no number of milliseconds since 1970"
		}
		return time.UnixMilli(ms), ""
	}
	for i := range layouts {
		at := (c.layout + i) % len(layouts)
		t, err := time.Parse(layouts[at], text)
		if err != nil {
			continue
		}
		c.layout = at
		if strings.Contains(layouts[at], "Z07") {
			return t, ""
		}
		c.zoneless = true
		return c.local(t, text)
	}
	return time.Time{}, "has no time that can be read: " + strconv.Quote(cut(text))
}

// local places a wall clock's time in the zone. Of the two instants at which clocks
// show it when they go back, the one nearer to the entry before is meant; when they
// go forward some times never come.
func (c *clock) local(wall time.Time, text string) (time.Time, string) {
	if c.zone == nil || c.zone == time.UTC {
		return wall, ""
	}
	var found []time.Time
	for _, probe := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		_, offset := wall.Add(probe).In(c.zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, is := t.In(c.zone).Zone(); is == offset && (len(found) == 0 || !found[0].Equal(t)) {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		return time.Time{}, "has the time " + text + ", which no clock in " + c.zone.String() + " ever showed"
	case len(found) == 1 || c.last.IsZero() || found[0].Sub(c.last).Abs() <= found[1].Sub(c.last).Abs():
		return found[0], ""
	}
	return found[1], ""
}

// cut shortens what is quoted.
func cut(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
