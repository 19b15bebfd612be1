package oncall

import "time"

const secondsPerDay = 24 * 60 * 60

// firstInstant returns the first instant (UTC) at which clocks in zone show the
// local time day (counted from 1970-01-01), hour, minute or later. So a time
// inside a gap becomes the first instant after the gap, and a doubled time its
// first occurrence. time.Date promises neither: for 02:30 in New York's spring gap
// it answers 01:30.
//
// The wanted wall clock, read as if it were UTC, is within a day of the answer. So
// we start a bit more than a day before it, where every clock shows less, and go
// from one stretch of constant offset to the next.
func firstInstant(day, hour, minute int, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	wall := int64(day)*secondsPerDay + int64(hour)*3600 + int64(minute)*60
	at := wall - 26*3600
	for {
		t := time.Unix(at, 0).In(zone)
		_, offset := t.Zone()
		if candidate := wall - int64(offset); candidate <= at {
			return time.Unix(at, 0).UTC() // the clock jumped over the wanted time at this very instant
		} else if _, end := t.ZoneBounds(); end.IsZero() || candidate < end.Unix() {
			return time.Unix(candidate, 0).UTC()
		} else {
			// ZoneBounds may cut a stretch at the end of a year, and on the last day of a
			// leap year its end may already be behind us: always go forward.
			at = max(end.Unix(), at+3600)
		}
	}
}
