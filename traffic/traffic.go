// Package traffic reads access logs and counts, minute by minute, what real
// visitors got.
//
// It owns the formats of the logs, what makes a request good, bad or no witness,
// and following a file through rotation and truncation. Positions and counts leave
// together through a [Store]. It knows neither SQL nor probes.
package traffic

import (
	"context"
	"errors"
	"time"
)

// Minute is what was counted in the minute that begins at At.
type Minute struct {
	At      time.Time // UTC, a whole minute
	Good    int64
	Valid   int64
	Invalid int64 // requests that say nothing about the service
	Skipped int64 // lines that could not be read
}

// Position is how far a log was read. The zero value is its beginning.
type Position struct {
	// Version counts the commits; a commit with another one than the stored is refused.
	Version int64
	// File tells files apart when their names change: device and inode.
	File   string
	Offset int64 // bytes of File that were read and counted
	// Print is the SHA-256 of the first PrintLen bytes of File: another file that got
	// its inode, or the same one filled anew, has another.
	Print    []byte
	PrintLen int
}

// Store keeps counts and positions.
type Store interface {
	// Position returns how far a log was read; the zero value when it never was.
	Position(ctx context.Context, log string) (Position, error)
	// Commit adds the minutes and keeps the position, both or none. It returns
	// [ErrMoved] and does nothing when the stored Version is not the position's
	// Version-1: somebody else read on.
	Commit(ctx context.Context, log string, minutes []Minute, p Position) error
}

// ErrMoved is returned by [Store.Commit] when another reader was faster.
var ErrMoved = errors.New("the log was read on by another process")
