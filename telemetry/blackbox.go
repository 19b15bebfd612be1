package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"keepwatch/probe"
)

// Probe serves /probe?target=CHECK&location=LOCATION: the last result under the
// names of blackbox_exporter, so that its dashboards and rules work. Without a
// location the newest result of any location is served. No result yet, or an
// unknown check, is 404. It starts no look.
func (m *Metrics) Probe() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.URL.Query().Get("target")
		if target == "" {
			http.Error(w, "the parameter target is missing: name a check", http.StatusBadRequest)
			return
		}
		res, ok := m.lastResult(target, r.URL.Query().Get("location"))
		if !ok {
			http.Error(w, "no result of such a check at such a location yet", http.StatusNotFound)
			return
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(blackbox(res)...)
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

func (m *Metrics) lastResult(check, location string) (probe.Result, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if location != "" {
		r, ok := m.last[series{check, location}]
		return r, ok
	}
	var newest probe.Result
	found := false
	for key, r := range m.last {
		if key.check == check && (!found || r.Slot.After(newest.Slot) || r.Slot.Equal(newest.Slot) && r.Location < newest.Location) {
			newest, found = r, true
		}
	}
	return newest, found
}

// blackbox are the metrics of one result in blackbox_exporter's names and
// words. Unknown is not up, so probe_success is 1 only for good.
func blackbox(r probe.Result) []prometheus.Collector {
	success := 0.0
	if r.Outcome == probe.Good {
		success = 1
	}
	l := r.Look
	cs := []prometheus.Collector{
		single("probe_success", "Displays whether or not the probe was a success", success),
		single("probe_duration_seconds", "Returns how long the probe took to complete in seconds", l.Latency.Seconds()),
		single("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", l.Phases.DNS.Seconds()),
		single("probe_http_status_code", "Response HTTP status code", float64(l.Code)),
		single("probe_http_content_length", "Length of http content response", float64(l.Bytes)),
		single("keepwatch_probe_last_timestamp_seconds", "When the look began that is shown here", float64(r.Started.UnixMilli())/1000),
	}
	phases := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "probe_http_duration_seconds", Help: "Duration of http request by phase, summed over all redirects",
	}, []string{"phase"})
	for i, name := range [...]string{"resolve", "connect", "tls", "processing", "transfer"} {
		phases.WithLabelValues(name).Set(phaseList(l.Phases)[i].Seconds())
	}
	cs = append(cs, phases)
	ssl := 0.0
	if !l.CertNotAfter.IsZero() {
		ssl = 1
		cs = append(cs, single("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", float64(l.CertNotAfter.Unix())))
	}
	return append(cs, single("probe_http_ssl", "Indicates if SSL was used for the final redirect", ssl))
}

func single(name, help string, v float64) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	g.Set(v)
	return g
}
