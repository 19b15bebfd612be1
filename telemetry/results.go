package telemetry

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"keepwatch/probe"
	"keepwatch/telemetry/event"
)

// Bounds of the raw results.
const (
	rawPerMinute = 60 // told per check and minute, all locations together
	rawMemory    = 10 * time.Minute
	putTries     = 5 // of one batch, before its events are given up for the ledger's sake
)

// Results decorates a store of results: what was stored is also told. An error
// of the outbox is returned, so that the caller repeats the (idempotent) batch;
// after 5 failures in a row the events are counted as refused instead, because the
// ledger must not stand still for New Relic.
func (c *Client) Results(next probe.Store) probe.Store {
	if c == nil || !c.cfg.tells() || c.cfg.Raw == RawNone {
		return next
	}
	return &teller{client: c, next: next, state: newRawState()}
}

// teller is the decorator.
type teller struct {
	client *Client
	next   probe.Store

	mu     sync.Mutex // guards all below and keeps batches in order
	state  rawState
	failed int // puts in a row
}

// Insert implements [probe.Store].
func (t *teller) Insert(ctx context.Context, rs []probe.Result) error {
	if err := t.next.Insert(ctx, rs); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	after := t.state.clone()
	b := after.pick(rs, t.client.cfg.Raw, t.client.parts.Target)
	if len(b.Events)+len(b.Dropped) > 0 {
		if err := t.client.parts.Outbox.Put(ctx, b, time.Now().UTC()); err != nil {
			if t.failed++; t.failed < putTries {
				return fmt.Errorf("tell results: %w", err)
			}
			t.client.refused.Add(int64(len(b.Events)))
			t.client.log.Error("results are recorded but not told to new relic", "events", len(b.Events), "err", err)
		}
	}
	t.state, t.failed = after, 0
	return nil
}

// series is one check at one location.
type series struct{ check, location string }

// rawState decides which results are told. It changes only when a batch is stored.
type rawState struct {
	last    map[series]probe.Outcome
	told    map[minuteKey]int // location "" : per check
	dropped map[minuteKey]int
}

type minuteKey struct {
	series
	minute int64
}

func newRawState() rawState {
	return rawState{last: map[series]probe.Outcome{}, told: map[minuteKey]int{}, dropped: map[minuteKey]int{}}
}

func (s rawState) clone() rawState {
	return rawState{last: maps.Clone(s.last), told: maps.Clone(s.told), dropped: maps.Clone(s.dropped)}
}

// pick chooses the results to tell and makes their events.
func (s rawState) pick(rs []probe.Result, raw Raw, target func(string) event.Target) event.Batch {
	var b event.Batch
	newest := int64(0)
	drops := map[minuteKey]struct{}{}
	for _, r := range rs {
		if r.Extra { // evidence for the incident, not a slot's result
			continue
		}
		key := series{r.Check, r.Location}
		before, known := s.last[key]
		s.last[key] = r.Outcome
		minute := r.Slot.Unix() / 60
		newest = max(newest, minute)
		interesting := r.Outcome == probe.Bad || r.Cause == "suspect" || known && before != r.Outcome
		if raw != RawAll && !interesting {
			continue
		}
		perCheck := minuteKey{series{check: r.Check}, minute}
		if s.told[perCheck] >= rawPerMinute {
			k := minuteKey{key, minute}
			s.dropped[k]++
			drops[k] = struct{}{}
			continue
		}
		s.told[perCheck]++
		var t event.Target
		if target != nil {
			t = target(r.Check)
		}
		b.Events = append(b.Events, event.FromResult(r, t))
	}
	for k := range drops {
		b.Dropped = append(b.Dropped, event.Dropped{
			Check: k.check, Location: k.location, Minute: time.Unix(k.minute*60, 0).UTC(), N: s.dropped[k],
		})
	}
	s.prune(newest - int64(rawMemory/time.Minute))
	return b
}

func (s rawState) prune(before int64) {
	old := func(k minuteKey, _ int) bool { return k.minute < before }
	maps.DeleteFunc(s.told, old)
	maps.DeleteFunc(s.dropped, old)
}
