package alerting

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"keepwatch/alerting/failpoint"
)

const (
	lease       = 15 * time.Second // longer than an attempt, so that a slow one is not doubled
	sendWithin  = 10 * time.Second
	claimAtOnce = 16
	perChannel  = 8 // attempts under way in one channel: a slow one holds up only itself
	poll        = time.Second
	shortly     = 100 * time.Millisecond
	stopWithin  = 5 * time.Second
	ahead       = 5 * time.Second // the fallback begins so long before its time is over, at most
	// PagerDuty takes about 120 events a minute per routing key (paging-spec 2.1): 100 and a burst of 20.
	perMinute = 100
	burstSize = 20
	// maxTickets bounds the turns remembered for pages that wait for the limit.
	maxTickets = 20000
)

// Deliverer sends what a Store owes. Set the fields before Run. Wake, Problems
// and Stats are safe for concurrent use.
//
// Delivery is at least once and in order per key, which the Store promises by
// its claims. A page is given up only when the channel refuses it for good, or
// when the incident ended before anything was delivered.
type Deliverer struct {
	// Store is required.
	Store Store
	// Notifiers are the channels by name. Required.
	Notifiers map[string]Notifier
	// Fallback are the channels (by name) that take over when another one fails.
	Fallback []string
	// FallbackAfter is within which time a page that is not accepted goes to the
	// fallback channels too; 0 means 2 minutes.
	FallbackAfter time.Duration
	// Hold is how long a resolve waits after an attempt with an unknown outcome,
	// and how much later it is repeated; 0 means 1 minute (paging-spec 2.2).
	Hold time.Duration
	// NoEcho are channels whose messages a person reads one by one (e-mail): their
	// resolves are neither held nor repeated.
	NoEcho []string
	// Settled is called after each stored outcome; nil is allowed. It must not block.
	Settled func(p Page)
	// Log is required.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	setup sync.Once
	wake  chan struct{}

	mu sync.Mutex
	// Guarded by mu, as are Notifiers, Fallback, FallbackAfter, Hold and NoEcho once Run has begun:
	lanes    map[string]chan struct{} // slots of each channel
	limits   map[pageRoute]*rate.Limiter
	tickets  map[string]time.Time // pages that have a turn at an instant
	troubles map[string]trouble   // by channel
	crowded  time.Time            // until then pages wait for a slot that is soon free
	slow     map[string]bool      // channels whose last attempt took more than a second
	storeBad time.Time            // since when the Store does not answer; zero when it does
	soonest  time.Time            // earliest Due that this process has set
	stats    Stats
}

type pageRoute struct{ channel, route string }

func (d *Deliverer) init() {
	d.setup.Do(func() {
		d.wake = make(chan struct{}, 1)
		d.lanes = map[string]chan struct{}{}
		d.limits = map[pageRoute]*rate.Limiter{}
		d.tickets = map[string]time.Time{}
		d.troubles = map[string]trouble{}
		d.slow = map[string]bool{}
	})
}

// Reload exchanges the channels, also while Run goes on.
func (d *Deliverer) Reload(notifiers map[string]Notifier, fallback, noEcho []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Notifiers, d.Fallback, d.NoEcho = notifiers, fallback, noEcho
}

// Pace exchanges FallbackAfter and Hold, also while Run goes on.
func (d *Deliverer) Pace(fallbackAfter, hold time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.FallbackAfter, d.Hold = fallbackAfter, hold
}

// Wake makes Run look for pages at once. It does not block.
func (d *Deliverer) Wake() {
	d.init()
	nudge(d.wake)
}

// Run sends pages until ctx is done, and then waits at most 5 s for those under
// way before it breaks them off. It returns nil.
func (d *Deliverer) Run(ctx context.Context) error {
	d.init()
	sending, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	var under sync.WaitGroup
	alarm := newAlarmClock(0, d.now)
	defer alarm.stop()
	for {
		select {
		case <-ctx.Done():
			d.finish(&under, breakOff)
			return nil
		case <-alarm.C:
		case <-d.wake:
		}
		if alarm.awake(ctx) {
			alarm.set(d.round(ctx, sending, &under))
		}
	}
}

// finish waits for the attempts under way.
func (d *Deliverer) finish(under *sync.WaitGroup, breakOff func()) {
	done := make(chan struct{})
	go func() { // ends with the last attempt, which has a deadline
		under.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopWithin):
		breakOff()
		<-done
	}
}

// round claims what is due and starts sending it. It returns how long to wait for the next one.
func (d *Deliverer) round(ctx, sending context.Context, under *sync.WaitGroup) time.Duration {
	for ctx.Err() == nil {
		claimed := d.now() // the lease is counted from before the claim
		within, cancel := context.WithTimeout(ctx, lease/3)
		pages, err := d.Store.Claim(within, claimed.UTC(), lease, claimAtOnce)
		cancel()
		if err != nil && ctx.Err() != nil {
			return poll // told to stop: the store is not to blame
		}
		d.storeAnswered(err, "pages not claimed")
		if err != nil {
			return poll + rand.N(poll)
		}
		for _, p := range pages {
			failpoint.Hit(failpoint.AfterClaim, string(p.Action))
			slot := d.lane(p.Channel)
			select {
			case slot <- struct{}{}:
				under.Go(func() {
					defer func() { <-slot }()
					d.deliver(sending, p, claimed)
				})
			default:
				d.settle(sending, d.wait(p, d.aside(p.Channel)))
			}
		}
		if len(pages) < claimAtOnce {
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	wait, now := poll, d.now()
	switch until := d.soonest.Sub(now); {
	case d.soonest.IsZero():
	case until <= 0:
		d.soonest = time.Time{} // it was due in this round
	default:
		wait = min(wait, until)
	}
	if now.Before(d.crowded) {
		wait = min(wait, shortly/2)
	}
	return wait
}

func (d *Deliverer) lane(channel string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lanes[channel] == nil {
		d.lanes[channel] = make(chan struct{}, perChannel)
	}
	return d.lanes[channel]
}

// aside is until when a page waits for a slot of its channel: not for long where slots are
// soon free, or 500 mails of one moment would take a minute.
func (d *Deliverer) aside(channel string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if _, trouble := d.troubles[channel]; trouble || d.slow[channel] {
		return now.Add(2*time.Second + rand.N(2*time.Second))
	}
	d.crowded = now.Add(2 * shortly)
	return now.Add(shortly + rand.N(shortly))
}

// deliver makes at most one attempt for a claimed page and stores how it ended.
func (d *Deliverer) deliver(ctx context.Context, p Page, claimed time.Time) {
	read, cancel := context.WithTimeout(ctx, 3*time.Second)
	siblings, err := d.Store.Pages(read, p.Incident)
	cancel()
	d.storeAnswered(err, "pages of an incident not read")
	if err != nil && p.Action != Trigger {
		// What was delivered before is not known; only a trigger must go out all the same.
		d.settle(ctx, d.wait(p, d.now().Add(2*time.Second)))
		return
	}
	now := d.now()
	switch todo := plan(p, siblings, now, d.hold(p)); {
	case todo.cancel != "":
		d.count(func(s *Stats) { s.Cancelled++ })
		d.settle(ctx, cancelled(p, todo.cancel, now))
		return
	case !todo.wait.IsZero():
		d.settle(ctx, d.wait(p, todo.wait))
		return
	}
	if at := d.ticket(p, now); at.After(now) {
		d.settle(ctx, d.wait(p, at))
		return
	}
	// A page whose lease could end before the attempt does is left to whoever claims
	// it next.
	if d.now().Sub(claimed) > lease-sendWithin {
		d.settle(ctx, d.wait(p, d.now()))
		return
	}
	p = d.foresee(ctx, p, now)
	began := time.Now()
	got := d.send(ctx, p)
	d.mark(p.Channel, time.Since(began))
	failpoint.Hit(failpoint.AfterReply, string(p.Action))
	d.watch(p, got)
	d.settle(ctx, settlement(p, siblings, got, d.terms(p), d.now()))
}

// send makes the attempt.
func (d *Deliverer) send(ctx context.Context, p Page) Receipt {
	d.mu.Lock()
	n := d.Notifiers[p.Channel]
	d.mu.Unlock()
	if n == nil {
		return Receipt{Class: Setup, Detail: "no channel " + p.Channel + " is configured"}
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	return n.Send(ctx, p)
}

// mark notes how long a channel took.
func (d *Deliverer) mark(channel string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow[channel] = took > time.Second
}

// ticket returns when a page may be sent under its route's limit: now, or its
// turn, which it keeps.
func (d *Deliverer) ticket(p Page, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.NoEcho, p.Channel) {
		return now // mail has no such limit, and 500 of them must still go out in time
	}
	if at, ok := d.tickets[p.ID]; ok {
		if !at.After(now) {
			delete(d.tickets, p.ID)
		}
		return at
	}
	key := pageRoute{p.Channel, p.Route}
	if d.limits[key] == nil {
		d.limits[key] = rate.NewLimiter(rate.Limit(perMinute)/60, burstSize)
	}
	at := now.Add(d.limits[key].ReserveN(now, 1).DelayFrom(now))
	if at.After(now) {
		if len(d.tickets) >= maxTickets {
			maps.DeleteFunc(d.tickets, func(_ string, t time.Time) bool { return now.Sub(t) > time.Minute })
		}
		d.tickets[p.ID] = at
	}
	return at
}

// settle stores an outcome. Should that not succeed, the lease ends and the
// page is sent again under the same key.
func (d *Deliverer) settle(ctx context.Context, s Settlement) (stored bool) {
	var err error
	for try := range 3 {
		if try > 0 {
			select { // at most 0.6 s, inside the lease
			case <-time.After(rand.N(300 * time.Millisecond)):
			case <-ctx.Done():
			}
		}
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
		err = d.Store.Settle(within, s)
		cancel()
		if err == nil {
			break
		}
	}
	d.storeAnswered(err, "outcome of a page not stored")
	if err != nil {
		return false
	}
	d.mu.Lock()
	for _, p := range append([]Page{s.Page}, s.Fallback...) {
		if p.State == Queued && (d.soonest.IsZero() || p.Due.Before(d.soonest)) {
			d.soonest = p.Due
		}
	}
	d.stats.Fallbacks += int64(len(s.Fallback))
	d.mu.Unlock()
	nudge(d.wake)
	if d.Settled == nil {
		return true
	}
	d.Settled(s.Page)
	for _, p := range s.Fallback {
		d.Settled(p)
	}
	return true
}
