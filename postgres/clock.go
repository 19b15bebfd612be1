package postgres

import (
	"context"
	"fmt"
	"time"
)

// The one statement that asks the database for the time: it compares clocks.
const sqlClock = `SELECT clock_timestamp()`

// ClockOffset is how far the database's clock is ahead of this machine's, to
// about half the time of a round trip; negative when it is behind.
func (db *DB) ClockOffset(ctx context.Context) (time.Duration, error) {
	var theirs time.Time
	start := time.Now()
	if err := db.pool.QueryRow(ctx, sqlClock).Scan(&theirs); err != nil {
		return 0, translate(fmt.Errorf("compare clocks: %w", err))
	}
	middle := start.Add(time.Since(start) / 2)
	return theirs.Sub(middle), nil
}
