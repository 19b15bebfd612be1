package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"keepwatch/alerting"
	"keepwatch/probe"
)

type sinkFunc func(probe.Result)

func (f sinkFunc) Record(r probe.Result) { f(r) }

type notifierFunc func(context.Context, alerting.Page) alerting.Receipt

func (f notifierFunc) Send(ctx context.Context, p alerting.Page) alerting.Receipt { return f(ctx, p) }

func one() float64 { return 1 }

// full is a Metrics with every metric in use.
func full() *Metrics {
	m := NewMetrics("v1.2.3", Gauges{
		OutboxPending: one, OutboxOldest: one, Degraded: one, Leader: one, ReloadOK: one, ReloadTime: one,
		SchedulerLag: one, MissedSlots: one, ClockSteps: one, ClockOffset: one, IncidentsOpen: one, IncidentsAcked: one,
	})
	m.NewRelic(nil)
	m.SLO("image-site", "week", .95, .999, .98)
	look := probe.Look{
		OK: true, Code: 200, Latency: 120 * time.Millisecond, Bytes: 30_000, RemoteAddr: "192.0.2.7:443", CertNotAfter: noon.AddDate(0, 1, 0),
		Phases: probe.Phases{DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 100 * time.Millisecond, Transfer: 14 * time.Millisecond},
	}
	passed := 0
	sink := m.Sink(sinkFunc(func(probe.Result) { passed++ }))
	for i, r := range []probe.Result{
		{Outcome: probe.Good, Attempts: 1, Look: look},
		{Outcome: probe.Bad, Attempts: 2, Look: look},
		{Outcome: probe.Unknown, Cause: "suspect", Attempts: 1, Look: look},
		{Outcome: probe.Unknown, Cause: "late"},
		{Outcome: probe.Unknown, Cause: "blind", Attempts: 1},
		{Outcome: probe.Bad, Attempts: 1, Extra: true, Look: look},
	} {
		r.Check, r.Location, r.Slot = "front", "west", noon.Add(time.Duration(i)*30*time.Second)
		r.Started = r.Slot.Add(time.Second)
		sink.Record(r)
	}
	if passed != 6 {
		panic(fmt.Sprintf("%d results were passed on, want 6", passed))
	}
	classes := []alerting.Class{alerting.Taken, alerting.Again}
	n := m.Notifier("pagerduty", notifierFunc(func(context.Context, alerting.Page) alerting.Receipt {
		c := classes[0]
		classes = classes[1:]
		return alerting.Receipt{Class: c}
	}))
	for range 2 {
		n.Send(context.Background(), alerting.Page{Created: noon.AddDate(0, 0, 1)})
	}
	return m
}

func scrape(t *testing.T, h http.Handler, url string) (int, map[string]*dto.MetricFamily) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, http.NoBody))
	body := w.Body.Bytes()
	if w.Code != http.StatusOK {
		return w.Code, nil
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	return w.Code, families
}

func TestScrape(t *testing.T) {
	t.Parallel()
	_, families := scrape(t, full().Handler(), "/metrics")
	for _, name := range []string{
		"keepwatch_probe_results_total", "keepwatch_probe_duration_seconds", "keepwatch_probe_phase_seconds_total", "keepwatch_probe_last_success",
		"keepwatch_probe_last_timestamp_seconds", "keepwatch_tls_cert_not_after_timestamp_seconds", "keepwatch_slo_objective_ratio",
		"keepwatch_slo_availability_ratio", "keepwatch_slo_error_budget_remaining_ratio", "keepwatch_incidents", "keepwatch_notifications_total",
		"keepwatch_notification_delay_seconds", "keepwatch_scheduler_lag_seconds", "keepwatch_missed_slots_total", "keepwatch_clock_steps_total",
		"keepwatch_clock_offset_seconds", "keepwatch_newrelic_connected", "keepwatch_newrelic_events_total", "keepwatch_outbox_pending",
		"keepwatch_outbox_oldest_seconds", "keepwatch_degraded", "keepwatch_config_last_reload_successful",
		"keepwatch_config_last_reload_success_timestamp_seconds", "keepwatch_leader", "keepwatch_build_info", "go_goroutines", "process_start_time_seconds",
	} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	got := map[string]float64{}
	for _, m := range families["keepwatch_probe_results_total"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "result" {
				got[l.GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"success": 1, "failure": 1, "suspect": 1, "unknown": 1, "skipped": 1}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	h := families["keepwatch_probe_duration_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 4 || len(h.GetBucket()) != 9 {
		t.Errorf("histogram of %d looks in %d buckets, want 4 in 9", h.GetSampleCount(), len(h.GetBucket()))
	}
	if n := families["keepwatch_notification_delay_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); n != 1 {
		t.Errorf("%d delays, want that of the one page that was taken", n)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	m := full()
	m.Forget("front")
	_, families := scrape(t, m.Handler(), "/metrics")
	if families["keepwatch_probe_results_total"] != nil || families["keepwatch_probe_duration_seconds"] != nil {
		t.Error("a forgotten check is still served")
	}
	if code, _ := scrape(t, m.Probe(), "/probe?target=front"); code != http.StatusNotFound {
		t.Errorf("status %d, want 404", code)
	}
}

func TestProbeSpeaksBlackbox(t *testing.T) {
	t.Parallel()
	m := NewMetrics("v1", Gauges{})
	sink := m.Sink(sinkFunc(func(probe.Result) {}))
	record := func(location string, slot time.Time, o probe.Outcome, code int) {
		sink.Record(probe.Result{
			Check: "front", Location: location, Slot: slot, Started: slot, Outcome: o, Attempts: 1,
			Look: probe.Look{
				Code: code, Latency: 250 * time.Millisecond, CertNotAfter: noon,
				Phases: probe.Phases{DNS: 10 * time.Millisecond, FirstByte: 200 * time.Millisecond},
			},
		})
	}
	record("west", noon, probe.Good, 200)
	record("east", noon.Add(time.Minute), probe.Bad, 503)
	record("west", noon.Add(-time.Minute), probe.Unknown, 0) // an older one changes nothing
	for _, tc := range []struct {
		query   string
		status  int
		success float64
		code    float64
	}{
		{"target=front&location=west", 200, 1, 200},
		{"target=front&location=east", 200, 0, 503},
		{"target=front", 200, 0, 503},
		{"target=front&location=mars", 404, 0, 0},
		{"target=back", 404, 0, 0},
		{"", 400, 0, 0},
	} {
		t.Run(tc.query, func(t *testing.T) {
			t.Parallel()
			status, families, body := probeOnly(t, m.Probe(), "/probe?"+tc.query)
			if status != tc.status {
				t.Fatalf("status %d (%s), want %d", status, body, tc.status)
			}
			if status != http.StatusOK {
				return
			}
			for name, want := range map[string]float64{
				"probe_success": tc.success, "probe_http_status_code": tc.code, "probe_duration_seconds": .25,
				"probe_ssl_earliest_cert_expiry": float64(noon.Unix()), "probe_dns_lookup_time_seconds": .01,
			} {
				f := families[name]
				if f == nil {
					t.Errorf("%s is missing", name)
					continue
				}
				if got := f.GetMetric()[0].GetGauge().GetValue(); got != want {
					t.Errorf("%s = %v, want %v", name, got, want)
				}
			}
			phases := map[string]float64{}
			for _, p := range families["probe_http_duration_seconds"].GetMetric() {
				phases[p.GetLabel()[0].GetValue()] = p.GetGauge().GetValue()
			}
			if diff := cmp.Diff(map[string]float64{"resolve": .01, "connect": 0, "tls": 0, "processing": .2, "transfer": 0}, phases); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
		})
	}
}

// probeOnly parses without lint: blackbox's own names are not all to its taste.
func probeOnly(t *testing.T, h http.Handler, url string) (int, map[string]*dto.MetricFamily, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, http.NoBody))
	if w.Code != http.StatusOK {
		return w.Code, nil, w.Body.String()
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, families, ""
}

func TestFullDetail(t *testing.T) {
	t.Parallel()
	if !FullDetail(500, 1_500, 500) {
		t.Error("500 checks at 3 locations must have all their series")
	}
	if FullDetail(5_000, 5_000, 0) {
		t.Error("5,000 checks make more series than a scrape should carry")
	}
	if FullDetail(200, 200, 200*50) {
		t.Error("10,000 steps make more series than a scrape should carry")
	}
}

// TestStepMetrics: the steps of a journey are counted, but not in lean mode, and
// not when the check is gone.
func TestStepMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics("v1", Gauges{})
	sink := m.Sink(sinkFunc(func(probe.Result) {}))
	tour := probe.Result{Check: "tour", Location: "west", Slot: noon, Outcome: probe.Bad, Attempts: 1, Look: probe.Look{Steps: []probe.StepLook{
		{Name: "log in", OK: true, Latency: 250 * time.Millisecond},
		{Name: "upload", Latency: time.Second},
		{Name: "gone", Skipped: true},
	}}}
	sink.Record(tour)
	sink.Record(tour)
	_, families := scrape(t, m.Handler(), "/metrics")
	counts := map[string]float64{}
	for _, name := range []string{"keepwatch_probe_steps_total", "keepwatch_probe_step_seconds_total"} {
		for _, metric := range families[name].GetMetric() {
			var key []string
			for _, l := range metric.GetLabel() {
				key = append(key, l.GetValue())
			}
			counts[strings.Join(key, " ")] = metric.GetCounter().GetValue()
		}
	}
	want := map[string]float64{"tour success log in": 2, "tour failure upload": 2, "tour skipped gone": 2, "tour log in": 0.5, "tour upload": 2}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	for name, quiet := range map[string]func(){"lean": func() { m.Lean(true); sink.Record(tour) }, "forgotten": func() { m.Lean(false); sink.Record(tour); m.Forget("tour") }} {
		quiet()
		_, families := scrape(t, m.Handler(), "/metrics")
		if families["keepwatch_probe_steps_total"] != nil || families["keepwatch_probe_step_seconds_total"] != nil {
			t.Errorf("%s: the steps are still there", name)
		}
	}
}

// TestLean: a watcher of thousands of checks still counts and alerts.
func TestLean(t *testing.T) {
	t.Parallel()
	m := NewMetrics("v1", Gauges{})
	sink := m.Sink(sinkFunc(func(probe.Result) {}))
	bad := probe.Result{Check: "front", Location: "west", Slot: noon, Outcome: probe.Bad, Attempts: 1, Look: probe.Look{Code: 503, Latency: time.Second}}
	sink.Record(bad)
	_, full := scrape(t, m.Handler(), "/metrics")
	m.Lean(true)
	sink.Record(bad)
	_, lean := scrape(t, m.Handler(), "/metrics")
	for _, name := range []string{"keepwatch_probe_duration_seconds", "probe_duration_seconds", "probe_http_status_code"} {
		if full[name] == nil || lean[name] != nil {
			t.Errorf("%s: in full %v, lean %v; want it in full only", name, full[name] != nil, lean[name] != nil)
		}
	}
	for _, name := range []string{"keepwatch_probe_results_total", "keepwatch_probe_last_success", "probe_success"} {
		if full[name] == nil || lean[name] == nil {
			t.Errorf("%s: in full %v, lean %v; want it in both", name, full[name] != nil, lean[name] != nil)
		}
	}
	m.Lean(false)
	sink.Record(bad)
	if _, again := scrape(t, m.Handler(), "/metrics"); again["probe_http_status_code"].GetMetric()[0].GetGauge().GetValue() != 503 {
		t.Error("back in full detail the code is missing")
	}
}

// TestSeriesPerPairIsWhatIsServed holds the plan against a real scrape.
func TestSeriesPerPairIsWhatIsServed(t *testing.T) {
	t.Parallel()
	m := NewMetrics("v1", Gauges{})
	sink := m.Sink(sinkFunc(func(probe.Result) {}))
	for i := range 10 {
		for _, r := range []probe.Result{
			{Outcome: probe.Good, Attempts: 1}, {Outcome: probe.Bad, Attempts: 1}, {Attempts: 1}, {Attempts: 1, Cause: "suspect"}, {},
		} {
			r.Check, r.Location, r.Slot = fmt.Sprint("c", i/2), fmt.Sprint("l", i%2), noon
			r.Look = probe.Look{Code: 200, CertNotAfter: noon, Phases: probe.Phases{DNS: 1, Connect: 1, TLS: 1, FirstByte: 1, Transfer: 1}}
			sink.Record(r)
		}
	}
	_, families := scrape(t, m.Handler(), "/metrics")
	got := 0
	for name, f := range families {
		if strings.HasPrefix(name, "keepwatch_probe") || strings.HasPrefix(name, "keepwatch_tls") || strings.HasPrefix(name, "probe_") {
			got += len(f.GetMetric())
		}
	}
	if want := 10*seriesPerPair + 5; got != want {
		t.Errorf("%d series are served, want the %d that are planned", got, want)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := NewMetrics("v1", Gauges{})
	sink := m.Sink(sinkFunc(func(probe.Result) {}))
	r := probe.Result{
		Check: "front", Location: "west", Slot: noon, Outcome: probe.Good, Attempts: 1,
		Look: probe.Look{Latency: time.Millisecond, Phases: probe.Phases{Connect: 1, FirstByte: 1, Transfer: 1}},
	}
	b.ReportAllocs()
	for b.Loop() {
		sink.Record(r)
	}
}

// BenchmarkScrape is /metrics with 500 checks at 3 locations, gzip.
func BenchmarkScrape(b *testing.B) {
	m := NewMetrics("v1", Gauges{})
	sink := m.Sink(sinkFunc(func(probe.Result) {}))
	for i := range 1_500 {
		for n := range 20 {
			sink.Record(probe.Result{
				Check: fmt.Sprint("check-", i/3), Location: fmt.Sprint("location-", i%3), Slot: noon, Outcome: probe.Good, Attempts: 1,
				Look: probe.Look{
					Latency: time.Duration(i*n) * time.Microsecond, CertNotAfter: noon,
					Phases: probe.Phases{DNS: 1, Connect: time.Duration(i), FirstByte: time.Duration(i * n), Transfer: 1},
				},
			})
		}
	}
	h := m.Handler()
	size := 0
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		size = w.Body.Len()
		if zr, err := gzip.NewReader(w.Body); err != nil {
			b.Fatal(err)
		} else if _, err := io.CopyN(io.Discard, zr, 100); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size), "gzip-bytes")
}
