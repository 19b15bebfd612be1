package nrfake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keepwatch/telemetry/nrfake"
)

const key = "0123456789abcdef0123456789abcdef01234567"

// call is one call as the agent makes it; edit spoils it.
func call(method, run, body string, edit ...func(*http.Request)) *http.Request {
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	_, _ = io.WriteString(zw, body) // a buffer takes all
	_ = zw.Close()
	url := "https://127.0.0.1/agent_listener/invoke_raw_method?marshal_format=json&protocol_version=17&method=" + method + "&license_key=" + key + "&run_id=" + run
	r := httptest.NewRequest(http.MethodPost, url, &packed)
	r.Header.Set("Content-Encoding", "gzip")
	for _, e := range edit {
		e(r)
	}
	return r
}

func status(c *nrfake.Collector, r *http.Request) int {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Code
}

// connected is a collector with the run "run-1".
func connected(t *testing.T) *nrfake.Collector {
	t.Helper()
	c := nrfake.New(nrfake.Options{Key: key})
	if got := status(c, call("connect", "", "[]")); got != http.StatusOK {
		t.Fatalf("connect: %d", got)
	}
	return c
}

func payload(events ...string) string {
	return fmt.Sprintf(`["run-1",{"reservoir_size":100,"events_seen":%d},[%s]]`, len(events), strings.Join(events, ","))
}

func oneEvent(attrs string) string {
	return payload(`[{"type":"KeepwatchCheck","timestamp":1},{` + attrs + `},{}]`)
}

func TestStrict(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 65 {
		many = append(many, fmt.Sprintf(`"a%d":1`, i))
	}
	noise := make([]byte, 1_200_000)
	_, _ = rand.Read(noise) // never fails
	for _, tc := range []struct {
		name string
		req  *http.Request
		want int
	}{
		{"good", call("custom_event_data", "run-1", oneEvent(`"eventId":"x","n":1,"b":true`)), 202},
		{"metrics", call("metric_data", "run-1", `[]`), 202},
		{"an old run", call("custom_event_data", "run-0", oneEvent(`"n":1`)), 409},
		{"another key", call("metric_data", "run-1", `[]`, func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, key, strings.Repeat("x", 40), 1)
		}), 401},
		{"a short key", call("metric_data", "run-1", `[]`, func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, key, "x", 1) }), 401},
		{"GET", call("metric_data", "run-1", `[]`, func(r *http.Request) { r.Method = http.MethodGet }), 405},
		{"another path", call("metric_data", "run-1", `[]`, func(r *http.Request) { r.URL.Path = "/" }), 404},
		{"another protocol", call("metric_data", "run-1", `[]`, func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "=17", "=16", 1) }), 400},
		{"plain", call("metric_data", "run-1", `[]`, func(r *http.Request) { r.Header.Del("Content-Encoding") }), 415},
		{"not gzip", call("metric_data", "run-1", ``, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("[]")) }), 415},
		{"not JSON", call("metric_data", "run-1", `[`), 400},
		{"unknown method", call("shutdown", "run-1", `[]`), 400},
		{"too large", call("metric_data", "run-1", `["`+base64.StdEncoding.EncodeToString(noise)+`"]`), 413},
		{"not a payload", call("custom_event_data", "run-1", `{}`), 400},
		{"no events_seen", call("custom_event_data", "run-1", `["run-1",{},[]]`), 400},
		{"a bad type", call("custom_event_data", "run-1", payload(`[{"type":"a-b"},{},{}]`)), 400},
		{"65 attributes", call("custom_event_data", "run-1", oneEvent(strings.Join(many, ","))), 400},
		{"a null", call("custom_event_data", "run-1", oneEvent(`"n":null`)), 400},
		{"an object", call("custom_event_data", "run-1", oneEvent(`"n":{}`)), 400},
		{"a list", call("custom_event_data", "run-1", oneEvent(`"n":[1]`)), 400},
		{"a long text", call("custom_event_data", "run-1", oneEvent(`"n":"`+strings.Repeat("x", 4097)+`"`)), 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := connected(t)
			if got := status(c, tc.req); got != tc.want {
				t.Errorf("status %d, want %d (%v)", got, tc.want, c.Violations())
			}
			if refused := len(c.Violations()) > 0; refused != (tc.want != http.StatusAccepted) {
				t.Errorf("violations %v", c.Violations())
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	c := connected(t)
	post := func(id string) int {
		return status(c, call("custom_event_data", "run-1", oneEvent(`"eventId":"`+id+`"`)))
	}
	c.Set(nrfake.Fault{Status: 503, Times: 1})
	if got := status(c, call("connect", "", "[]")); got != 200 { // a new run would be run-2
		t.Errorf("connect %d, want 200: a fault without method leaves it alone", got)
	}
	c = connected(t)
	c.Set(nrfake.Fault{Method: "custom_event_data", Status: 503, Times: 2})
	for _, want := range []int{503, 503, 202} {
		if got := post("a"); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	c.Set(nrfake.Fault{Method: "custom_event_data", Status: 503, Store: true, Times: 1})
	if got := post("b"); got != 503 {
		t.Errorf("status %d, want 503", got)
	}
	post("b")
	if got := c.Unique(); len(got) != 2 || got["a"] != 1 || got["b"] != 2 {
		t.Errorf("arrived %v, want a once and b twice", got)
	}
	if got := c.Posts("custom_event_data", 503); got != 3 {
		t.Errorf("%d posts were answered with 503, want 3", got)
	}
}

func TestWaitSeesWhatArrives(t *testing.T) {
	t.Parallel()
	c := connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, func() bool { return len(c.Events()) == 2 }) }()
	status(c, call("custom_event_data", "run-1", oneEvent(`"eventId":"a"`)))
	status(c, call("custom_event_data", "run-1", oneEvent(`"eventId":"b"`)))
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	if err := c.Wait(ctx, func() bool { return false }); err == nil {
		t.Error("Wait went on without its context")
	}
}

func TestServeWithItsOwnAuthority(t *testing.T) {
	t.Parallel()
	a, err := nrfake.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Serve(t.Context(), "127.0.0.1:0", nrfake.New(nrfake.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM)
	ask := func(cfg *tls.Config) error {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + s.Addr + "/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	if err := ask(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	if err := ask(&tls.Config{MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("it is trusted without its authority")
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := ask(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("it answers after Close")
	}
}
