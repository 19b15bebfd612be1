package alerting

import (
	"context"
	"log/slog"
	"time"
)

// Deliverer sends what a Store owes. Set the fields before Run. Wake, Problems
// and Stats are safe for concurrent use.
type Deliverer struct {
	// Store is required.
	Store Store
	// Notifiers are the channels by name. Required.
	Notifiers map[string]Notifier
	// Fallback are the channels (by name) that take over when another one fails.
	Fallback []string
	// FallbackAfter is how long a page may wait for acceptance before the
	// fallback channels get it too; 0 means 2 minutes.
	FallbackAfter time.Duration
	// Hold is how long a resolve waits after an attempt with an unknown outcome,
	// and how much later it is repeated; 0 means 1 minute (paging-spec 2.2).
	Hold time.Duration
	// NoEcho are channels whose messages a person reads one by one (e-mail): their
	// resolves are neither held nor repeated.
	NoEcho []string
	// Settled is called after each stored outcome; nil is allowed. It must not block.
	Settled func(p Page)
	// Log is required.
	Log *slog.Logger
}

// Run sends pages until ctx is done and then waits at most 5 s for those under way. It returns nil.
func (d *Deliverer) Run(ctx context.Context) error { panic("not yet") }

// Wake makes Run look for pages at once. It does not block.
func (d *Deliverer) Wake() { panic("not yet") }

// Problems says in one sentence each what a person must mend for pages to go out; empty when all is well.
func (d *Deliverer) Problems(now time.Time) []string { panic("not yet") }

// Stats counts since start.
func (d *Deliverer) Stats() Stats { panic("not yet") }

// Stats are counters of a Deliverer.
type Stats struct {
	Attempts, Accepted, Rejected, Retried, Unsure, Cancelled, Fallbacks int64
	StoreErrors                                                         int64
}
