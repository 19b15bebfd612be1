package reports

import (
	"fmt"
	"time"
)

// The results of a drill. One that was not made tells nothing: it is not "passed".
const (
	DrillPassed  = "passed"
	DrillFailed  = "failed"   // nobody acknowledged in time
	DrillLeftOut = "left out" // it was due and not made
	DrillOpen    = "open"     // it was made, and no result is known
)

// Drill is a page on purpose that was due in the window.
type Drill struct {
	At     time.Time `json:"at"`     // when it was due
	Result string    `json:"result"` // "passed", "failed", "left out", "open"
	Detail string    `json:"detail"` // who acknowledged and after how long, or why not; with the incident's ID
}

// drillChanges says what differs in the drills of two revisions.
func drillChanges(before, now Report) []string {
	was := map[int64]string{}
	for _, d := range before.Drills {
		was[d.At.Unix()] = d.Result
	}
	var out []string
	for _, d := range now.Drills {
		old, known := was[d.At.Unix()]
		delete(was, d.At.Unix())
		switch {
		case !known:
			out = append(out, fmt.Sprintf("The drill of %s is new in this revision: %s.", drillTime(d.At), d.Result))
		case old != d.Result:
			out = append(out, fmt.Sprintf("The drill of %s: %s → %s.", drillTime(d.At), old, d.Result))
		}
	}
	for _, d := range before.Drills {
		if _, gone := was[d.At.Unix()]; gone {
			out = append(out, fmt.Sprintf("The drill of %s is no longer in the report.", drillTime(d.At)))
		}
	}
	return out
}

func drillTime(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }
