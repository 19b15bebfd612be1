package alerting

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	applyWithin = 10 * time.Second // the failover needs 2 s to give up on Postgres, and then writes to the disk
	retryEvery  = 5 * time.Second
	maxUnsaved  = 10000 // changes kept when nothing takes them
	drainWithin = 4 * time.Second
)

// job is one decided change on its way to the Store.
type job struct {
	change Change
	answer Action // Acknowledge or Resolve when every triggered route must hear of it, also those that the engine does not know
	since  time.Time
	done   chan error // gets the outcome of the first attempt
}

// write takes the queue to the Store until ctx is done, and then what is left
// within a few seconds.
func (e *Engine) write(ctx context.Context) {
	every := cmp.Or(e.Calm, retryEvery)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		e.writeQueue(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
			defer cancel()
			e.writeQueue(last)
			e.retry(last)
			e.farewell()
			return
		case <-e.written:
		case <-timer.C:
			e.restore(ctx)
			e.retry(ctx)
			e.search(ctx)
			timer.Reset(every + rand.N(every/5))
		}
		e.adopt(ctx)
	}
}

// writeQueue tries everything that was decided, oldest first.
func (e *Engine) writeQueue(ctx context.Context) {
	for {
		e.mu.Lock()
		if len(e.queue) == 0 {
			e.mu.Unlock()
			return
		}
		j := e.queue[0]
		e.queue, e.held = e.queue[1:], true
		e.mu.Unlock()
		j.since = time.Now()
		err := e.put(ctx, j)
		j.done <- err
		if err != nil {
			e.Log.Error("change not stored, it is kept in memory", "incident", j.change.Incident.ID, "err", err)
		}
		e.mu.Lock()
		e.held = false
		switch {
		case err == nil:
		case len(e.unsaved) < maxUnsaved:
			e.unsaved = append(e.unsaved, j)
		default:
			e.Log.Error("change lost, too many wait for a store", "incident", j.change.Incident.ID)
		}
		e.mu.Unlock()
	}
}

// put writes one change. An answer is then completed: the deliverer adds
// fallback pages that the engine has not seen when it decided. Both sides
// write first and look afterwards, so one of them sees the other.
func (e *Engine) put(ctx context.Context, j *job) error {
	ctx, cancel := context.WithTimeout(ctx, applyWithin)
	defer cancel()
	if err := e.Store.Apply(ctx, j.change); err != nil {
		return fmt.Errorf("write change: %w", err)
	}
	if e.Wake != nil && len(j.change.Pages) > 0 {
		e.Wake()
	}
	if j.answer == "" {
		return nil
	}
	pages, err := e.Store.Pages(ctx, j.change.Incident.ID)
	if err != nil {
		return fmt.Errorf("read pages to answer: %w", err)
	}
	missing := answers(j.change.Incident, j.answer, pages, j.change.Incident.Version*1000+900)
	if len(missing) == 0 {
		return nil
	}
	if err := e.Store.Apply(ctx, Change{Incident: j.change.Incident, Pages: missing}); err != nil {
		return fmt.Errorf("answer further routes: %w", err)
	}
	if e.Wake != nil {
		e.Wake()
	}
	return nil
}

// answers returns the acknowledges or resolves that triggered routes still lack.
// Their IDs name the route, so that two writers agree.
func answers(inc Incident, action Action, pages []Page, seq int64) []Page {
	at := inc.Resolved
	if action == Acknowledge {
		at = inc.Acknowledged
	}
	var out []Page
	for _, t := range unanswered(pages, action) {
		if t.Created.After(at) && action == Acknowledge {
			continue // it belongs to an escalation that began after the acknowledgement
		}
		msg := t.Message
		msg.Summary = clip(string(action)+"d: "+inc.Summary, 1024)
		out = append(out, Page{
			ID:       fmt.Sprintf("%s/%d/%s-%s-%s", inc.ID, inc.Version, action, t.Channel, t.Route),
			Incident: inc.ID, Seq: max(seq, t.Seq+1), Channel: t.Channel, Route: t.Route, DedupKey: t.DedupKey,
			Action: action, Person: t.Person, Level: t.Level, Message: msg, Fallback: t.Fallback,
			State: Queued, Created: at, Due: at,
		})
	}
	return out
}

// retry tries again what was refused.
func (e *Engine) retry(ctx context.Context) {
	e.mu.Lock()
	todo := slices.Clone(e.unsaved)
	e.mu.Unlock()
	for _, j := range todo {
		if err := e.put(ctx, j); err != nil {
			return
		}
		e.Log.Info("change stored late", "incident", j.change.Incident.ID, "took_ms", time.Since(j.since).Milliseconds())
		e.mu.Lock()
		e.unsaved = slices.DeleteFunc(e.unsaved, func(k *job) bool { return k == j })
		e.mu.Unlock()
	}
}

// farewell says what could not be written before the end.
func (e *Engine) farewell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range slices.Concat(e.unsaved, e.queue) {
		e.Log.Error("change lost at the end, no store took it",
			"incident", j.change.Incident.ID, "state", string(j.change.Incident.State))
	}
}

// restore reads the open incidents once; while that does not succeed the engine
// decides from memory and tries again.
func (e *Engine) restore(ctx context.Context) {
	e.mu.Lock()
	done := e.restored
	e.mu.Unlock()
	if done {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, retryEvery)
	defer cancel()
	open, err := e.Store.OpenIncidents(ctx)
	if err != nil {
		e.Log.Warn("open incidents not read, deciding from memory", "err", err)
		return
	}
	e.mu.Lock()
	e.restored = true
	e.mu.Unlock()
	e.Adopt(open)
	e.adopt(ctx)
}

// search takes over open incidents that this engine has never seen: a daemon that led
// while the database was away brings what it kept when that is back, and by then
// somebody else may lead. It runs between two writes, so what was decided before is
// stored, and what is decided meanwhile is in the queue.
func (e *Engine) search(ctx context.Context) {
	e.mu.Lock()
	ready := e.restored && len(e.unsaved) == 0
	e.mu.Unlock()
	if !ready {
		return
	}
	within, cancel := context.WithTimeout(ctx, retryEvery)
	defer cancel()
	open, err := e.Store.OpenIncidents(within)
	if err != nil {
		return // the writes say so, and this is asked again soon
	}
	e.mu.Lock()
	known := map[string]bool{}
	for s := range e.all() {
		if s.open != nil {
			known[s.open.ID] = true
		}
	}
	for _, j := range e.queue {
		known[j.change.Incident.ID] = true
	}
	strange := slices.DeleteFunc(open, func(inc Incident) bool {
		return known[inc.ID] || inc.Alarm == "" && e.services[inc.Service] == nil
	})
	e.mu.Unlock()
	if len(strange) > 0 {
		e.Log.Warn("open incidents of another daemon found", "incidents", len(strange))
		e.Adopt(strange)
	}
}

// do changes an open incident and waits until that is stored.
func (e *Engine) do(ctx context.Context, incident string, change func(s Situation, now time.Time) (Change, bool)) error {
	e.init()
	e.mu.Lock()
	var j *job
	err := ErrNotFound
	for s := range e.all() {
		if s.open == nil || s.open.ID != incident {
			continue
		}
		err = nil
		if c, ok := change(e.situation(s), e.now().UTC()); ok {
			j = e.enact(s, c)
		}
		break
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	return stored(ctx, j)
}

// Ack stops the escalation of an incident. It returns when that is stored.
// ErrNotFound when no such incident is open; acknowledging twice changes nothing.
// at is when it happened; an instant before the incident or in the future counts as now.
func (e *Engine) Ack(ctx context.Context, incident, by string, at time.Time) error {
	return e.do(ctx, incident, func(s Situation, now time.Time) (Change, bool) {
		return s.acknowledge(by, "acknowledged by "+by, at, now)
	})
}

// Unack notes that a channel's alert is acknowledged no more: the escalation starts
// anew, at its first level, and goes on with that alert, which rings there by itself.
// An instant before the acknowledgement is an old message and changes nothing.
func (e *Engine) Unack(ctx context.Context, incident, by string, at time.Time) error {
	return e.do(ctx, incident, func(s Situation, now time.Time) (Change, bool) {
		if at.Before(s.Open.Acknowledged) {
			return Change{}, false
		}
		return s.unacknowledge(by, now)
	})
}

// GiveBack takes an acknowledgement back here: the escalation starts anew, at its
// first level, with a new alert, for one that is acknowledged at its channel rings nobody.
func (e *Engine) GiveBack(ctx context.Context, incident, by string) error {
	return e.do(ctx, incident, func(s Situation, now time.Time) (Change, bool) { return s.giveBack(by, now) })
}

// Resolve closes an incident by hand. An alarm is resolved at once. While checks
// still fail paging stops, as with [Engine.Silence], and only recovery resolves.
func (e *Engine) Resolve(ctx context.Context, incident, by string, at time.Time) error {
	return e.Silence(ctx, incident, by, at)
}

// Silence notes that somebody closed the incident elsewhere, see [Engine.Resolve].
// When the policy says how long that holds, paging starts again after that.
func (e *Engine) Silence(ctx context.Context, incident, by string, at time.Time) error {
	return e.do(ctx, incident, func(s Situation, now time.Time) (Change, bool) {
		return s.closeByHand(by, at, now)
	})
}

// Present returns the open incident that an alert at a channel belongs to.
// [ErrNotFound] when none is open, or when the alert was replaced by a newer one
// since: what is said of it then is old.
func (e *Engine) Present(dedupKey string) (incident string, err error) {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	id, ring := IncidentOf(dedupKey)
	for s := range e.all() {
		if s.open != nil && s.open.ID == id && s.open.Ring == ring {
			return id, nil
		}
	}
	return "", ErrNotFound
}

// Note adds a line to the timeline of an open incident.
func (e *Engine) Note(ctx context.Context, incident, by, text string) error {
	return e.do(ctx, incident, func(s Situation, now time.Time) (Change, bool) {
		d := newDraft(*s.Open, now)
		d.entry("note", by, text)
		return d.change, true
	})
}
