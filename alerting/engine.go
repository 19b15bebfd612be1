package alerting

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

const (
	inboxSize = 16384                 // results waiting to be judged
	keepRows  = 24                    // verdicts kept per check and service, beyond what the rule asks for
	idle      = 30 * time.Second      // the loop turns at least so often
	breath    = 50 * time.Millisecond // between two turns, which look at every check
	lateAfter = time.Minute           // an action that is so late is overdue
)

// Engine turns results into incidents. Set the fields before Apply and Run.
// All methods are safe for concurrent use.
//
// It decides from memory and never waits for the Store: decided changes are
// written in order by a goroutine of their own, and what the Store refuses is
// kept and tried again.
type Engine struct {
	// Store takes the changes: the [Failover]. Required.
	Store Store
	// Again asks every location of a check to look again at once. It must not block. nil means no extra looks.
	Again func(check string)
	// Wake tells the deliverers that pages were written. It must not block. nil is allowed.
	Wake func()
	// Calm is how long the loops sleep at most, also when nothing is due: 0 means a second,
	// and five between two looks for incidents of other daemons. So a freeze and another
	// leader are noticed soon. A simulation, which has neither, sleeps longer.
	Calm time.Duration
	// Ended gives what is known of the incidents that were resolved since an instant, by
	// service, and by [AlarmOwner] of alarms. nil makes a daemon that takes over begin with
	// nothing.
	Ended func(ctx context.Context, since time.Time) (map[string]Past, error)
	// Log is required.
	Log *slog.Logger
	// Now is the clock; nil means time.Now. Everything that the engine decides goes by it.
	Now func() time.Time

	setup   sync.Once
	leads   atomic.Bool // Run runs; until then results are only judged
	inbox   chan probe.Result
	poke    chan struct{} // the loop shall look at its timers again
	written chan struct{} // the writer shall look at its queue again
	dropped atomic.Int64

	mu sync.Mutex
	// Guarded by mu:
	services map[string]*service // by name; those about monitoring itself too
	alarms   map[string]*service // by the alarm's name
	pasts    map[string]Past     // as Ended gave them when this engine began to lead
	applied  time.Time           // when the rules came into force
	running  bool
	silences map[string][]Silence // by source
	edge     time.Time            // when a silence begins or ends next; zero: everything is to be looked at
	checks   map[string]*watched
	roster   oncall.Roster
	routing  Routing
	queue    []*job // decided, not yet tried
	unsaved  []*job // tried and refused, to be tried again
	adopting []Incident
	restored bool
	began    time.Time // when this engine began to lead
	held     bool      // the writer has something in its hands that is in none of the queues
	turned   time.Time // when the loop last turned
	judged   time.Time // when coverage was last judged
	placed   time.Time // when locations were last judged
	next     time.Time // when the loop has to turn again
}

// service is one rule with what is known about it.
type service struct {
	rule      Rule
	blind     bool // about monitoring itself
	tells     bool // an alarm about checks that fail, see [Alarm.Failing]
	strange   bool // see [Engine.house]
	open      *Incident
	pages     []Page // of the open incident
	recent    map[string][]Verdict
	notBefore time.Time
	ended     time.Time   // when an episode ended that another daemon led; see drop
	past      []time.Time // failures of the incident before
}

// watched is one check with the services that need it.
type watched struct {
	rule     CheckRule
	tally    *Tally
	services []*service
}

func (e *Engine) init() {
	e.setup.Do(func() {
		e.inbox = make(chan probe.Result, inboxSize)
		e.poke = make(chan struct{}, 1)
		e.written = make(chan struct{}, 1)
		e.services = map[string]*service{}
		e.alarms = map[string]*service{}
		e.silences = map[string][]Silence{}
		e.checks = map[string]*watched{}
	})
}

// Record takes one result; it never blocks. What does not fit in is counted in View.Dropped.
// While Run does not run it is judged all the same, and nothing is decided.
func (e *Engine) Record(r probe.Result) {
	e.init()
	if !e.leads.Load() {
		e.overhear(r)
		return
	}
	select {
	case e.inbox <- r:
	default:
		e.dropped.Add(1)
	}
}

// Run restores the open incidents and decides until ctx is done. It returns nil
// then, after everything decided was written or given up on with a log line.
//
// It may be called again: a daemon that loses the lead and wins it back. Of incidents it
// then knows no more than after a start, for another one has led meanwhile; what it has
// seen counts, when [Engine.Ended] tells which of it has been acted on.
func (e *Engine) Run(ctx context.Context) error {
	e.init()
	e.run(true)
	defer e.forget()
	defer e.run(false)
	e.forget()
	e.begin(ctx)
	var writer sync.WaitGroup
	writer.Go(func() { e.write(ctx) })
	defer writer.Wait()
	alarm := newAlarmClock(e.Calm, e.now)
	defer alarm.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-e.inbox:
			if !alarm.awake(ctx) {
				return nil
			}
			alarm.set(e.take(r).Sub(e.now()))
		case <-alarm.C:
			if !alarm.awake(ctx) {
				return nil
			}
			alarm.set(max(e.turn().Sub(e.now()), breath))
		case <-e.poke:
			if !alarm.awake(ctx) {
				return nil
			}
			alarm.set(0)
		}
	}
}

// take judges one result and those that wait behind it, and returns when the next thing is due.
func (e *Engine) take(r probe.Result) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UTC()
	e.judge(r, now)
	for range 512 {
		select {
		case r := <-e.inbox:
			e.judge(r, now)
			continue
		default:
		}
		break
	}
	return e.next
}

// judge feeds one result to its check's tally. mu is held.
func (e *Engine) judge(r probe.Result, now time.Time) {
	w := e.checks[r.Check]
	if w == nil {
		return
	}
	e.heed(w, w.tally.Add(r, now), now)
	if w.tally.Ask(now) && e.Again != nil {
		e.Again(w.rule.Name)
	}
	e.next = sooner(e.next, w.tally.Next())
}

// heed passes verdicts of a check to its services and decides. mu is held.
func (e *Engine) heed(w *watched, vs []Verdict, now time.Time) {
	for _, v := range vs {
		if v.Outcome == probe.Unknown {
			continue
		}
		for _, s := range w.services {
			s.hear(v)
			if s.open != nil || v.Outcome == probe.Bad {
				e.decide(s, now)
			}
			if v.Outcome == probe.Good {
				e.ripple(s, now)
			}
		}
	}
}

func (s *service) hear(v Verdict) {
	if s.over(v) {
		return
	}
	vs := append(s.recent[v.Check], v)
	if most := max(s.rule.Confirm, s.rule.Recover) + keepRows; len(vs) > 2*most {
		vs = append(vs[:0], vs[len(vs)-most:]...)
	}
	s.recent[v.Check] = vs
}

// turn does everything that is due and returns when the next thing is. A late
// loop catches up here: the instants count, not the number of turns.
func (e *Engine) turn() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UTC() // not before mu is held: the clock may be moved meanwhile
	e.turned = now
	e.next = now.Add(idle) // what is decided below may bring it forward
	for _, w := range e.checks {
		if !w.tally.Next().After(now) {
			e.heed(w, w.tally.Tick(now), now)
			if w.tally.Ask(now) && e.Again != nil {
				e.Again(w.rule.Name)
			}
		}
		e.next = sooner(e.next, w.tally.Next())
	}
	if now.Sub(e.judged) >= time.Minute {
		e.judged = now
		e.judgeSight(now)
	}
	if now.Sub(e.placed) >= time.Second {
		e.placed = now
		e.judgePlaces(now)
	}
	look := !e.edge.After(now)
	if look {
		e.edge = e.nextEdge(now)
	}
	e.next = sooner(e.next, e.edge)
	e.goOn(look, now)
	return e.next
}

// goOn decides about the open incidents for which something is due, or about all
// of them. mu is held.
func (e *Engine) goOn(all bool, now time.Time) {
	for s := range e.all() {
		if s.open == nil {
			continue
		}
		doubt := s.open.State == Open && s.open.Hold.Kind == HeldForCause
		if all || doubt || due(s.open.timer(), now) {
			e.decide(s, now)
		}
		if doubt {
			e.next = sooner(e.next, now.Add(time.Second))
		}
		if s.open != nil && !s.open.timer().IsZero() {
			e.next = sooner(e.next, s.open.timer())
		}
	}
}

// stir makes the loop turn at once. It must not get lost: a result that comes in
// between sets the loop's timer to e.next. mu is held.
func (e *Engine) stir() {
	e.next = time.Time{}
	nudge(e.poke)
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// situation is what a decision about a service is made from. mu is held.
func (e *Engine) situation(s *service) Situation {
	roster := e.roster
	return Situation{
		Rule: s.rule, Open: s.open, Pages: s.pages, Recent: s.recent, NotBefore: s.notBefore, blind: s.blind,
		Failures: s.past, Silences: e.allSilences(), Upstream: e.upstream(s), Told: e.told(s), Routing: e.routing,
		Followed: func(source string) bool { return e.silences[source] != nil },
		OnCall: func(name string, at time.Time) string {
			return roster.OnCall(name, at).Person
		},
		Place: func(location string, since time.Time) (*Incident, bool) { return e.placeOf(s, location, since) },
	}
}

// decide lets the rule speak, takes the change into memory and queues it. mu is held.
func (e *Engine) decide(s *service, now time.Time) {
	if c, ok := Decide(e.situation(s), now); ok {
		e.enact(s, c)
	}
}

// enact takes a change into memory and hands it to the writer. mu is held.
func (e *Engine) enact(s *service, c Change) *job {
	inc, before := c.Incident, s.open
	if before == nil && inc.Alarm == "" && inc.Started.Before(e.began) {
		c.Pages = inDoubt(c.Pages, e.began)
	}
	s.open, s.pages = &inc, append(s.pages, c.Pages...)
	if inc.State == Resolved {
		s.open, s.pages, s.past = nil, nil, inc.Failures
		s.notBefore = later(s.notBefore, Past{Ended: inc.Resolved, Newest: inc.ID}.free())
	}
	e.expect()
	j := &job{change: c, done: make(chan error, 1)}
	for _, entry := range c.Entries {
		switch entry.Kind {
		case "acknowledged":
			j.answer = Acknowledge
		case "resolved":
			j.answer = Resolve
		}
	}
	e.queue = append(e.queue, j)
	nudge(e.written)
	e.stir()
	e.spread(s, before)
	e.confirm(s, before)
	e.freed(s, before)
	return j
}

// expect tells each tally what somebody waits for. mu is held.
func (e *Engine) expect() {
	for _, w := range e.checks {
		var bad, good int
		for _, s := range w.services {
			switch {
			case !e.running: // extra looks are the leader's
			case s.open == nil || s.open.Recovering():
				bad = max(bad, s.rule.Confirm, 1)
			case slices.Contains(s.open.Checks, w.rule.Name):
				good = max(good, s.rule.Recover, 1)
			}
		}
		w.tally.Want(bad, good)
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Settled tells the engine the outcome of a page, for Snapshot; wire it to Deliverer.Settled.
func (e *Engine) Settled(p Page) {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.all() {
		if s.open == nil || s.open.ID != p.Incident {
			continue
		}
		for i := range s.pages {
			if s.pages[i].ID == p.ID {
				s.pages[i] = p
				return
			}
		}
		s.pages = append(s.pages, p)
	}
}
