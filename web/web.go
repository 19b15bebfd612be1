// Package web is the console: the status page, one page an incident, health,
// metrics, heartbeats, acknowledgement links and the door for webhooks.
//
// It shows what others decide: it holds no business rule and no SQL. What it
// shows comes through [Source], what people do goes out through [Actor].
package web

import (
	"context"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/probe"
)

// Config is the console block of the file.
type Config struct {
	// Listen is the address of the console. Without log_in everybody who reaches it may do everything: leave it on loopback, or put a proxy with authentication before it. Default: 127.0.0.1:9090.
	Listen string `yaml:"listen"`
	// PublicURL is how people reach the console from where pages are read; it begins the links in pages. Default: http:// and the listen address.
	PublicURL string `yaml:"public_url"`
	// Tokens let others use the API (keepwatch incidents ack … from another machine): Authorization: Bearer TOKEN.
	// Commands on this machine need none. Default: none.
	Tokens []Token `yaml:"tokens"`
	// LogIn asks whoever opens a page for a token, as the password of the browser's own question; the name is free.
	// Health, metrics, heartbeats, webhooks, signed links and calendars need none. Default: false.
	LogIn bool `yaml:"log_in"`
}

// SetDefaults fills what the file left out.
func (c *Config) SetDefaults() {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:9090"
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
}

// Status is everything the status page shows, at one instant.
type Status struct {
	Now       time.Time
	Zone      *time.Location // for times that people read; nil means UTC
	Version   string
	Services  []ServiceStatus
	Checks    []CheckStatus
	Incidents []IncidentStatus // open ones, oldest first
	Recent    []IncidentStatus // resolved ones, newest first
	OnCall    []oncall.Shift
	People    map[string]string // key to name
	Health    []Line
}

// ServiceStatus is one service: its state now and the week so far.
type ServiceStatus struct {
	Name      string
	State     string // up, down, unknown, acknowledged
	Objective string // "95.00 %"
	// Week figures, already floored for reading; empty when they are not known.
	Availability, Coverage, BudgetLeft, Verdict string
}

// CheckStatus is one check with its locations.
type CheckStatus struct {
	Name, Kind, Target string
	State              string // up, down, unknown
	Locations          []LocationStatus
}

// LocationStatus is what one location saw last.
type LocationStatus struct {
	Name    string
	Last    probe.Result // zero when nothing was seen yet
	History []probe.Outcome
}

// IncidentStatus is an incident with its pages and its timeline.
type IncidentStatus struct {
	alerting.Incident
	Pages    []alerting.Page
	Timeline []alerting.Entry
	// Failures are what the failing checks saw first, one result a check.
	Failures []probe.Result
}

// Source answers what the console shows. Safe for concurrent use; every call
// answers within the context's deadline, from memory where it can.
type Source interface {
	Status(ctx context.Context) (Status, error)
	Incident(ctx context.Context, id string) (IncidentStatus, error)
	Health(ctx context.Context) []Line
}

// Actor does what people and jobs ask for.
type Actor interface {
	Ack(ctx context.Context, incident, by string, at time.Time) error
	Beat(ctx context.Context, check string, at time.Time) error
}

// Level is how bad a health line is.
type Level string

// The levels. A red line makes /healthz answer 503.
const (
	OK    Level = "ok"
	Amber Level = "amber"
	Red   Level = "red"
)

// Line is one line of health, with a sentence that says what to do when it is not ok.
type Line struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	// NotReady keeps /readyz at 503: traffic and pages cannot be trusted to this process yet.
	NotReady bool `json:"not_ready,omitempty"`
}
