package render

import "time"

// Stats are counters since the start, which only grow, and the state now.
type Stats struct {
	Hits        int64 // pictures from the cache
	Misses      int64 // pictures that were not in the cache
	Renders     int64 // renditions made
	Prepared    int64 // renditions among them that nobody waited for
	Dropped     int64 // pictures that were not made ahead of time, for want of room
	Busy        int64 // visitors that were refused
	Failed      int64 // renders that failed
	Remembered  int64 // visitors that were told of a failure remembered
	CacheErrors int64 // renditions that could not be kept, for other reasons than NoRoom

	Waiting    int           // pictures that visitors wait for and no worker has begun
	Places     int           // how many may wait
	OldestWait time.Duration // of these, how long the oldest has waited
	Preparing  int           // pictures to be made ahead of time
	Paused     bool          // nothing is made ahead of time
	Workers    int           // pictures that can be made at once
	Working    int           // pictures that are made now
	Reading    int           // originals that are read now, those that hang included
	Memory     int64         // bytes that decoding takes now, by estimate
	CacheBytes int64         // what the cache holds, as far as it has been read
	FreeBytes  int64         // what the cache's disk has left, as of the last look; -1 is not known
	NoRoom     bool          // the disk is so full that nothing is added to the cache
}

// Stats returns the counters and the state.
func (r *Renderer) Stats() Stats {
	s := Stats{
		Hits: r.hits.Load(), Misses: r.misses.Load(), Renders: r.renders.Load(), Prepared: r.prepared.Load(),
		Dropped: r.dropped.Load(), Busy: r.busy.Load(), Failed: r.failed.Load(), Remembered: r.remembered.Load(),
		CacheErrors: r.cacheErrors.Load(), Workers: r.opts.Workers, Places: r.opts.Queue, CacheBytes: r.cache.size(),
	}
	now := time.Now()
	s.FreeBytes, s.NoRoom = r.cache.space.state(now)
	p := &r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Preparing, s.Paused = len(p.ahead), p.paused
	s.Working, s.Reading, s.Memory = p.working, p.reading, p.memory
	for _, list := range [][]*task{p.waiting, p.ready} {
		for _, t := range list {
			if t.lane == background {
				s.Preparing++
				continue
			}
			s.Waiting++
			s.OldestWait = max(s.OldestWait, now.Sub(t.since))
		}
	}
	return s
}
