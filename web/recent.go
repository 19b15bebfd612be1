package web

import (
	"sync"

	"keepwatch/probe"
)

// historyLen is how many outcomes the strip of the status page shows.
const historyLen = 60

// Recent remembers the last outcomes of every check and location for the status
// page. The zero value is ready; safe for concurrent use. It holds
// historyLen outcomes for each pair and nothing else, so it is bounded by the configuration.
type Recent struct {
	Next probe.Sink // where results go on to; nil: nowhere

	mu   sync.Mutex
	seen map[pair]*ring // guarded by mu
}

type pair struct{ check, location string }

type ring struct {
	last     probe.Result
	outcomes []probe.Outcome // oldest first
}

// Record notes a result and passes it on. Extra looks change the last look but not the strip.
func (r *Recent) Record(res probe.Result) {
	r.note(res)
	if r.Next != nil {
		r.Next.Record(res)
	}
}

func (r *Recent) note(res probe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[pair]*ring{}
	}
	key := pair{res.Check, res.Location}
	h := r.seen[key]
	if h == nil {
		h = &ring{}
		r.seen[key] = h
	}
	h.last = res
	if res.Extra {
		return
	}
	if len(h.outcomes) == historyLen {
		h.outcomes = append(h.outcomes[:0], h.outcomes[1:]...)
	}
	h.outcomes = append(h.outcomes, res.Outcome)
}

// Keep forgets every pair that is not in the configuration any more.
func (r *Recent) Keep(known func(check, location string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.seen {
		if !known(k.check, k.location) {
			delete(r.seen, k)
		}
	}
}

// Location returns what a location saw last of a check, and the strip.
func (r *Recent) Location(check, location string) LocationStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := LocationStatus{Name: location}
	if h := r.seen[pair{check, location}]; h != nil {
		st.Last = h.last
		st.History = append(st.History, h.outcomes...)
	}
	return st
}
