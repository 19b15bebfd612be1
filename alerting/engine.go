package alerting

import (
	"context"
	"log/slog"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// Engine turns results into incidents. Set the fields before Apply and Run.
// All methods are safe for concurrent use.
type Engine struct {
	// Store takes the changes: the [Failover]. A change that it refuses is kept here and tried again. Required.
	Store Store
	// Again asks every location of a check to look again at once. It must not block. nil means no extra looks.
	Again func(check string)
	// Wake tells the deliverers that pages were written. It must not block. nil is allowed.
	Wake func()
	// Log is required.
	Log *slog.Logger
}

// Record takes one result; it never blocks. What does not fit in is counted in View.Dropped.
func (e *Engine) Record(r probe.Result) { panic("not yet") }

// Apply sets the rules, the roster and the routing: before Run, and at each reload.
// Open incidents keep the policy they were opened with; an incident whose
// service is gone is resolved, and its timeline says so.
func (e *Engine) Apply(rules []Rule, roster oncall.Roster, routing Routing) { panic("not yet") }

// Run restores the open incidents and decides until ctx is done. It returns nil
// then, after everything decided was written or given up on with a log line.
func (e *Engine) Run(ctx context.Context) error { panic("not yet") }

// Ack stops the escalation of an incident. It returns when that is stored.
// ErrNotFound when no such incident is open; acknowledging twice changes nothing.
func (e *Engine) Ack(ctx context.Context, incident, by string, at time.Time) error {
	panic("not yet")
}

// Unack starts the escalation of an acknowledged incident anew, at its first level.
func (e *Engine) Unack(ctx context.Context, incident, by string, at time.Time) error {
	panic("not yet")
}

// Silence notes that somebody closed the incident elsewhere although the checks still
// fail: paging stops as with Ack, but only recovery resolves the incident.
func (e *Engine) Silence(ctx context.Context, incident, by string, at time.Time) error {
	panic("not yet")
}

// Note adds a line to the timeline of an open incident.
func (e *Engine) Note(ctx context.Context, incident, by, text string) error { panic("not yet") }

// Settled tells the engine the outcome of a page, for Snapshot; wire it to Deliverer.Settled.
func (e *Engine) Settled(p Page) { panic("not yet") }

// Overdue says in one sentence each what should have happened by now and has
// not; empty when all is well.
func (e *Engine) Overdue(now time.Time) []string { panic("not yet") }

// Snapshot returns what the engine knows now. The caller owns it.
func (e *Engine) Snapshot() View { panic("not yet") }

// View is the engine's knowledge at one instant.
type View struct {
	At       time.Time
	Services []ServiceView // by name
	Checks   []CheckView   // by name
	// Blind are the open incidents about monitoring itself.
	Blind []Incident
	// Dropped counts results that did not fit into the inbox since start.
	Dropped int64
	// Unwritten counts changes that no store has taken yet.
	Unwritten int
	// Restored is false until the open incidents were read after a start.
	Restored bool
}

// ServiceView is one service.
type ServiceView struct {
	Service string
	Policy  oncall.Policy
	Outcome probe.Outcome // Bad when a critical check is bad, Good when all are good, else Unknown
	Checks  []string      // critical checks
	Open    *Incident     // nil when none is open
	Pages   []Page        // of the open incident, as far as known here
}

// CheckView is one check.
type CheckView struct {
	Check     string
	Outcome   probe.Outcome // of the last decided round; Unknown when it is stale
	Since     time.Time     // when Outcome began; zero when never decided
	Last      Verdict
	Locations []LocationView // by name
}

// LocationView is the last look from one location. At is zero when there was none yet.
type LocationView struct {
	Location string
	Outcome  probe.Outcome
	Cause    string // why Unknown
	At       time.Time
	Latency  time.Duration
	Code     int
	Fault    probe.Fault
}
