// Package pagerduty sends pages through PagerDuty's Events API v2 and reads its
// webhooks (v3). It knows pages and routing keys; it does not know who is on
// call, nor why somebody is paged.
package pagerduty

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Limits of the Events API v2.
const (
	maxSummary = 1024 // characters
	maxDedup   = 255  // characters
	maxDetails = 64   // entries; an event may have 512 KB
	maxDetail  = 2000 // characters of one entry
)

// Time limits of one attempt. The client of the library has none.
const (
	attemptWithin = 10 * time.Second
	dialWithin    = 3 * time.Second
	tlsWithin     = 5 * time.Second
	headerWithin  = 8 * time.Second
	// pauseWhenLimited is PagerDuty's advice for a 429 that does not say how long.
	pauseWhenLimited = 30 * time.Second
)

// Keys maps a page's route ("service", "person:ada") to its routing key.
type Keys map[string]probe.Secret

// Notifier sends pages to PagerDuty. Safe for concurrent use.
type Notifier struct {
	// Now is the clock that tells how late a page is; nil means time.Now.
	Now func() time.Time

	keys   Keys
	only   probe.Secret // of every route; "" goes by keys
	client *pd.Client
}

// New makes a notifier. keys is not copied and must not be changed afterwards.
func New(cfg Config, keys Keys) *Notifier { return NewOver(cfg, keys, newTransport()) }

// NewOver is New over a transport of the caller's, which needs deadlines of its own.
func NewOver(cfg Config, keys Keys, transport http.RoundTripper) *Notifier {
	cfg.SetDefaults()
	client := pd.NewClient("", pd.WithV2EventsAPIEndpoint(strings.TrimSuffix(cfg.EventsURL, "/")),
		pd.WithAPIEndpoint(strings.TrimSuffix(cfg.APIURL, "/")))
	client.HTTPClient = newHTTP(transport, keptBody)
	return &Notifier{keys: keys, client: client}
}

// newTransport makes connections with deadlines; the library's default has none
// for a whole call.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialWithin, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   tlsWithin,
		ResponseHeaderTimeout: headerWithin,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConnsPerHost:   8,
		ForceAttemptHTTP2:     true,
	}
}

// newHTTP makes the client of all calls: it notes what the library hides, and
// reads at most so many bytes of an answer.
func newHTTP(next http.RoundTripper, atMost int64) *http.Client {
	return &http.Client{
		Timeout:   attemptWithin,
		Transport: recorder{next: next, atMost: atMost},
		// A redirected POST would become a GET without a body, and still look taken.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Send sends one event and says how it ended. An event that is refused (400,
// 413) is sent once more without everything that may be wrong with it: a page
// must not die of a bad field.
func (n *Notifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	key := n.only
	if key == "" {
		key = n.keys[p.Route]
	}
	if key == "" {
		return alerting.Receipt{Class: alerting.Setup, Detail: fmt.Sprintf("no PagerDuty routing key is configured for %q", p.Route)}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	got := n.attempt(ctx, event(p, key.Reveal(), moment(n.Now)))
	if got.Class == alerting.Refused && p.Action == alerting.Trigger { // the others are minimal already
		first := got.Detail
		got = n.attempt(ctx, minimal(p, key.Reveal()))
		switch got.Class {
		case alerting.Taken:
			got.Detail = "only a minimal event was accepted; the full one was refused: " + first
		case alerting.Refused:
			got.Detail = first
		case alerting.Again, alerting.Doubtful, alerting.Setup:
		}
	}
	got.Detail = redact(got.Detail, key)
	return got
}

// attempt makes one request. The library's error says too little (v1.8.0 drops
// the body of a 400 and hides what kind of error it was), so the outcome is
// read from what the recorder saw.
func (n *Notifier) attempt(ctx context.Context, e *pd.V2Event) alerting.Receipt {
	seen := &record{action: e.Action}
	_, err := n.client.ManageEventWithContext(context.WithValue(ctx, recordKey{}, seen), e)
	return seen.receipt(err, time.Now())
}

// event is the full event of a page.
func event(p alerting.Page, key string, now time.Time) *pd.V2Event {
	e := &pd.V2Event{RoutingKey: key, Action: string(p.Action), DedupKey: cut(p.DedupKey, maxDedup)}
	if p.Action != alerting.Trigger {
		return e
	}
	m := p.Message
	summary := m.Summary
	details := make(map[string]string, len(m.Details)+2)
	for k, v := range m.Details {
		if len(details) < maxDetails {
			details[cut(k, 200)] = cut(v, maxDetail)
		}
	}
	if late := now.Sub(p.Created); late >= time.Minute && !p.Created.IsZero() {
		summary = fmt.Sprintf("%s (delayed %d min)", cut(summary, maxSummary-30), int(late/time.Minute))
	}
	e.Client = "Keepwatch"
	if isWeb(m.Link) {
		e.ClientURL = m.Link
		e.Links = append(e.Links, link{Href: m.Link, Text: "incident " + p.Incident})
	}
	if isWeb(m.AckLink) {
		e.Links = append(e.Links, link{Href: m.AckLink, Text: "acknowledge"})
		details["acknowledge"] = m.AckLink
	}
	e.Payload = payload(p, summary)
	e.Payload.Component = cut(m.Component, maxSummary)
	e.Payload.Details = details
	if !m.Time.IsZero() {
		e.Payload.Timestamp = m.Time.UTC().Format(time.RFC3339)
	}
	return e
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text,omitempty"`
}

func isWeb(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") }

// minimal is the least that PagerDuty takes.
func minimal(p alerting.Page, key string) *pd.V2Event {
	e := &pd.V2Event{RoutingKey: key, Action: string(p.Action), DedupKey: cut(p.DedupKey, maxDedup)}
	if p.Action == alerting.Trigger {
		e.Payload = payload(p, cut(printable(p.Message.Summary), 255))
	}
	return e
}

// payload has the fields that PagerDuty requires, never empty.
func payload(p alerting.Page, summary string) *pd.V2Payload {
	out := &pd.V2Payload{Summary: cut(summary, maxSummary), Source: cut(p.Message.Source, 255), Severity: p.Message.Severity}
	if out.Summary == "" {
		out.Summary = "incident " + p.Incident
	}
	if out.Source == "" {
		out.Source = "keepwatch"
	}
	switch out.Severity {
	case "critical", "error", "warning", "info":
	default:
		out.Severity = "critical"
	}
	return out
}

// cut shortens a text to at most n characters, never inside one, and makes it valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

// printable drops control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// redact removes a key that an answer echoes.
func redact(s string, key probe.Secret) string {
	return strings.ReplaceAll(s, key.Reveal(), key.String())
}
