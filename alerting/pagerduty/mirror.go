package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"keepwatch/alerting"
)

const (
	pollEvery  = 30 * time.Second
	pollWithin = 25 * time.Second
	maxReads   = 50 // single reads of one poll; the next one goes on
	maxMapped  = 10_000
	// settleFor is how long an acknowledgement of ours may take until PagerDuty shows it.
	settleFor = 2 * time.Second
)

// Mirror reads from PagerDuty what webhooks may have missed: while incidents are
// open it polls them and tells the desk who acknowledged, took back or closed
// them. Only the leading daemon may run it. Set the fields before Run; safe for
// concurrent use.
type Mirror struct {
	// Store tells what is open here. Required, as are Desk and Log.
	Store interface {
		OpenIncidents(ctx context.Context) ([]alerting.Incident, error)
		Pages(ctx context.Context, incident string) ([]alerting.Page, error)
	}
	Desk Desk
	Log  *slog.Logger
	// Channel is the name of PagerDuty among the channels.
	Channel string
	// Seen is told who is rung now; nil is allowed.
	Seen func(ctx context.Context, incident, channel, dedupKey string, e alerting.Evidence)
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	mu sync.Mutex
	// Guarded by mu:
	client  *Client
	problem string
	since   time.Time // of the problem
	wait    time.Time // not to be tried before

	// Of Run's goroutine:
	services map[string]bool            // PagerDuty services on which our alerts are
	mapped   map[string]map[string]bool // PagerDuty's incidents by our key
	keys     map[string]string          // our key by PagerDuty's incident; "" when none of ours
	told     map[string]time.Time       // by key: the newest change that the desk was told of
	reads    int
}

// ours is one alert of ours that is open.
type ours struct {
	incident alerting.Incident
	key      string
	sent     time.Time // when the first attempt of its first trigger was
}

// Reload sets the client; nil switches it off.
func (m *Mirror) Reload(client *Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.client, m.problem, m.wait = client, "", time.Time{}
}

// Run polls until ctx ends, and returns nil. It may be called again.
func (m *Mirror) Run(ctx context.Context) error {
	m.services, m.mapped = map[string]bool{}, map[string]map[string]bool{}
	m.keys, m.told = map[string]string{}, map[string]time.Time{}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.poll(ctx)
		}
	}
}

func (m *Mirror) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	m.mu.Lock()
	client, wait := m.client, m.wait
	m.mu.Unlock()
	if client == nil || m.now().Before(wait) {
		return
	}
	open, err := m.open(ctx)
	if err != nil {
		return // the store says itself that it is away
	}
	if len(open) == 0 {
		m.note(ctx, nil)
		return
	}
	theirs, err := m.read(ctx, client, open)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	m.note(ctx, err)
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		if err := m.tell(ctx, open[key], theirs[key]); err != nil {
			m.Log.WarnContext(ctx, "what pagerduty shows was not taken", "incident", open[key].incident.ID, "err", err)
		}
	}
}

// note keeps book of whether PagerDuty can be asked.
func (m *Mirror) note(ctx context.Context, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.problem = ""
		return
	}
	if m.problem == "" {
		m.since = m.now()
		m.Log.WarnContext(ctx, "incidents not read from pagerduty", "err", err)
	}
	m.problem, m.wait = err.Error(), m.now().Add(patience(err))
}

// open are our alerts that PagerDuty has taken and that we have not resolved.
func (m *Mirror) open(ctx context.Context) (map[string]ours, error) {
	incidents, err := m.Store.OpenIncidents(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]ours{}
	for _, in := range incidents {
		pages, err := m.Store.Pages(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range pages {
			if p.Channel != m.Channel || p.Action != alerting.Trigger || p.AcceptedAt.IsZero() || resolved(p, pages) {
				continue
			}
			if _, err := m.Desk.Present(p.DedupKey); err != nil {
				continue
			}
			o, known := out[p.DedupKey]
			if !known || p.FirstTried.Before(o.sent) {
				o = ours{incident: in, key: p.DedupKey, sent: p.FirstTried}
			}
			out[p.DedupKey] = o
		}
	}
	return out, nil
}

func resolved(p alerting.Page, pages []alerting.Page) bool {
	return slices.ContainsFunc(pages, func(q alerting.Page) bool {
		return q.Action == alerting.Resolve && q.DedupKey == p.DedupKey && q.Route == p.Route && q.Channel == p.Channel && q.Seq > p.Seq
	})
}

// read gets PagerDuty's incidents of our alerts: one list, and single reads of
// those that are not in it.
func (m *Mirror) read(ctx context.Context, client *Client, open map[string]ours) (map[string][]pd.Incident, error) {
	m.reads = 0
	o := pd.ListIncidentsOptions{Statuses: []string{statusTriggered, statusAcknowledged}, DateRange: "all", ServiceIDs: slices.Sorted(maps.Keys(m.services))}
	var listed []pd.Incident
	if len(m.services) > 0 { // else the list would be the whole account's
		var err error
		if listed, err = client.incidents(ctx, "read PagerDuty's open incidents", o); err != nil {
			return nil, err
		}
	}
	out, seen := map[string][]pd.Incident{}, map[string]bool{}
	for _, inc := range listed {
		key, err := m.key(ctx, client, inc, open)
		if err != nil {
			return nil, err
		}
		if _, ok := open[key]; ok {
			out[key] = append(out[key], inc)
			seen[inc.ID] = true
		}
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(open)) {
		more, err := m.missing(ctx, client, key, seen, len(out[key]) > 0)
		out[key] = append(out[key], more...)
		errs = append(errs, err)
	}
	m.remember(out, open)
	return out, errors.Join(errs...)
}

// key is our key of an incident; incidents with alerts need not show it.
func (m *Mirror) key(ctx context.Context, client *Client, inc pd.Incident, open map[string]ours) (string, error) {
	if _, ok := open[inc.IncidentKey]; ok {
		return inc.IncidentKey, nil
	}
	if key, ok := m.keys[inc.ID]; ok {
		return key, nil
	}
	if inc.IncidentKey != "" || m.reads >= maxReads {
		return "", nil
	}
	m.reads++
	alerts, err := client.alerts(ctx, inc.ID)
	if err != nil {
		return "", err
	}
	if len(m.keys) >= maxMapped {
		clear(m.keys)
	}
	m.keys[inc.ID] = ""
	for _, a := range alerts {
		if _, ok := open[a.AlertKey]; ok {
			m.keys[inc.ID] = a.AlertKey
		}
	}
	return m.keys[inc.ID], nil
}

// missing reads the incidents of an alert that were not listed: those that have
// been closed, or all of them when none is known yet.
func (m *Mirror) missing(ctx context.Context, client *Client, key string, seen map[string]bool, listed bool) ([]pd.Incident, error) {
	if m.reads >= maxReads {
		return nil, nil
	}
	known := m.mapped[key]
	if len(known) == 0 && !listed {
		m.reads++
		return client.incidentsOf(ctx, key)
	}
	var out []pd.Incident
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if seen[id] || m.reads >= maxReads {
			continue
		}
		m.reads++
		inc, err := client.incident(ctx, id)
		if errors.Is(err, ErrGone) {
			delete(known, id)
			continue
		}
		if err != nil {
			return out, err
		}
		out = append(out, *inc)
	}
	return out, nil
}

// remember notes what belongs together, and forgets what is over.
func (m *Mirror) remember(theirs map[string][]pd.Incident, open map[string]ours) {
	for key, all := range theirs {
		for _, inc := range all {
			if m.mapped[key] == nil {
				m.mapped[key] = map[string]bool{}
			}
			m.mapped[key][inc.ID] = true
			if inc.Service.ID != "" {
				m.services[inc.Service.ID] = true
			}
		}
	}
	over := func(key string) bool { _, ok := open[key]; return !ok }
	maps.DeleteFunc(m.mapped, func(key string, _ map[string]bool) bool { return over(key) })
	maps.DeleteFunc(m.told, func(key string, _ time.Time) bool { return over(key) })
}

// move is what PagerDuty's state of an alert means for ours.
type move struct {
	do   EventType // "" does nothing
	by   string
	at   time.Time
	show alerting.Evidence // who is rung; of interest when nothing is to be done
}

// compare decides what PagerDuty's incidents mean for an open alert of ours.
// PagerDuty owns who acknowledged and who closed; Keepwatch owns whether it fails.
// What the desk was told before, or what is older than our own state, is left alone.
func compare(o ours, theirs []pd.Incident, told time.Time) move {
	var acked, closed, ringing *pd.Incident
	for i := range theirs {
		inc := &theirs[i]
		switch inc.Status {
		case statusAcknowledged:
			acked = newer(acked, inc)
		case statusTriggered:
			ringing = newer(ringing, inc)
		case statusResolved:
			if !instant(inc.LastStatusChangeAt).Before(o.sent.Add(-clockSlack)) {
				closed = newer(closed, inc)
			}
		}
	}
	switch {
	case acked != nil:
		e := standing(*acked)
		who, at := acknowledger(*acked)
		if who == "" || o.incident.State != alerting.Open || !at.After(told) {
			return move{show: e}
		}
		return move{do: EventAcknowledged, by: who, at: at, show: e}
	case ringing != nil:
		e := standing(*ringing)
		at := instant(ringing.LastStatusChangeAt)
		if o.incident.State != alerting.Acknowledged || !at.After(o.incident.Acknowledged.Add(settleFor)) || !at.After(told) {
			return move{show: e}
		}
		return move{do: EventUnacknowledged, by: closer(*ringing), at: at, show: e}
	case closed != nil:
		at := instant(closed.LastStatusChangeAt)
		who := closer(*closed)
		if who == "" || o.incident.Closed || !at.After(told) {
			return move{show: alerting.Evidence{Proof: alerting.Closed, Who: who, Since: at}}
		}
		return move{do: EventResolved, by: who, at: at}
	}
	return move{}
}

func newer(a, b *pd.Incident) *pd.Incident {
	if a == nil || instant(b.LastStatusChangeAt).After(instant(a.LastStatusChangeAt)) {
		return b
	}
	return a
}

// tell tells the desk, once for each change.
func (m *Mirror) tell(ctx context.Context, o ours, theirs []pd.Incident) error {
	mv := compare(o, theirs, m.told[o.key])
	echo := mv.show.Proof == alerting.Answered && mv.show.Who == "" // our own acknowledgement came back
	if m.Seen != nil && mv.show.Proof != "" && !echo {
		m.Seen(ctx, o.incident.ID, m.Channel, o.key, mv.show)
	}
	var err error
	switch mv.do {
	case EventAcknowledged:
		err = m.Desk.Ack(ctx, o.incident.ID, mv.by, mv.at)
	case EventUnacknowledged:
		err = m.Desk.Unack(ctx, o.incident.ID, orPagerDuty(mv.by), mv.at)
	case EventResolved:
		err = m.Desk.Silence(ctx, o.incident.ID, mv.by, mv.at)
	case EventReopened, EventReassigned, EventAnnotated:
	default:
		return nil
	}
	if err = notOurs(err); err == nil {
		m.told[o.key] = mv.at
	}
	return err
}

// Problems says in one sentence what a person must mend; empty when all is well.
func (m *Mirror) Problems(now time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problem == "" || now.Sub(m.since) < time.Minute {
		return nil
	}
	return []string{fmt.Sprintf("acknowledgements cannot be read from PagerDuty since %s: %s", m.since.UTC().Format(time.RFC3339), m.problem)}
}
