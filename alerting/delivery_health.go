package alerting

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// trouble is a channel that has accepted nothing since.
type trouble struct {
	since time.Time
	grave bool // a person must mend something
	text  string
	class Class
}

// advice says what a person can do about a channel that gave this class last.
func (t trouble) advice() string {
	switch t.class {
	case Refused:
		return "it refuses this page for good: read it on the status page and tell the people on call yourself"
	case Setup:
		return "correct its key or address in the configuration and reload"
	case Again, Doubtful, Taken:
	}
	return "it is tried again, and the fallback channels take over: see whether this machine reaches it and what its own status page says"
}

// Stats are counters of a Deliverer since its start.
type Stats struct {
	Attempts, Accepted, Rejected, Retried, Unsure, Cancelled, Fallbacks int64
	StoreErrors                                                         int64
}

// storeAnswered keeps book of the Store's health and logs its changes.
func (d *Deliverer) storeAnswered(err error, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.storeBad = time.Time{}
		return
	}
	d.stats.StoreErrors++
	if d.storeBad.IsZero() {
		d.storeBad = d.now()
		d.Log.Error("outbox does not answer", "what", what, "err", err)
	}
}

// watch keeps book of a channel's health.
func (d *Deliverer) watch(p Page, got Receipt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.Attempts++
	switch got.Class {
	case Taken:
		d.stats.Accepted++
		delete(d.troubles, p.Channel)
		return
	case Refused:
		d.stats.Rejected++
	case Doubtful:
		d.stats.Unsure++
	case Again, Setup:
		d.stats.Retried++
	}
	t, ok := d.troubles[p.Channel]
	if !ok {
		t.since = d.now()
		d.Log.Warn("page not accepted", "page", p.ID, "channel", p.Channel, "class", string(got.Class), "status", got.Status, "detail", got.Detail)
	}
	t.text, t.class = got.Detail, got.Class
	t.grave = t.grave || got.Class == Refused || got.Class == Setup
	d.troubles[p.Channel] = t
}

func (d *Deliverer) count(f func(*Stats)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.stats)
}

// Problems says in one sentence each what a person must mend for pages to go
// out; empty when all is well.
func (d *Deliverer) Problems(now time.Time) []string {
	d.init()
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	patience := time.Minute
	if d.FallbackAfter > 0 {
		patience = min(patience, d.FallbackAfter) // who falls back has something to say
	}
	for _, channel := range slices.Sorted(maps.Keys(d.troubles)) {
		if t := d.troubles[channel]; t.grave || now.Sub(t.since) >= patience {
			out = append(out, fmt.Sprintf("%s has accepted no page since %s: %s; %s", channel, t.since.UTC().Format(time.RFC3339), t.text, t.advice()))
		}
	}
	if !d.storeBad.IsZero() && now.Sub(d.storeBad) > 10*time.Second {
		out = append(out, "the outbox has not answered since "+d.storeBad.UTC().Format(time.RFC3339))
	}
	return out
}

// Stats counts since start.
func (d *Deliverer) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}
