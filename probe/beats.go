package probe

import (
	"sync"
	"time"
)

// Beats remembers the last heartbeat of each heartbeat check. The zero value is
// ready; safe for concurrent use.
type Beats struct {
	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
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

// Last returns the last heartbeat of a check; false when none is known.
func (b *Beats) Last(check string) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.last[check]
	return t, ok
}
