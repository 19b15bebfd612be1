package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/site/access"
	"keepwatch/site/answer"
	"keepwatch/site/api"
	"keepwatch/site/desk"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
	"keepwatch/site/pages"
	"keepwatch/site/render"
)

// shutdownFor is how long a stopping server lets open requests end.
const shutdownFor = 5 * time.Second

// Site is the running image site. Make it with [New]; safe for concurrent use.
type Site struct {
	// Around wraps the handlers, for application monitoring; optional. Set it before Serve.
	Around func(http.Handler) http.Handler
	// ProbeTag is the tag of the pictures that our own probes bring; what they delete is soon
	// removed for good. "" when there is none. Set it before Serve.
	ProbeTag string

	cfg       Config
	secure    bool // the public address is https
	origin    string
	guard     *guard.Guard
	store     Store
	desk      *desk.Desk
	intake    *intake.Intake
	owner     string // names this process in what it leaves behind when it is killed
	views     *api.Views
	originals originals.Store
	render    *render.Renderer
	log       *slog.Logger
	gate      *access.Gate
	api       *api.API
	pages     *pages.Pages
	health    *health
	draining  atomic.Bool
	// sampleEdge is how large Init draws; tests draw smaller.
	sampleEdge int
}

// New opens the directories and prepares the site; nothing listens yet. The
// configuration must have its defaults and be valid.
func New(cfg Config, store Store, log *slog.Logger) (*Site, error) {
	s := &Site{cfg: cfg, store: store, log: log, sampleEdge: sampleEdge}
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		s.secure, s.origin = u.Scheme == "https", u.Scheme+"://"+u.Host
	}
	var err error
	if s.guard, err = newGuard(s); err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}
	s.gate = access.New(store, s.secure, s.guard)
	s.gate.Believe(*cfg.StaleFor)
	if s.originals, err = originals.New(cfg.Originals); err != nil {
		return nil, fmt.Errorf("site.originals: %w", err)
	}
	if s.render, err = render.New(cfg.Cache, render.Options{}, log); err != nil {
		return nil, fmt.Errorf("site.cache: %w", err)
	}
	if err = s.serveWith(store); err != nil {
		return nil, err
	}
	s.health = newHealth(s)
	return s, nil
}

// client returns who sent a request.
func (s *Site) client(r *http.Request) netip.Addr { return s.guard.Client(r) }

// Stats returns the renderer's counters.
func (s *Site) Stats() render.Stats { return s.render.Stats() }

// Handler answers everything the site answers. Safe for concurrent use.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	s.api.Routes(mux)
	s.pages.Routes(mux)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	crossing := http.NewCrossOriginProtection()
	if s.origin != "" {
		if err := crossing.AddTrustedOrigin(s.origin); err != nil {
			s.log.Warn("public_url not trusted for forms", "err", err)
		}
	}
	crossing.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.Writer.Fail(w, r, gallery.ErrForbidden) }))
	var routes http.Handler = mux
	if s.Around != nil {
		routes = s.Around(mux) // directly around the mux: it reads the pattern that was matched
	}
	return s.protect(s.guard.Handler(crossing.Handler(s.unknown(mux, routes))))
}

// protect sets what every answer carries and turns a panic into one failed
// request. It does not wrap the ResponseWriter: files must reach the kernel's
// sendfile.
func (s *Site) protect(next http.Handler) http.Handler {
	always := http.Header{
		"X-Content-Type-Options":       {"nosniff"},
		"Content-Security-Policy":      {"default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
		"Referrer-Policy":              {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Permissions-Policy":           {"camera=(), geolocation=(), microphone=()"},
	}
	if s.secure {
		always.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// The slices are shared by all answers, hence with no room: who adds to one gets a copy.
		maps.Copy(h, always)
		if s.draining.Load() {
			h.Set("Connection", "close")
		}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.Error("handler panicked", "path", r.URL.Path, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
			s.api.Writer.Fail(w, r, answer.ErrServer)
		}()
		next.ServeHTTP(w, r)
	})
}

// Run listens and serves until ctx is done, then drains and returns nil. An
// address that is taken is an error at once.
func (s *Site) Run(ctx context.Context) error {
	ln, err := s.cfg.Take(ctx)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// Serve is Run on a listener of the caller; it closes ln.
func (s *Site) Serve(ctx context.Context, ln net.Listener) error {
	health, err := s.newAdmin(ctx, ln.Addr())
	if err != nil {
		_ = ln.Close()
		return err
	}
	s.recoverUploads(ctx)
	server := guard.Server(s.Handler(), s.log) //nolint:contextcheck // each request brings its own
	s.log.Info("site listens", "address", ln.Addr().String())
	background, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx while draining
	defer stop()
	group, background := errgroup.WithContext(background)
	group.Go(func() error { return s.render.Run(background) })
	group.Go(func() error { return s.health.run(background) })
	group.Go(func() error { return s.guard.Run(background) })
	group.Go(func() error { return s.follow(background) })
	group.Go(health.run)
	group.Go(func() error { return s.watch(background) })
	group.Go(func() error { return s.upkeep(background) })
	if s.views != nil {
		group.Go(func() error { return s.views.Run(background) })
	}
	group.Go(func() error {
		if err := server.Serve(s.guard.Listener(ln)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the site: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		defer stop()
		defer health.close() // last: it tells how the end goes
		s.drain(ctx, background, server)
		return nil
	})
	return group.Wait()
}

// drain waits for the end and then lets visitors leave: not ready, still
// answering with Connection: close, and only then closed. Closing at once would
// cut idle connections under a load balancer (measured with nginx: lost POSTs).
func (s *Site) drain(ctx, background context.Context, server *http.Server) {
	select {
	case <-ctx.Done():
	case <-background.Done(): // a sister failed
	}
	s.draining.Store(true)
	s.log.Info("site drains")
	leave := time.NewTimer(*s.cfg.Drain)
	defer leave.Stop()
	select {
	case <-leave.C:
	case <-background.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownFor)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		s.log.Warn("connections cut", "err", err)
		_ = server.Close() // nothing more can be done for them
	}
}
