// Package reports turns recorded slots into the figures of a week.
//
// It owns weeks, verdict spans, availability, error budgets and the report with
// its formats. It is pure except for [Writer], which is the loop that writes
// Monday's report through interfaces. Zones appear here; instants are UTC.
// All arithmetic is on integers (milliseconds, parts per million).
package reports

import "time"

// Verdict is what a slot of a check, or a moment of a service, was. The numbers are stored.
type Verdict int16

// The verdicts.
const (
	Unknown  Verdict = 0
	Good     Verdict = 1
	Bad      Verdict = 2
	Excluded Verdict = 3
)

// Percent is a share in parts per million: 95 % is 950,000.
type Percent int64

// Rev is one period in which a check was configured in one way; expected slots
// come from it, so that a missing result is visible as unknown.
type Rev struct {
	From, To  time.Time // [From, To), UTC; zero To: still valid
	Slot      time.Duration
	Locations []int16
	Quorum    int
}

// Row is one recorded result, as the ledger keeps it.
type Row struct {
	Slot     time.Time
	Location int16
	Outcome  int16 // 0 unknown, 1 good, 2 bad: probe.Outcome's numbers
	Attempts int16
	ErrID    int32 // 0: none
}

// Failure says why a result was bad (Class, Message) or unknown (Cause).
type Failure struct {
	Cause, Class, Message string
}

// String returns "status: got 503, want 200", or the cause.
func (f Failure) String() string {
	switch {
	case f.Class != "" && f.Message != "":
		return f.Class + ": " + f.Message
	case f.Message != "":
		return f.Message
	case f.Class != "":
		return f.Class
	}
	return f.Cause
}

// CheckLedger is everything recorded about a check in a window, rows ordered by (Slot, Location).
type CheckLedger struct {
	Check     string
	Revs      []Rev
	Rows      []Row
	Errors    map[int32]Failure // what the ErrIDs in Rows mean
	Locations map[int16]string  // names of the locations
}

// IncidentFact is what a report needs of an incident.
type IncidentFact struct {
	ID string
	// Started is the first bad slot of the episode, Opened when it was confirmed and
	// paged. Zero when it did not happen.
	Started, Opened, Acknowledged, Resolved time.Time
	AckBy                                   string
	Checks                                  []string
	Pages                                   int // trigger pages that a channel accepted in the window asked for
}

// Service is what a report is about.
type Service struct {
	Name      string
	Objective Percent
	Critical  []string
}
