// Package standin owns the built-in PagerDuty as this program runs it: its address, and the
// settings that point a configuration at it. How it behaves is for alerting/fakepd.
package standin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"keepwatch/alerting/fakepd"
)

// Server is the built-in PagerDuty of `keepwatch run --stand-in`. The zero
// value, without an address, is none.
type Server struct {
	addr   string
	ln     net.Listener
	secret string
}

// Open takes the address first, so that a taken port is said before anything starts.
func Open(addr string) (*Server, error) {
	if addr == "" {
		return &Server{}, nil
	}
	ln, err := net.Listen("tcp", addr) //nolint:noctx // nothing to cancel: a loopback bind
	if err != nil {
		return nil, fmt.Errorf("--stand-in %s: %w (choose another address)", addr, err)
	}
	return &Server{addr: ln.Addr().String(), ln: ln, secret: randomHex(16)}, nil
}

// Key is the routing key of the stand-in: well-formed, and nobody's.
const Key = "standin0standin0standin0standin0"

// Environ points the configuration's variables at the stand-in. They come after the
// process's own, so with --stand-in nothing can reach the real PagerDuty.
func (s *Server) Environ() []string {
	if s.ln == nil {
		return nil
	}
	return []string{
		"PAGERDUTY_ROUTING_KEY=" + Key,
		"PAGERDUTY_EVENTS_URL=http://" + s.addr,
		"PAGERDUTY_WEBHOOK_SECRET=" + s.secret,
		"PAGERDUTY_TOKEN=" + Key,
		"PAGERDUTY_API_URL=http://" + s.addr,
	}
}

// Addr is where it listens; "" for none.
func (s *Server) Addr() string { return s.addr }

// Run serves until ctx ends; its webhooks go to the console.
func (s *Server) Run(ctx context.Context, console string) error {
	server := fakepd.New(fakepd.Options{
		WebhookURL: console + "/v1/webhooks/pagerduty", WebhookSecret: s.secret,
	})
	defer server.Close()
	return Serve(ctx, s.ln, server.Handler())
}

// Serve serves until ctx ends.
func Serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }() // ends with Shutdown or Close
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		if err := srv.Close(); err != nil {
			return err
		}
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
