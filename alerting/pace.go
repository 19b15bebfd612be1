package alerting

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// hold is how long a resolve of the page's channel waits after doubt.
func (d *Deliverer) hold(p Page) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case slices.Contains(d.NoEcho, p.Channel):
		return 0
	case d.Hold > 0:
		return d.Hold
	}
	return time.Minute
}

func (d *Deliverer) terms(p Page) terms {
	t := terms{hold: d.hold(p), jitter: rand.Float64()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.fallbackAfter = d.FallbackAfter; t.fallbackAfter <= 0 {
		t.fallbackAfter = 2 * time.Minute
	}
	t.fallbackAfter -= min(ahead, t.fallbackAfter/24) // a burst of them goes out within the promised time
	if p.Action == Trigger && Severity(p.Message.Severity).LowUrgency() {
		return t // the channels that take over may wake somebody
	}
	for _, channel := range d.Fallback {
		if channel != p.Channel && d.Notifiers[channel] != nil {
			t.fallback = append(t.fallback, channel)
		}
	}
	return t
}

// wait puts a page back without an attempt. The fallback must not wait with it.
func (d *Deliverer) wait(p Page, until time.Time) Settlement {
	p.State, p.Due, p.LeaseUntil = Queued, until.UTC(), time.Time{}
	s := Settlement{Page: p}
	t := d.terms(p)
	if until.After(p.Created.Add(t.fallbackAfter)) {
		s.Fallback = fallBack(&s.Page, t, p.Created.Add(t.fallbackAfter), d.now())
	}
	return s
}

// foresee owes the fallback of a page before an attempt that may end after its time: the
// fallback would wait for what hangs.
func (d *Deliverer) foresee(ctx context.Context, p Page, now time.Time) Page {
	t := d.terms(p)
	at := p.Created.Add(t.fallbackAfter)
	if at.After(now.Add(sendWithin)) {
		return p
	}
	s := Settlement{Page: p}
	if s.Fallback = fallBack(&s.Page, t, at, now); len(s.Fallback) == 0 {
		return p
	}
	if !d.settle(ctx, s) {
		return p // it is owed when the attempt has ended
	}
	return s.Page
}
