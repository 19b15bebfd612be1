package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Bounds of a Recorder.
const (
	flushEvery    = time.Second
	flushResults  = 1000                   // a batch, and what does not wait for the second
	insertTimeout = 5 * time.Second        // one batch
	drainTimeout  = 3 * time.Second        // the last batches at shutdown; the journal keeps the rest
	backoffMax    = 5 * time.Second        // between attempts while the store is away
	patience      = 250 * time.Millisecond // Record waits this long for the disk
	queueMax      = 20_000                 // results waiting for a slow disk, or for the store without a journal
)

// Recorder is the [Sink] that writes results down: each one to the journal as
// soon as it is recorded, and from there to the store, a batch a second. While
// the store is away the journal grows and is replayed afterwards, in batches.
//
// Record returns when its result is in the journal, so a kill of the process
// loses nothing that was recorded; but when the disk hangs it waits 250 ms once
// (20 ms was not enough on a busy machine with a healthy disk), and from then on
// not at all: results queue in memory until the disk is back.
// A result that the journal refuses (disk full) goes to the store directly. What
// fits nowhere is counted in Lost and logged: its slot shows as unknown.
//
// Set the fields before the first use; all but Every and Now are required. All methods are
// safe for concurrent use.
type Recorder struct {
	Store   Store
	Journal Journal
	Log     *slog.Logger
	// Every is how long results wait in the journal for others that come with them; 0
	// means a second. A simulation, whose journal is its memory, waits longer.
	Every time.Duration
	Now   func() time.Time // the clock; nil means time.Now

	once sync.Once
	wake chan struct{} // something is queued
	full chan struct{} // a whole batch is waiting

	// mu guards what follows.
	mu      sync.Mutex
	running bool
	stalled bool          // the disk hangs: nobody waits for it
	queue   []Result      // not yet in the journal
	written chan struct{} // closed when queue is in the journal; nil when queue is empty
	loose   []Result      // the journal refused them
	fresh   int           // in the journal since the last flush began
	state   RecorderState // all but Pending and Lag
	diskErr string        // of the journal; "" when it works
}

func (r *Recorder) setup() {
	r.once.Do(func() { r.wake, r.full = make(chan struct{}, 1), make(chan struct{}, 1) })
}

// Record implements [Sink]. Extra looks are not for the ledger and are left out.
func (r *Recorder) Record(res Result) {
	if res.Extra {
		return
	}
	r.setup()
	written := r.enqueue(res)
	if written == nil {
		return
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-written:
	case <-t.C:
		// Should the write end at this very moment, the next one clears it.
		r.mu.Lock()
		r.stalled = true
		r.mu.Unlock()
	}
}

// enqueue hands a result to the writer; nil means that there is nothing to wait for.
func (r *Recorder) enqueue(res Result) <-chan struct{} {
	r.mu.Lock()
	if !r.running { // before Run and after it nobody writes but us
		r.mu.Unlock()
		r.keep([]Result{res})
		return nil
	}
	defer r.mu.Unlock()
	if len(r.queue) >= queueMax {
		r.state.Lost++
		return nil
	}
	r.queue = append(r.queue, res)
	if r.written == nil {
		r.written = make(chan struct{})
	}
	signal(r.wake)
	if r.stalled {
		return nil
	}
	return r.written
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is on already
	}
}

// writeQueue puts what is queued into the journal.
func (r *Recorder) writeQueue() {
	r.mu.Lock()
	batch, written := r.queue, r.written
	// From here on a new result needs a new write: it must not take this one's
	// end for its own.
	r.queue, r.written = nil, nil
	r.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	r.keep(batch)
	close(written)
	r.mu.Lock()
	r.stalled = false
	r.mu.Unlock()
}

// keep puts results into the journal, or aside for the store when it refuses.
func (r *Recorder) keep(batch []Result) {
	err := r.Journal.Append(batch)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		if r.diskErr != "" {
			r.Log.Info("journal works again")
		}
		r.diskErr = ""
		if r.fresh += len(batch); r.fresh >= flushResults {
			signal(r.full)
		}
		return
	}
	if r.diskErr == "" {
		r.Log.Error("journal refuses results; they go to the database directly, and are lost when it is away too", "err", err)
	}
	r.diskErr = err.Error()
	room := min(len(batch), queueMax-len(r.loose))
	r.loose = append(r.loose, batch[:room]...)
	r.state.Lost += int64(len(batch) - room)
}

// Run stores results until ctx ends; then it stores what is left, for at most
// 3 s, makes the journal durable and returns nil. Results recorded after that go
// to the journal and are stored after the next start.
func (r *Recorder) Run(ctx context.Context) error {
	r.setup()
	r.setRunning(true)
	var writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() { // ends when stop closes, below
		for {
			select {
			case <-r.wake:
				r.writeQueue()
			case <-stop:
				return
			}
		}
	})
	r.flushUntil(ctx)
	r.setRunning(false)
	close(stop)
	writer.Wait()
	r.writeQueue()
	r.drain(ctx)
	return nil
}

func (r *Recorder) setRunning(running bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = running
}

// flushUntil flushes every second, or when a batch is full, until ctx ends.
func (r *Recorder) flushUntil(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(r.Every, flushEvery))
	defer tick.Stop()
	var lost int64
	var wait retry
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			lost = r.tellLost(lost)
		case <-r.full:
		}
		if !wait.due(time.Now()) {
			r.sync()
			continue
		}
		err := r.flush(ctx)
		wait.note(err, time.Now())
		if ctx.Err() == nil {
			r.noteStore(err)
		}
		if err != nil {
			r.sync()
		}
	}
}

// retry says when to try again: 1 s, 2 s, 4 s, 5 s …, less up to half of it.
type retry struct {
	pause time.Duration
	next  time.Time
}

func (r *retry) due(now time.Time) bool { return !now.Before(r.next) }

func (r *retry) note(err error, now time.Time) {
	if err == nil {
		*r = retry{}
		return
	}
	r.pause = min(max(2*r.pause, flushEvery), backoffMax)
	r.next = now.Add(r.pause - rand.N(r.pause/2))
}

// flush moves everything to the store, batch by batch. A result leaves the
// journal only when the store has it.
func (r *Recorder) flush(ctx context.Context) error {
	if err := r.flushLoose(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.fresh = 0
	r.mu.Unlock()
	for {
		rs, mark, err := r.Journal.Next(flushResults)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		if len(rs) > 0 {
			if err := r.insert(ctx, rs); err != nil {
				return err
			}
		}
		if err := r.Journal.Done(mark); err != nil {
			return fmt.Errorf("forget stored results: %w", err)
		}
		if len(rs) < flushResults {
			return nil
		}
	}
}

func (r *Recorder) flushLoose(ctx context.Context) error {
	r.mu.Lock()
	loose := r.loose[:min(len(r.loose), flushResults)]
	r.mu.Unlock()
	for len(loose) > 0 {
		if err := r.insert(ctx, loose); err != nil {
			return err
		}
		r.mu.Lock()
		r.loose = r.loose[len(loose):]
		loose = r.loose[:min(len(r.loose), flushResults)]
		r.mu.Unlock()
	}
	return nil
}

// insert stores a batch. When the store refuses some of it for good it finds
// them by halving, so that one bad result does not hold up all others for ever.
func (r *Recorder) insert(ctx context.Context, rs []Result) error {
	bounded, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	err := r.Store.Insert(bounded, rs)
	switch {
	case err == nil:
		r.mu.Lock()
		r.state.Stored += int64(len(rs))
		r.mu.Unlock()
		return nil
	case !errors.Is(err, ErrRefused):
		return fmt.Errorf("insert results: %w", err)
	case len(rs) == 1:
		r.mu.Lock()
		r.state.Refused++
		r.mu.Unlock()
		r.Log.Error("database refuses a result for good", "check", rs[0].Check, "location", rs[0].Location, "slot", rs[0].Slot, "err", err)
		return nil
	}
	half := len(rs) / 2
	if err := r.insert(ctx, rs[:half]); err != nil {
		return err
	}
	return r.insert(ctx, rs[half:])
}

// noteStore logs when the store goes away and comes back.
func (r *Recorder) noteStore(err error) {
	pending := r.Pending()
	r.mu.Lock()
	defer r.mu.Unlock()
	away := !r.state.AwaySince.IsZero()
	switch {
	case err == nil && away:
		r.Log.Info("results are stored again", "away_s", int(moment(r.Now).Sub(r.state.AwaySince).Seconds()), "stored", r.state.Stored)
		r.state.AwaySince, r.state.LastError = time.Time{}, ""
	case err != nil && !away:
		r.Log.Warn("results cannot be stored; the journal keeps them", "err", err, "pending", pending)
		r.state.AwaySince = moment(r.Now).UTC()
	}
	if err != nil {
		r.state.LastError = err.Error()
	}
}

// tellLost logs when results were lost since the count it was given.
func (r *Recorder) tellLost(known int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Lost > known {
		r.Log.Error("results were lost: neither disk nor database took them", "lost", r.state.Lost-known, "lost_total", r.state.Lost)
	}
	return r.state.Lost
}

// sync makes the journal durable while the store is away.
func (r *Recorder) sync() {
	if err := r.Journal.Sync(); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.state.LastError = err.Error()
	}
}

// drain is the last flush.
func (r *Recorder) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := r.flush(ctx)
	err = errors.Join(err, r.Journal.Sync())
	r.mu.Lock()
	loose := len(r.loose)
	r.state.Lost += int64(loose) // the process ends: memory is no place
	r.loose = nil
	r.mu.Unlock()
	if err != nil || loose > 0 {
		r.Log.Warn("not all results were stored; the journal keeps them for the next start", "err", err, "pending", r.Pending(), "lost", loose)
	}
}

// State tells what health and metrics show.
func (r *Recorder) State() RecorderState {
	count, oldest := r.Journal.Pending()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.state
	out.Pending = count + len(r.queue) + len(r.loose)
	if !oldest.IsZero() {
		out.Lag = max(moment(r.Now).Sub(oldest), 0)
	}
	if r.diskErr != "" {
		out.LastError = r.diskErr
	}
	return out
}

// Pending counts the results that are recorded and not yet stored.
func (r *Recorder) Pending() int { return r.State().Pending }

// Lag is the age of the oldest of them, zero when there is none.
func (r *Recorder) Lag() time.Duration { return r.State().Lag }
