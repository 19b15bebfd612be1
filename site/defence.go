package site

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"keepwatch/site/guard"
	"keepwatch/site/render"
)

// newGuard makes the defence; s.gate may be set later, but before the first request.
func newGuard(s *Site) (*guard.Guard, error) {
	clients, err := guard.ParseClients(s.cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	key := []byte(s.cfg.ProbeKey.Reveal())
	if len(key) == 0 { // nobody signs, and solved tasks are known to this process only
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails: it ends the program instead
	}
	return guard.New(guard.Options{
		Clients: clients, Limits: s.cfg.Limits, Challenge: s.cfg.Challenge, Key: key, Secure: s.secure, Log: s.log,
		Classify: classify,
		Known:    func(r *http.Request) guard.Holder { token, _ := s.gate.Known(r); return guard.Holder{Token: token} },
		Ask:      func(r *http.Request) guard.Holder { token, _ := s.gate.Ask(r); return guard.Holder{Token: token} },
		Sources:  guard.Sources{Renders: s.rendersWaiting, Database: s.databaseWait},
	})
}

// rendersWaiting is how full the queue of renders is.
func (s *Site) rendersWaiting() (waiting, places int) {
	stats := s.render.Stats()
	return stats.Waiting, stats.Places
}

// databaseWait is how long callers waited for a connection of the database.
func (s *Site) databaseWait() (time.Duration, int64) {
	if waits, ok := s.store.(interface {
		Waits() (waited time.Duration, waits int64)
	}); ok {
		return waits.Waits()
	}
	return 0, 0
}

// refuse answers what the guard refuses and what the renderer has no time for: both
// are held back a moment, so that asking again at once is no way to keep the site busy.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, err error) bool {
	if busy, ok := errors.AsType[*render.BusyError](err); ok {
		err = guard.Busy(busy.After)
	}
	return s.guard.Refuse(w, r, err)
}

// follow lets the renderer prepare nothing while the process is loaded, until ctx
// is done.
func (s *Site) follow(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for paused := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		loaded := s.guard.Level() >= guard.Spare
		switch {
		case loaded && !paused:
			s.render.Pause() //nolint:contextcheck // what the renderer does is nobody's request
		case paused && !loaded:
			s.render.Resume() //nolint:contextcheck // what the renderer does is nobody's request
		}
		paused = loaded
	}
}

// classify says what kind of request one is, by its address alone.
func classify(r *http.Request) guard.Class {
	path, post := r.URL.Path, r.Method == http.MethodPost
	switch path {
	case "/":
		return guard.Home
	case "/healthz", "/readyz":
		return guard.Free
	case "/login", "/servlet/token", "/api/v1/session":
		if post {
			return guard.Code
		}
	case "/rest/upload", "/api/v1/photos":
		if post {
			return guard.Upload
		}
	}
	switch {
	case strings.HasPrefix(path, "/img/"), strings.HasPrefix(path, "/i/"):
		return guard.Image
	case strings.HasPrefix(path, "/api/v1/photos/") && strings.Contains(path, "/image/"):
		return guard.Image
	case strings.HasPrefix(path, "/assets/"):
		return guard.Static
	}
	return guard.Browse
}
