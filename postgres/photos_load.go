package postgres

import "time"

// Waits returns how long callers have waited for a connection in all, and how many
// did, since the pool was opened: the site reads its load from it.
func (p Photos) Waits() (waited time.Duration, waits int64) {
	s := p.DB.pool.Stat()
	return s.EmptyAcquireWaitTime(), s.EmptyAcquireCount()
}
