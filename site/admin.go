package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"keepwatch/site/guard"
)

// admin answers health and metrics on a listener of its own, where no flood of
// visitors stands in the way. It is nil when there is none.
type admin struct {
	server *http.Server
	ln     net.Listener
}

// newAdmin takes the admin address. A chosen one that is taken is an error, the
// default one is only missed: health is answered on the visitors' listener too.
func (s *Site) newAdmin(ctx context.Context, site net.Addr) (*admin, error) {
	addr, given := s.cfg.admin(site)
	if addr == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		if given {
			return nil, fmt.Errorf("listen on site.admin_listen %s: %w (choose another, or off)", addr, err)
		}
		s.log.Warn("no address for health and metrics of the site", "address", addr, "err", err)
		return nil, nil //nolint:nilnil // none could be had
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", s.metrics)
	return &admin{ln: ln, server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}, nil
}

// run answers until close.
func (a *admin) run() error {
	if a == nil {
		return nil
	}
	if err := a.server.Serve(a.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health of the site: %w", err)
	}
	return nil
}

func (a *admin) close() {
	if a != nil {
		_ = a.server.Close() // nobody waits for an answer of it
	}
}

// metrics writes what this process counts, in the text format of Prometheus.
func (s *Site) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	s.WriteMetrics(w)
}

// WriteMetrics writes what this process counts, in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
func (s *Site) WriteMetrics(w io.Writer) {
	m := metricWriter{w}
	g, r := s.guard.Stats(), s.render.Stats()
	m.family("requests_total", "counter", "Requests of visitors, by class and what became of them.")
	for _, c := range guard.Classes() {
		m.sample("requests_total", `class="`+c.String()+`",result="passed"`, float64(g.Passed[c]))
		m.sample("requests_total", `class="`+c.String()+`",result="limited"`, float64(g.Limited[c]))
	}
	for _, v := range []struct {
		name, kind, help string
		value            float64
	}{
		{"load_level", "gauge", "0 normal, 1 nothing in advance, 2 strangers are challenged, 3 only what is ready.", float64(g.Level)},
		{"load_score", "gauge", "The load; 1 is where only what is ready is answered.", g.Score},
		{"lag_seconds", "gauge", "How late timers of the process run.", g.Lag.Seconds()},
		{"connections", "gauge", "Open connections.", float64(g.Connections)},
		{"connections_refused_total", "counter", "Connections of clients that had too many.", float64(g.Crowded)},
		{"shed_total", "counter", "Requests answered 503 because of load.", float64(g.Shed)},
		{"challenges_total", "counter", "Tasks given to strangers.", float64(g.Challenges)},
		{"challenges_solved_total", "counter", "Tasks solved.", float64(g.Solved)},
		{"challenges_forged_total", "counter", "Answers and passes that were not good.", float64(g.Forged)},
		{"signed_total", "counter", "Requests signed by our own probes.", float64(g.Signed)},
		{"signed_wrong_total", "counter", "Requests with a signature that did not hold.", float64(g.BadSigned)},
		{"codes_wrong_total", "counter", "Codes that were not good.", float64(g.WrongCodes)},
		{"clients_limited", "gauge", "Clients that have used some of a limit.", float64(g.Tracked)},
		{"pictures_cached_total", "counter", "Pictures from the cache.", float64(r.Hits)},
		{"pictures_uncached_total", "counter", "Pictures that were not in the cache.", float64(r.Misses)},
		{"renders_total", "counter", "Pictures rendered.", float64(r.Renders)},
		{"renders_failed_total", "counter", "Renders that failed.", float64(r.Failed)},
		{"renders_busy_total", "counter", "Visitors refused because too many renders waited.", float64(r.Busy)},
		{"renders_waiting", "gauge", "Pictures that wait for a worker.", float64(r.Waiting)},
		{"cache_bytes", "gauge", "What the cache holds.", float64(r.CacheBytes)},
		{"cache_errors_total", "counter", "Renditions that could not be kept.", float64(r.CacheErrors)},
	} {
		m.family(v.name, v.kind, v.help)
		m.sample(v.name, "", v.value)
	}
	m.family("ready", "gauge", "1 when a part of the site is in order.")
	for _, p := range s.health.parts {
		_, ready := p.state(time.Now())
		value := 0.0
		if ready {
			value = 1
		}
		m.sample("ready", `part="`+p.name+`"`, value)
	}
}

// metricWriter writes metrics; the asker may have left, so errors count for nothing.
type metricWriter struct{ w io.Writer }

const metricPrefix = "keepwatch_site_"

func (m metricWriter) family(name, kind, help string) {
	_, _ = io.WriteString(m.w, "# HELP "+metricPrefix+name+" "+help+"\n# TYPE "+metricPrefix+name+" "+kind+"\n")
}

func (m metricWriter) sample(name, labels string, v float64) {
	if labels != "" {
		labels = "{" + labels + "}"
	}
	_, _ = io.WriteString(m.w, metricPrefix+name+labels+" "+strconv.FormatFloat(v, 'g', -1, 64)+"\n")
}
