package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"keepwatch/reports"
)

//go:embed pages
var pages embed.FS

// Server is the console. All fields but those said to be optional must be set
// before Run.
type Server struct {
	Config Config
	Source Source
	Actor  Actor
	Signer Signer
	Log    *slog.Logger

	// Desk is what people do with incidents and duties; optional: without it those pages are missing.
	Desk Desk
	// Tokens are those in force, so that a reload can end one; nil: those of Config.
	Tokens func() []Token

	// Reports and Formats are what the pages of reports need; optional: without Reports they are missing.
	Reports ReportSource
	Formats []reports.Format

	Metrics   http.Handler // GET /metrics; optional
	Probe     http.Handler // GET /probe, in blackbox_exporter's words; optional
	PagerDuty http.Handler // POST /v1/webhooks/pagerduty; optional: 404 without it
	// Now is the clock of what people do; nil means time.Now.
	Now func() time.Time
	// Around wraps the page handlers, for application monitoring; optional.
	Around func(http.Handler) http.Handler
	// Drain is how long a stopping console answers with "Connection: close" before
	// it shuts its listener; zero means 0.
	Drain time.Duration

	draining  atomic.Bool
	templates *template.Template
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Listen opens the console's address, so that a taken port is found before anything else starts.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.Config.Listen)
	if err != nil {
		return nil, fmt.Errorf("console.listen %s: %w (is another keepwatch running? choose another console.listen)", s.Config.Listen, err)
	}
	return ln, nil
}

// Run serves on ln until ctx ends, then drains. It returns nil after a clean stop.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	handler, err := s.Handler()
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // ends with Shutdown or Close below
	select {
	case err := <-served:
		return fmt.Errorf("serve console: %w", err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Drain+3*time.Second)
	defer cancel()
	select {
	case <-time.After(s.Drain):
	case <-stop.Done():
	}
	if err := srv.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("stop console: %w", err), srv.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve console: %w", err)
	}
	return nil
}

// Handler returns the console without a listener.
func (s *Server) Handler() (http.Handler, error) {
	t, err := parsePages()
	if err != nil {
		return nil, err
	}
	s.templates = t
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /-/healthy", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /-/ready", s.readyz)
	mux.HandleFunc("GET /{$}", s.page(View, s.statusPage))
	mux.HandleFunc("GET /style.css", s.style)
	mux.HandleFunc("GET /api/v1/status", s.page(View, s.statusJSON))
	mux.HandleFunc("GET /incidents/{id}", s.page(View, s.incidentPage))
	s.mountDesk(mux)
	mux.HandleFunc("GET /ack/{incident}", s.ackPage)
	mux.HandleFunc("POST /ack/{incident}", s.ackSigned)
	s.mountReports(mux, func(h http.HandlerFunc) http.HandlerFunc { return s.page(View, h) })
	mux.HandleFunc("GET /v1/heartbeat/{check}", s.beat)
	mux.HandleFunc("POST /v1/heartbeat/{check}", s.beat)
	mount(mux, "GET /metrics", s.Metrics)
	mount(mux, "GET /probe", s.Probe)
	mount(mux, "POST /v1/webhooks/pagerduty", s.PagerDuty)
	return s.outer(mux), nil
}

func mount(mux *http.ServeMux, pattern string, h http.Handler) {
	if h != nil {
		mux.Handle(pattern, h)
	}
}

// outer is what every request passes: recover, headers, same origin for
// everything that changes something, a bound on bodies.
func (s *Server) outer(mux http.Handler) http.Handler {
	if s.Around != nil {
		mux = s.Around(mux) // directly around the mux: it reads the pattern that was matched
	}
	next := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w, r)
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if s.draining.Load() {
			h.Set("Connection", "close")
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
	})
}

// recovered turns a handler's panic into an answer and a log line. It is deferred.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		s.Log.ErrorContext(r.Context(), "handler panicked", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		http.Error(w, "something went wrong; the log says what", http.StatusInternalServerError)
	}
}

// fail answers with the table of errors and logs what is not the reader's fault.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, text := status(err)
	if code >= http.StatusInternalServerError {
		s.Log.WarnContext(r.Context(), "request failed", "path", r.URL.Path, "err", err)
	}
	http.Error(w, text, code)
}
