package alerting

import (
	"context"
	"time"
)

// Memory is a Store without a disk: the last resort when neither Postgres nor
// the spool takes a change, and the reference for tests. The zero value is
// ready; safe for concurrent use.
type Memory struct{}

// Apply implements Store.
func (m *Memory) Apply(ctx context.Context, c Change) error { panic("not yet") }

// OpenIncidents implements Store.
func (m *Memory) OpenIncidents(ctx context.Context) ([]Incident, error) { panic("not yet") }

// Claim implements Store.
func (m *Memory) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Page, error) {
	panic("not yet")
}

// Settle implements Store.
func (m *Memory) Settle(ctx context.Context, s Settlement) error { panic("not yet") }

// Pages implements Store.
func (m *Memory) Pages(ctx context.Context, incident string) ([]Page, error) { panic("not yet") }

// Backlog implements Store.
func (m *Memory) Backlog(ctx context.Context) (Backlog, error) { panic("not yet") }

// Timeline returns the entries of an incident, by time and Seq.
func (m *Memory) Timeline(incident string) []Entry { panic("not yet") }

var _ Store = (*Memory)(nil)
