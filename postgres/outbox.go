package postgres

import (
	"context"
	"time"

	"keepwatch/alerting"
)

var _ alerting.Primary = Incidents{}

// Apply implements [alerting.Store].
func (s Incidents) Apply(ctx context.Context, c alerting.Change) error { panic("soon") }

// Claim implements [alerting.Store].
func (s Incidents) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerting.Page, error) {
	panic("soon")
}

// Settle implements [alerting.Store].
func (s Incidents) Settle(ctx context.Context, o alerting.Settlement) error { panic("soon") }

// Pages implements [alerting.Store].
func (s Incidents) Pages(ctx context.Context, incident string) ([]alerting.Page, error) {
	panic("soon")
}

// Import implements [alerting.Importer].
func (s Incidents) Import(ctx context.Context, c alerting.Change) error { panic("soon") }

// Unfinished implements [alerting.Transfer].
func (s Incidents) Unfinished(ctx context.Context) ([]alerting.Change, error) { panic("soon") }
