package pagerduty

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"keepwatch/alerting"
)

const (
	inboxEvery  = time.Second // another process may have taken a webhook
	inboxWithin = 20 * time.Second
	inboxBatch  = 100
	inboxPause  = 5 * time.Second // after a failure
	sweepEvery  = time.Hour
	// heardLife is how long what was heard is kept: far longer than PagerDuty repeats (48 h).
	heardLife = 7 * 24 * time.Hour
)

// Desk is where it is told what people did; the engine.
type Desk interface {
	// Present returns the open incident of an alert; alerting.ErrNotFound when there is
	// none, or when the alert was replaced by a newer one.
	Present(dedupKey string) (incident string, err error)
	Ack(ctx context.Context, incident, by string, at time.Time) error
	Unack(ctx context.Context, incident, by string, at time.Time) error
	Silence(ctx context.Context, incident, by string, at time.Time) error
	Note(ctx context.Context, incident, by, text string) error
}

// Clerk acts on the webhooks in the inbox, oldest first. Only the leading daemon
// may run it. Set the fields before use; safe for concurrent use.
type Clerk struct {
	Inbox alerting.Inbox
	Desk  Desk
	Log   *slog.Logger
	// Client finds out which incident is meant when a webhook does not say; nil cannot.
	Client atomic.Pointer[Client]
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	setup sync.Once
	wake  chan struct{}
}

func (c *Clerk) init() { c.setup.Do(func() { c.wake = make(chan struct{}, 1) }) }

// Wake makes Run look at once. It does not block.
func (c *Clerk) Wake() {
	c.init()
	nudge(c.wake)
}

// Run acts until ctx ends, and returns nil.
func (c *Clerk) Run(ctx context.Context) error {
	c.init()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var swept time.Time
	var failing bool
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-c.wake:
		}
		wait := inboxEvery
		if err := c.round(ctx); err != nil {
			if wait = inboxPause; !failing && ctx.Err() == nil {
				c.Log.WarnContext(ctx, "webhooks wait", "err", err)
			}
			failing = true
		} else {
			failing = false
		}
		if now := c.now(); now.Sub(swept) > sweepEvery && !failing {
			swept = now
			c.sweep(ctx, now)
		}
		timer.Reset(wait)
	}
}

func (c *Clerk) sweep(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, inboxWithin)
	defer cancel()
	if _, err := c.Inbox.Forget(ctx, now.Add(-heardLife)); err != nil {
		c.Log.WarnContext(ctx, "old webhooks not dropped", "err", err)
	}
}

// round acts on what waits.
func (c *Clerk) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, inboxWithin)
	defer cancel()
	waiting, err := c.Inbox.Waiting(ctx, inboxBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range waiting {
		err := c.one(ctx, h)
		if err == nil {
			err = c.Inbox.Done(ctx, h.ID, c.now().UTC())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// one acts on one event. What is outdated, or has waited for longer than PagerDuty
// itself would have tried, is let go.
func (c *Clerk) one(ctx context.Context, h alerting.Heard) error {
	if h.Outdated || c.now().Sub(h.At) > replayedAfter {
		return nil
	}
	if h.DedupKey == "" {
		key, err := c.keyOf(ctx, h.Incident)
		if err != nil {
			return err
		}
		if h.DedupKey = key; key == "" {
			return nil
		}
	}
	return c.act(ctx, h)
}

// keyOf asks PagerDuty for the key of an incident; "" when it cannot be asked or
// the incident is none of ours.
func (c *Clerk) keyOf(ctx context.Context, incident string) (string, error) {
	client := c.Client.Load()
	if client == nil || incident == "" {
		return "", nil
	}
	alerts, err := client.alerts(ctx, incident)
	if errors.Is(err, ErrGone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, a := range alerts {
		if a.AlertKey != "" {
			return a.AlertKey, nil
		}
	}
	return "", nil
}

// act tells the desk. What concerns no open incident of ours is forgotten.
// What PagerDuty did by itself is no person's decision: our own acknowledgement
// comes back that way, and a time-out there must not end the paging here.
func (c *Clerk) act(ctx context.Context, h alerting.Heard) error {
	incident, err := c.Desk.Present(h.DedupKey)
	if err != nil {
		return notOurs(err)
	}
	switch EventType(h.Type) {
	case EventAcknowledged:
		if h.By != "" {
			err = c.Desk.Ack(ctx, incident, h.By, h.At)
		}
	case EventUnacknowledged, EventReopened:
		err = c.Desk.Unack(ctx, incident, orPagerDuty(h.By), h.At)
	case EventResolved:
		if h.By != "" {
			err = c.Desk.Silence(ctx, incident, h.By, h.At)
		}
	case EventReassigned:
		err = c.Desk.Note(ctx, incident, orPagerDuty(h.By), "reassigned at PagerDuty")
	case EventAnnotated:
		err = c.Desk.Note(ctx, incident, orPagerDuty(h.By), h.Text)
	}
	return notOurs(err)
}

// notOurs forgets that an incident is not open here.
func notOurs(err error) error {
	if errors.Is(err, alerting.ErrNotFound) {
		return nil
	}
	return err
}

func orPagerDuty(by string) string {
	if by == "" {
		return "PagerDuty"
	}
	return by
}

// Meanwhile acts at once on an event that could not be kept, when doing it again
// is harmless: an acknowledgement must stop the escalation while the database is
// away too. It fits [Webhook.Meanwhile].
func (c *Clerk) Meanwhile(ctx context.Context, h alerting.Heard) {
	switch EventType(h.Type) {
	case EventAcknowledged, EventUnacknowledged:
	case EventResolved, EventReopened, EventReassigned, EventAnnotated:
		return
	}
	if h.DedupKey == "" {
		return
	}
	if err := c.act(ctx, h); err != nil {
		c.Log.WarnContext(ctx, "webhook neither kept nor acted on; pagerduty sends it again", "event", h.ID, "err", err)
	}
}
