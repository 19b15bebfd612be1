// Package telemetry tells the outside how Keepwatch and what it watches are
// doing: events and request timing to New Relic, figures to Prometheus.
//
// It owns the New Relic agent and the metrics registry and decorates the parts
// of other packages. It knows no SQL: the events wait in an [Outbox]. Nothing in
// here may change a probe, a page or readiness: a nil [*Client] is valid
// everywhere and does nothing.
package telemetry

import (
	"context"
	"log/slog"
	"time"

	"keepwatch/telemetry/event"
)

// Outbox keeps events until New Relic has taken them. All methods are safe for
// concurrent use; time is a parameter.
type Outbox interface {
	// Put stores a batch in one transaction; events whose ID exists are left alone.
	Put(ctx context.Context, b event.Batch, now time.Time) error
	// Claim leases up to limit events until now+lease: those never tried first, then
	// those freed longest ago, so that one event that New Relic refuses cannot hold up the rest.
	Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]event.Event, error)
	// Ack notes that New Relic has taken these events.
	Ack(ctx context.Context, ids []string, now time.Time) error
	// Lease moves the end of the lease of events that are not yet taken; a time
	// that has passed frees them.
	Lease(ctx context.Context, ids []string, until time.Time) error
	// Expire gives up waiting events that happened before `before`, forgets taken
	// ones of before `keep`, and returns how many were given up.
	Expire(ctx context.Context, before, keep time.Time) (int, error)
	// Pending returns what waits.
	Pending(ctx context.Context) (event.Pending, error)
}

// Ledger is what summaries and incident events are derived from. Deriving from
// the stored rows, not from calls, is what makes them lossless: a change that was
// spooled and replayed later is told too.
type Ledger interface {
	// Mark returns the start of the first minute not yet summarised; zero when none was.
	Mark(ctx context.Context) (time.Time, error)
	// Minutes returns the summaries that became complete in [from, to), both full
	// minutes. A minute of a check is complete one minute after its start, or one slot
	// when slots are longer (rounded up to minutes).
	Minutes(ctx context.Context, from, to time.Time) ([]event.Minute, error)
	// Summarised stores events and moves the mark from `from` to `to` in one
	// transaction; when the mark is no longer at `from` nothing changes.
	Summarised(ctx context.Context, from, to time.Time, es []event.Event) error
	// Untold returns up to limit timeline entries since `since` that were not told yet, oldest first.
	Untold(ctx context.Context, since time.Time, limit int) ([]event.Transition, error)
	// Told stores events and notes in one transaction that these entries were told.
	Told(ctx context.Context, ts []event.Transition, es []event.Event, now time.Time) error
}

// Parts are what a Client works with. Outbox and Log are needed; the rest may be left out.
type Parts struct {
	Outbox Outbox
	Log    *slog.Logger
	// Ledger is where minute and incident events are derived from; nil: they are not told.
	Ledger Ledger
	// Unstored is how long ago the slot of the oldest result began that is not in the ledger yet, 0 when
	// none waits. Minutes are summarised up to there: on a busy watcher some result is always on its way.
	Unstored func() time.Duration
	// Target describes a check by name.
	Target func(check string) event.Target
	// Heartbeats are the living locations with their figures; called once a minute. Location, Version,
	// SchedulerLagP99, DBLatency and ClockOffset are to be filled.
	Heartbeats func() []event.Heartbeat
}
