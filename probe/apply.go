package probe

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Apply replaces the set of checks, at any time, also before Run. A check keeps
// its phase and every slot at a location while its interval is the same,
// whatever else changes; a new one is first probed within one interval. Looks in
// flight end as they began.
func (r *Runner) Apply(checks []Check) {
	r.start()
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := r.wanted(checks)
	for k, e := range r.entries {
		if c, ok := wanted[k]; !ok || c.Every != e.plan.every {
			r.drop(e)
			if ok { // its interval changed: it must not get a slot twice
				fresh := &entry{key: k, plan: plan{last: e.plan.last}}
				fresh.check = c
				r.entries[k] = fresh
			} else {
				delete(r.entries, k)
			}
		}
	}
	r.join(wanted)
	r.byCheck = map[string][]*entry{}
	for _, e := range r.entries {
		r.byCheck[e.key.check] = append(r.byCheck[e.key.check], e)
	}
	r.poke()
}

// wanted lists what is to be looked at from here.
func (r *Runner) wanted(checks []Check) map[key]*Check {
	wanted := make(map[key]*Check, len(checks))
	for i := range checks {
		c := checks[i]
		if c.Every <= 0 || c.Timeout <= 0 || c.Checker == nil {
			r.Log.Error("check cannot run without interval, timeout and checker", "check", c.Name)
			continue
		}
		for _, location := range c.Locations {
			if r.Locations == nil || slices.Contains(r.Locations, location) {
				wanted[key{c.Name, location}] = &c
			}
		}
	}
	return wanted
}

// drop takes an entry out of the schedule.
func (r *Runner) drop(e *entry) {
	r.queue.remove(e)
	r.spreads[e.plan.every].give(e.rank)
}

// join gives every wanted key its check, and every new one its place. Places are
// given out in the order of the hash, so that a restart gives the same ones.
func (r *Runner) join(wanted map[key]*Check) {
	var fresh []*entry
	for k, c := range wanted {
		e := r.entries[k]
		if e != nil && e.plan.every != 0 {
			if e.check.Spec != c.Spec {
				e.seen = faultKey{}
			}
			e.check = c
			continue
		}
		if e == nil {
			e = &entry{key: k, check: c, plan: plan{last: never}}
			r.entries[k] = e
		}
		fresh = append(fresh, e)
	}
	slices.SortFunc(fresh, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.key.hash(), b.key.hash()), cmp.Compare(a.key.check, b.key.check),
			cmp.Compare(a.key.location, b.key.location))
	})
	now := r.now()
	for _, e := range fresh {
		every := e.check.Every
		if r.spreads[every] == nil {
			r.spreads[every] = &spread{}
		}
		e.rank = r.spreads[every].take()
		e.plan.every, e.plan.home = every, phaseOf(e.rank, every)
		e.plan.begin(now.mono, r.wallAt(now.mono))
		e.at = e.plan.due
		r.queue.add(e)
	}
}

// Stats are counts since the Runner was made, and what is under way now.
type Stats struct {
	Checks   int // pairs of check and location that are scheduled
	InFlight int // looks under way
	Good     int64
	Bad      int64
	Unknown  int64 // results of each outcome, extra looks included
	Attempts int64 // every attempt, retries and extra looks included
	Retries  int64
	Extra    int64 // looks that were asked for by LookAgain
	Late     int64 // slots that could only have been looked at too late
	Missed   int64 // slots without a look: frozen, jumped over by the clock, or no room
	Unsent   int64 // of the missed ones, those beyond the bound, for which no result was sent
	Suspect  int64 // results that were bad while this process itself was late
	Broken   int64 // checkers that panicked or hung
	Steps    int64 // steps of the wall clock
	// Turned is when the scheduler last took a turn, UTC: at most some seconds ago while it lives.
	Turned time.Time
	// OwnLag is the worst lateness of this process in the last minute, as far as
	// looks were in flight.
	OwnLag time.Duration
}

// counters are the counts of Stats; safe for concurrent use.
type counters struct {
	good, bad, unknown, attempts, retries, extra atomic.Int64
	late, missed, unsent, suspect, broken, steps atomic.Int64
}

func (c *counters) count(res *Result) {
	switch res.Outcome {
	case Good:
		c.good.Add(1)
	case Bad:
		c.bad.Add(1)
	case Unknown:
		c.unknown.Add(1)
	}
}

// Stats returns a snapshot.
func (r *Runner) Stats() Stats {
	r.start()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.stats
	return Stats{
		Checks: len(r.entries), InFlight: r.inFlight,
		Good: c.good.Load(), Bad: c.bad.Load(), Unknown: c.unknown.Load(),
		Attempts: c.attempts.Load(), Retries: c.retries.Load(), Extra: c.extra.Load(),
		Late: c.late.Load(), Missed: c.missed.Load(), Unsent: c.unsent.Load(),
		Suspect: c.suspect.Load(), Broken: c.broken.Load(), Steps: c.steps.Load(),
		Turned: r.turned, OwnLag: r.sentinel.worst(r.now().mono - time.Minute),
	}
}
