package alerting

import (
	"time"
)

// Rebase lets the clock be moved while nothing depends on it: no incident is open, being
// written or taken over, and owed says that no page is unfinished. It reports whether
// move was called. What was seen before is forgotten as after a start, so that the time
// that the clock jumped over counts as missed nowhere, and nothing of it is judged twice.
// owed and move must not call the engine and must not block.
func (e *Engine) Rebase(owed func() bool, move func()) bool {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held || len(e.queue)+len(e.unsaved)+len(e.adopting) > 0 || e.running && !e.restored {
		return false
	}
	for s := range e.all() {
		if s.open != nil {
			return false
		}
	}
	if owed() {
		return false
	}
	move()
	e.anew(e.now().UTC())
	return true
}

// anew makes the engine begin at now. mu is held. The IDs of this time may be taken when
// it is lived through again: notBefore stays where it is later.
func (e *Engine) anew(now time.Time) {
	e.began = sooner(e.began, now)
	e.turned, e.judged, e.placed, e.edge = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	for s := range e.all() {
		s.past = nil
	}
	e.unsee(now)
	e.stir()
}

// letGo notes that the writer's hands are empty.
func (e *Engine) letGo() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = false
}

// Owes reports whether an incident is open or a page unfinished, as far as is known
// here. While the primary was never read it may well be.
func (f *Failover) Owes() bool {
	st := f.State()
	return st.Mode == "" || st.Partial || f.view.busy()
}

// busy reports whether an incident is open or a page unfinished.
func (b *Book) busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, rec := range b.records {
		if rec.incident.Version > 0 && rec.incident.State != Resolved {
			return true
		}
	}
	return len(b.live) > 0
}
