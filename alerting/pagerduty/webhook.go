package pagerduty

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/PagerDuty/go-pagerduty/webhookv3"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// maxWebhook is the largest body that is read; PagerDuty's are at most 55 KB.
// The library would cut a body at 2 MiB without a word.
const maxWebhook = 512 << 10

// answerWithin is shorter than the 5 s after which PagerDuty counts a timeout.
const answerWithin = 4 * time.Second

// keepWithin leaves time to act on an event that the database did not take.
const keepWithin = 2 * time.Second

// replayedAfter is older than any webhook that PagerDuty still repeats; the
// signature has no time in it.
const replayedAfter = 49 * time.Hour

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

// status reports whether the type says how an incident stands: of those only the
// newest counts.
func (t EventType) status() bool {
	switch t {
	case EventAcknowledged, EventUnacknowledged, EventResolved, EventReopened:
		return true
	case EventReassigned, EventAnnotated:
	}
	return false
}

// heard is the event in the words of the domain.
func (e Event) heard(delivery string, raw []byte) alerting.Heard {
	return alerting.Heard{
		ID: e.ID, Delivery: cut(delivery, 200), Type: string(e.Type), DedupKey: e.DedupKey, Incident: e.Incident,
		By: e.By, Text: e.Text, Status: e.Type.status(), At: e.At, Raw: raw,
	}
}

// Why a webhook is not taken.
var (
	ErrNoSecret  = errors.New("no webhook secret is configured")
	ErrSignature = errors.New("the webhook's signature is not valid")
	ErrHeader    = errors.New("the webhook's header " + SecretHeader + " is not the configured one")
	ErrTooLarge  = errors.New("the webhook is too large")
	ErrNotEvent  = errors.New("the webhook is not an event")
	ErrRecording = errors.New("the webhook is older than PagerDuty repeats any")
)

// SecretHeader is the header that carries the second secret.
const SecretHeader = "X-Keepwatch-Secret" //nolint:gosec // the name of a header, not a secret

// Webhook is the HTTP handler for PagerDuty's webhooks v3. Set its fields
// before use; safe for concurrent use.
type Webhook struct {
	// Secrets are the signing secrets; without one every webhook is refused.
	Secrets []probe.Secret
	// Header is what the header X-Keepwatch-Secret must be; "" asks for none.
	Header probe.Secret
	// Keep stores a signed event that Keepwatch acts on, once; the work is done later.
	// An error makes PagerDuty send it again (503). Required.
	Keep func(ctx context.Context, h alerting.Heard) error
	// Meanwhile is called for what could not be kept. What it does must be harmless
	// when it is done again. nil is allowed.
	Meanwhile func(ctx context.Context, h alerting.Heard)
	// Refused is called for each webhook that is not taken; nil is allowed.
	Refused func(err error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// ServeHTTP answers 202 when the event was taken or is of no concern, 401 when
// the signature is wrong, 503 when it should be sent again. It never answers
// another 4xx: three of those in a row switch the subscription off for a day.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	e, raw, err := Parse(r, h.Secrets)
	if err == nil {
		err = h.pass(ctx, e, r.Header, raw)
	}
	if err != nil && h.Refused != nil {
		h.Refused(err)
	}
	switch {
	case err == nil, errors.Is(err, ErrNotEvent), errors.Is(err, ErrTooLarge), errors.Is(err, ErrRecording):
		w.WriteHeader(http.StatusAccepted)
	case errors.Is(err, ErrSignature), errors.Is(err, ErrHeader):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (h *Webhook) pass(ctx context.Context, e Event, header http.Header, raw []byte) error {
	if h.Header != "" && subtle.ConstantTimeCompare([]byte(header.Get(SecretHeader)), []byte(h.Header.Reveal())) != 1 {
		return ErrHeader
	}
	if !e.Type.Known() {
		return nil
	}
	if moment(h.Now).Sub(e.At) > replayedAfter {
		return ErrRecording
	}
	heard := e.heard(header.Get("X-Webhook-Id"), raw)
	keep, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	err := h.Keep(keep, heard)
	if err == nil {
		return nil
	}
	if h.Meanwhile != nil {
		h.Meanwhile(ctx, heard)
	}
	return fmt.Errorf("keep webhook event: %w", err)
}

// Parse verifies a webhook against any of the secrets and reads its event, which
// it returns with the body as it came.
// Errors: [ErrNoSecret], [ErrSignature], [ErrTooLarge], [ErrNotEvent], or that
// of reading the body.
func Parse(r *http.Request, secrets []probe.Secret) (Event, []byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxWebhook+1))
	if err != nil {
		return Event{}, nil, fmt.Errorf("read webhook: %w", err)
	}
	if len(raw) > maxWebhook {
		return Event{}, nil, ErrTooLarge
	}
	if err := verify(r, raw, secrets); err != nil {
		return Event{}, nil, err
	}
	e, err := decode(raw)
	return e, raw, err
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
