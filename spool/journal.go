package spool

import (
	"time"

	"keepwatch/probe"
)

// JournalOptions says where a journal lives and how large it may grow.
type JournalOptions struct {
	Dir      string // made when it is missing
	MaxBytes int64  // of all segments together; 0 means 1 GiB
}

// Journal is a [probe.Journal] in segment files.
type Journal struct{}

// OpenJournal opens or creates a journal.
func OpenJournal(o JournalOptions) (*Journal, error) { panic("soon") }

// Append implements [probe.Journal].
func (j *Journal) Append(rs []probe.Result) error { panic("soon") }

// Next implements [probe.Journal].
func (j *Journal) Next(limit int) ([]probe.Result, probe.Mark, error) { panic("soon") }

// Done implements [probe.Journal].
func (j *Journal) Done(m probe.Mark) error { panic("soon") }

// Pending implements [probe.Journal].
func (j *Journal) Pending() (count int, oldest time.Time) { panic("soon") }

// Sync implements [probe.Journal].
func (j *Journal) Sync() error { panic("soon") }

// Close syncs and closes.
func (j *Journal) Close() error { panic("soon") }

// Damage is what opening and reading found broken.
type Damage struct {
	TornBytes int64 // of a last record that a crash cut off
	Corrupt   int   // stretches in the middle that were skipped
	Refused   int64 // results refused because the journal was full
}

// Damage tells.
func (j *Journal) Damage() Damage { panic("soon") }
