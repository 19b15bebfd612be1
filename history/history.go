// Package history reads logs of probes that others made, such as JMeter's results,
// and says what each slot was.
//
// It owns the two file formats and the rule of slots: a result belongs to the slot
// that holds its time stamp, and the last attempt of a slot decides. It is pure: it
// reads streams and knows neither files, checks' rules nor SQL.
package history

import "time"

// Outcome is what a result was. The numbers are those of probe.Outcome.
type Outcome int16

// The outcomes.
const (
	Unknown Outcome = 0
	Good    Outcome = 1
	Bad     Outcome = 2
)

// Entry is one line of a log.
type Entry struct {
	Line     int       // number of its first line in the file, from 1
	Time     time.Time // UTC, whole milliseconds
	Check    string    // "" where the file does not say
	Location string    // "" where the file does not say
	Label    string    // of JMeter's sampler
	Outcome  Outcome
	Latency  time.Duration
	Code     int    // status, 0 when there was none
	Message  string // why it was not good; "" for a good one
}

// Bad line: what is wrong with it, in one sentence.
type BadLine struct {
	Line int
	Why  string
}

// Slot is what one location saw of a check in one slot.
type Slot struct {
	Start    time.Time
	Attempts int
	Last     Entry // the last attempt; it decides
}
