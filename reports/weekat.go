package reports

import "time"

// At returns the first instant at which clocks in the week's zone show a weekday
// and time, UTC. A time that a change of clocks skips is the end of the gap, one that it
// doubles is the first of the two.
func (w Week) At(day time.Weekday, hour, minute int) time.Time {
	days := (int(day) + daysPerWeek - int(time.Monday)) % daysPerWeek
	return firstInstant(w.monday()+days, hour, minute, w.Zone)
}
