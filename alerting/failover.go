package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Mode is where a [Failover] writes.
type Mode string

// The modes.
const (
	OnPrimary Mode = "primary"
	OnSpool   Mode = "spool"
	OnMemory  Mode = "memory" // the spool could not be written either
)

// FailoverState is what health shows. Mode is empty before the first use.
type FailoverState struct {
	Mode      Mode
	Since     time.Time // when the present mode began, UTC
	Partial   bool      // the primary was never read since the start: incidents that it knows may be missing here
	Incidents int       // held outside the primary and not yet replayed
	Pages     int       // unfinished pages of those
	LastError string    // why the primary, or the spool, is not used; "" on the primary
	// SpoolError says on the primary why the spool could not be used if it were
	// needed; "" when it can, as far as is known.
	SpoolError string
}

// Failover is the [Store] that goes on when the database does not. It writes to
// Primary; when that does not take a step within Timeout it writes to Spool, and
// when the disk does not take it either, to memory (loudly, see State and Log).
//
// The order of an incident's pages must not break on the way, hence:
//   - it knows all open incidents and owed pages from memory; when the primary
//     is found away they are seeded into the spool first, with their states, and
//     are delivered from there;
//   - while anything is held that the primary does not have, every step goes to
//     the spool, and pages are claimed there only;
//   - Run keeps a mirror of it in the spool also while the primary answers, so
//     that a process that is killed, and started again when the primary is away,
//     knows what is open and pages nobody twice;
//   - Run copies all of it to the primary when that is back, then stops the world
//     for the last few changes, and only then uses the primary again.
//
// A page that was accepted meanwhile is accepted there too, a leased one keeps
// its lease and epoch, so its deliverer settles it as if nothing had happened.
//
// After a start without the primary OpenIncidents answers from the spool, and
// State says Partial. For the engine: OnReturn is called (never at the same time
// twice, from Run) each time the primary is used again, with all incidents that
// are open there. Take over those you do not know; an incident you hold that is
// not among them was resolved elsewhere. When the primary and you both hold an
// open incident of one service, keep the older and resolve the younger one.
//
// Only the daemon that leads may use one (see [Leader]). Set the fields before
// the first use. Safe for concurrent use.
type Failover struct {
	Primary Primary
	// Spool may be nil: then there is only memory behind the primary.
	Spool Reserve
	Log   *slog.Logger
	// Timeout is how long one step may take on the primary, tried again while it fails; 0 means 2 s.
	Timeout time.Duration
	// OnReturn may be nil. It must not call the Failover and should not block.
	OnReturn func(open []Incident)
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// gate is held in part during each step and whole while the mode changes. It
	// guards mode. Not a sync.RWMutex: waiting for that would stand in the way of
	// the clock in a synctest bubble, and could not be ended by a context.
	gate *semaphore.Weighted
	// claims makes claims one at a time, so that untold knows whose a page is.
	claims *semaphore.Weighted

	once sync.Once
	kick chan struct{} // wakes Run when the mode changed
	mode Mode

	// view is everything unfinished, and what is not yet in the primary.
	view Book

	// serial makes steps on the spool one at a time.
	serial sync.Mutex

	// mirrored is what of view the spool holds while the primary is in use. Only
	// Run's goroutine uses it.
	mirrored mirrorMark

	// copied is what of view the primary took in this outage. Only Run's goroutine
	// and holders of the whole gate use it.
	copied map[string]int64

	// mu guards what follows.
	mu      sync.Mutex
	shown   Mode // mode, for State: health must not wait for gate
	since   time.Time
	partial bool
	stale   bool // the spool could not be emptied after a replay
	lastErr string
	noSpool string                     // why the spool cannot be used
	failing time.Time                  // since when the primary fails; zero when it answered last
	cancels map[int]context.CancelFunc // of the steps under way on the primary
	step    int
}

var _ Store = (*Failover)(nil)

const (
	primaryTimeout = 2 * time.Second
	againAfter     = 50 * time.Millisecond  // a step that failed is tried again, and as much jitter
	overslept      = 500 * time.Millisecond // a deadline that comes later than this came to a frozen process
	replayTimeout  = 10 * time.Second       // of one incident
	finalTimeout   = 5 * time.Second        // of the last changes, while the world stands still
	memoryMaxPages = 20_000                 // unfinished pages held in memory only
	gateWhole      = 1 << 20                // more than there are steps at once
)

// ErrOverfull means that neither database nor spool took a change, and memory
// holds too many already. The change is lost unless the caller keeps it.
var ErrOverfull = errors.New("neither the database nor the spool can be written, and memory is full: free disk space, bring the database back")

// Apply implements [Store]. The error is the context's or [ErrOverfull].
func (f *Failover) Apply(ctx context.Context, c Change) error {
	err := f.do(ctx, func(ctx context.Context, s Store) error {
		if _, pages := f.view.Held(); s == &f.view && pages >= memoryMaxPages {
			return ErrOverfull
		}
		return s.Apply(ctx, c)
	}, func(ctx context.Context) error { return f.view.Apply(ctx, c) })
	if err == nil {
		nudge(f.kick) // for the mirror
	}
	return err
}

// Settle implements [Store].
func (f *Failover) Settle(ctx context.Context, s Settlement) error {
	return f.do(ctx, func(ctx context.Context, to Store) error { return to.Settle(ctx, s) },
		func(ctx context.Context) error { return f.view.Settle(ctx, s) })
}

// Claim implements [Store].
func (f *Failover) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Page, error) {
	f.start(ctx)
	if err := f.claims.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer f.claims.Release(1)
	var claimed []Page
	unsure := false // an earlier try may have claimed pages that nobody was told of
	err := f.do(ctx, func(ctx context.Context, s Store) error {
		var err error
		if unsure && s == Store(f.Primary) {
			if claimed, err = f.untold(ctx, now.Add(lease)); err != nil || len(claimed) > 0 {
				return err
			}
		}
		claimed, err = s.Claim(ctx, now, lease, limit)
		unsure = unsure || err != nil
		return err
	}, func(ctx context.Context) error { return f.view.Import(ctx, Change{Pages: claimed}) })
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// OpenIncidents implements [Store]. Without the primary it answers from what is
// known here, which State calls Partial when the primary was never read.
func (f *Failover) OpenIncidents(ctx context.Context) ([]Incident, error) {
	var open []Incident
	err := f.do(ctx, func(ctx context.Context, s Store) error {
		var err error
		open, err = s.OpenIncidents(ctx)
		return err
	}, nil)
	return open, err
}

// Pages implements [Store]. Without the primary it knows the pages of open
// incidents and of those that changed since.
func (f *Failover) Pages(ctx context.Context, incident string) ([]Page, error) {
	var pages []Page
	err := f.do(ctx, func(ctx context.Context, s Store) error {
		var err error
		pages, err = s.Pages(ctx, incident)
		return err
	}, nil)
	return pages, err
}

// Backlog implements [Store].
func (f *Failover) Backlog(ctx context.Context) (Backlog, error) {
	var out Backlog
	err := f.do(ctx, func(ctx context.Context, s Store) error {
		var err error
		out, err = s.Backlog(ctx)
		return err
	}, nil)
	return out, err
}

// State tells where steps go now.
func (f *Failover) State() FailoverState {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := FailoverState{Mode: f.shown, Since: f.since, Partial: f.partial, LastError: f.lastErr, SpoolError: f.noSpool}
	if f.shown == OnSpool || f.shown == OnMemory {
		out.Incidents, out.Pages = f.view.Held()
	}
	return out
}

// fall leaves a mode that failed, unless somebody else did already.
func (f *Failover) fall(ctx context.Context, from Mode, cause error) {
	f.mu.Lock()
	for _, cancel := range f.cancels {
		cancel()
	}
	f.mu.Unlock()
	defer f.lock(ctx)()
	if f.mode != from {
		return
	}
	if from == OnPrimary {
		err := f.seed(ctx)
		if err == nil {
			f.enter(OnSpool, cause)
			return
		}
		cause = fmt.Errorf("%w; spool: %w", cause, err)
	}
	f.enter(OnMemory, cause)
}

// seed makes the spool hold what is known, in one transaction.
func (f *Failover) seed(ctx context.Context) error {
	if f.Spool == nil {
		return errNoSpool
	}
	// Not ended by the caller: a page waits for it.
	ctx = context.WithoutCancel(ctx)
	all, err := f.view.All(ctx)
	if err != nil {
		return err
	}
	return f.Spool.Reset(ctx, all)
}

var errNoSpool = errors.New("there is none")

// enter changes the mode and says so. Call it with gate held whole.
func (f *Failover) enter(mode Mode, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default: // Run is awake already
	}
	was := f.mode
	f.mode, f.shown, f.since, f.lastErr = mode, mode, moment(f.Now).UTC(), ""
	if cause != nil {
		f.lastErr = cause.Error()
	}
	switch mode {
	case OnPrimary:
		f.partial = false
		if was != "" {
			f.Log.Info("incidents and pages are in the database again")
		}
	case OnSpool:
		f.copied = map[string]int64{}
		f.Log.Error("database is away; incidents and pages go to the spool and are sent from there", "err", cause)
	case OnMemory:
		f.Log.Error("neither database nor spool can be written; pages are sent from memory and are lost with this process", "err", cause)
	}
}
