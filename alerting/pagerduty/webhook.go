package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/PagerDuty/go-pagerduty/webhookv3"

	"keepwatch/probe"
)

// maxWebhook is the largest body that is read; PagerDuty's are at most 55 KB.
// The library would cut a body at 2 MiB without a word.
const maxWebhook = 512 << 10

// answerWithin is shorter than the 5 s after which PagerDuty counts a timeout.
const answerWithin = 4 * time.Second

const (
	// replayedAfter is older than any webhook that PagerDuty still repeats; the
	// signature has no time in it.
	replayedAfter = 49 * time.Hour
	maxFailed     = 1000
)

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

// Known reports whether Keepwatch acts on the type.
func (t EventType) Known() bool {
	switch t {
	case EventAcknowledged, EventUnacknowledged, EventResolved, EventReopened, EventReassigned, EventAnnotated:
		return true
	}
	return false
}

// Event is one webhook, reduced to what Keepwatch needs.
type Event struct {
	ID       string // PagerDuty's event ID, stable over attempts
	Type     EventType
	DedupKey string    // our incident's ID; "" when PagerDuty did not say it
	Incident string    // PagerDuty's incident ID
	By       string    // who did it, as PagerDuty shows it; "" when it was no person
	At       time.Time // when it happened, UTC
	Text     string    // an annotation's text
}

// Why a webhook is not taken.
var (
	ErrNoSecret  = errors.New("no webhook secret is configured")
	ErrSignature = errors.New("the webhook's signature is not valid")
	ErrTooLarge  = errors.New("the webhook is too large")
	ErrNotEvent  = errors.New("the webhook is not an event")
)

// Webhook is the HTTP handler for PagerDuty's webhooks v3. Set its fields
// before use; safe for concurrent use.
type Webhook struct {
	// Secrets are the signing secrets; without one every webhook is refused.
	Secrets []probe.Secret
	// Seen reports whether an event was seen before, and remembers it. nil means
	// never. It is asked only for signed events that Keepwatch acts on.
	Seen func(id string, at time.Time) bool
	// Handle is called for each new event that Keepwatch acts on. An error makes
	// PagerDuty send the event again (503), and it is then handled again.
	Handle func(ctx context.Context, e Event) error
	// Refused is called for each webhook that is not taken; nil is allowed.
	Refused func(err error)

	mu     sync.Mutex
	failed map[string]bool // guarded by mu; events whose handling did not succeed
}

// ServeHTTP answers 202 when the event was taken or is of no concern, 401 when
// the signature is wrong, 503 when it should be sent again. It never answers
// another 4xx: three of those in a row switch the subscription off for a day.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	e, err := Parse(r, h.Secrets)
	if err == nil && e.Type.Known() {
		err = h.pass(ctx, e)
	}
	if err != nil && h.Refused != nil {
		h.Refused(err)
	}
	switch {
	case err == nil, errors.Is(err, ErrNotEvent), errors.Is(err, ErrTooLarge):
		w.WriteHeader(http.StatusAccepted)
	case errors.Is(err, ErrSignature):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (h *Webhook) pass(ctx context.Context, e Event) error {
	if time.Since(e.At) > replayedAfter {
		return nil // PagerDuty gives up after 48 h: this is a recording
	}
	if h.Seen != nil && h.Seen(e.ID, e.At) && !h.again(e.ID) {
		return nil
	}
	if h.Handle == nil {
		return nil
	}
	if err := h.Handle(ctx, e); err != nil {
		h.remember(e.ID)
		return fmt.Errorf("handle webhook event: %w", err)
	}
	return nil
}

// again reports whether the event was seen but could not be handled, and forgets that.
func (h *Webhook) again(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.failed[id]
	delete(h.failed, id)
	return was
}

func (h *Webhook) remember(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil || len(h.failed) >= maxFailed {
		h.failed = map[string]bool{}
	}
	h.failed[id] = true
}

// Parse verifies a webhook against any of the secrets and reads its event.
// Errors: [ErrNoSecret], [ErrSignature], [ErrTooLarge], [ErrNotEvent], or that
// of reading the body.
func Parse(r *http.Request, secrets []probe.Secret) (Event, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxWebhook+1))
	if err != nil {
		return Event{}, fmt.Errorf("read webhook: %w", err)
	}
	if len(raw) > maxWebhook {
		return Event{}, ErrTooLarge
	}
	if err := verify(r, raw, secrets); err != nil {
		return Event{}, err
	}
	return decode(raw)
}

// verify checks the signature with the library, behind guards against what it
// does not do: an empty secret would accept a forgery, and a space after a
// comma in the list of signatures would refuse a good one.
func verify(r *http.Request, raw []byte, secrets []probe.Secret) error {
	configured := false
	header := strings.Map(func(c rune) rune {
		if c == ' ' || c == '\t' {
			return -1
		}
		return c
	}, strings.Join(r.Header.Values("X-PagerDuty-Signature"), ","))
	for _, s := range secrets {
		if s == "" {
			continue
		}
		configured = true
		copied := &http.Request{Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(raw))}
		copied.Header.Set("X-PagerDuty-Signature", header)
		if webhookv3.VerifySignature(copied, s.Reveal()) == nil {
			return nil
		}
	}
	if !configured {
		return ErrNoSecret
	}
	return ErrSignature
}

// wire is what we read of a webhook's body.
type wire struct {
	Event struct {
		ID         string    `json:"id"`
		Type       string    `json:"event_type"`
		OccurredAt time.Time `json:"occurred_at"`
		Agent      *struct {
			Type    string `json:"type"`
			Summary string `json:"summary"`
			ID      string `json:"id"`
		} `json:"agent"`
		Data struct {
			ID          string `json:"id"`
			Type        string `json:"type"`
			IncidentKey string `json:"incident_key"`
			Content     string `json:"content"`
			Incident    *struct {
				ID          string `json:"id"`
				IncidentKey string `json:"incident_key"`
			} `json:"incident"`
		} `json:"data"`
	} `json:"event"`
}

// decode reads the event. What it does not know it leaves out.
func decode(raw []byte) (Event, error) {
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNotEvent, err)
	}
	in := w.Event
	if in.ID == "" || in.Type == "" {
		return Event{}, fmt.Errorf("%w: it has no id or type", ErrNotEvent)
	}
	e := Event{
		ID: in.ID, Type: EventType(in.Type), At: in.OccurredAt.UTC(),
		Incident: in.Data.ID, DedupKey: in.Data.IncidentKey, Text: cut(in.Data.Content, 1000),
	}
	if in.Data.Incident != nil { // an annotation's data is the note
		e.Incident, e.DedupKey = in.Data.Incident.ID, in.Data.Incident.IncidentKey
	}
	if in.Agent != nil && strings.HasPrefix(in.Agent.Type, "user") {
		e.By = cut(in.Agent.Summary, 200)
		if e.By == "" {
			e.By = in.Agent.ID
		}
	}
	return e, nil
}
