package probe

import (
	"errors"
	"time"
)

// Mark is a place in a [Journal]; the zero value is its beginning.
type Mark struct {
	Segment, Offset int64
}

// Journal keeps results on the local disk until the [Store] has them. Append
// survives a kill of the process when it has returned, Sync a loss of power.
// Safe for concurrent use.
type Journal interface {
	// Append writes results behind all others, whole or not at all.
	Append(rs []Result) error
	// Next returns up to limit of the oldest results and the mark behind them.
	// It returns the same again until Done is called; none when it is drained.
	Next(limit int) ([]Result, Mark, error)
	// Done forgets everything before the mark.
	Done(m Mark) error
	// Pending counts the results not yet done and tells the slot of the oldest
	// one, zero when there is none.
	Pending() (count int, oldest time.Time)
	// Sync makes what was appended survive a loss of power.
	Sync() error
}

// ErrRefused in an error of [Store.Insert] says that these very results can
// never be stored, however often they are tried.
var ErrRefused = errors.New("the store refuses these results for good")

// RecorderState is what health and metrics show of a [Recorder].
type RecorderState struct {
	Pending   int           // results recorded and not yet stored
	Lag       time.Duration // age of the oldest of them
	AwaySince time.Time     // since when the store does not take results, UTC; zero when it does
	Stored    int64         // results handed to the store since the start
	Lost      int64         // results that neither journal nor memory could hold
	Refused   int64         // results that the store refuses for good
	LastError string        // of the store or the journal; "" when all is well
}
