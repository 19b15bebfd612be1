// Package event says what Keepwatch tells New Relic: the five event types, their
// attributes and their stable ids.
//
// It is pure. It stands below telemetry and postgres so that both can speak of
// the same rows; it knows neither SQL nor the agent. Attributes are written by
// typed functions only, because the agent silently refuses a whole event for one
// value of a named type (go-agent v3.45.0, custom_event.go).
package event

import "time"

// The event types.
const (
	TypeCheck       = "KeepwatchCheck"
	TypeCheckMinute = "KeepwatchCheckMinute"
	TypeIncident    = "KeepwatchIncident"
	TypeHeartbeat   = "KeepwatchHeartbeat"
	TypeReport      = "KeepwatchReport"
)

// Event is one thing to be told. Two events with the same ID are the same event.
type Event struct {
	ID   string    // UUIDv5 of what the event is about
	Type string    // one of the Type constants
	At   time.Time // UTC, when it happened
	// Attrs is a JSON object of strings, numbers and booleans, without eventId,
	// occurredAt and lateMs: those are added when it is handed to the agent.
	Attrs []byte
	// Claims is how often it was claimed, this time included; 0 before the first.
	Claims int
}

// Dropped is how many raw results of a minute were not told because of the cap.
// N counts from the start of that minute and only grows.
type Dropped struct {
	Check, Location string
	Minute          time.Time // UTC
	N               int
}

// Batch is what is put into the outbox in one step.
type Batch struct {
	Events  []Event
	Dropped []Dropped
}

// Pending is what waits in the outbox. Oldest is zero when nothing waits.
type Pending struct {
	Count  int
	Oldest time.Time // UTC, when the oldest waiting event happened
}

// Target is what people know a check by.
type Target struct {
	Kind    string // http, tcp, …
	Address string // a URL, host:port or name
}

// Minute is the summary of one check at one location over one minute of slots.
type Minute struct {
	Check, Location    string
	Minute             time.Time // UTC, start
	Total              int
	Good, Bad, Unknown int
	Suspect            int // of Unknown: the prober itself was late
	// Latencies of the good and bad results; zero when there were none.
	Min, Avg, P95, Max time.Duration
	FirstError         string
	RawDropped         int
}

// Transition is one line of an incident's timeline, with the incident as it is now.
type Transition struct {
	Incident, Service, Summary     string
	Seq                            int64
	At                             time.Time
	Kind, Person, Text             string
	Level                          int
	Opened, Acknowledged, Resolved time.Time // UTC, zero when it did not happen
	Policy                         string
}

// Heartbeat says that Keepwatch is alive at a location.
type Heartbeat struct {
	Location        string
	At              time.Time
	Version         string
	SchedulerLagP99 time.Duration
	DBLatency       time.Duration
	ClockOffset     time.Duration
	OutboxPending   int
	EventsResent    int64
	EventsExpired   int64
}

// Report is the week of one service in the figures of the weekly report.
type Report struct {
	SLO             string // the service
	Week            string // "2026-W47"
	At              time.Time
	Revision        int
	Availability    float64 // percent
	Objective       float64 // percent
	BudgetRemaining float64 // percent of the budget
	Coverage        float64 // percent
	Verdict         string  // MET, MISSED, NOT PROVEN
	Total, Good     int64
	Downtime        time.Duration
	Incidents       int
}
