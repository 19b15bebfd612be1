// Package fakepd stands in for PagerDuty: the test double of our own suite and
// a tool for game days.
//
// It checks events strictly, models open incidents per (routing key, dedup
// key), answers like the real one, misbehaves on request, and writes down
// everything it got. It imports nothing of ours, so it cannot share our
// mistakes.
package fakepd

import (
	"io"
	"net/http"
	"time"
)

// Options configure a Server. The zero value accepts every well-formed routing key.
type Options struct {
	// Keys are the routing keys that are accepted; nil accepts any of 32 letters and digits.
	Keys []string
	// WebhookURL gets the v3 webhooks; "" sends none.
	WebhookURL string
	// WebhookSecret signs the webhooks; needed with WebhookURL.
	WebhookSecret string
	// AutoAck acknowledges each incident after this long, as a person would; 0 never does.
	AutoAck time.Duration
	// Log also gets every line of GET /_log; may be nil.
	Log io.Writer
	// MaxLog is how many lines GET /_log keeps. Default: 20,000.
	MaxLog int
	// MaxIncidents is how many incidents are kept; the oldest resolved ones go first. Default: 5,000.
	MaxIncidents int
}

// Server is the stand-in. Make it with [New]; Close it after use.
type Server struct{ opts Options }

// New returns a stand-in that has seen nothing yet.
func New(opts Options) *Server { return &Server{opts: opts} }

// Handler answers the Events API and the control paths. Safe for concurrent use.
func (s *Server) Handler() http.Handler { panic("not yet") }

// Close stops timers and webhooks and waits for them.
func (s *Server) Close() { panic("not yet") }

// Summary counts what a log held.
type Summary struct {
	Events    int
	Triggers  int
	Incidents int
	Pages     int // incidents that notified somebody
}

// Verify reads a log and returns an error that names every broken promise.
func Verify(log io.Reader) (Summary, error) { panic("not yet") }
