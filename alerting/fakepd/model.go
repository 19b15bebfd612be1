package fakepd

import (
	"fmt"
	"time"
)

// The states of an incident, in PagerDuty's words.
const (
	triggered    = "triggered"
	acknowledged = "acknowledged"
	resolved     = "resolved"
)

// What an event or a person did; written into the log.
const (
	didOpen       = "opened"       // a new incident: somebody was notified
	didRepeat     = "repeated"     // a trigger on an open incident: a log line, nobody notified
	didAck        = "acknowledged" // the incident was triggered before
	didResolve    = "resolved"
	didNothing    = "dropped"    // no open incident of this key: PagerDuty says 202 and forgets it
	didRefuse     = "refused"    // 400 or 413
	didThrottle   = "throttled"  // 429 by a rate limit
	didFail       = "failed"     // a fault answered instead
	didSuppress   = "suppressed" // a fault: 202, and forgotten
	didClose      = "closed"     // a fault: the connection was closed, nothing processed
	didPutOff     = "put off"    // a fault: 202, to be processed later
	maxOpenTimers = 10_000       // events put off and automatic acknowledgements at one time
)

// byEvents is who acts when it is the Events API.
const byEvents = "events api"

// Incident is one open period of a (routing key, dedup key).
type Incident struct {
	ID             string    `json:"id"`
	Number         int       `json:"number"`
	RoutingKey     string    `json:"routing_key"`
	DedupKey       string    `json:"dedup_key"`
	Status         string    `json:"status"` // triggered, acknowledged, resolved
	Summary        string    `json:"summary"`
	Source         string    `json:"source"`
	Severity       string    `json:"severity"`
	Triggers       int       `json:"triggers"` // trigger events received while it was open
	Created        time.Time `json:"created_at"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
	AcknowledgedBy string    `json:"acknowledged_by,omitempty"`
	ResolvedAt     time.Time `json:"resolved_at,omitzero"`
	ResolvedBy     string    `json:"resolved_by,omitempty"`
	// Service and Policy are IDs of the account.
	Service string `json:"service,omitempty"`
	Policy  string `json:"escalation_policy,omitempty"`
	Urgency string `json:"urgency,omitempty"` // high, low
	// Manual is an incident of POST /incidents.
	Manual bool `json:"manual,omitempty"`
	// Assignees are the IDs of those who are rung now; Level is theirs, from 1, in the round Loop.
	Assignees []string `json:"assignees,omitempty"`
	Level     int      `json:"level,omitempty"`
	Loop      int      `json:"loop,omitempty"`
	Records   []Record `json:"records,omitempty"`
	Notes     []Note   `json:"notes,omitempty"`

	turn int // grows with all that ends a running escalation timer
}

// alertKey is the scope of deduplication: another routing key is another world.
type alertKey struct{ routing, dedup string }

// model is what PagerDuty knows. Its owner's mutex guards it.
type model struct {
	max    int
	number int
	open   map[alertKey]*Incident
	all    []*Incident // oldest first
}

func newModel(maxIncidents int) *model {
	return &model{max: maxIncidents, open: map[alertKey]*Incident{}}
}

// apply processes a valid event and says what it did. by is "" for events, else
// the person who did it.
func (m *model) apply(e event, by string, now time.Time) (did string, inc *Incident) {
	key := alertKey{e.RoutingKey, e.DedupKey}
	inc = m.open[key]
	if e.Action == trigger {
		if inc != nil {
			inc.Triggers++
			return didRepeat, inc
		}
		return didOpen, m.add(key, e, now)
	}
	if inc == nil {
		return didNothing, nil
	}
	if by == "" {
		by = byEvents
	}
	if e.Action == resolve {
		inc.Status, inc.ResolvedAt, inc.ResolvedBy = resolved, now, by
		delete(m.open, key)
		return didResolve, inc
	}
	if inc.Status == acknowledged {
		return didRepeat, inc
	}
	inc.Status, inc.AcknowledgedAt, inc.AcknowledgedBy = acknowledged, now, by
	return didAck, inc
}

func (m *model) add(key alertKey, e event, now time.Time) *Incident {
	m.number++
	inc := &Incident{
		ID: fmt.Sprintf("Q%013d", m.number), Number: m.number, RoutingKey: key.routing, DedupKey: key.dedup,
		Status: triggered, Summary: e.Summary, Source: e.Source, Severity: e.Severity, Triggers: 1, Created: now,
	}
	m.open[key] = inc
	m.all = append(m.all, inc)
	m.forget()
	return inc
}

// forget keeps the number of incidents bounded: the oldest resolved one goes, or
// the oldest of all when every one is open.
func (m *model) forget() {
	if len(m.all) <= m.max {
		return
	}
	at := 0
	for i, inc := range m.all {
		if inc.Status == resolved {
			at = i
			break
		}
	}
	gone := m.all[at]
	if gone.Status != resolved {
		delete(m.open, alertKey{gone.RoutingKey, gone.DedupKey})
	}
	m.all = append(m.all[:at], m.all[at+1:]...)
}

// find returns the open incidents with a dedup key; an empty routing key means any.
func (m *model) find(routing, dedup string) []*Incident {
	var out []*Incident
	for _, inc := range m.all {
		if inc.Status != resolved && inc.DedupKey == dedup && (routing == "" || inc.RoutingKey == routing) {
			out = append(out, inc)
		}
	}
	return out
}
