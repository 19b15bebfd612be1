package pagerduty

import (
	"bytes"
	"context"
	"crypto/tls"
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
	"sync"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/failpoint"
)

// keptBody is how much of an answer of the Events API is kept.
const keptBody = 64 << 10

// recordKey finds the record of an attempt in its context: the library gives no
// other way to hand something to the transport.
type recordKey struct{}

// record is what the transport saw of one attempt.
type record struct {
	action string // of the event, for the fault suite; never changes

	mu sync.Mutex // the transport may still write after a deadline
	// Guarded by mu:
	touched bool // bytes of the request may have left
	status  int
	header  http.Header
	body    []byte
	err     error // as the transport gave it
}

// recorder is a RoundTripper that notes what the library hides.
type recorder struct {
	next   http.RoundTripper
	atMost int64 // bytes read of an answer
}

// RoundTrip implements [http.RoundTripper]. The answer's body is read here up to
// its limit, so that a broken-off body cannot hide the status.
func (t recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	seen, _ := r.Context().Value(recordKey{}).(*record)
	if seen == nil {
		return t.next.RoundTrip(r)
	}
	// From the first header on, the other side may have got the event. This is
	// earlier than WroteRequest on purpose: half a request that the other side
	// could complete must count as written.
	trace := &httptrace.ClientTrace{
		WroteHeaderField: func(string, []string) { seen.touch() },
		WroteHeaders:     seen.touch,
		WroteRequest: func(httptrace.WroteRequestInfo) {
			seen.touch()
			failpoint.Hit(failpoint.AfterWrite, seen.action)
		},
	}
	resp, err := t.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		seen.failed(err)
		return nil, err
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, t.atMost)) // the status decides, whatever the body says
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	seen.answered(resp, body)
	return resp, nil
}

func (s *record) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = true
}

func (s *record) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *record) answered(resp *http.Response, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.header, s.body = resp.StatusCode, resp.Header, body
}

// receipt classifies the attempt by the table of paging-spec 2.2. err is what
// the library returned; it counts only when the transport was not reached.
func (s *record) receipt(err error, now time.Time) alerting.Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := alerting.Receipt{Status: s.status}
	switch {
	case s.status == http.StatusAccepted:
		r.Class, r.Detail = alerting.Taken, "accepted"
		return r
	case s.status == 0 && s.err == nil && err != nil && !s.touched:
		// The library could not even make the request.
		r.Class, r.Detail = alerting.Again, "the request could not be made: "+err.Error()
		if isSetup(err) {
			r.Class = alerting.Setup
		}
		return r
	case s.status == 0:
		r.Class, r.Detail = s.broken()
		return r
	}
	r.Class = classOf(s.status)
	if s.status == http.StatusTooManyRequests {
		r.RetryAfter = pauseWhenLimited
	}
	if wait := asked(s.header, now); wait > 0 && r.Class == alerting.Again {
		r.RetryAfter = wait
	}
	r.Detail = fmt.Sprintf("HTTP %d", s.status)
	if text := said(s.body); text != "" {
		r.Detail += ": " + text
	}
	return r
}

// classOf is the class of an answer other than 202. What is in no table is
// tried again: nothing says that the event was taken.
func classOf(status int) alerting.Class {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return alerting.Refused
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return alerting.Setup
	}
	if status >= 300 && status < 400 {
		return alerting.Setup // events_url points at something that is not the Events API
	}
	return alerting.Again
}

// broken classifies an attempt that got no answer.
func (s *record) broken() (class alerting.Class, detail string) {
	why := reason(s.err)
	if s.touched {
		return alerting.Doubtful, "no answer after the event was sent: " + why
	}
	return alerting.Again, "not sent: " + why
}

// reason is one short sentence for an error of the transport, without the address.
func reason(err error) string {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case err == nil:
		return "the attempt was broken off"
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " was not found"
	case errors.As(err, &cert):
		return "the certificate is not trusted: " + cert.Err.Error()
	case errors.As(err, &op) && op.Timeout():
		return op.Op + " timed out"
	}
	return err.Error()
}

func isSetup(err error) bool {
	ue, ok := errors.AsType[*url.Error](err)
	return ok && ue.Op == "parse"
}

// asked is how long the answer asks to wait: Retry-After in seconds or as a
// date, or ratelimit-reset in seconds.
func asked(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After", "Ratelimit-Reset"} {
		v := strings.TrimSpace(h.Get(name))
		if v == "" {
			continue
		}
		if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 && n < 86400 {
			return time.Duration(n * float64(time.Second))
		}
		if at, err := http.ParseTime(v); err == nil && at.After(now) {
			return at.Sub(now)
		}
	}
	return 0
}

// said is the text of an answer: PagerDuty's message and errors, or the
// beginning of whatever it was.
func said(body []byte) string {
	var v struct {
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	if err := json.Unmarshal(body, &v); err == nil && (v.Message != "" || len(v.Errors) > 0) {
		return cut(printable(strings.TrimSuffix(v.Message+": "+strings.Join(v.Errors, "; "), ": ")), 400)
	}
	return cut(strings.TrimSpace(printable(string(body))), 200)
}
