package guard

import (
	"context"
	"time"
)

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

// Sources are what the load is read from. A nil func is no load. They must be
// quick and safe for concurrent use.
type Sources struct {
	// Renders returns how many pictures wait for a worker and how many may.
	Renders func() (waiting, places int)
	// Database returns how long callers waited for a connection in all, since the start, and how many did.
	Database func() (waited time.Duration, waits int64)
}

// How the load is read and what follows from it.
const (
	loadEvery = 250 * time.Millisecond
	smooth    = 0.3 // weight of a new reading of a lag
	// The loads that count as 1, where CachedOnly begins.
	fullLag      = 200 * time.Millisecond // how late a timer fires
	fullDatabase = time.Second            // how long one caller waits for a connection
	// A full queue of renders or a full house of connections alone must not switch the rest
	// off: both shed by themselves. They reach Challenged.
	mostRenders     = 0.8
	mostConnections = 0.9
	// Up at once when it lasts, down slowly and a step at a time: a level that
	// flutters is worse than one that lasts a little long.
	upAfter   = 2 * time.Second
	downAfter = 10 * time.Second
	downBelow = 0.7 // of the threshold that led here
)

// thresholds are where the levels begin.
func thresholds() [4]float64 { return [4]float64{0, 0.5, 0.75, 1} }

// reading is the load at one instant.
type reading struct {
	waiting, places int           // renders
	wait            time.Duration // for a connection of the database, by caller
	lag             time.Duration // of the process
	open            int           // connections
}

// score is 0 for no load and 1 where only what is cached should be answered.
func (r reading) score() float64 {
	s := max(float64(r.lag)/float64(fullLag), float64(r.wait)/float64(fullDatabase))
	if r.places > 0 {
		s = max(s, mostRenders*min(1, float64(r.waiting)/float64(r.places)))
	}
	return max(s, mostConnections*min(1, float64(r.open)/connections))
}

// gauge is the state of the level between readings. The zero value is Normal.
type gauge struct {
	level Level
	high  time.Time // since when the score asks for a higher level
	low   time.Time // since when it asks for a lower one
}

// next is the gauge after a score at an instant.
func (s gauge) next(score float64, now time.Time) gauge {
	limits := thresholds()
	target := Normal
	for l := Spare; l <= CachedOnly; l++ {
		if score >= limits[l] {
			target = l
		}
	}
	switch {
	case target > s.level:
		if s.high.IsZero() {
			s.high = now
		}
		s.low = time.Time{}
		if now.Sub(s.high) >= upAfter {
			return gauge{level: target}
		}
	case s.level > Normal && score < downBelow*limits[s.level]:
		if s.low.IsZero() {
			s.low = now
		}
		s.high = time.Time{}
		if now.Sub(s.low) >= downAfter {
			return gauge{level: s.level - 1}
		}
	default:
		s.high, s.low = time.Time{}, time.Time{}
	}
	return s
}

// Run watches the load until ctx is done, and returns nil then.
func (g *Guard) Run(ctx context.Context) error {
	var state gauge
	var lag, wait float64
	waited, waits := g.database()
	timer := time.NewTimer(loadEvery)
	defer timer.Stop()
	for {
		asked := time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		timer.Reset(loadEvery)
		lag += smooth * (float64(max(0, now.Sub(asked)-loadEvery)) - lag)
		allWaited, allWaits := g.database()
		mean := 0.0
		if allWaits > waits {
			mean = float64(allWaited-waited) / float64(allWaits-waits)
		}
		waited, waits = allWaited, allWaits
		wait += smooth * (mean - wait)
		r := reading{lag: time.Duration(lag), wait: time.Duration(wait), open: int(g.crowd.open.Load())}
		if g.opts.Sources.Renders != nil {
			r.waiting, r.places = g.opts.Sources.Renders()
		}
		score := r.score()
		before := state.level
		state = state.next(score, now)
		g.publish(state.level, before, r, score)
	}
}

func (g *Guard) database() (time.Duration, int64) {
	if g.opts.Sources.Database == nil {
		return 0, 0
	}
	return g.opts.Sources.Database()
}

func (g *Guard) publish(level, before Level, r reading, score float64) {
	g.score.Store(int64(score * scoreUnit))
	g.lag.Store(int64(r.lag))
	g.level.Store(int32(level))
	if level != before && g.opts.Log != nil {
		g.opts.Log.Info("load level changed", "level", level.String(), "before", before.String(),
			"renders_waiting", r.waiting, "lag_ms", r.lag.Milliseconds(), "database_wait_ms", r.wait.Milliseconds(), "connections", r.open)
	}
}

// scoreUnit is how finely a score is kept.
const scoreUnit = 1e6
