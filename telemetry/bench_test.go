package telemetry

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/newrelic/go-agent/v3/newrelic"

	"keepwatch/probe"
	"keepwatch/telemetry/event"
)

// BenchmarkAttributes is the cost of an event on its way to the agent.
func BenchmarkAttributes(b *testing.B) {
	e := numbered(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := attributes(e, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPick is the cost of a batch of 100 results, one failing, with New Relic on.
func BenchmarkPick(b *testing.B) {
	rs := make([]probe.Result, 100)
	for i := range rs {
		rs[i] = seen("west", i, probe.Good)
	}
	rs[50].Outcome = probe.Bad
	s := newRawState()
	b.ReportAllocs()
	for b.Loop() {
		s.clone().pick(rs, RawFailed, func(string) event.Target { return event.Target{} })
	}
}

// BenchmarkPostedIDs is what the transport adds to a post of 400 events.
func BenchmarkPostedIDs(b *testing.B) {
	var plain, packed bytes.Buffer
	for i := range 400 {
		plain.Write(numbered(i).Attrs)
		plain.WriteString(`,"eventId":"6c268fac-42fa-51e5-83e3-b4ed1d6d3c5c"`)
	}
	zw := gzip.NewWriter(&packed)
	if _, err := zw.Write(plain.Bytes()); err != nil {
		b.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	req, err := http.NewRequestWithContext(req.Context(), http.MethodPost, "http://127.0.0.1/", &packed)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ids, err := postedIDs(req); err != nil || len(ids) != 400 {
			b.Fatal(len(ids), err)
		}
	}
}

// BenchmarkMiddleware is the cost of timing a request, and of not timing one.
func BenchmarkMiddleware(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /img/{id}", func(http.ResponseWriter, *http.Request) {})
	app, err := newrelic.NewApplication(newrelic.ConfigAppName("bench"), newrelic.ConfigLicense(testKey), func(c *newrelic.Config) { c.Host = "127.0.0.1:1" })
	if err != nil {
		b.Fatal(err)
	}
	defer app.Shutdown(time.Millisecond)
	c := &Client{}
	c.cfg.SetDefaults()
	c.app.Store(app)
	var off *Client
	for name, h := range map[string]http.Handler{"timed": c.Middleware(mux), "off": off.Middleware(mux)} {
		for _, path := range []string{"/page", "/img/1"} {
			b.Run(name+path, func(b *testing.B) {
				r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(httptest.NewRecorder(), r)
				}
			})
		}
	}
}
