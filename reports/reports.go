// Package reports turns recorded slots into the figures of a week.
//
// It owns weeks, verdict spans, availability, error budgets and the report with
// its formats. It is pure except for [Writer], which is the loop that writes
// Monday's report through interfaces. Zones appear here; instants are UTC.
// All arithmetic is on integers (milliseconds, parts per million).
package reports

import (
	"slices"
	"time"
)

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
	// Started is the first bad slot of the episode, Opened when it was confirmed, Rung
	// when a channel first accepted a page about it. Acknowledged is the first time that
	// somebody did: an acknowledgement that ran out and was given anew is no later
	// answer. Zero when it did not happen.
	Started, Opened, Rung, Acknowledged, Resolved time.Time
	AckBy                                         string // who did so first
	// Quiet is set when nobody was asked to acknowledge it: it rang nowhere and was not
	// urgent, or a silence or maintenance held its pages to the end.
	Quiet   bool
	Checks  []string
	Pages   int // trigger pages that a channel accepted in the window asked for
	Summary string
	Rule    string     // name of the alarm that paged; "" when checks did
	Note    string     // what people wrote about it, one line
	Paged   []PageFact // those pages, oldest first
	// Alarm is set for an incident that no check's failure opened: a budget that
	// burns, a message sent by hand.
	Alarm bool
}

// PageFact is one page that a channel accepted.
type PageFact struct {
	At      time.Time
	Person  string // key of people; "" when the channel chose
	Channel string // name of the channel
}

// Service is what a report is about. It is bad while any critical check is bad, or
// so many of a redundant group that Need cannot be good; good while all of that is
// good; else unknown.
type Service struct {
	Name      string
	Objective Percent
	Critical  []string
	Redundant []Group
	DependsOn []string      // services; for attribution only
	Cap       time.Duration // planned maintenance that may be excluded a week; 0 excludes none
}

// Checks are the names of all checks that the service needs, each once.
func (s Service) Checks() []string {
	all := append([]string{}, s.Critical...)
	for _, g := range s.Redundant {
		for _, name := range g.Of {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// Human is somebody who may be paged.
type Human struct {
	Person string // key of people
	Name   string
	Zone   *time.Location // nil is UTC
}

// Duty is a stretch for which somebody was on call.
type Duty struct {
	Person   string // key of people
	From, To time.Time
}
