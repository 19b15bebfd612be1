package guard

import (
	"sync/atomic"
	"time"
)

// Stats are numbers for metrics. Counters count since the start.
type Stats struct {
	Level       Level
	Score       float64        // 1 is where CachedOnly begins
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
	Tracked     int            // clients that have used some of a limit
}

type counters struct {
	passed, limited                                                 [classes]atomic.Int64
	shed, challenges, solved, forged, signed, badSigned, wrongCodes atomic.Int64
}

// Stats returns the guard's numbers. It walks the whole table: for scrapes, not
// for requests.
func (g *Guard) Stats() Stats {
	c := &g.count
	s := Stats{
		Level: g.Level(), Score: float64(g.score.Load()) / scoreUnit, Lag: time.Duration(g.lag.Load()),
		Connections: int(g.crowd.open.Load()), Crowded: g.crowd.refused.Load(),
		Shed: c.shed.Load(), Challenges: c.challenges.Load(), Solved: c.solved.Load(), Forged: c.forged.Load(),
		Signed: c.signed.Load(), BadSigned: c.badSigned.Load(), WrongCodes: c.wrongCodes.Load(),
		Tracked: g.table.tracked(time.Now()),
	}
	for i := range classes {
		s.Passed[i], s.Limited[i] = c.passed[i].Load(), c.limited[i].Load()
	}
	return s
}

// Classes lists the classes, for the labels of [Stats].
func Classes() []Class {
	all := make([]Class, classes)
	for i := range all {
		all[i] = Class(i)
	}
	return all
}
