package postgres

import (
	"context"
	"fmt"
	"time"
)

// The one statement that asks the database for the time: it compares clocks.
const sqlClock = `SELECT clock_timestamp()`

// ClockOffset is how far the database's clock is ahead of the one that now reads, to
// about half the time of a round trip; negative when it is behind.
func (db *DB) ClockOffset(ctx context.Context, now func() time.Time) (time.Duration, error) {
	var theirs time.Time
	ours, start := now(), time.Now()
	if err := db.pool.QueryRow(ctx, sqlClock).Scan(&theirs); err != nil {
		return 0, translate(fmt.Errorf("compare clocks: %w", err))
	}
	middle := ours.Add(time.Since(start) / 2)
	return theirs.Sub(middle), nil
}
