// Package fakepd stands in for PagerDuty: the test double of our own suite and
// a tool for game days.
//
// It checks events strictly, models open incidents per (routing key, dedup
// key), answers like the real one, misbehaves on request, and writes down
// everything it got. It imports nothing of ours, so it cannot share our
// mistakes.
package fakepd

import (
	"context"
	"io"
	"net/http"
	"sync"
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
	// Log also gets every line of GET /_log; may be nil. The Server writes from one goroutine at a time.
	Log io.Writer
	// MaxLog is how many lines GET /_log keeps, at most 32 MiB of them. Default: 20,000.
	MaxLog int
	// MaxIncidents is how many incidents are kept; the oldest resolved ones go first. Default: 5,000.
	MaxIncidents int
	// Seed makes faults with a probability repeatable. Default: 0, which is a seed too.
	Seed uint64
}

const (
	defaultMaxLog       = 20_000
	defaultMaxIncidents = 5_000
)

// Server is the stand-in. Make it with [New] and Close it after use; safe for
// concurrent use.
type Server struct {
	opts   Options
	client *http.Client
	hooks  chan hook
	//nolint:containedctx // ends the Server's own goroutines; it carries nothing
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex // guards all below
	model    *model
	faults   *faults
	journal  *journal
	timers   int
	drops    int // webhooks dropped in a row
	hooksOff bool
}

// New returns a stand-in that has seen nothing yet.
func New(opts Options) *Server {
	if opts.MaxLog <= 0 {
		opts.MaxLog = defaultMaxLog
	}
	if opts.MaxIncidents <= 0 {
		opts.MaxIncidents = defaultMaxIncidents
	}
	s := &Server{
		opts: opts, client: &http.Client{Timeout: webhookTimeout}, hooks: make(chan hook, webhookQueue),
		model: newModel(opts.MaxIncidents), faults: newFaults(opts.Seed), journal: &journal{max: opts.MaxLog, out: opts.Log},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.work.Go(s.deliver) // ends with Close
	return s
}

// Close stops what was put off and the webhooks, and waits for them.
func (s *Server) Close() {
	s.stop()
	s.work.Wait()
	s.client.CloseIdleConnections()
}

// later runs f after d, unless the Server closes first or too much is waiting;
// the mutex is held by the caller, and by f.
func (s *Server) later(d time.Duration, f func(now time.Time)) bool {
	if s.timers >= maxOpenTimers || s.ctx.Err() != nil {
		return false
	}
	s.timers++
	s.work.Go(func() { // ends with the timer or with Close
		done := s.sleep(d)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.timers--
		if done {
			f(time.Now().UTC())
		}
	})
	return true
}

// process applies an event to the model, tells webhooks, and returns what it did;
// the mutex is held.
func (s *Server) process(e event, by string, now time.Time) (did, incident string) {
	did, inc := s.model.apply(e, by, now)
	if inc == nil {
		return did, ""
	}
	switch did {
	case didOpen:
		s.send(inc, "triggered", by, now)
		s.autoAck(inc)
	case didAck:
		s.send(inc, "acknowledged", by, now)
	case didResolve:
		s.send(inc, "resolved", by, now)
	}
	return did, inc.ID
}

func (s *Server) autoAck(inc *Incident) {
	if s.opts.AutoAck <= 0 {
		return
	}
	s.later(s.opts.AutoAck, func(now time.Time) {
		if inc.Status == triggered {
			s.human(inc, acknowledge, "autoack", now)
		}
	})
}

// human acts on an incident as a person; the mutex is held.
func (s *Server) human(inc *Incident, action, by string, now time.Time) {
	e := event{RoutingKey: inc.RoutingKey, DedupKey: inc.DedupKey, Action: action}
	did, id := s.process(e, by, now)
	s.journal.add(Line{At: now, Kind: kindHuman, Action: action, RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, By: by, Did: did, Incident: id})
}
