package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Lease is leadership that was won. Lost closes when the session that holds it
// dies; Release gives it back and may be called once.
type Lease struct {
	Lost    <-chan struct{}
	Release func()
	// Up is when the database started, Other whether another daemon has led last. The zero
	// values say that neither is known.
	Up    time.Time
	Other bool
	// Took notes that this daemon is the last that led, before it leads: who begins to lead
	// and cannot say so, because the database goes away just then, would lead in the dark
	// beside the one that is noted. nil is allowed.
	Took func(ctx context.Context) error
}

// Leader lets one of several daemons page. It polls and never waits for a lock.
//
// While the database is away nobody can be asked, so the last known leader goes
// on: losing the session stops nothing, only learning that somebody else leads
// does. Two daemons that both page for a moment repeat the same keys, which
// opens nothing twice; a moment in which nobody pages could lose a page.
type Leader struct {
	// Try asks for leadership once: held false means that another daemon leads,
	// an error that the database could not be asked.
	Try func(ctx context.Context) (lease Lease, held bool, err error)
	// Was tells whether to lead when the database cannot be asked: true unless another
	// daemon was seen to lead since this one did. A daemon that has never asked must
	// lead, or a first start without the database would page nobody.
	// Mark remembers it over a restart: true when this daemon begins to lead, false
	// only when another one is seen to.
	Was  func() bool
	Mark func(leads bool)
	// Part is what only the leader runs. It must return soon after its context ends.
	Part func(ctx context.Context) error
	Log  *slog.Logger

	leads atomic.Bool
}

// pollEvery is how often leadership is asked for; with the session's death
// noticed at once, a stand-by takes over within a few seconds.
const pollEvery = time.Second / 2

// yieldFor is how long a daemon that does not lead lets another one ask first when the
// database is back: whoever led in the dark holds incidents that are not in the database
// yet, and who leads without them pages people a second time.
const yieldFor = 5 * time.Second

// darkAfter is how long a daemon that has just started, and finds no database, waits for
// it before it leads without: another one may have led since this one died, and a database
// that restarts tells.
const darkAfter = 4 * time.Second

// Leads reports whether this daemon pages now. Safe for concurrent use.
func (l *Leader) Leads() bool { return l.leads.Load() }

// Run polls until ctx ends or the part fails. It returns nil when ctx ended.
func (l *Leader) Run(ctx context.Context) error {
	run := &leading{leader: l}
	defer run.stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		l.step(ctx, run)
		select {
		case <-ctx.Done():
			return nil
		case err := <-run.ended:
			if ctx.Err() != nil {
				return nil
			}
			run.ended, run.cancel = nil, nil
			return fmt.Errorf("leader's part ended: %w", err)
		case <-run.lost:
			l.Log.WarnContext(ctx, "leadership session lost")
			run.lost, run.release = nil, nil
		case <-tick.C:
		}
	}
}

// step asks once when there is no lease, and starts or stops the part.
func (l *Leader) step(ctx context.Context, run *leading) {
	if run.lost != nil || ctx.Err() != nil {
		return
	}
	if run.cancel == nil && time.Since(run.yielding) < yieldFor {
		return
	}
	if run.cancel == nil && !run.away.IsZero() && time.Since(run.away) < yieldFor && !l.Was() {
		return
	}
	lease, held, err := l.ask(ctx, run)
	if err == nil {
		run.dark = time.Time{}
	}
	switch {
	case errors.Is(err, errYields):
	case err != nil:
		if run.away = time.Now(); run.dark.IsZero() {
			run.dark = run.away
		}
		if run.cancel == nil && l.Was() && time.Since(run.dark) >= darkAfter {
			l.Log.WarnContext(ctx, "leading without the database: no other daemon is known to lead", "err", err)
			run.start(ctx)
		}
	case held:
		run.lost, run.release = lease.Lost, lease.Release
		l.Mark(true)
		run.start(ctx)
	default:
		if run.cancel != nil {
			l.Log.WarnContext(ctx, "another daemon leads now")
			run.stop()
		}
		if l.Was() {
			l.Mark(false)
		}
	}
}

var errYields = errors.New("the daemon that led before shall ask first")

// ask asks for the lead and notes that it is taken. A lease that is not to be kept is given back.
func (l *Leader) ask(ctx context.Context, run *leading) (lease Lease, held bool, err error) {
	lease, held, err = l.Try(ctx)
	switch {
	case err != nil || !held:
		return Lease{}, false, err
	case run.yields(lease):
		lease.Release()
		return Lease{}, false, errYields
	case lease.Took == nil:
		return lease, true, nil
	}
	if err := lease.Took(ctx); err != nil && run.cancel == nil {
		lease.Release()
		return Lease{}, false, err
	}
	return lease, true, nil // who leads already is noted
}

// leading is the running part and the lease; owned by Run's goroutine.
type leading struct {
	leader *Leader
	away   time.Time // when the database could not be asked last
	dark   time.Time // since when it cannot be asked; zero when it answered last
	// young is the start of the database after which this daemon lets others ask first, since yielding.
	young, yielding time.Time
	cancel          context.CancelFunc
	ended           chan error
	lost            <-chan struct{}
	release         func()
}

// yields reports whether the daemon that led before shall ask first, because the database
// has only just started: who led in the dark meanwhile holds what it does not have. A
// restart can be over before a stand-by finds the database away. Once for each restart.
func (r *leading) yields(lease Lease) bool {
	if r.cancel != nil || !lease.Other || lease.Up.Equal(r.young) || time.Since(lease.Up).Abs() > yieldFor {
		return false
	}
	r.yielding, r.young = time.Now(), lease.Up
	return true
}

func (r *leading) start(ctx context.Context) {
	if r.cancel != nil {
		return
	}
	ctx, r.cancel = context.WithCancel(ctx)
	ended := make(chan error, 1)
	r.ended = ended
	r.leader.leads.Store(true)
	r.leader.Log.InfoContext(ctx, "leading")
	go func() { ended <- r.leader.Part(ctx) }() // stop waits for it
}

// stop ends the part, waits for it, and only then gives the lease back, so that
// the next leader never runs beside this one.
func (r *leading) stop() {
	if r.cancel != nil {
		r.cancel()
		if err := <-r.ended; err != nil {
			r.leader.Log.Warn("leader's part ended with an error while stopping", "err", err)
		}
		r.cancel, r.ended = nil, nil
	}
	r.leader.leads.Store(false)
	if r.release != nil {
		r.release()
		r.release = nil
	}
}
