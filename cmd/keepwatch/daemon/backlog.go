package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"keepwatch/alerting"
)

// overdue is how long a page may wait for a channel before health is red: the
// fallback has fired by then, and still nothing took the page.
const overdue = 5 * time.Minute

// backlog looks at the outbox beside everything else, so that health and metrics
// do not wait for a database.
type backlog struct {
	store alerting.Store

	mu   sync.Mutex
	last alerting.Backlog // guarded by mu
}

// Run looks every five seconds until ctx ends.
func (b *backlog) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		look, cancel := context.WithTimeout(ctx, 3*time.Second)
		last, err := b.store.Backlog(look)
		cancel()
		if err != nil {
			continue // the line about the database says it
		}
		b.mu.Lock()
		b.last = last
		b.mu.Unlock()
	}
}

// now returns how many pages wait, and for how long the oldest has; 0 when none does.
func (b *backlog) now(at time.Time) (pages int, oldest time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.Oldest.IsZero() {
		return b.last.Pages, 0
	}
	return b.last.Pages, at.Sub(b.last.Oldest)
}

// problem says what is wrong with the outbox; "" when nothing is.
func (b *backlog) problem(at time.Time) string {
	if pages, oldest := b.now(at); oldest > overdue {
		return fmt.Sprintf("%d pages wait, the oldest for %s: keepwatch incidents says why", pages, oldest.Round(time.Second))
	}
	return ""
}
