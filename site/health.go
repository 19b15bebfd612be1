package site

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"keepwatch/site/gallery"
)

const (
	healthEvery = 5 * time.Second
	healthFor   = 3 * time.Second  // deadline of one check
	healthOld   = 20 * time.Second // a part that has not answered for this long is not ready
)

// health looks at the parts in the background: a hung mount must not hang the
// load balancer's question too.
type health struct{ parts []*part }

// part is one thing the site needs.
type part struct {
	name string
	// mayBeAway is how long the part may be away while the site is still of use.
	mayBeAway time.Duration
	check     func(ctx context.Context) error
	busy      atomic.Bool
	lastOK    atomic.Pointer[time.Time]
}

func newHealth(s *Site) *health {
	return &health{parts: []*part{
		// While the database is away known visitors go on seeing pictures; taking all
		// site processes out of the balancer would be the worse outage.
		{name: "database", mayBeAway: max(*s.cfg.StaleFor, healthOld), check: func(ctx context.Context) error {
			if _, err := s.store.Photo(ctx, 0); !errors.Is(err, gallery.ErrNotFound) { // no photo has the id 0
				return err
			}
			return nil
		}},
		{name: "originals", mayBeAway: healthOld, check: s.originals.Check},
		{name: "cache", mayBeAway: healthOld, check: func(context.Context) error { return s.render.Check() }},
	}}
}

// run checks all parts again and again until ctx is done.
func (h *health) run(ctx context.Context) error {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		for _, p := range h.parts {
			if p.busy.CompareAndSwap(false, true) {
				go p.look(ctx) // ends by its deadline; only a hung mount holds it, and then no second one is begun
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *part) look(ctx context.Context) {
	defer p.busy.Store(false)
	ctx, cancel := context.WithTimeout(ctx, healthFor)
	defer cancel()
	if p.check(ctx) == nil {
		now := time.Now()
		p.lastOK.Store(&now)
	}
}

// state says how a part is: ready tells whether the site can be used with it.
func (p *part) state(now time.Time) (text string, ready bool) {
	last := p.lastOK.Load()
	switch {
	case last == nil:
		return "not seen yet", false
	case now.Sub(*last) < healthOld:
		return "ok", true
	case now.Sub(*last) < p.mayBeAway:
		return "away, known visitors are served", true
	}
	return "away since " + last.UTC().Format(time.RFC3339), false
}

// healthz says that the process lives.
func (s *Site) healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") }

// readyz says whether a load balancer should send visitors here. A full render
// pool is told but does not count: cached pictures are still served.
func (s *Site) readyz(w http.ResponseWriter, _ *http.Request) {
	var out strings.Builder
	status := http.StatusOK
	for _, p := range s.health.parts {
		text, ready := p.state(time.Now())
		out.WriteString(p.name + ": " + text + "\n")
		if !ready {
			status = http.StatusServiceUnavailable
		}
	}
	if s.draining.Load() {
		out.WriteString("stopping\n")
		status = http.StatusServiceUnavailable
	}
	plain(w, status, out.String())
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the asker may have left
}
