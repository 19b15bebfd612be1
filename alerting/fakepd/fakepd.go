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
	// Account is whom it knows at first; nil is DefaultAccount.
	Account *Account
	// Tokens are the REST API tokens that are accepted; nil accepts any that is not
	// empty. One that begins with "u+" is a user's own, of the first user: it needs no From header.
	Tokens []string
	// RESTPerMinute is how many REST calls a token has in a minute. Default: 960.
	RESTPerMinute int
	// Minute is how long a minute of an escalation delay lasts. Default: 1m; less makes tests quick.
	Minute time.Duration
	// HideIncidentKey leaves incident_key out of incidents, as PagerDuty does when they
	// have child alerts: only /incidents/{id}/alerts and the filter know it.
	HideIncidentKey bool
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
	account  Account
	serial   int64 // of records and notes
	rest     restRate
	rung     []Line // who was rung by what is not written into the journal yet
	model    *model
	faults   *faults
	journal  *journal
	timers   int
	drops    int  // webhooks dropped in a row
	hooksOff bool // three drops switched the subscription off
	hooksOut bool // somebody made the subscription inactive
}

// New returns a stand-in that has seen nothing yet.
func New(opts Options) *Server {
	if opts.MaxLog <= 0 {
		opts.MaxLog = defaultMaxLog
	}
	if opts.MaxIncidents <= 0 {
		opts.MaxIncidents = defaultMaxIncidents
	}
	if opts.RESTPerMinute <= 0 {
		opts.RESTPerMinute = defaultRESTPerMinute
	}
	if opts.Minute <= 0 {
		opts.Minute = time.Minute
	}
	account := DefaultAccount()
	if opts.Account != nil {
		account = opts.Account.clone()
	}
	s := &Server{
		account: account, rest: restRate{},
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
// the mutex is held by the caller, and by f. State counts it as put off.
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

// wait is later for what is not an event: escalations and the end of a snooze.
func (s *Server) wait(d time.Duration, f func(now time.Time)) {
	if s.ctx.Err() != nil {
		return
	}
	s.work.Go(func() { // ends with the timer or with Close
		if !s.sleep(d) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		f(time.Now().UTC())
		s.flush()
	})
}

// note writes a line and, after it, who was rung because of it; the mutex is held.
func (s *Server) note(l Line) {
	s.journal.add(l)
	s.flush()
}

func (s *Server) flush() {
	for _, l := range s.rung {
		s.journal.add(l)
	}
	s.rung = s.rung[:0]
}

// effect is what an event or a person did.
type effect struct{ did, incident, note string }

// process applies an event to the model, rings, tells webhooks, and returns what it did;
// the mutex is held.
func (s *Server) process(e event, by string, now time.Time) effect {
	svc := s.account.serviceOf(e.RoutingKey)
	if e.Action == trigger && s.model.open[alertKey{e.RoutingKey, e.DedupKey}] == nil {
		if why := s.deaf(svc); why != "" {
			return effect{did: didSuppress, note: why}
		}
	}
	did, inc := s.model.apply(e, by, now)
	if inc == nil {
		return effect{did: did}
	}
	switch did {
	case didOpen:
		s.opened(inc, svc, e, now)
	case didAck:
		inc.turn++
		s.record(inc, Record{Type: recAck, At: now, User: s.userID(by), Summary: "Acknowledged by " + inc.AcknowledgedBy})
		s.send(inc, "acknowledged", by, now)
	case didResolve:
		inc.turn++
		s.record(inc, Record{Type: recResolve, At: now, User: s.userID(by), Summary: "Resolved by " + inc.ResolvedBy})
		s.send(inc, "resolved", by, now)
	}
	return effect{did: did, incident: inc.ID}
}

// opened rings for a new incident; the mutex is held.
func (s *Server) opened(inc *Incident, svc *Service, e event, now time.Time) {
	inc.Service, inc.Policy, inc.Urgency = svc.ID, svc.Policy, "high"
	if svc.BySeverity && (e.Severity == "warning" || e.Severity == "info") {
		inc.Urgency = "low"
	}
	s.record(inc, Record{Type: recTrigger, At: now, Summary: "Triggered through the API"})
	if !svc.Unassigned {
		s.ring(inc, now)
	}
	s.send(inc, "triggered", "", now)
	s.autoAck(inc)
}

// userID finds the ID of a person of whom only the name is known; "" for the events API.
func (s *Server) userID(by string) string {
	if u := s.account.userNamed(by); u != nil && by != "" {
		return u.ID
	}
	return ""
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
	done := s.process(e, by, now)
	s.note(Line{At: now, Kind: kindHuman, Action: action, RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, By: by, Did: done.did, Incident: done.incident})
}
