package probe

import (
	"context"
	"io"
	"log/slog"
)

// Runner probes checks in their slots and sends every result to its Sink.
// Fill the exported fields before Run; they must not change afterwards. The
// methods are safe for concurrent use.
type Runner struct {
	// Sink receives every result. Required.
	Sink Sink
	// Log hears of broken checkers and clock steps. Required.
	Log *slog.Logger
	// Locations are the locations that this process probes from; nil means all
	// that the checks name.
	Locations []string
	// MaxInFlight bounds the looks under way at one time; beyond it a slot is
	// missed, not queued. Zero means 10,000.
	MaxInFlight int
}

// Stats are counts since the Runner was made, and what is under way now.
type Stats struct{}

// Run probes until ctx is done.
func (r *Runner) Run(ctx context.Context) error { panic("being written") }

// Apply replaces the set of checks, at any time, also before Run.
func (r *Runner) Apply(checks []Check) { panic("being written") }

// LookAgain asks every location of a check that this process serves for an
// extra look at once. It returns at once.
func (r *Runner) LookAgain(check string) { panic("being written") }

// Stats returns a snapshot of the counters.
func (r *Runner) Stats() Stats { panic("being written") }

// RunOnce looks once, now, without retries; for the command line.
func RunOnce(ctx context.Context, c Check, location string) Result { panic("being written") }

// Waterfall prints the phases of a result as a picture of 80 columns.
func Waterfall(w io.Writer, res Result) error { panic("being written") }
