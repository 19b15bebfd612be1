package alerting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	lookAfter   = 30 * time.Second // after acceptance (paging-spec 2.4)
	climbAfter  = 2 * time.Minute  // for a later level of an alert that the other side escalates (paging-spec 2.3)
	lookAgain   = time.Minute      // at a page that wakes nobody, for it may ring late; doubles
	lookAtMost  = 5 * time.Minute
	lookFirst   = 5 * time.Second // after a look that could not be made; doubles
	lookWithin  = 25 * time.Second
	looksAtOnce = 4
	maxLooks    = 20_000 // pages followed at one time
	restoreWait = 5 * time.Second
)

// Prover looks up what channels have accepted: 202 means queued, and the event
// may be dropped later without a word. A page that wakes nobody goes to the
// fallback channels at once. Set the fields before Run. Safe for concurrent use.
//
// What could not be read is no failure of the page: it is said, and looked at
// again while the incident is open.
type Prover struct {
	// Store and Deliverer are required; outcomes are settled through the Deliverer.
	Store     Store
	Deliverer *Deliverer
	// Log is required.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	setup sync.Once
	wake  chan struct{}

	mu sync.Mutex
	// Guarded by mu:
	verifiers map[string]Verifier // by channel
	after     time.Duration
	looks     map[string]*lookup  // by page
	blind     map[string]trouble  // channels that could not be asked
	silent    map[string]string   // by page: why it wakes nobody
	seen      map[string]Evidence // by dedup key: what was last told from outside
}

// lookup is one page that is followed.
type lookup struct {
	page  Page
	due   time.Time
	tries int // looks that could not be made, in a row
	again int // looks at a page that wakes nobody
}

func (v *Prover) init() {
	v.setup.Do(func() {
		v.wake = make(chan struct{}, 1)
		v.looks, v.blind = map[string]*lookup{}, map[string]trouble{}
		v.silent, v.seen = map[string]string{}, map[string]Evidence{}
	})
}

// Reload sets which channels can be asked, and how long after acceptance; 0
// means 30 s. Also while Run goes on.
func (v *Prover) Reload(verifiers map[string]Verifier, after time.Duration) {
	v.init()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.verifiers, v.after = verifiers, after
	if after <= 0 {
		v.after = lookAfter
	}
	for channel := range v.blind {
		if verifiers[channel] == nil {
			delete(v.blind, channel)
		}
	}
	nudge(v.wake)
}

// Settled takes note of the outcome of a page; wire it to Deliverer.Settled. It does not block.
func (v *Prover) Settled(p Page) {
	v.init()
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.Action != Trigger {
		if p.Action == Resolve {
			v.forgetKey(p.DedupKey)
		}
		return
	}
	if v.follow(p) {
		nudge(v.wake)
	}
}

// follow begins to follow an accepted page. mu is held.
func (v *Prover) follow(p Page) bool {
	if p.Action != Trigger || p.State != Accepted || v.verifiers[p.Channel] == nil || p.Proof != "" && p.Proof != Unreadable && !p.Proof.Silent() {
		return false
	}
	if v.looks[p.ID] != nil || len(v.looks) >= maxLooks {
		return false
	}
	v.looks[p.ID] = &lookup{page: p, due: p.AcceptedAt.Add(v.after)}
	if p.Proof.Silent() {
		v.silent[p.ID] = p.Proof.why()
	}
	return true
}

// forgetKey drops what belongs to an alert that is being resolved. mu is held.
func (v *Prover) forgetKey(key string) {
	delete(v.seen, key)
	for id, l := range v.looks {
		if l.page.DedupKey == key {
			v.drop(id)
		}
	}
}

// drop ends the following of a page. mu is held.
func (v *Prover) drop(id string) {
	delete(v.looks, id)
	delete(v.silent, id)
}

// Run looks pages up until ctx ends, and returns nil. It may be called again
// after that, and then reads anew which pages are open.
func (v *Prover) Run(ctx context.Context) error {
	v.init()
	v.mu.Lock()
	clear(v.looks)
	clear(v.silent)
	clear(v.seen)
	clear(v.blind)
	v.mu.Unlock()
	restored := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-v.wake:
		}
		if !restored {
			restored = v.restore(ctx)
		}
		wait := v.round(ctx)
		if !restored {
			wait = min(wait, restoreWait)
		}
		timer.Reset(wait)
	}
}

// restore follows the accepted pages of all open incidents.
func (v *Prover) restore(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, restoreWait)
	defer cancel()
	open, err := v.Store.OpenIncidents(ctx)
	if err != nil {
		return false
	}
	for _, inc := range open {
		pages, err := v.Store.Pages(ctx, inc.ID)
		if err != nil {
			return false
		}
		v.mu.Lock()
		for _, p := range pages {
			if !ended(p, pages) {
				v.follow(p)
			}
		}
		v.mu.Unlock()
	}
	return true
}

// round makes the looks that are due and returns how long to wait for the next.
func (v *Prover) round(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		due := v.due(v.now())
		if len(due) == 0 {
			break
		}
		var under sync.WaitGroup
		for _, l := range due {
			under.Go(func() { v.one(ctx, l) })
		}
		under.Wait()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	wait := time.Minute
	for _, l := range v.looks {
		wait = min(wait, l.due.Sub(v.now()))
	}
	return max(wait, time.Millisecond)
}

// due are the oldest looks whose time has come, a few at once.
func (v *Prover) due(now time.Time) []*lookup {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []*lookup
	for _, l := range v.looks {
		if !l.due.After(now) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b *lookup) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.page.ID, b.page.ID))
	})
	return out[:min(len(out), looksAtOnce)]
}

// one makes one look and settles what it showed.
func (v *Prover) one(ctx context.Context, l *lookup) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	pages, err := v.Store.Pages(ctx, l.page.Incident)
	if err != nil {
		v.later(l, restoreWait+rand.N(restoreWait))
		return
	}
	i := slices.IndexFunc(pages, func(p Page) bool { return p.ID == l.page.ID })
	v.mu.Lock()
	verifier := v.verifiers[l.page.Channel]
	if i < 0 || verifier == nil || ended(pages[i], pages) {
		v.drop(l.page.ID)
		v.mu.Unlock()
		return
	}
	v.mu.Unlock()
	p := pages[i]
	if wait := climbAfter - v.now().Sub(p.AcceptedAt); wait > 0 && repeats(p, pages) {
		v.later(l, wait) // the other side escalates by its own clock, in whole minutes
		return
	}
	found, err := verifier.Verify(ctx, p)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	v.asked(p, err)
	if err != nil {
		v.unreadable(ctx, l, p, err)
		return
	}
	v.found(ctx, l, p, pages, found)
}

// ended reports whether the page's alert has been resolved by us since.
func ended(p Page, pages []Page) bool {
	return slices.ContainsFunc(pages, func(q Page) bool { return q.Action == Resolve && q.key() == p.key() && q.Seq > p.Seq })
}

// answered reports whether somebody has acknowledged or ended it since.
func answered(p Page, pages []Page) bool {
	return slices.ContainsFunc(pages, func(q Page) bool { return q.Action != Trigger && q.Seq > p.Seq })
}

// repeats reports whether the page repeats the trigger of an alert, for a later
// level: the other side rings that level by its own clock.
func repeats(p Page, pages []Page) bool {
	return slices.ContainsFunc(pages, func(q Page) bool {
		return q.Action == Trigger && q.key() == p.key() && q.Seq < p.Seq && mayRing(q)
	})
}

func (v *Prover) later(l *lookup, wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l.due = v.now().Add(wait)
}

// asked keeps book of whether a channel can be asked.
func (v *Prover) asked(p Page, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		delete(v.blind, p.Channel)
		return
	}
	t, known := v.blind[p.Channel]
	if !known {
		t.since = v.now()
		v.Log.Warn("page not looked up", "page", p.ID, "channel", p.Channel, "err", err)
	}
	t.text = err.Error()
	v.blind[p.Channel] = t
}

// unreadable says once that a page could not be looked up, and tries again.
func (v *Prover) unreadable(ctx context.Context, l *lookup, p Page, err error) {
	l.tries++
	wait := min(lookFirst<<min(l.tries-1, 10), lookAtMost)
	v.later(l, wait/2+rand.N(wait/2+1))
	if p.Proof != "" {
		return
	}
	p.Proof = Unreadable
	s := Settlement{Page: p}
	s.prove(v.now(), "whether the page rings could not be read: "+err.Error()+"; it is tried again")
	v.Deliverer.settle(ctx, s)
}

// Unread says in one sentence each which channels cannot be asked whether pages
// ring; empty when all can.
func (v *Prover) Unread(now time.Time) []string {
	v.init()
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, channel := range slices.Sorted(maps.Keys(v.blind)) {
		t := v.blind[channel]
		if now.Sub(t.since) >= time.Minute {
			out = append(out, fmt.Sprintf("whether pages ring cannot be read since %s: %s", t.since.UTC().Format(time.RFC3339), t.text))
		}
	}
	return out
}

// Silent says in one sentence each which pages of open incidents were accepted
// but wake nobody; empty when all is well.
func (v *Prover) Silent() []string {
	v.init()
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for i, id := range slices.Sorted(maps.Keys(v.silent)) {
		l := v.looks[id]
		if l == nil {
			continue
		}
		if i == 5 {
			out = append(out, fmt.Sprintf("and %d more pages that wake nobody", len(v.silent)-i))
			break
		}
		out = append(out, fmt.Sprintf("%s accepted the page%s about %s but it wakes nobody: %s", l.page.Channel, to(l.page), l.page.Incident, v.silent[id]))
	}
	return out
}
