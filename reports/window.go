package reports

import "time"

// Window is what a report is about: [From, To), UTC.
type Window struct {
	Kind     string // one of the window kinds
	Title    string // "week 2026-W47", "November 2026", "Saturday 21 November 2026"
	Zone     *time.Location
	From, To time.Time
	Week     Week // of KindWeek only
}
