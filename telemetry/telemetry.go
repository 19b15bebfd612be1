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
	"net/http"
	"time"

	"keepwatch/alerting"
	"keepwatch/probe"
	"keepwatch/telemetry/event"
)

// Outbox keeps events until New Relic has taken them. All methods are safe for
// concurrent use; time is a parameter.
type Outbox interface {
	// Put stores a batch in one transaction; events whose ID exists are left alone.
	Put(ctx context.Context, b event.Batch, now time.Time) error
	// Claim leases up to limit events until now+lease, oldest first.
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
	// Minutes returns the summaries of all slots in [from, to), both full minutes.
	Minutes(ctx context.Context, from, to time.Time) ([]event.Minute, error)
	// Summarised stores events and moves the mark from `from` to `to` in one
	// transaction; when the mark is no longer at `from` nothing changes.
	Summarised(ctx context.Context, from, to time.Time, es []event.Event) error
	// Untold returns up to limit timeline entries since `since` that were not told yet, oldest first.
	Untold(ctx context.Context, since time.Time, limit int) ([]event.Transition, error)
	// Told stores events and notes in one transaction that these entries were told.
	Told(ctx context.Context, ts []event.Transition, es []event.Event) error
}

// Parts are what a Client works with. Outbox and Log are needed; the rest may be left out.
type Parts struct {
	Outbox Outbox
	Log    *slog.Logger
	// Ledger is where minute and incident events are derived from; nil: they are not told.
	Ledger Ledger
	// PendingResults is how many results are not in the ledger yet; a minute is summarised only when it is 0.
	PendingResults func() int
	// Target describes a check by name.
	Target func(check string) event.Target
	// Heartbeats are the living locations with their figures; called once a minute. Location, Version,
	// SchedulerLagP99, DBLatency and ClockOffset are to be filled.
	Heartbeats func() []event.Heartbeat
}

// New makes the client and its agent. Without a licence key (in cfg or in
// NEW_RELIC_LICENSE_KEY) or with NEW_RELIC_ENABLED=false it returns nil, nil. An
// error means a wrong setting; it never holds the key.
func New(cfg Config, parts Parts) (*Client, error) { panic("soon") }

// Client is Keepwatch's line to New Relic. All methods are nil-safe and safe for concurrent use.
type Client struct{}

// Run keeps the agent alive (it rebuilds an application that the collector
// ended) and writes back what was taken. Every process that made a Client runs
// it; the database must outlive it. It returns nil after ctx is done, within about 5 s.
func (c *Client) Run(ctx context.Context) error { return nil }

// Deliver feeds the agent from the outbox and derives events. Only one
// process may run it: call it under the leader's lock. It returns nil after ctx is done.
func (c *Client) Deliver(ctx context.Context) error { return nil }

// Results decorates a store of results: what was stored is also told. An error
// of the outbox is returned, so that the caller repeats the (idempotent) batch.
func (c *Client) Results(next probe.Store) probe.Store { return next }

// Report tells the figures of a week.
func (c *Client) Report(ctx context.Context, r event.Report) error { return nil }

// Middleware times requests as transactions named by the mux's pattern. Put it
// directly around the mux: it reads r.Pattern after routing.
func (c *Client) Middleware(next http.Handler) http.Handler { return next }

// StartQuery times a statement inside a timed request; call the result at its
// end. It takes no text and no arguments of the statement, so none can leak.
func (c *Client) StartQuery(ctx context.Context, operation, table string) func() { return func() {} }

// Connected reports whether New Relic's last answer was good.
func (c *Client) Connected() bool { return false }

// Gauges are figures read at each scrape. A nil func leaves its metric out.
type Gauges struct {
	OutboxPending  func() float64 // pages owed and events waiting
	OutboxOldest   func() float64 // seconds
	Degraded       func() float64 // 1: Postgres is away
	Leader         func() float64 // 1: this process leads
	ReloadOK       func() float64 // 1: the last reload was good
	ReloadTime     func() float64 // unix seconds of the last good reload
	NewRelic       func() float64 // 1: connected
	SchedulerLag   func() float64 // seconds
	MissedSlots    func() float64 // since start
	ClockSteps     func() float64 // since start
	ClockOffset    func() float64 // seconds
	IncidentsOpen  func() float64
	IncidentsAcked func() float64
}

// Metrics is the Prometheus side. Made by [NewMetrics]; safe for concurrent use.
type Metrics struct{}

// NewMetrics makes a registry of its own with all metrics.
func NewMetrics(version string, g Gauges) *Metrics { panic("soon") }

// Sink counts results on their way.
func (m *Metrics) Sink(next probe.Sink) probe.Sink { return next }

// Notifier counts what a channel answers, and how late pages leave.
func (m *Metrics) Notifier(channel string, next alerting.Notifier) alerting.Notifier { return next }

// Handler serves /metrics.
func (m *Metrics) Handler() http.Handler { panic("soon") }

// Probe serves /probe?target=CHECK&location=LOCATION with the last result under
// the names of blackbox_exporter. Without location the last of any location is served.
func (m *Metrics) Probe() http.Handler { panic("soon") }

// SeriesPlan is the config-time check that the metrics stay under the cap.
func SeriesPlan(checks, locations int) error { return nil }
