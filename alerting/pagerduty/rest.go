package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"keepwatch/probe"
)

// Limits of the REST API.
const (
	pageSize  = 100       // the most that one list call gives
	mostItems = 10_000    // PagerDuty refuses offset+limit above it
	restBody  = 8 << 20   // bytes of an answer: 100 incidents have about 300 KB
	maxPause  = time.Hour // of what a rate limit asks for
)

// What a call of the REST API failed of. Errors of a [Client] wrap one of them.
var (
	// ErrToken means that the token is not valid, or no longer.
	ErrToken = errors.New("the PagerDuty token was refused (401): make a new one and put it into PAGERDUTY_TOKEN (pagerduty.api_token)")
	// ErrForbidden means that the token may not do this.
	ErrForbidden = errors.New("the PagerDuty token is not allowed to do this (403): give it full access, or make one that has it")
	// ErrGone means that what was asked for does not exist.
	ErrGone = errors.New("PagerDuty does not know it (404): it was deleted, or its ID is mistyped")
	// ErrBusy means that the account's rate limit is used up.
	ErrBusy = errors.New("PagerDuty's rate limit is used up (429): it is tried again later")
	// ErrRefusedCall means that PagerDuty calls the request wrong.
	ErrRefusedCall = errors.New("PagerDuty refused the request")
	// ErrNoAnswer means that PagerDuty could not be asked.
	ErrNoAnswer = errors.New("PagerDuty's REST API does not answer: see whether this machine reaches it, and status.pagerduty.com")
)

// Client reads and writes PagerDuty's REST API with a token. Every call has a
// deadline of 10 s. Safe for concurrent use.
type Client struct {
	lib  *pd.Client
	base string
	from string
	on   string // the service that manual pages are made on; "" asks the policy
	// token is kept to take it out of texts.
	token probe.Secret
}

// NewClient makes a client; nil when the configuration has no token. A nil
// transport means real connections.
func NewClient(cfg Config, transport http.RoundTripper) *Client {
	cfg.SetDefaults()
	if cfg.APIToken == "" {
		return nil
	}
	if transport == nil {
		transport = newTransport()
	}
	base := strings.TrimSuffix(cfg.APIURL, "/")
	lib := pd.NewClient(cfg.APIToken.Reveal(), pd.WithAPIEndpoint(base))
	lib.HTTPClient = newHTTP(transport, restBody)
	return &Client{lib: lib, base: base, from: cfg.From, on: cfg.Service, token: cfg.APIToken}
}

// call makes one call of the library and says in our words how it failed.
func call[T any](ctx context.Context, c *Client, what string, do func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	seen := &record{}
	got, err := do(context.WithValue(ctx, recordKey{}, seen))
	if err != nil {
		err = c.failure(what, seen, err)
	}
	return got, err
}

// failure turns what the recorder saw into an error for a person. The library's
// own text says less, and its kinds are not reliable (v1.8.0).
func (c *Client) failure(what string, seen *record, err error) error {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	e := &CallError{What: what, Status: seen.status}
	switch seen.status {
	case 0:
		e.Kind, e.Detail = ErrNoAnswer, reason(seen.err)
		if seen.err == nil {
			e.Detail = err.Error()
		}
	case http.StatusUnauthorized:
		e.Kind = ErrToken
	case http.StatusForbidden:
		e.Kind = ErrForbidden
	case http.StatusNotFound:
		e.Kind = ErrGone
	case http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = ErrBusy, min(max(asked(seen.header, time.Now()), time.Second), maxPause)
	case http.StatusBadRequest:
		e.Kind, e.Detail = ErrRefusedCall, restSaid(seen.body)
	default:
		e.Kind, e.Detail = ErrNoAnswer, fmt.Sprintf("HTTP %d", seen.status)
		if seen.status < 300 {
			e.Detail += " with an answer that cannot be read: " + err.Error()
		}
	}
	e.Detail = redact(cut(printable(e.Detail), 300), c.token)
	return e
}

// CallError is a failed call of the REST API.
type CallError struct {
	What       string        // what was being done
	Kind       error         // one of the sentinels of this package
	Status     int           // HTTP status, 0 when there was no answer
	RetryAfter time.Duration // asked for by PagerDuty; 0 when not
	Detail     string        // what PagerDuty said; "" when nothing of use
}

// Error says what failed and what to do about it.
func (e *CallError) Error() string {
	text := e.What + ": " + e.Kind.Error()
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

// Unwrap gives the kind.
func (e *CallError) Unwrap() error { return e.Kind }

// restSaid is the text of an error of the REST API.
func restSaid(body []byte) string {
	var v struct {
		Error struct {
			Message string   `json:"message"`
			Errors  []string `json:"errors"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &v); err == nil && v.Error.Message != "" {
		return strings.TrimSuffix(v.Error.Message+": "+strings.Join(v.Error.Errors, "; "), ": ")
	}
	return strings.TrimSpace(string(body[:min(len(body), 200)]))
}

// list reads all pages of a list call.
func list[T any](ctx context.Context, next func(ctx context.Context, limit, offset uint) ([]T, bool, error)) ([]T, error) {
	var all []T
	for offset := uint(0); offset < mostItems; offset += pageSize {
		got, more, err := next(ctx, pageSize, offset)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
		if !more || len(got) == 0 {
			break
		}
	}
	return all, nil
}

// raw makes a call that the library lacks or gets wrong, and decodes the answer
// into out unless that is nil.
func (c *Client) raw(ctx context.Context, what, method, path string, body, out any) error {
	var send []byte
	if body != nil {
		var err error
		if send, err = json.Marshal(body); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	_, err := call(ctx, c, what, func(ctx context.Context) (struct{}, error) {
		req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(send))
		if err != nil {
			return struct{}{}, err
		}
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := c.lib.Do(req, true)
		if err != nil {
			return struct{}{}, err
		}
		defer resp.Body.Close()
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			return struct{}{}, errNotOK
		}
		if out == nil {
			return struct{}{}, nil
		}
		return struct{}{}, json.NewDecoder(resp.Body).Decode(out)
	})
	return err
}

var errNotOK = errors.New("the status is no success")
