package probe

import (
	"sync"
	"time"
)

// Beats remembers the last heartbeat of each heartbeat check. The zero value is
// ready; safe for concurrent use.
type Beats struct {
	mu    sync.Mutex           // guards last and watch
	last  map[string]time.Time // by check
	watch map[string]watch     // by check
}

// watch is since when a check has been watched, and when it last was.
type watch struct{ since, seen time.Time }

// Watch notes that a check is watched at t (UTC) and returns since when it has
// been without a pause longer than gap. Times with a monotonic reading make it
// immune to clock steps and to the sleep of the machine.
func (b *Beats) Watch(check string, t time.Time, gap time.Duration) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watch == nil {
		b.watch = map[string]watch{}
	}
	w, ok := b.watch[check]
	if !ok || t.Sub(w.seen) > gap {
		w.since = t
	}
	w.seen = t
	b.watch[check] = w
	return w.since
}

// Beat notes that a job called at t (UTC); an older t than the one known changes nothing.
func (b *Beats) Beat(check string, t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]time.Time{}
	}
	if t.After(b.last[check]) {
		b.last[check] = t
	}
}

// Shift moves all that is known: the clock was moved, and the jobs were not silent for it.
func (b *Beats) Shift(by time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for check, at := range b.last {
		b.last[check] = at.Add(by)
	}
	for check, w := range b.watch {
		b.watch[check] = watch{since: w.since.Add(by), seen: w.seen.Add(by)}
	}
}

// Last returns the last heartbeat of a check; false when none is known.
func (b *Beats) Last(check string) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.last[check]
	return t, ok
}
