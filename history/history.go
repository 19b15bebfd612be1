// Package history reads logs of probes that others made, such as JMeter's results,
// and says what each slot was.
//
// It owns two file formats and the rule of slots: a result belongs to the slot
// that holds its time stamp, and the last attempt of a slot decides. It is pure: it
// reads streams and knows neither files, nor what is configured, nor SQL.
package history

import (
	"fmt"
	"time"
)

// Outcome is what a result was. The numbers are those of probe.Outcome.
type Outcome int16

// The outcomes.
const (
	Unknown Outcome = 0
	Good    Outcome = 1
	Bad     Outcome = 2
)

// Entry is one line of a log: one attempt.
type Entry struct {
	Line     int       // number of its first line in the file, from 1
	Time     time.Time // UTC, whole milliseconds
	Check    string    // "" where the file does not say
	Location string    // "" where the file does not say
	Outcome  Outcome
	Latency  time.Duration
	Code     int    // status, 0 when there was none
	Class    string // why it was bad, in one of probe's words; "" when nobody can tell
	Message  string // why it was not good; "" for a good one
}

// LineError is a line that could not be read. It is an error from which [Reader.Next] goes on.
type LineError struct {
	Line int    // from 1
	Why  string // what is wrong with it, in one sentence
}

// Error names the line.
func (b *LineError) Error() string { return fmt.Sprintf("line %d: %s", b.Line, b.Why) }

// Options say how a file is meant.
type Options struct {
	// Zone is that of times that do not name one; nil is UTC.
	Zone *time.Location
	// Now is the present: a later result is a bad line.
	Now time.Time
	// Check and Location are what entries carry where the file has no such column.
	Check, Location string
	// Label takes only JMeter's samples of that label; "" takes all.
	Label string
}

// Counts are what a [Reader] has seen so far.
type Counts struct {
	Entries  int
	Bad      int
	Other    int  // samples of another label, left out
	Zoneless bool // some times named no zone
	Labels   map[string]struct{}
}

// maxLabels is how many labels are remembered, for a note to people.
const maxLabels = 20
