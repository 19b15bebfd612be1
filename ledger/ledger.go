// Package ledger folds stored results into what a report is made of: verdict spans,
// spans of each location, facts of a day and histograms of latencies.
//
// It owns when a slot is settled, the memory of the day that is being folded, the
// queue of days that must be folded anew, blocks of archived results, and the
// comparison of what is stored with what the results say. The rules of a verdict are
// those of [reports.Fold], which it calls and must always agree with. It knows no SQL: it
// writes through a [Store]. Days are UTC days; a slot never crosses midnight UTC, so
// each check and day is folded for itself.
package ledger

import (
	"context"
	"errors"
	"time"

	"keepwatch/probe"
	"keepwatch/reports"
)

// Verdict is the scope of what all locations together said; other scopes are ids of
// locations.
const Verdict int16 = 0

// ErrNotHolder means that another process holds the right to fold.
var ErrNotHolder = errors.New("another process folds the ledger")

// Row is one stored result. ErrID is not used: Failure says what it would mean.
type Row struct {
	Check string
	reports.Row
	Latency time.Duration // whole microseconds
	Failure reports.Failure
}

// Record is what is stored of one check over a stretch of time: configurations, the
// oldest first, and rows ordered by slot and location.
type Record struct {
	Check string
	Revs  []reports.Rev
	Rows  []Row
	Names map[int16]string // of locations
}

// Span is a span as it is stored. An open one goes on: it ends where its day has
// been folded to.
type Span struct {
	Check string
	Scope int16
	reports.Span
	Open bool
}

// Changes is what one transaction writes.
type Changes struct {
	Days  []Day // of these only the facts, not the tracks
	Spans []Span
	Hists []Hist
	Marks []Mark
}

// Empty reports whether there is nothing to write.
func (c Changes) Empty() bool { return len(c.Days)+len(c.Spans)+len(c.Hists)+len(c.Marks) == 0 }

// Hist is the latencies of good looks of a check from a location on a UTC day.
type Hist struct {
	Check    string
	Location int16
	Day      time.Time
	*reports.Histogram
}

// Mark says that slots of a check that begin in [From, To) changed: results came, or
// another configuration. What was folded of them is folded anew.
type Mark struct {
	ID       int64 // 0 before it is stored
	Check    string
	From, To time.Time
}

// Lease is the word of this process that it lives, and its right to fold.
type Lease struct {
	Agent     string // names the process among all that share the database
	Since     time.Time
	Now       time.Time // UTC
	Locations []string  // from which it probes
	Why       string    // "running", "shutdown" in its last word, or what ended the time since Since
	Epoch     int64     // of the right to fold; 0: it has none
}

// Loaded is what the store knows of a check that is to be folded on.
type Loaded struct {
	Check string
	// Last is the newest folded day with its open spans, zero when there is none.
	Last Day
	Revs []reports.Rev // those that were valid at the beginning of the day asked for, or later
	Rows []Row         // not yet folded, of the day asked for and after
}

// Store keeps results and what they fold to. Safe for concurrent use.
type Store interface {
	// Commit stores results, the process's lease and what fold makes of the results
	// that were not there before, in one transaction. fold is not called without an
	// epoch. When the epoch is over the results and the lease are stored, and the error
	// is ErrNotHolder. Other errors are those of [probe.Store].
	Commit(ctx context.Context, l Lease, rs []probe.Result, fold func(rows []Row, names map[int16]string) Changes) error
	// Take asks for the right to fold, which another holder keeps for patience after
	// its last commit. 0 means that somebody else has it.
	Take(ctx context.Context, l Lease, patience time.Duration) (epoch int64, err error)
	// Load reads what is known of checks for folding on from the beginning of today;
	// no checks means those that were ever configured, by name only.
	Load(ctx context.Context, checks []string, today time.Time) ([]Loaded, map[int16]string, error)
	// Marks returns the oldest marks, those of short stretches first.
	Marks(ctx context.Context, limit int) ([]Mark, error)
	// Refold replaces all that is stored of a check's UTC day by what fold makes of its
	// results, and takes the day off the marks, in one transaction.
	Refold(ctx context.Context, l Lease, r Refold, fold func(Record) Day) error
	// Tail reads what is stored of checks for slots in [from, to), with the
	// configurations since from.
	Tail(ctx context.Context, checks []string, from, to time.Time) ([]Record, error)
}

// Refold names a day to fold anew.
type Refold struct {
	Check string
	Day   time.Time
	Until time.Time // fold up to here
	Marks []int64   // those of this check; what they say up to the end of the day is done
	Done  bool      // and all that they say is
}

// day is the length of a UTC day.
const day = 24 * time.Hour
