package alerting

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"keepwatch/oncall"
)

// pair is two daemons over the world's store; the prober speaks to the one that leads,
// or to both.
type pair struct {
	w       *world
	daemons [2]*standBy
	mu      sync.Mutex
	leads   *standBy // guarded by mu
	both    bool     // guarded by mu: the prober speaks to the stand-by too
}

// standBy is one daemon, which leads now and then.
type standBy struct {
	engine *Engine
	sender *Deliverer
	resign func()
}

func (w *world) pair() *pair {
	p := &pair{w: w}
	log := slog.New(slog.DiscardHandler)
	for i := range p.daemons {
		e := &Engine{Store: w.store, Log: log, Ended: w.store.ended}
		d := &Deliverer{
			Store: w.store, Notifiers: map[string]Notifier{"pagerduty": w.pager, "mail": w.mail},
			Fallback: []string{"mail"}, NoEcho: []string{"mail"}, Settled: e.Settled, Log: log,
		}
		e.Wake = d.Wake
		e.Apply(w.rules, oncall.Roster{People: w.people}, w.routing())
		p.daemons[i] = &standBy{engine: e, sender: d}
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		slots := time.NewTicker(time.Minute)
		defer slots.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-slots.C:
				p.mu.Lock()
				for _, d := range p.daemons {
					if d == p.leads || p.both {
						w.look(d.engine, false)
					}
				}
				p.mu.Unlock()
			}
		}
	})
	w.stop = func() { p.lead(-1); cancel(); all.Wait() }
	return p
}

// hear lets the stand-by hear what the prober says, or not.
func (p *pair) hear(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.both = yes
}

// lead makes the daemon i lead instead of the one that did; -1 is nobody.
func (p *pair) lead(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leads != nil {
		p.leads.resign()
		p.leads = nil
	}
	if i < 0 {
		return
	}
	d := p.daemons[i]
	ctx, cancel := context.WithCancel(p.w.t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { _ = d.engine.Run(ctx) })
	parts.Go(func() { _ = d.sender.Run(ctx) })
	d.resign = func() { cancel(); parts.Wait() }
	p.leads = d
}

// TestStoryLeadWonBack: what the other daemon resolved is not open any more when
// the first one leads again, and the next outage is paged.
func TestStoryLeadWonBack(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.lead(0)
		w.fail()
		time.Sleep(4 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		p.lead(1)
		w.heal()
		time.Sleep(4 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
		p.lead(0)
		w.fail()
		time.Sleep(4 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada", "trigger person:ada")
		if got := len(w.open()); got != 1 {
			w.t.Errorf("got %d open incidents, want 1", got)
		}
	})
}

// TestStoryLeadWonBackOpen: what the other daemon opened is known to the first
// one when it leads again; nobody is paged for it twice.
func TestStoryLeadWonBackOpen(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.lead(0)
		time.Sleep(2 * time.Minute)
		p.lead(1)
		w.fail()
		time.Sleep(4 * time.Minute)
		p.lead(0)
		time.Sleep(4 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada")
		w.heal()
		time.Sleep(4 * time.Minute)
		w.want(w.pager.taken(), "trigger person:ada", "resolve person:ada")
		if got := w.open(); len(got) != 0 {
			w.t.Errorf("got %v open, want none", got)
		}
	})
}

// TestStoryStandByIsNotBlind: a daemon that has stood by for hours saw nothing
// of what the leader saw. That is not blindness when it takes over.
func TestStoryStandByIsNotBlind(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.lead(0)
		time.Sleep(3 * time.Hour)
		p.lead(1)
		time.Sleep(30 * time.Minute)
		w.want(w.pager.taken())
		if got := w.open(); len(got) != 0 {
			w.t.Errorf("got %v open, want none", got)
		}
	})
}

// TestStoryStandByShowsNothingOld: a daemon that does not lead any more does not
// show, as if it still were so, what it knew when it led.
func TestStoryStandByShowsNothingOld(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		p := w.pair()
		p.lead(0)
		w.fail()
		time.Sleep(4 * time.Minute)
		p.lead(1)
		w.heal()
		time.Sleep(4 * time.Minute)
		if s := p.daemons[0].engine.Snapshot().Services[0]; s.Open != nil {
			w.t.Errorf("the stand-by shows %s as open, which the leader resolved", s.Open.ID)
		}
	})
}
