package alerting

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"
)

// How often Run looks.
const (
	awayEvery    = time.Second      // for the primary's return, and a little jitter
	refreshEvery = 10 * time.Second // at the primary, for what others changed there
)

// start finds out, once, where to begin: on the primary when it answers and takes
// what the spool still holds from the last run.
func (f *Failover) start(ctx context.Context) {
	f.once.Do(func() {
		f.gate, f.claims, f.kick = semaphore.NewWeighted(gateWhole), semaphore.NewWeighted(1), make(chan struct{}, 1)
	})
	if f.State().Mode != "" {
		return
	}
	defer f.lock(ctx)()
	if f.mode != "" {
		return
	}
	f.copied = map[string]int64{}
	f.mu.Lock()
	f.partial = true
	f.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // the first caller's end must not decide for all
	spoolErr := f.recall(ctx)
	began := time.Now()
	cause := f.settleIn(ctx)
	for cause != nil && f.patient(began) {
		rest(ctx, againAfter+rand.N(againAfter))
		cause = f.settleIn(ctx)
	}
	switch {
	case cause == nil:
		f.enter(OnPrimary, nil)
	case spoolErr == nil:
		f.enter(OnSpool, cause)
	default:
		f.enter(OnMemory, fmt.Errorf("%w; spool: %w", cause, spoolErr))
	}
}

// recall reads into view what the spool holds.
func (f *Failover) recall(ctx context.Context) error {
	if f.Spool == nil {
		return errNoSpool
	}
	held, err := f.Spool.All(ctx)
	if err != nil {
		return err
	}
	return f.view.Reset(ctx, held)
}

// settleIn gives the primary what it does not have yet, reads what it has and
// empties the spool. Call it with gate held whole. After an error nothing
// has changed but what the primary took, which it may be given again.
func (f *Failover) settleIn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, finalTimeout)
	defer cancel()
	if err := f.copyView(ctx); err != nil {
		return err
	}
	if err := f.reload(ctx); err != nil {
		return err
	}
	f.empty(ctx)
	return nil
}

// copyView gives the primary all of view that it did not take before. View holds
// all that the spool holds, and also what only memory holds.
func (f *Failover) copyView(ctx context.Context) error {
	if _, err := Copy(ctx, f.view.Snapshots(), bounded{f.Primary}, f.copied); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// empty empties the spool after a replay. A full disk may forbid that: then it is
// tried again; the next outage replaces what stands there in any case.
func (f *Failover) empty(ctx context.Context) {
	err := errNoSpool
	if f.Spool != nil {
		err = f.Spool.Reset(ctx, nil)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noSpool = ""
	if err != nil {
		f.noSpool = err.Error()
	}
	if f.Spool == nil {
		return
	}
	if err != nil && !f.stale {
		f.Log.Error("spool cannot be emptied; it is tried again", "err", err)
	}
	f.stale = err != nil
}

// reload replaces view by what the primary has. Call it with gate held whole.
func (f *Failover) reload(ctx context.Context) error {
	var owed []Change
	err := f.onPrimary(ctx, func(ctx context.Context) error {
		var err error
		owed, err = f.Primary.Unfinished(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read what is owed: %w", err)
	}
	return f.view.Reset(ctx, owed)
}

// Run watches the primary until ctx ends and returns nil then: it finds it away
// before a step has to, and replays when it is back.
func (f *Failover) Run(ctx context.Context) error {
	f.start(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-f.kick:
		}
		pause := awayEvery + rand.N(awayEvery/4)
		if f.look(ctx) {
			pause = refreshEvery
		}
		timer.Reset(pause)
	}
}

// look does one round and reports whether the primary is in use.
func (f *Failover) look(ctx context.Context) bool {
	switch f.State().Mode {
	case OnPrimary:
		if !f.refresh(ctx) {
			return false
		}
		f.mirror(ctx)
		return true
	case OnMemory:
		f.reclimb(ctx)
	case OnSpool:
	}
	if err := f.comeBack(ctx); err != nil {
		if ctx.Err() == nil {
			f.note(err)
		}
		return false
	}
	return true
}

func (f *Failover) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastErr = err.Error()
}

// refresh looks whether the primary answers, and drops from view what is done.
func (f *Failover) refresh(ctx context.Context) bool {
	before, began := f.view.Snapshots(), time.Now()
	var owed []Change
	mode, err := f.try(ctx, func(ctx context.Context, _ Store) error {
		var err error
		owed, err = f.Primary.Unfinished(ctx)
		return err
	}, nil)
	if mode != OnPrimary || ctx.Err() != nil {
		return false
	}
	if err != nil {
		if !f.patient(began) {
			f.fall(ctx, OnPrimary, err)
		}
		return false // looked at again in a second
	}
	defer f.lock(ctx)() // only memory is touched: this is short
	if f.mode != OnPrimary {
		return false
	}
	if f.staleSpool() {
		f.empty(ctx)
	}
	// What changed since before is newer than the answer, and is merged with it.
	err = f.view.Forget(ctx, before)
	for _, c := range owed {
		err = errors.Join(err, f.view.Import(ctx, c))
	}
	return err == nil
}

// mirrorMark tells whether view has changed since it was mirrored.
type mirrorMark struct {
	gen  int64
	held int
}

// mirror writes view to the spool while the primary is in use. It may be some
// steps behind when the process is killed: that sends a page again under the same
// key. A spool that cannot be written is told by State.
func (f *Failover) mirror(ctx context.Context) {
	if f.Spool == nil || f.gate.Acquire(ctx, 1) != nil {
		return
	}
	defer f.gate.Release(1)
	mark := f.view.mark()
	if f.mode != OnPrimary || mark == f.mirrored {
		return
	}
	err := f.seed(ctx)
	if err == nil {
		f.mirrored = mark
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noSpool = ""
	if err != nil {
		f.noSpool = err.Error()
	}
}

func (f *Failover) staleSpool() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stale
}

// reclimb leaves memory for the spool when that can be written again.
func (f *Failover) reclimb(ctx context.Context) {
	defer f.lock(ctx)()
	if f.mode == OnMemory && f.seed(ctx) == nil {
		f.enter(OnSpool, errors.New("the spool can be written again, the database is still away"))
	}
}

// comeBack replays and returns to the primary: first all that is held while work
// goes on, then the last changes while it stands still.
func (f *Failover) comeBack(ctx context.Context) error {
	err := f.onPrimary(ctx, func(ctx context.Context) error {
		_, err := f.Primary.OpenIncidents(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	if err := f.copyView(ctx); err != nil {
		return err
	}
	unlock := f.lock(ctx)
	err = f.settleIn(ctx)
	if err == nil {
		f.enter(OnPrimary, nil)
	}
	unlock()
	if err != nil {
		return err
	}
	f.tellReturn(ctx)
	return nil
}

// bounded gives each import a deadline.
type bounded struct{ to Importer }

func (b bounded) Import(ctx context.Context, c Change) error {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	return b.to.Import(ctx, c)
}

// tellReturn calls OnReturn when the primary is in use.
func (f *Failover) tellReturn(ctx context.Context) {
	if f.OnReturn == nil || f.State().Mode != OnPrimary {
		return
	}
	if open, err := f.view.OpenIncidents(ctx); err == nil {
		f.OnReturn(open)
	}
}

// untold returns the pages that an earlier try of a claim has taken, with this end of the
// lease, and whose answer was lost: until the lease ends nobody else would send them. What
// was told before is known here by its epoch.
func (f *Failover) untold(ctx context.Context, until time.Time) ([]Page, error) {
	owed, err := f.Primary.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	var lost []Page
	for _, c := range owed {
		known, err := f.view.Pages(ctx, c.Incident.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range c.Pages {
			if p.State == Sending && p.LeaseUntil.Sub(until).Abs() < time.Millisecond &&
				!slices.ContainsFunc(known, func(k Page) bool { return k.ID == p.ID && k.Epoch >= p.Epoch }) {
				lost = append(lost, p)
			}
		}
	}
	slices.SortFunc(lost, byUrgency)
	return lost, nil
}
