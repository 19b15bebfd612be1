package spool

import (
	"context"
	"time"

	"keepwatch/alerting"
)

// OutboxOptions says where an outbox lives.
type OutboxOptions struct {
	Path     string // of the file; its directory is made when it is missing
	MaxBytes int64  // 0 means 256 MiB
}

// Outbox is an [alerting.Reserve] in one file.
type Outbox struct {
	book alerting.Book
}

var _ alerting.Reserve = (*Outbox)(nil)

// OpenOutbox opens or creates the file.
func OpenOutbox(o OutboxOptions) (*Outbox, error) { panic("soon") }

// Apply implements [alerting.Store].
func (o *Outbox) Apply(ctx context.Context, c alerting.Change) error { return o.book.Apply(ctx, c) }

// OpenIncidents implements [alerting.Store].
func (o *Outbox) OpenIncidents(ctx context.Context) ([]alerting.Incident, error) {
	return o.book.OpenIncidents(ctx)
}

// Claim implements [alerting.Store].
func (o *Outbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerting.Page, error) {
	return o.book.Claim(ctx, now, lease, limit)
}

// Settle implements [alerting.Store].
func (o *Outbox) Settle(ctx context.Context, s alerting.Settlement) error {
	return o.book.Settle(ctx, s)
}

// Pages implements [alerting.Store].
func (o *Outbox) Pages(ctx context.Context, incident string) ([]alerting.Page, error) {
	return o.book.Pages(ctx, incident)
}

// Backlog implements [alerting.Store].
func (o *Outbox) Backlog(ctx context.Context) (alerting.Backlog, error) { return o.book.Backlog(ctx) }

// Import implements [alerting.Importer].
func (o *Outbox) Import(ctx context.Context, c alerting.Change) error { return o.book.Import(ctx, c) }

// Unfinished implements [alerting.Transfer].
func (o *Outbox) Unfinished(ctx context.Context) ([]alerting.Change, error) {
	return o.book.Unfinished(ctx)
}

// Held implements [alerting.Reserve].
func (o *Outbox) Held() (incidents, pages int) { return o.book.Held() }

// Replay implements [alerting.Reserve].
func (o *Outbox) Replay(ctx context.Context, to alerting.Importer) error { panic("soon") }

// Drain implements [alerting.Reserve].
func (o *Outbox) Drain(ctx context.Context, to alerting.Importer) error { panic("soon") }

// Close closes.
func (o *Outbox) Close() error { panic("soon") }
