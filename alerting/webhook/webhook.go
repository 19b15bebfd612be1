// Package webhook sends pages as JSON to an address of the team's choice. It
// knows HTTP; it does not know who is on call, nor why somebody is paged.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Config is one webhook channel.
type Config struct {
	// URL is where each page is sent. It is treated as a secret, because chat services put one into it.
	// Required. Example: "${CHAT_WEBHOOK}".
	URL probe.Secret `yaml:"url"`
	// Method is the HTTP method: POST or PUT. Default: POST.
	Method string `yaml:"method"`
	// Headers are sent with each page. Default: none. Example: {Authorization: "Bearer ${CHAT_TOKEN}"}.
	Headers map[string]probe.Secret `yaml:"headers"`
	// Body is a template (Go's text/template) of what is sent, for services with a form of their own. Its
	// fields are those of the JSON that is sent without it: .Summary, .Text, .Service, .Person, .Action,
	// .Incident, .Severity, .Since, .Link, .AckLink, .Details …; json quotes a value. Default: that JSON.
	// Example: '{"message": {{json .Text}}, "alarm": {{if eq .Action "trigger"}}true{{else}}false{{end}}}'.
	Body string `yaml:"body"`
	// ContentType is the media type of body. Default: application/json; charset=utf-8.
	ContentType string `yaml:"content_type"`
}

const jsonType = "application/json; charset=utf-8"

// SetDefaults fills in the method and the media type.
func (c *Config) SetDefaults() {
	if c.Method == "" {
		c.Method = http.MethodPost
	}
	if c.ContentType == "" {
		c.ContentType = jsonType
	}
}

// Validate reports every mistake. It never prints the address.
func (c *Config) Validate(report func(path, msg string)) {
	checkURL(c.URL, report)
	if strings.ContainsAny(c.ContentType, "\r\n") {
		report("content_type", "cannot be sent (write it in one line, like application/json)")
	}
	if err := tryBody(c.Body, c.ContentType); err != nil {
		report("body", err.Error())
	}
	switch c.Method {
	case "", http.MethodPost, http.MethodPut:
	default:
		report("method", "must be POST or PUT")
	}
	for name, v := range c.Headers {
		if name == "" || strings.ContainsAny(name, " \t\r\n:") || strings.ContainsAny(v.Reveal(), "\r\n") {
			report("headers", "the header \""+name+"\" cannot be sent (no spaces, colons or line ends)")
		}
	}
}

// checkURL reports what is wrong with an address, without printing it.
func checkURL(address probe.Secret, report func(path, msg string)) {
	u, err := url.Parse(address.Reveal())
	switch {
	case address == "":
		report("url", "is missing (write the address that pages are sent to)")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		report("url", "is not an address (write https://host/path)")
	}
}

// Notifier sends pages to one address. Safe for concurrent use.
type Notifier struct {
	cfg    Config
	encode func(alerting.Page) ([]byte, error)
	hide   []probe.Secret // beside address and headers: never to be seen in what is told
	client *http.Client
}

// Time limits of one attempt.
const (
	attemptWithin = 10 * time.Second
	dialWithin    = 3 * time.Second
	tlsWithin     = 5 * time.Second
	headerWithin  = 8 * time.Second
)

// keptBody is how much of an answer is kept.
const keptBody = 4 << 10

// New makes a notifier. The configuration must be valid.
func New(cfg Config) *Notifier {
	cfg.SetDefaults()
	encode := func(p alerting.Page) ([]byte, error) { return json.Marshal(body(p)) }
	if t, err := parseBody(cfg.Body); err == nil && t != nil {
		encode = func(p alerting.Page) ([]byte, error) { return fill(t, body(p)) }
	}
	return newNotifier(cfg, encode)
}

func newNotifier(cfg Config, encode func(alerting.Page) ([]byte, error), hide ...probe.Secret) *Notifier {
	return &Notifier{cfg: cfg, encode: encode, hide: hide, client: &http.Client{
		Timeout: attemptWithin,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialWithin, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   tlsWithin,
			ResponseHeaderTimeout: headerWithin,
			IdleConnTimeout:       60 * time.Second,
			ForceAttemptHTTP2:     true,
		},
		// A redirected POST would become a GET without a body, and still look taken.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Body is what is sent: stable, so that receivers can rely on it. Fields may be
// added, none is renamed or removed. Instants are UTC in RFC 3339.
type Body struct {
	Version  int               `json:"version"`  // 1
	ID       string            `json:"id"`       // of the page; the same when it is sent again
	Action   string            `json:"action"`   // trigger, acknowledge, resolve
	Incident string            `json:"incident"` // the same in all pages of one incident
	Service  string            `json:"service"`
	Person   string            `json:"person,omitempty"` // who is to be told; YAML key
	Level    int               `json:"level"`            // of the escalation policy, from 1
	Fallback bool              `json:"fallback"`         // sent because another channel did not take the page
	Severity string            `json:"severity"`
	Summary  string            `json:"summary"`
	Text     string            `json:"text"` // summary and link in one line, which chat services show
	Since    time.Time         `json:"since"`
	Link     string            `json:"link,omitempty"`
	AckLink  string            `json:"ack_link,omitempty"`
	Details  map[string]string `json:"details,omitempty"`
}

// body is the JSON of a page.
func body(p alerting.Page) Body {
	m := p.Message
	text := m.Summary
	if m.Link != "" {
		text += " " + m.Link
	}
	return Body{
		Version: 1, ID: p.ID, Action: string(p.Action), Incident: p.Incident, Service: m.Source, Person: p.Person,
		Level: p.Level + 1, Fallback: p.Fallback, Severity: m.Severity, Summary: m.Summary, Text: text,
		Since: m.Time.UTC(), Link: m.Link, AckLink: m.AckLink, Details: m.Details,
	}
}

// Send sends one page and says how it ended: 2xx is accepted, 400 and 413 are
// refused, other 4xx (but 408, 425 and 429) and redirects are mistakes of the
// configuration, everything else is tried again.
func (n *Notifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	raw, err := n.encode(p)
	if err != nil {
		return alerting.Receipt{Class: alerting.Setup, Detail: "the webhook's address or a header cannot be used"}
	}
	return n.send(ctx, raw, p.ID)
}

// send sends a body; id is the same when it is sent again.
func (n *Notifier) send(ctx context.Context, raw []byte, id string) alerting.Receipt {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaderField: func(string, []string) { written.Store(true) },
		WroteHeaders:     func() { written.Store(true) },
	})
	req, err := n.request(ctx, raw, id)
	if err != nil {
		return alerting.Receipt{Class: alerting.Setup, Detail: "the webhook's address or a header cannot be used"}
	}
	resp, err := n.client.Do(req)
	if err != nil {
		if written.Load() {
			return alerting.Receipt{Class: alerting.Doubtful, Detail: "no answer after it was sent: " + reason(err)}
		}
		return alerting.Receipt{Class: alerting.Again, Detail: "not sent: " + reason(err)}
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, keptBody)) // the status decides, whatever the body says
	return n.receipt(resp, said)
}

func (n *Notifier) request(ctx context.Context, raw []byte, id string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, n.cfg.Method, n.cfg.URL.Reveal(), bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	// Without GetBody and with a key the transport repeats nothing on its own.
	req.GetBody = nil
	req.Header.Set("Content-Type", n.cfg.ContentType)
	req.Header.Set("User-Agent", "Keepwatch")
	req.Header.Set("Idempotency-Key", id)
	for name, v := range n.cfg.Headers {
		req.Header.Set(name, v.Reveal())
	}
	return req, nil
}

func (n *Notifier) receipt(resp *http.Response, said []byte) alerting.Receipt {
	r := alerting.Receipt{Status: resp.StatusCode, Class: classOf(resp.StatusCode)}
	if r.Class == alerting.Taken {
		r.Detail = "accepted"
		return r
	}
	if r.Class == alerting.Again {
		r.RetryAfter = asked(resp.Header.Get("Retry-After"), time.Now())
		if r.RetryAfter == 0 && resp.StatusCode == http.StatusTooManyRequests {
			r.RetryAfter = 30 * time.Second
		}
	}
	r.Detail = fmt.Sprintf("HTTP %d", resp.StatusCode)
	if text := n.clean(said); text != "" {
		r.Detail += ": " + text
	}
	return r
}

// clean is the beginning of an answer, without control characters and without
// the secrets of the configuration, which some servers echo.
func (n *Notifier) clean(said []byte) string {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(string(said), "?"))
	secrets := append([]probe.Secret{n.cfg.URL}, n.hide...)
	for _, v := range n.cfg.Headers {
		secrets = append(secrets, v)
	}
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	if runes := []rune(strings.TrimSpace(text)); len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return strings.TrimSpace(text)
}

func classOf(status int) alerting.Class {
	switch {
	case status >= 200 && status < 300:
		return alerting.Taken
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		return alerting.Refused
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return alerting.Again
	case status >= 300 && status < 500:
		return alerting.Setup
	}
	return alerting.Again
}

// asked is how long an answer asks to wait, in seconds or as a date.
func asked(v string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && n > 0 && n < 86400 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// reason is an error of the client without the address, which may hold a secret.
func reason(err error) string {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return err.Error()
}
