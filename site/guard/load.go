package guard

import "time"

// Level is how loaded the process is. The zero value is Normal.
type Level int32

// The levels; each includes those before it.
const (
	Normal     Level = iota
	Spare            // no rendering ahead, no view log
	Challenged       // strangers must solve a challenge at the front page and the code form
	CachedOnly       // only what is ready is answered, the rest is 503
)

// String names the level.
func (l Level) String() string {
	if l < Normal || l > CachedOnly {
		return "unknown"
	}
	return [...]string{"normal", "spare", "challenged", "cached_only"}[l]
}

// Sources are what the load is read from, each second. A nil func is no load.
// They must be quick and safe for concurrent use.
type Sources struct {
	// Renders returns how many pictures wait for a worker and how many may.
	Renders func() (waiting, places int)
	// Database returns how long callers waited for a connection in all, since the start, and how many did.
	Database func() (waited time.Duration, waits int64)
}

// Stats are numbers for metrics. Counters count since the start.
type Stats struct {
	Level       Level
	Score       float64        // 1 is the threshold of CachedOnly
	Lag         time.Duration  // how late the process runs
	Connections int            // open now
	Crowded     int64          // connections closed because their client had too many
	Passed      [classes]int64 // requests let through, by Class
	Limited     [classes]int64 // refused with 429, by Class
	Shed        int64          // refused with 503
	Challenges  int64          // shown
	Solved      int64          // proofs of work taken
	Forged      int64          // proofs and passes that were not ours, too old or used before
	Signed      int64          // signed requests let through
	BadSigned   int64          // requests with a signature that did not hold
	WrongCodes  int64          // tries of codes that were not given back
	Tracked     int            // entries in the table of limits
}
