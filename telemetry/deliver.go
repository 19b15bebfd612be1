package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/newrelic/go-agent/v3/newrelic"

	"keepwatch/telemetry/event"
)

// How old things may get.
const (
	lateAfter   = 2 * time.Minute  // told with late = true: the agent stamps its own time
	giveUpAfter = 24 * time.Hour   // New Relic refuses older ones
	forgetAfter = 25 * time.Hour   // taken events are remembered this long, so that a replay tells nothing twice
	deriveEvery = time.Second      // an incident is told within this and one harvest
	upkeepEvery = time.Minute      // heartbeats and expiry
	catchUpStep = 10 * time.Minute // of minutes summarised in one transaction
	settleTime  = time.Minute      // a minute is summarised this long after it is complete
	untoldLimit = 200
)

// Deliver feeds the agent from the outbox and derives summaries, incident events
// and heartbeats. Only one process may run it: call it under the leader's lock.
// It returns nil after ctx is done. While the database is away it does nothing
// and loses nothing.
func (c *Client) Deliver(ctx context.Context) error {
	if c == nil || !c.cfg.tells() {
		<-ctx.Done()
		return nil
	}
	t := time.NewTicker(tick)
	defer t.Stop()
	d := &deliverer{Client: c}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			d.turn(ctx, now.UTC())
		}
	}
}

// deliverer is the state of one run of Deliver; only its loop touches it.
type deliverer struct {
	*Client
	derived, kept time.Time
	failing       bool
}

// turn does what is due. It logs when the database goes and when it is back.
func (d *deliverer) turn(ctx context.Context, now time.Time) {
	err := d.work(ctx, now)
	if ctx.Err() != nil {
		return
	}
	if failing := err != nil; failing != d.failing {
		d.failing = failing
		if failing {
			d.log.Warn("events cannot be handed to new relic now", "err", err)
		} else {
			d.log.Info("events are handed to new relic again")
		}
	}
}

func (d *deliverer) work(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if now.Sub(d.derived) >= deriveEvery {
		if err := d.derive(ctx, now); err != nil {
			return err
		}
		d.derived = now
	}
	if now.Sub(d.kept) >= upkeepEvery {
		if err := d.upkeep(ctx, now); err != nil {
			return err
		}
		d.kept = now
	}
	// Outcomes first: an event that was taken must not be claimed again.
	if err := d.flush(ctx, now); err != nil {
		return err
	}
	return d.feed(ctx, now)
}

// feed hands as many events to the agent as the pace allows.
func (c *Client) feed(ctx context.Context, now time.Time) error {
	app := c.app.Load()
	room, size := c.wire.room(now)
	// Without a run the agent swallows events without a word. That its last post
	// failed is no reason to wait: the next one is how we learn that it mended.
	if room == 0 || size == 0 || !hasRun(app) {
		return nil
	}
	lease := c.wire.lease()
	es, err := c.parts.Outbox.Claim(ctx, now, lease, room)
	if err != nil {
		return fmt.Errorf("claim events: %w", err)
	}
	for i, e := range es {
		weight := len(e.Attrs) + overhead
		if size -= weight; size < 0 {
			return c.release(ctx, es[i:], now)
		}
		attrs, err := attributes(e, now)
		if err != nil { // stored by another version, or by hand: it would never pass
			c.refused.Add(1)
			c.log.Error("stored event cannot be read", "err", err)
			continue
		}
		c.wire.launch(e.ID, weight, now.Add(lease))
		app.RecordCustomEvent(e.Type, attrs)
	}
	return nil
}

// hasRun reports whether the agent is connected; it may wait for 50 ms.
func hasRun(app *newrelic.Application) bool { return app.WaitForConnection(0) == nil }

// overhead is what the agent and we add to an event's JSON, at most.
const overhead = 220

// release gives events back that did not fit.
func (c *Client) release(ctx context.Context, es []event.Event, now time.Time) error {
	ids := make([]string, len(es))
	for i, e := range es {
		ids[i] = e.ID
	}
	if err := c.parts.Outbox.Lease(ctx, ids, now); err != nil {
		return fmt.Errorf("release events: %w", err)
	}
	return nil
}

// attributes is the one encoder to the agent's untyped map: strings, booleans,
// int64 and float64 only, for the agent refuses an event with anything else.
func attributes(e event.Event, now time.Time) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(e.Attrs))
	dec.UseNumber()
	attrs := map[string]any{}
	if err := dec.Decode(&attrs); err != nil {
		return nil, fmt.Errorf("decode attributes of %s: %w", e.ID, err)
	}
	for k, v := range attrs {
		switch v := v.(type) {
		case string, bool:
		case json.Number:
			if n, err := v.Int64(); err == nil {
				attrs[k] = n
			} else if f, err := v.Float64(); err == nil {
				attrs[k] = f
			} else {
				delete(attrs, k)
			}
		default: // null, list or object
			delete(attrs, k)
		}
	}
	late := now.Sub(e.At)
	attrs["eventId"] = e.ID
	attrs["occurredAt"] = e.At.UnixMilli()
	attrs["lateMs"] = max(late.Milliseconds(), 0)
	if late > lateAfter {
		attrs["late"] = true
	}
	return attrs, nil
}

// upkeep gives up what is too old and says that we are alive.
func (c *Client) upkeep(ctx context.Context, now time.Time) error {
	n, err := c.parts.Outbox.Expire(ctx, now.Add(-giveUpAfter), now.Add(-forgetAfter))
	if err != nil {
		return fmt.Errorf("expire events: %w", err)
	}
	if n > 0 {
		c.expired.Add(int64(n))
		c.log.Error("events were given up, new relic took none for a day", "events", n)
	}
	if c.parts.Heartbeats == nil {
		return nil
	}
	waiting, err := c.parts.Outbox.Pending(ctx)
	if err != nil {
		return fmt.Errorf("count waiting events: %w", err)
	}
	var b event.Batch
	stats := c.Stats()
	for _, h := range c.parts.Heartbeats() {
		h.At = now
		h.OutboxPending = waiting.Count
		h.EventsResent, h.EventsExpired = stats.Resent, stats.Expired
		b.Events = append(b.Events, event.FromHeartbeat(h))
	}
	if err := c.parts.Outbox.Put(ctx, b, now); err != nil {
		return fmt.Errorf("store heartbeats: %w", err)
	}
	return nil
}

// derive makes events from what the ledger holds.
func (c *Client) derive(ctx context.Context, now time.Time) error {
	if c.parts.Ledger == nil {
		return nil
	}
	if err := c.tellIncidents(ctx, now); err != nil {
		return err
	}
	return c.summarise(ctx, now)
}

// tellIncidents tells timeline entries that were not told, in any order of
// commit: it asks for what is missing instead of remembering a position.
func (c *Client) tellIncidents(ctx context.Context, now time.Time) error {
	ts, err := c.parts.Ledger.Untold(ctx, now.Add(-giveUpAfter), untoldLimit)
	if err != nil {
		return fmt.Errorf("read untold transitions: %w", err)
	}
	if len(ts) == 0 {
		return nil
	}
	es := make([]event.Event, len(ts))
	for i, t := range ts {
		es[i] = event.FromTransition(t)
	}
	if err := c.parts.Ledger.Told(ctx, ts, es, now); err != nil {
		return fmt.Errorf("store incident events: %w", err)
	}
	return nil
}

// summarise tells the minutes that are complete, from the mark on, up to the
// oldest result that is still on its way to the ledger, so that none is missing.
func (c *Client) summarise(ctx context.Context, now time.Time) error {
	settle := settleTime
	if c.parts.Unstored != nil {
		settle = max(settle, c.parts.Unstored())
	}
	mark, err := c.parts.Ledger.Mark(ctx)
	if err != nil {
		return fmt.Errorf("read the mark: %w", err)
	}
	from, to, due := window(mark, now.Add(-settle))
	if !due {
		return nil
	}
	ms, err := c.parts.Ledger.Minutes(ctx, from, to)
	if err != nil {
		return fmt.Errorf("read minutes: %w", err)
	}
	es := make([]event.Event, len(ms))
	for i, m := range ms {
		es[i] = event.FromMinute(m)
	}
	if err := c.parts.Ledger.Summarised(ctx, mark, to, es); err != nil {
		return fmt.Errorf("store minutes: %w", err)
	}
	return nil
}

// window is which minutes to summarise: from the mark up to settled, at most a day,
// a step at a time. Without a mark it begins with the last complete minute.
func window(mark, settled time.Time) (from, to time.Time, due bool) {
	end := settled.UTC().Truncate(time.Minute)
	from = mark.UTC()
	if mark.IsZero() {
		from = end.Add(-time.Minute)
	}
	if oldest := end.Add(-giveUpAfter); from.Before(oldest) {
		from = oldest
	}
	to = end
	if step := from.Add(catchUpStep); to.After(step) {
		to = step
	}
	return from, to, to.After(from)
}
