package alerting

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"keepwatch/probe"
)

// A stand-by judges what it sees, as the leader does, and decides nothing. So whoever
// takes over pages at once for what has failed long enough, and finds the same start of
// an episode, hence the same key: a page that the other one sent in the dark and could
// not write down any more rings nobody twice.

// endedWithin is how far back a daemon that takes over asks for incidents that ended:
// longer than verdicts count, whatever the interval of a check.
const endedWithin = 7 * 24 * time.Hour

var errNoEnds = errors.New("nobody can say which incidents have ended")

// overhear judges a result while another daemon leads.
func (e *Engine) overhear(r probe.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.checks[r.Check]
	if w == nil {
		return
	}
	now := e.now().UTC()
	w.renew(now)
	for _, v := range slices.Concat(w.tally.Tick(now), w.tally.Add(r, now)) {
		if v.Outcome == probe.Unknown {
			continue
		}
		for _, s := range w.services {
			s.hear(v)
		}
	}
}

// forget drops all that another leader may have changed: the open incidents and what
// was decided and not written (the writer has told the log). The rules stay, what was
// seen stays, and so does what tells the IDs of two episodes apart.
func (e *Engine) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UTC()
	e.restored, e.adopting, e.queue, e.unsaved, e.began = false, nil, nil, nil, now
	e.turned, e.judged = time.Time{}, time.Time{}
	for s := range e.all() {
		s.open, s.pages = nil, nil
	}
	for _, s := range e.alarms { // no result says when an alarm began
		s.notBefore = later(s.notBefore, now.Truncate(time.Second))
	}
	for _, w := range e.checks {
		w.renew(now)
	}
	e.expect()
}

// renew begins anew with a check from which nothing was heard for long: the slots in
// between were not missed, nobody looked here.
func (w *watched) renew(now time.Time) {
	if now.Sub(w.tally.heard()) <= maxGap(w.rule) {
		return
	}
	w.tally = NewTally(w.rule, now)
	for _, s := range w.services {
		delete(s.recent, w.rule.Name)
	}
}

// begin takes over what the daemon that led before has left in the store. When that
// cannot be read nobody can say which failures have had their page, so only what is seen
// from now on counts.
func (e *Engine) begin(ctx context.Context) {
	e.restore(ctx)
	pasts, err := e.lastEnds(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UTC()
	if err != nil || !e.restored || len(e.adopting) > 0 {
		e.unsee(now)
		return
	}
	e.pasts = pasts
	for _, s := range e.services {
		s.drop(pasts[s.rule.Service], now)
	}
	for name, s := range e.alarms {
		s.notBefore = later(s.notBefore, pasts[AlarmOwner(name)].free())
	}
	for _, w := range e.checks {
		w.tally.start(w.tally.worst(now), now) // nobody has looked again for what is half confirmed
	}
	for _, name := range slices.Sorted(maps.Keys(e.services)) {
		if s := e.services[name]; s.open == nil {
			e.decide(s, now)
		}
	}
}

// inDoubt marks the triggers of an episode that began before this daemon led: the one that
// led before may have sent the same in the dark, and it may be under way still. So the
// resolve is held and repeated, as after an attempt without an answer.
func inDoubt(pages []Page, since time.Time) []Page {
	out := slices.Clone(pages)
	for i := range out {
		if out[i].Action == Trigger {
			out[i].UnsureAt = since
		}
	}
	return out
}

// unsee drops all that was seen, as if the daemon had just started. mu is held.
func (e *Engine) unsee(now time.Time) {
	for _, s := range e.services {
		s.recent, s.ended = map[string][]Verdict{}, time.Time{}
		s.notBefore = later(s.notBefore, now.Truncate(time.Second))
	}
	for _, w := range e.checks {
		w.tally = NewTally(w.rule, now)
	}
	e.expect()
}

// lastEnds is how the last incident of each service and alarm ended; an error when that
// cannot be told.
func (e *Engine) lastEnds(ctx context.Context) (map[string]Past, error) {
	if e.Ended == nil {
		return nil, errNoEnds
	}
	ctx, cancel := context.WithTimeout(ctx, primaryTimeout)
	defer cancel()
	pasts, err := e.Ended(ctx, e.now().UTC().Add(-endedWithin))
	if err != nil {
		e.Log.Warn("ended incidents not read: only what is seen from now on counts", "err", err)
	}
	return pasts, err
}

// drop forgets the verdicts of slots that began before an episode ended: it must not be
// opened again, by a look that was made before the recovery and judged after it. The same
// holds for those that are still to come.
func (s *service) drop(p Past, now time.Time) {
	if p.Ended.IsZero() {
		return
	}
	s.ended = sooner(p.Ended, now) // another host's clock may be ahead
	s.notBefore = later(s.notBefore, p.free())
	for check, vs := range s.recent {
		s.recent[check] = slices.DeleteFunc(vs, s.over)
	}
}

// over reports whether a verdict is about an episode that has ended elsewhere.
func (s *service) over(v Verdict) bool { return v.Outcome == probe.Bad && !v.Slot.After(s.ended) }

// doubt forgets what said, before another daemon opened an incident, that all is well: a
// look of the same slot that was made a moment earlier is no recovery.
func (s *service) doubt(inc Incident) {
	for check, vs := range s.recent {
		s.recent[check] = slices.DeleteFunc(vs, func(v Verdict) bool {
			return v.Outcome == probe.Good && (!v.At.After(inc.Opened) || !v.Slot.After(inc.Started))
		})
	}
}
