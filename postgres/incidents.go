package postgres

import (
	"context"

	"keepwatch/alerting"
)

// Incidents keeps incidents, their timelines and the outbox of pages. It
// implements [alerting.Primary]. Safe for concurrent use.
type Incidents struct {
	DB *DB
}

// List returns the newest incidents, newest first, at most limit; service ""
// means all services.
func (s Incidents) List(ctx context.Context, service string, limit int) ([]alerting.Incident, error) {
	panic("soon")
}

// Get returns one incident, or [alerting.ErrNotFound].
func (s Incidents) Get(ctx context.Context, id string) (alerting.Incident, error) { panic("soon") }

// Timeline returns the entries of an incident, oldest first.
func (s Incidents) Timeline(ctx context.Context, id string) ([]alerting.Entry, error) { panic("soon") }

// OpenIncidents implements [alerting.Store].
func (s Incidents) OpenIncidents(ctx context.Context) ([]alerting.Incident, error) { panic("soon") }
