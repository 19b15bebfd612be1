package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"keepwatch/probe"
)

// What a lease says of its process.
const (
	running  = "running"
	lastWord = "shutdown"
)

const (
	tickEvery = time.Second
	// patience is how long the right to fold stays with a process that does not commit.
	patience = 10 * time.Second
	// quiet is when the keeper folds without results: nothing was recorded for so long.
	quiet = 5 * time.Second
	// workShare bounds how much of each second goes into folding days anew and into
	// opening checks, so that results never wait for long.
	workShare  = 250 * time.Millisecond
	openAtOnce = 100 // checks
	// replayMax is how far back folding begins when old results are replayed after a
	// start; days before are folded anew.
	replayMax = 2 * day
	marksMax  = 2000
	commitMax = 5 * time.Second
	closeMax  = 3 * time.Second
)

// Keeper is a [probe.Store] that keeps the ledger beside the results: it stores them
// with what they fold to in one transaction. Of all processes that share a database one
// folds; the others store results, and the database marks what they changed. Set the
// exported fields before the first use; Keep and Waiting may be nil. Safe for concurrent use.
type Keeper struct {
	Store Store
	Agent string // names this process among all that share the database
	// Keep tells how late a result may come; older ones are refused and counted. Nil
	// means that none is too late.
	Keep func() time.Duration
	// Waiting tells how many results wait to be stored: while some do, the past is not
	// settled.
	Waiting func() int
	// Every is how often Run looks after the ledger; 0 means each second. A simulation
	// looks seldom.
	Every time.Duration
	// Now is the clock by which results are folded; nil means time.Now.
	Now func() time.Time
	// Breaks are all times that this clock was moved, oldest first; nil means that it never is.
	Breaks func() []Break
	Log    *slog.Logger

	mu        sync.Mutex // guards all below; held while a transaction runs
	since     time.Time
	locations []string
	epoch     int64    // of the right to fold; 0: another has it
	book      *Book    // nil: to be opened
	queue     []string // checks to be opened
	clock     time.Time
	committed time.Time
	ended     bool    // Run has said its last word
	heard     int     // of Breaks
	untold    []Lease // last words of the times before breaks, not yet stored

	stateMu sync.Mutex // guards state: who asks must not wait for a transaction
	state   State
}

// State is what health and metrics show.
type State struct {
	Folding bool  // this process folds
	Checks  int   // being folded here
	Opening int   // checks that are not yet
	Marks   int   // stretches that wait to be folded anew; at most 2,000 are counted
	Late    int64 // results refused because they came too late
	Faults  int64 // commits that had to be made without the ledger
	LastErr string
}

// State returns the present state.
func (k *Keeper) State() State {
	k.stateMu.Lock()
	defer k.stateMu.Unlock()
	return k.state
}

// tell changes what State returns. mu is held.
func (k *Keeper) tell(change func(*State)) {
	k.stateMu.Lock()
	defer k.stateMu.Unlock()
	change(&k.state)
	k.state.Folding, k.state.Opening, k.state.Checks = k.epoch != 0, len(k.queue), 0
	if k.book != nil {
		k.state.Checks = len(k.book.heads)
	}
}

// Insert implements [probe.Store]. Results older than Keep says are refused, counted and
// logged, the others are stored.
func (k *Keeper) Insert(ctx context.Context, rs []probe.Result) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	return k.commit(ctx, k.notTooLate(rs, now), now, running)
}

// notTooLate leaves out what is too old.
func (k *Keeper) notTooLate(rs []probe.Result, now time.Time) []probe.Result {
	if k.Keep == nil {
		return rs
	}
	oldest := now.Truncate(day).Add(-k.Keep())
	late := func(r probe.Result) bool { return r.Slot.Before(oldest) }
	i := slices.IndexFunc(rs, late)
	if i < 0 {
		return rs
	}
	kept := slices.DeleteFunc(slices.Clone(rs), late)
	n := len(rs) - len(kept)
	k.tell(func(s *State) { s.Late += int64(n) })
	k.Log.Error("results refused: they came too late", "check", rs[i].Check, "location", rs[i].Location, "slot", rs[i].Slot, "refused", n)
	return kept
}

// lease is the word of this process at now.
func (k *Keeper) lease(now time.Time, why string) Lease {
	return Lease{Agent: k.Agent, Since: k.since, Now: now, Locations: k.locations, Why: why, Epoch: k.epoch}
}

// commit stores results and what they fold to. mu is held.
func (k *Keeper) commit(ctx context.Context, rs []probe.Result, now time.Time, why string) error {
	k.notice(rs, now)
	if k.ended {
		why = lastWord
	}
	ending := why == lastWord
	fold := func(rows []Row, names map[int16]string) Changes {
		k.book.Learn(names)
		late := k.book.Put(rows)
		c := k.book.Advance(k.clock, ending)
		c.Marks = append(c.Marks, late...)
		return c
	}
	l := k.lease(now, why)
	if k.epoch == 0 || k.book == nil {
		l.Epoch, fold = 0, nil
	}
	err := k.Store.Commit(ctx, l, rs, fold)
	switch {
	case err == nil:
		k.committed = now
		k.tell(func(*State) {})
		return nil
	case errors.Is(err, ErrNotHolder):
		k.drop()
		k.Log.Info("another process folds the ledger now")
		return nil // the results are stored
	case fold == nil:
		return err
	}
	// Whatever the reason, what is in memory may not be what is stored. The results come
	// first: they are stored without the ledger, which is then opened again.
	k.book = nil
	if ctx.Err() != nil || errors.Is(err, probe.ErrRefused) {
		return err
	}
	l.Epoch = 0
	if plain := k.Store.Commit(ctx, l, rs, nil); plain != nil {
		return plain
	}
	k.fault(err)
	return nil
}

// fault notes that the ledger could not be written beside the results.
func (k *Keeper) fault(err error) {
	k.tell(func(s *State) { s.Faults, s.LastErr = s.Faults+1, err.Error() })
	k.Log.Error("results are stored, the ledger is not; their days are folded anew", "err", err)
}

// notice learns the clock and the locations from results. Results that were recorded a
// while ago are replayed in order, so the past before them is settled and what is
// after is not.
func (k *Keeper) notice(rs []probe.Result, now time.Time) {
	if k.since.IsZero() {
		k.since = now
	}
	newest := time.Time{}
	for i := range rs {
		if rs[i].Extra {
			continue
		}
		newest = later(newest, rs[i].Started)
		if at, found := slices.BinarySearch(k.locations, rs[i].Location); !found {
			k.locations = slices.Insert(k.locations, at, rs[i].Location)
		}
	}
	if newest.IsZero() {
		return
	}
	if now.Sub(newest) < quiet {
		newest = now
	}
	k.clock = later(k.clock, earlier(newest, now))
}

// drop forgets everything that belongs to the right to fold.
func (k *Keeper) drop() { k.epoch, k.book, k.queue = 0, nil, nil }

// Run keeps the ledger going beside the results until ctx ends: it asks for the right
// to fold, opens checks, folds anew what changed. Then it writes what is in memory,
// and its last word.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(k.Every, tickEvery))
	defer tick.Stop()
	bad := false
	for {
		select {
		case <-ctx.Done():
			return k.end(ctx)
		case <-tick.C:
		}
		err := k.Tick(ctx)
		if err != nil && !bad && ctx.Err() == nil {
			k.Log.Warn("the ledger waits", "err", err)
		}
		bad = err != nil
	}
}

// end is the last commit.
func (k *Keeper) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeMax)
	defer cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	if err := k.commit(ctx, nil, k.now(), lastWord); err != nil {
		k.Log.Warn("the ledger could not be closed; it is opened from the results", "err", err)
	}
	return nil
}

// Tick does what [Keeper.Run] does each second, once.
func (k *Keeper) Tick(ctx context.Context) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 2*commitMax)
	defer cancel()
	if err := k.open(ctx); err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	if err := k.idle(ctx); err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	if err := k.tellBreaks(ctx); err != nil {
		return fmt.Errorf("tell that the clock was set: %w", err)
	}
	if err := k.anew(ctx, start.Add(workShare)); err != nil {
		return fmt.Errorf("fold anew: %w", err)
	}
	return nil
}

// idle commits without results when there have been none for a while.
func (k *Keeper) idle(ctx context.Context) error {
	waiting := k.waits()
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if waiting || k.epoch == 0 || now.Sub(k.committed) < quiet {
		return nil
	}
	k.clock = later(k.clock, now)
	return k.commit(ctx, nil, now, running)
}

// waits reports whether results wait to be stored.
func (k *Keeper) waits() bool { return k.Waiting != nil && k.Waiting() > 0 }

// open asks for the right to fold when this process has it not, and opens checks.
func (k *Keeper) open(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.since.IsZero() {
		k.since = now
	}
	if k.clock.IsZero() && k.waits() {
		return nil // what waits in the journal may be older than now: it comes first
	}
	if k.epoch == 0 {
		epoch, err := k.Store.Take(ctx, k.lease(now, running), patience)
		if err != nil || epoch == 0 {
			return err
		}
		k.drop()
		k.epoch = epoch
		k.Log.Info("this process folds the ledger")
	}
	today := now.Truncate(day)
	if !k.clock.IsZero() {
		today = earlier(now, later(k.clock, now.Add(-replayMax))).Truncate(day)
	}
	if k.book == nil {
		known, names, err := k.Store.Load(ctx, nil, today)
		if err != nil {
			return err
		}
		k.book, k.queue = &Book{}, nil
		k.book.Learn(names)
		for _, l := range known {
			k.queue = append(k.queue, l.Check)
		}
	}
	deadline := time.Now().Add(workShare)
	for len(k.queue) > 0 && time.Now().Before(deadline) {
		some := k.queue[:min(len(k.queue), openAtOnce)]
		if err := k.openSome(ctx, some, today); err != nil {
			return err
		}
		k.queue = k.queue[len(some):]
	}
	return nil
}

// openSome opens checks and stores the marks of what is too old to be folded on.
func (k *Keeper) openSome(ctx context.Context, checks []string, today time.Time) error {
	found, names, err := k.Store.Load(ctx, checks, today)
	if err != nil {
		return err
	}
	k.book.Learn(names)
	var old []Mark
	for _, l := range found {
		if !k.book.Has(l.Check) {
			old = append(old, k.book.Open(l, today)...)
		}
	}
	if len(old) == 0 {
		return nil
	}
	err = k.Store.Commit(ctx, k.lease(k.now(), running), nil, func([]Row, map[int16]string) Changes { return Changes{Marks: old} })
	if err != nil {
		k.lost(err)
	}
	return err
}

// lost drops what is in memory after an error.
func (k *Keeper) lost(err error) {
	k.book = nil
	if errors.Is(err, ErrNotHolder) {
		k.drop()
	}
}
