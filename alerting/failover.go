package alerting

import (
	"context"
	"log/slog"
	"time"
)

// Where a [Failover] writes.
const (
	OnPrimary Mode = "primary"
	OnSpool   Mode = "spool"
	OnMemory  Mode = "memory" // the spool could not be written either
)

// Mode is where a [Failover] writes.
type Mode string

// FailoverState is what health shows. The zero value means not started.
type FailoverState struct {
	Mode      Mode
	Since     time.Time // when the present mode began, UTC
	Partial   bool      // the primary has never been read: open incidents may be missing
	Incidents int       // held outside the primary, not yet replayed
	Pages     int       // of those incidents, unfinished
	Unsaved   int       // changes that only memory holds
	Refused   int64     // changes lost because memory was full; 0 in every sane life
	LastError string    // why the primary is not used; "" on the primary
}

// Failover is a [Store].
type Failover struct {
	Primary  Primary
	Spool    Reserve
	Log      *slog.Logger
	Timeout  time.Duration
	OnReturn func([]Incident)
}

// Apply writes.
func (f *Failover) Apply(ctx context.Context, c Change) error { panic("soon") }

// OpenIncidents lists.
func (f *Failover) OpenIncidents(ctx context.Context) ([]Incident, error) { panic("soon") }

// Claim leases.
func (f *Failover) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Page, error) {
	panic("soon")
}

// Settle writes.
func (f *Failover) Settle(ctx context.Context, s Settlement) error { panic("soon") }

// Pages lists.
func (f *Failover) Pages(ctx context.Context, incident string) ([]Page, error) { panic("soon") }

// Backlog counts.
func (f *Failover) Backlog(ctx context.Context) (Backlog, error) { panic("soon") }

// Run watches.
func (f *Failover) Run(ctx context.Context) error { panic("soon") }

// State tells.
func (f *Failover) State() FailoverState { panic("soon") }

var _ Store = (*Failover)(nil)
