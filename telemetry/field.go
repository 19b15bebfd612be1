package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"keepwatch/probe"
)

// field serves, at each scrape of /metrics, the last results under the names
// that the field uses (blackbox_exporter's), with the labels check and location. It
// costs nothing between scrapes.
type field struct {
	metrics                         *Metrics
	success, duration, code, expiry *prometheus.Desc
}

func newField(m *Metrics) *field {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"check", "location"}, nil)
	}
	return &field{
		metrics:  m,
		success:  desc("probe_success", "Displays whether or not the probe was a success"),
		duration: desc("probe_duration_seconds", "Returns how long the probe took to complete in seconds"),
		code:     desc("probe_http_status_code", "Response HTTP status code"),
		expiry:   desc("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime"),
	}
}

// Describe implements [prometheus.Collector].
func (f *field) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.success, f.duration, f.code, f.expiry} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (f *field) Collect(ch chan<- prometheus.Metric) {
	f.metrics.mu.RLock()
	defer f.metrics.mu.RUnlock()
	for key, r := range f.metrics.last {
		f.send(ch, key, r, f.metrics.lean)
	}
}

// send passes on one result. Unknown is not up, so probe_success is 1 only for good.
func (f *field) send(ch chan<- prometheus.Metric, key series, r probe.Result, lean bool) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, key.check, key.location)
	}
	if r.Outcome == probe.Good {
		gauge(f.success, 1)
	} else {
		gauge(f.success, 0)
	}
	if lean {
		return
	}
	gauge(f.duration, r.Look.Latency.Seconds())
	if r.Look.Code != 0 {
		gauge(f.code, float64(r.Look.Code))
	}
	if !r.Look.CertNotAfter.IsZero() {
		gauge(f.expiry, float64(r.Look.CertNotAfter.Unix()))
	}
}

// What one check at one location makes: 5 results, 5 phases, 2 gauges, a
// histogram, which is counted once, and 4 in the field's names; and one certificate a check.
const seriesPerPair = 5 + 5 + 2 + 1 + 4

// seriesPerStep is what one step of a journey makes: 3 results and a sum.
const seriesPerStep = 3 + 1

// maxSeries is what a scrape should carry at most in full detail.
const maxSeries = 30_000

// FullDetail reports whether so many checks, with so many pairs of check and
// location and so many steps of journeys, can be served with all their series (at
// most 30,000). 500 checks at 3 locations can.
// Beyond that [Metrics.Lean] leaves out what is not needed to see and to alert.
func FullDetail(checks, pairs, steps int) bool {
	return pairs*seriesPerPair+steps*seriesPerStep+checks <= maxSeries
}

// Lean switches between all series of a check (the start) and few: the
// counters of results, probe_success and last_success. What is left out is forgotten.
func (m *Metrics) Lean(lean bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lean == m.lean {
		return
	}
	m.lean = lean
	m.bound = map[series]*boundSeries{}
	m.duration.Reset()
	m.phases.Reset()
	m.steps.Reset()
	m.stepSeconds.Reset()
	m.lastTime.Reset()
	m.certNotAfter.Reset()
}
