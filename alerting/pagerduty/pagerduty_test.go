package pagerduty

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// testKey has the shape of an integration key.
const testKey = "0123456789abcdef0123456789abcdef"

// events is a stand-in for the Events API that remembers what it got.
type events struct {
	*httptest.Server
	mu  sync.Mutex
	got []map[string]any // guarded by mu
}

func newEvents(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *events {
	t.Helper()
	e := &events{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var v map[string]any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Errorf("not JSON: %v", err)
		}
		if r.URL.Path != "/v2/enqueue" || r.Method != http.MethodPost {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		e.mu.Lock()
		e.got = append(e.got, v)
		n := len(e.got)
		e.mu.Unlock()
		answer(w, r, n)
	}))
	t.Cleanup(e.Close)
	return e
}

// requests returns what was received so far.
func (e *events) requests() []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got)
}

func (e *events) notifier() *Notifier {
	return New(Config{EventsURL: e.URL + "/"}, Keys{"service": testKey})
}

func page() alerting.Page {
	return alerting.Page{
		ID: "kw-shop-1/1/1", Incident: "kw-shop-1", Channel: "pagerduty", Route: "service", DedupKey: "kw-shop-1",
		Action: alerting.Trigger, Person: "ada", Created: time.Now(),
		Message: alerting.Message{
			Summary: "shop is failing", Source: "shop", Severity: "critical", Time: time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC),
			Component: "front", Details: map[string]string{"on_call": "ada"}, Link: "http://127.0.0.1:9090/incidents/1", AckLink: "http://127.0.0.1:9090/ack/1",
		},
	}
}

func answer(status int, body string, headers ...string) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestSendClasses(t *testing.T) {
	t.Parallel()
	const refused = `{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is missing"]}`
	for _, tt := range []struct {
		name     string
		answer   func(http.ResponseWriter, *http.Request, int)
		class    alerting.Class
		status   int
		wait     time.Duration
		detail   string // must be in the receipt's detail
		requests int
	}{
		{"accepted", answer(202, `{"status":"success","dedup_key":"kw-shop-1"}`), alerting.Taken, 202, 0, "", 1},
		{"accepted with an empty body", answer(202, ""), alerting.Taken, 202, 0, "", 1},
		{"accepted with an odd body", answer(202, "<html>"), alerting.Taken, 202, 0, "", 1},
		{"refused says why and is tried in a smaller form", answer(400, refused), alerting.Refused, 400, 0, "'payload.severity' is missing", 2},
		{"too large", answer(413, "big"), alerting.Refused, 413, 0, "HTTP 413: big", 2},
		{"the smaller form is taken", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				answer(400, refused)(w, r, n)
				return
			}
			answer(202, "{}")(w, r, n)
		}, alerting.Taken, 202, 0, "'payload.severity' is missing", 2},
		{"wrong key", answer(401, `{"message":"no"}`), alerting.Setup, 401, 0, "HTTP 401: no", 1},
		{"forbidden", answer(403, ""), alerting.Setup, 403, 0, "HTTP 403", 1},
		{"not found", answer(404, "nothing here"), alerting.Setup, 404, 0, "nothing here", 1},
		{"moved, and not followed", func(w http.ResponseWriter, r *http.Request, n int) {
			if n > 1 {
				answer(202, "{}")(w, r, n)
				return
			}
			answer(307, "", "Location", "/v2/enqueue")(w, r, n)
		}, alerting.Setup, 307, 0, "HTTP 307", 1},
		{"timeout there", answer(408, ""), alerting.Again, 408, 0, "HTTP 408", 1},
		{"limited without a word", answer(429, ""), alerting.Again, 429, 30 * time.Second, "HTTP 429", 1},
		{"limited with seconds", answer(429, "", "Retry-After", "7"), alerting.Again, 429, 7 * time.Second, "", 1},
		{"limited with a reset", answer(429, "", "ratelimit-reset", "11"), alerting.Again, 429, 11 * time.Second, "", 1},
		{"error", answer(500, "oops"), alerting.Again, 500, 0, "HTTP 500: oops", 1},
		{"unavailable with seconds", answer(503, "", "Retry-After", "5"), alerting.Again, 503, 5 * time.Second, "", 1},
		{"not a word of the protocol", answer(200, "{}"), alerting.Again, 200, 0, "HTTP 200", 1},
		{"an echoed key is hidden", answer(500, "key "+testKey), alerting.Again, 500, 0, "key REDACTED", 1},
		{"closed after the event was read", func(http.ResponseWriter, *http.Request, int) { panic(http.ErrAbortHandler) }, alerting.Doubtful, 0, 0, "no answer after the event was sent", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEvents(t, tt.answer)
			got := e.notifier().Send(t.Context(), page())
			if got.Class != tt.class || got.Status != tt.status || got.RetryAfter != tt.wait || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got %+v, want %s %d %s %q", got, tt.class, tt.status, tt.wait, tt.detail)
			}
			if n := len(e.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if strings.Contains(got.Detail, testKey) {
				t.Errorf("the key is shown: %s", got.Detail)
			}
		})
	}
}

func TestSendWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	// Written, then silence until our deadline.
	hang := make(chan struct{})
	e := newEvents(t, func(http.ResponseWriter, *http.Request, int) { <-hang })
	t.Cleanup(func() { close(hang) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got := e.notifier().Send(ctx, page()); got.Class != alerting.Doubtful || !strings.Contains(got.Detail, "timed out") {
		t.Errorf("a timeout after the event was sent: %+v, want unknown", got)
	}
	// Nobody listens.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	if got := New(Config{EventsURL: "http://" + address}, Keys{"service": testKey}).Send(t.Context(), page()); got.Class != alerting.Again {
		t.Errorf("refused connection: %+v, want retry", got)
	}
	// TLS to something that speaks no TLS.
	if got := New(Config{EventsURL: strings.Replace(e.URL, "http:", "https:", 1)}, Keys{"service": testKey}).Send(t.Context(), page()); got.Class != alerting.Again {
		t.Errorf("failed handshake: %+v, want retry", got)
	}
	// No key for the route, or an address that is none.
	if got := e.notifier().Send(t.Context(), alerting.Page{Route: "person:ada"}); got.Class != alerting.Setup {
		t.Errorf("no key: %+v, want config", got)
	}
	if got := New(Config{EventsURL: "http://bad host"}, Keys{"service": testKey}).Send(t.Context(), page()); got.Class != alerting.Setup {
		t.Errorf("a broken address: %+v, want config", got)
	}
}

func TestEventShape(t *testing.T) {
	t.Parallel()
	e := newEvents(t, answer(202, "{}"))
	p := page()
	p.Message.Summary = strings.Repeat("ü", 3000) + "\xff"
	p.Message.Severity = "awful"
	p.DedupKey = strings.Repeat("k", 400)
	p.Created = time.Now().Add(-47*time.Minute - time.Second)
	e.notifier().Send(t.Context(), p)
	p.Action = alerting.Resolve
	e.notifier().Send(t.Context(), p)
	trigger, resolve := e.requests()[0], e.requests()[1]
	payload, _ := trigger["payload"].(map[string]any)
	summary, _ := payload["summary"].(string)
	if n := utf8.RuneCountInString(summary); n > 1024 || !utf8.ValidString(summary) || !strings.HasSuffix(summary, "(delayed 47 min)") {
		t.Errorf("summary of %d characters: …%s", n, summary[max(len(summary)-40, 0):])
	}
	for field, want := range map[string]string{"severity": "critical", "source": "shop", "timestamp": "2026-11-22T03:12:09Z", "component": "front"} {
		if payload[field] != want {
			t.Errorf("payload.%s is %v, want %s", field, payload[field], want)
		}
	}
	key, _ := trigger["dedup_key"].(string)
	if utf8.RuneCountInString(key) > 255 || trigger["event_action"] != "trigger" || trigger["routing_key"] != testKey {
		t.Errorf("trigger %v", trigger)
	}
	if resolve["dedup_key"] != key || resolve["event_action"] != "resolve" || resolve["payload"] != nil {
		t.Errorf("resolve %v does not match the trigger's key", resolve)
	}
}

func TestMinimalEvent(t *testing.T) {
	t.Parallel()
	e := newEvents(t, answer(400, "no"))
	p := page()
	p.Message.Summary, p.Message.Source = "", ""
	e.notifier().Send(t.Context(), p)
	second := e.requests()[1]
	fields := make([]string, 0, len(second))
	for k := range second {
		fields = append(fields, k)
	}
	slices.Sort(fields)
	if got, want := fmt.Sprint(fields), "[dedup_key event_action payload routing_key]"; got != want {
		t.Errorf("the second event has %s, want %s", got, want)
	}
	payload, _ := second["payload"].(map[string]any)
	if len(payload) != 3 || payload["summary"] == "" || payload["source"] == "" {
		t.Errorf("payload %v", payload)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"empty", Config{}, nil},
		{"good", Config{RoutingKey: testKey, EventsURL: "http://127.0.0.1:8900", APIURL: DefaultAPIURL, WebhookSecrets: []probe.Secret{"s"}}, nil},
		{"bad", Config{RoutingKey: "short", EventsURL: "events", APIURL: "https://x/y", WebhookSecrets: []probe.Secret{""}}, []string{"routing_key", "events_url", "api_url", "webhook_secrets[0]"}},
		{"a key with a line end", Config{RoutingKey: probe.Secret(testKey[:31] + "\n")}, []string{"routing_key"}},
		{"hold too short", Config{HoldResolve: time.Millisecond}, []string{"hold_resolve"}},
		{"hold too long", Config{HoldResolve: time.Hour}, []string{"hold_resolve"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			tt.cfg.Validate(func(path, msg string) {
				got = append(got, path)
				if strings.Contains(msg, "short") {
					t.Errorf("shows the secret: %s", msg)
				}
			})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
