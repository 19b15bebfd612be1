package alerting

import (
	"time"

	"keepwatch/probe"
)

// Tally collects the looks of one check and says what each round was.
type Tally struct{}

// NewTally makes the tally of a check whose first slot of interest starts at or after since.
func NewTally(rule CheckRule, since time.Time) *Tally { panic("not yet") }

// Add takes one result and returns the rounds that it decided.
func (t *Tally) Add(r probe.Result, now time.Time) []Verdict { panic("not yet") }

// Tick returns the rounds whose deadline has passed undecided.
func (t *Tally) Tick(now time.Time) []Verdict { panic("not yet") }
