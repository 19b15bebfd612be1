package telemetry

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Bounds of the metrics.
const (
	scrapesAtOnce   = 4
	scrapeTimeout   = 20 * time.Second
	nativeFactor    = 1.1 // width of native buckets, read only by scrapers that ask for them
	nativeBuckets   = 160
	metricNamespace = "keepwatch"
)

// Gauges are figures read at each scrape; they must be quick and safe for
// concurrent use. A nil func leaves its metric out.
type Gauges struct {
	OutboxPending  func() float64 // pages owed and events waiting
	OutboxOldest   func() float64 // seconds; 0 when nothing waits
	Degraded       func() float64 // 1: Postgres is away, pages go through the spool
	Leader         func() float64 // 1: this process leads
	ReloadOK       func() float64 // 1: the last reload was good
	ReloadTime     func() float64 // unix seconds of the last good (re)load
	SchedulerLag   func() float64 // seconds
	MissedSlots    func() float64 // since start
	ClockSteps     func() float64 // since start
	ClockOffset    func() float64 // seconds against the database's clock
	IncidentsOpen  func() float64 // neither acknowledged nor resolved
	IncidentsAcked func() float64
	Folding        func() float64 // 1: this process folds the ledger
	Unfolded       func() float64 // stretches and checks that wait to be folded
	TooLate        func() float64 // results refused since start because they came too late
}

// Metrics is the Prometheus side: a registry of its own. Made by [NewMetrics];
// safe for concurrent use.
type Metrics struct {
	// Now is the clock of the instants in pages; nil means time.Now. Set it before use.
	Now func() time.Time

	reg *prometheus.Registry

	results       *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	phases        *prometheus.CounterVec
	steps         *prometheus.CounterVec
	stepSeconds   *prometheus.CounterVec
	lastSuccess   *prometheus.GaugeVec
	lastTime      *prometheus.GaugeVec
	certNotAfter  *prometheus.GaugeVec
	notifications *prometheus.CounterVec
	delay         prometheus.Histogram
	objective     *prometheus.GaugeVec
	availability  *prometheus.GaugeVec
	budget        *prometheus.GaugeVec

	mu    sync.RWMutex // guards lean, bound with its contents, and last
	lean  bool
	bound map[series]*boundSeries
	last  map[series]probe.Result // for /probe
}

// boundSeries are the series of one check at one location, looked up once.
type boundSeries struct {
	results     map[string]prometheus.Counter
	duration    prometheus.Observer
	phases      [5]prometheus.Counter
	lastSuccess prometheus.Gauge
	lastTime    prometheus.Gauge
}

// NewMetrics makes the registry with all metrics; version goes into keepwatch_build_info.
func NewMetrics(version string, g Gauges) *Metrics {
	m := &Metrics{
		reg:           prometheus.NewRegistry(),
		results:       counters("probe_results_total", "Results of slots, by outcome.", "check", "location", "result"),
		phases:        counters("probe_phase_seconds_total", "Time spent in each phase of looking.", "check", "location", "phase"),
		steps:         counters("probe_steps_total", "Steps of journeys, by how they ended.", "check", "step", "result"),
		stepSeconds:   counters("probe_step_seconds_total", "Time spent in each step of a journey.", "check", "step"),
		lastSuccess:   gauges("probe_last_success", "1 when the last result was good.", "check", "location"),
		lastTime:      gauges("probe_last_timestamp_seconds", "When the last look began.", "check", "location"),
		certNotAfter:  gauges("tls_cert_not_after_timestamp_seconds", "When the certificate that was seen last ends.", "check"),
		notifications: counters("notifications_total", "Attempts to send a page, by how the channel answered.", "channel", "result"),
		objective:     gauges("slo_objective_ratio", "The objective.", "slo"),
		availability:  gauges("slo_availability_ratio", "Availability over a window.", "slo", "window"),
		budget:        gauges("slo_error_budget_remaining_ratio", "What is left of the error budget of a window.", "slo", "window"),
		bound:         map[series]*boundSeries{},
		last:          map[series]probe.Result{},
	}
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metricNamespace, Name: "probe_duration_seconds", Help: "How long looks took.",
		Buckets:                     []float64{.025, .1, .25, .5, 1, 2.5, 5, 10},
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
	}, []string{"check", "location"})
	m.delay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricNamespace, Name: "notification_delay_seconds", Help: "From when a page was owed to when a channel took it.",
		Buckets: []float64{.1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600},
	})
	m.reg.MustRegister(m.results, m.phases, m.steps, m.stepSeconds, m.lastSuccess, m.lastTime, m.certNotAfter, m.notifications,
		m.objective, m.availability, m.budget, m.duration, m.delay,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := gauges("build_info", "Always 1; the version is a label.", "version")
	build.WithLabelValues(version).Set(1)
	m.reg.MustRegister(build)
	m.reg.MustRegister(newField(m))
	m.registerGauges(g)
	return m
}

func (m *Metrics) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metricNamespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: metricNamespace, Name: name, Help: help}, labels)
}

func (m *Metrics) registerGauges(g Gauges) {
	m.gauge("outbox_pending", "Pages owed and events waiting.", nil, g.OutboxPending)
	m.gauge("outbox_oldest_seconds", "Age of what waits longest.", nil, g.OutboxOldest)
	m.gauge("degraded", "1 while the database is away.", nil, g.Degraded)
	m.gauge("leader", "1 when this process leads.", nil, g.Leader)
	m.gauge("config_last_reload_successful", "1 when the last reload was good.", nil, g.ReloadOK)
	m.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in use was loaded.", nil, g.ReloadTime)
	m.gauge("scheduler_lag_seconds", "How late looks start.", nil, g.SchedulerLag)
	m.counter("missed_slots_total", "Slots that could not be looked at.", nil, g.MissedSlots)
	m.counter("clock_steps_total", "How often the clock of this host was set.", nil, g.ClockSteps)
	m.gauge("clock_offset_seconds", "The database's clock against the one that Keepwatch goes by.", nil, g.ClockOffset)
	m.gauge("ledger_folding", "1 when this process folds the ledger.", nil, g.Folding)
	m.gauge("ledger_unfolded", "Stretches of time that wait to be folded.", nil, g.Unfolded)
	m.counter("ledger_late_results_total", "Results that came too late to be kept.", nil, g.TooLate)
	m.gauge("incidents", "Incidents that are not resolved.", prometheus.Labels{"state": string(alerting.Open), "priority": "critical"}, g.IncidentsOpen)
	m.gauge("incidents", "Incidents that are not resolved.", prometheus.Labels{"state": string(alerting.Acknowledged), "priority": "critical"}, g.IncidentsAcked)
}

func (m *Metrics) gauge(name, help string, labels prometheus.Labels, f func() float64) {
	if f != nil {
		m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: metricNamespace, Name: name, Help: help, ConstLabels: labels}, f))
	}
}

func (m *Metrics) counter(name, help string, labels prometheus.Labels, f func() float64) {
	if f != nil {
		m.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: metricNamespace, Name: name, Help: help, ConstLabels: labels}, f))
	}
}

// NewRelic adds the figures of the line to New Relic; call it once. A nil client shows as not connected.
func (m *Metrics) NewRelic(c *Client) {
	m.gauge("newrelic_connected", "1 when New Relic's last answer was good.", nil, func() float64 {
		if c.Connected() {
			return 1
		}
		return 0
	})
	help := "Events for New Relic, by what became of them."
	for outcome, read := range map[string]func(Stats) int64{
		"taken":   func(s Stats) int64 { return s.Taken },
		"resent":  func(s Stats) int64 { return s.Resent },
		"expired": func(s Stats) int64 { return s.Expired },
		"refused": func(s Stats) int64 { return s.Refused },
	} {
		m.counter("newrelic_events_total", help, prometheus.Labels{"outcome": outcome}, func() float64 { return float64(read(c.Stats())) })
	}
}

// SLO sets the figures of a service over a window ("week", "28d"), as ratios.
func (m *Metrics) SLO(slo, window string, objective, availability, budgetRemaining float64) {
	m.objective.WithLabelValues(slo).Set(objective)
	m.availability.WithLabelValues(slo, window).Set(availability)
	m.budget.WithLabelValues(slo, window).Set(budgetRemaining)
}

// Sink counts results on their way.
func (m *Metrics) Sink(next probe.Sink) probe.Sink { return metricSink{m, next} }

type metricSink struct {
	m    *Metrics
	next probe.Sink
}

// Record implements [probe.Sink]. Extra looks are passed on but not counted: they are not slots.
func (s metricSink) Record(r probe.Result) {
	if !r.Extra {
		s.m.observe(r)
	}
	s.next.Record(r)
}

func (m *Metrics) observe(r probe.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bind(r)
	b.result(m, r).Inc()
	if r.Attempts == 0 { // nothing was looked at
		return
	}
	if r.Outcome == probe.Good {
		b.lastSuccess.Set(1)
	} else {
		b.lastSuccess.Set(0)
	}
	if m.lean {
		return
	}
	b.duration.Observe(r.Look.Latency.Seconds())
	for i, d := range phaseList(r.Look.Phases) {
		if d <= 0 {
			continue
		}
		if b.phases[i] == nil {
			b.phases[i] = m.phases.WithLabelValues(r.Check, r.Location, phaseLabels()[i])
		}
		b.phases[i].Add(d.Seconds())
	}
	m.observeSteps(r)
	b.lastTime.Set(float64(r.Started.UnixMilli()) / 1000)
	if !r.Look.CertNotAfter.IsZero() {
		m.certNotAfter.WithLabelValues(r.Check).Set(float64(r.Look.CertNotAfter.Unix()))
	}
}

// observeSteps counts the steps of a journey. There are at most 50 in a check, and
// their names are the file's.
func (m *Metrics) observeSteps(r probe.Result) {
	for _, s := range r.Look.Steps {
		label := labelFailure
		switch {
		case s.Skipped:
			label = labelSkipped
		case s.OK:
			label = labelSuccess
		}
		m.steps.WithLabelValues(r.Check, s.Name, label).Inc()
		if !s.Skipped {
			m.stepSeconds.WithLabelValues(r.Check, s.Name).Add(max(s.Latency, 0).Seconds())
		}
	}
}

// bind finds the series of a result and remembers it for /probe. Rare series
// are made when they are first needed, to keep scrapes small; success and
// failure are there from the start, so that the first failure is an increase.
// The caller holds mu.
func (m *Metrics) bind(r probe.Result) *boundSeries {
	key := series{r.Check, r.Location}
	if old := m.last[key]; !r.Slot.Before(old.Slot) {
		m.last[key] = r
	}
	b, ok := m.bound[key]
	if !ok {
		b = &boundSeries{
			results: map[string]prometheus.Counter{
				labelSuccess: m.results.WithLabelValues(r.Check, r.Location, labelSuccess),
				labelFailure: m.results.WithLabelValues(r.Check, r.Location, labelFailure),
			},
			lastSuccess: m.lastSuccess.WithLabelValues(r.Check, r.Location),
		}
		if !m.lean {
			b.duration = m.duration.WithLabelValues(r.Check, r.Location)
			b.lastTime = m.lastTime.WithLabelValues(r.Check, r.Location)
		}
		m.bound[key] = b
	}
	return b
}

// result is the counter of a result's label.
func (b *boundSeries) result(m *Metrics, r probe.Result) prometheus.Counter {
	label := resultLabel(r)
	c, ok := b.results[label]
	if !ok {
		c = m.results.WithLabelValues(r.Check, r.Location, label)
		b.results[label] = c
	}
	return c
}

// Forget removes the series of a check, when it is no longer configured.
func (m *Metrics) Forget(check string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.bound {
		if key.check == check {
			delete(m.bound, key)
			delete(m.last, key)
		}
	}
	match := prometheus.Labels{"check": check}
	m.results.DeletePartialMatch(match)
	m.duration.DeletePartialMatch(match)
	m.phases.DeletePartialMatch(match)
	m.steps.DeletePartialMatch(match)
	m.stepSeconds.DeletePartialMatch(match)
	m.lastSuccess.DeletePartialMatch(match)
	m.lastTime.DeletePartialMatch(match)
	m.certNotAfter.DeletePartialMatch(match)
}

// The values of the label result.
const (
	labelSuccess = "success"
	labelFailure = "failure"
	labelSuspect = "suspect" // the prober itself was late
	labelUnknown = "unknown"
	labelSkipped = "skipped" // nothing was looked at
)

func resultLabel(r probe.Result) string {
	switch {
	case r.Outcome == probe.Good:
		return labelSuccess
	case r.Outcome == probe.Bad:
		return labelFailure
	case r.Cause == "suspect":
		return labelSuspect
	case r.Attempts == 0:
		return labelSkipped
	}
	return labelUnknown
}

func phaseLabels() [5]string { return [...]string{"dns", "connect", "tls", "first_byte", "transfer"} }

func phaseList(p probe.Phases) [5]time.Duration {
	return [...]time.Duration{p.DNS, p.Connect, p.TLS, p.FirstByte, p.Transfer}
}

// Handler serves /metrics, at most 4 scrapes at once.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{
		Registry: m.reg, CoalesceGather: true, MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTimeout, EnableOpenMetrics: true,
	})
}
