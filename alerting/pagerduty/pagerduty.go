// Package pagerduty sends pages through PagerDuty's Events API v2 and reads its
// webhooks (v3). It knows pages and routing keys; it does not know who is on
// call, nor why somebody is paged.
package pagerduty

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"keepwatch/alerting"
	"keepwatch/probe"
)

func indexed(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

// Keys maps a page's route ("service", "person:ada") to its routing key.
type Keys map[string]probe.Secret

// Notifier sends pages to PagerDuty. Safe for concurrent use.
type Notifier struct{}

// New makes a notifier. keys is not copied and must not be changed afterwards.
func New(cfg Config, keys Keys) *Notifier { panic("not yet") }

// Send sends one event and says how it ended.
func (n *Notifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt { panic("not yet") }

// EventType is what a webhook says has happened, in PagerDuty's words.
type EventType string

// The event types that Keepwatch acts on; all others are accepted and ignored.
const (
	EventAcknowledged   EventType = "incident.acknowledged"
	EventUnacknowledged EventType = "incident.unacknowledged"
	EventResolved       EventType = "incident.resolved"
	EventReopened       EventType = "incident.reopened"
	EventReassigned     EventType = "incident.reassigned"
	EventAnnotated      EventType = "incident.annotated"
)

// Event is one webhook, reduced to what Keepwatch needs.
type Event struct {
	ID       string // PagerDuty's event ID, stable over attempts
	Type     EventType
	DedupKey string    // our incident's ID; "" when the incident is not ours
	Incident string    // PagerDuty's incident ID
	By       string    // who did it, as PagerDuty shows it; "" when it was the system
	At       time.Time // when it happened, UTC
	Text     string    // an annotation's text
}

// Webhook is the HTTP handler for PagerDuty's webhooks v3. Set its fields
// before use; safe for concurrent use.
type Webhook struct {
	// Secrets are the signing secrets; without one every webhook is refused.
	Secrets []probe.Secret
	// Seen reports whether an event was handled before and remembers it; nil means never.
	Seen func(id string, at time.Time) bool
	// Handle is called for each new event; an error makes PagerDuty send it again (503).
	Handle func(ctx context.Context, e Event) error
	// Refused is called for each webhook with a bad signature; nil is allowed.
	Refused func(err error)
}

// ServeHTTP answers 202 when the event was taken or is of no concern, 401 when
// the signature is wrong, 503 when it should be sent again.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("not yet") }
