package webhook

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/probe"
)

func page() alerting.Page {
	return alerting.Page{
		ID: "kw-shop-1/1/1/chat", Incident: "kw-shop-1", Action: alerting.Trigger, Person: "ada", Level: 1, Fallback: true,
		Message: alerting.Message{
			Summary: "shop is failing", Source: "shop", Severity: "critical", Time: time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC),
			Details: map[string]string{"on_call": "ada"}, Link: "http://127.0.0.1:9090/i/1", AckLink: "http://127.0.0.1:9090/a/1",
		},
	}
}

// The body is a promise to receivers: this text changes only by additions.
const wantBody = `{"version":1,"id":"kw-shop-1/1/1/chat","action":"trigger","incident":"kw-shop-1","service":"shop","person":"ada","level":2,"fallback":true,"severity":"critical","summary":"shop is failing","text":"shop is failing http://127.0.0.1:9090/i/1","since":"2026-11-22T03:12:09Z","link":"http://127.0.0.1:9090/i/1","ack_link":"http://127.0.0.1:9090/a/1","details":{"on_call":"ada"}}`

func TestSendBody(t *testing.T) {
	t.Parallel()
	var got string
	var header http.Header
	var method string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, header, method = string(raw), r.Header, r.Method
	}))
	t.Cleanup(s.Close)
	n := New(Config{URL: probe.Secret(s.URL), Method: http.MethodPut, Headers: map[string]probe.Secret{"Authorization": "Bearer hush"}})
	if r := n.Send(t.Context(), page()); r.Class != alerting.Taken || r.Status != 200 {
		t.Fatalf("got %+v", r)
	}
	if diff := cmp.Diff(wantBody, got); diff != "" {
		t.Error(diff)
	}
	if !json.Valid([]byte(got)) || method != http.MethodPut || header.Get("Authorization") != "Bearer hush" ||
		header.Get("Idempotency-Key") != page().ID || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
		t.Errorf("%s with %v", method, header)
	}
}

func TestSendClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		class   alerting.Class
		wait    time.Duration
		detail  string
	}{
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, alerting.Taken, 0, ""},
		{"refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad\nfield", http.StatusBadRequest) }, alerting.Refused, 0, "HTTP 400: bad field"},
		{"gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, alerting.Setup, 0, "HTTP 410"},
		{"moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, alerting.Setup, 0, "HTTP 302"},
		{"limited", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, alerting.Again, 30 * time.Second, ""},
		{"limited with seconds", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(http.StatusTooManyRequests)
		}, alerting.Again, 9 * time.Second, ""},
		{"error that echoes the secret", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "token hush-hush", http.StatusInternalServerError)
		}, alerting.Again, 0, "token REDACTED"},
		{"closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, alerting.Doubtful, 0, "no answer after"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(tt.handler)
			t.Cleanup(s.Close)
			got := New(Config{URL: probe.Secret(s.URL + "/T00/secret"), Headers: map[string]probe.Secret{"X": "hush-hush"}}).Send(t.Context(), page())
			if got.Class != tt.class || got.RetryAfter != tt.wait || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got %+v, want %s %s %q", got, tt.class, tt.wait, tt.detail)
			}
			if strings.Contains(got.Detail, "secret") || strings.Contains(got.Detail, "hush") {
				t.Errorf("shows a secret: %s", got.Detail)
			}
		})
	}
}

func TestSendWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(hang) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got := New(Config{URL: probe.Secret(s.URL)}).Send(ctx, page()); got.Class != alerting.Doubtful {
		t.Errorf("timeout: %+v", got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if got := New(Config{URL: probe.Secret("http://" + l.Addr().String() + "/secret")}).Send(t.Context(), page()); got.Class != alerting.Again || strings.Contains(got.Detail, "secret") {
		t.Errorf("nobody listens: %+v", got)
	}
	if got := New(Config{URL: "http://bad host/"}).Send(t.Context(), page()); got.Class != alerting.Setup {
		t.Errorf("a broken address: %+v", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"good", Config{URL: "https://chat.example.com/x", Headers: map[string]probe.Secret{"A": "b"}}, nil},
		{"empty", Config{}, []string{"url"}},
		{"bad", Config{URL: "chat", Method: "GET", Headers: map[string]probe.Secret{"A b": "c"}}, []string{"url", "method", "headers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			tt.cfg.Validate(func(path, _ string) { got = append(got, path) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
