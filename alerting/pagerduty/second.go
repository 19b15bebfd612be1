package pagerduty

import "keepwatch/probe"

// Second is a fallback channel: another service of PagerDuty, or another account
// in its other region, for the time when the first does not take pages.
type Second struct {
	// RoutingKey is the integration key of the other service (Events API v2). Required. Example: "${PAGERDUTY_SECOND_KEY}".
	RoutingKey probe.Secret `yaml:"routing_key"`
	// EventsURL is the address of the Events API. Default: https://events.pagerduty.com. Example: https://events.eu.pagerduty.com.
	EventsURL string `yaml:"events_url"`
}

// SetDefaults fills in the address.
func (s *Second) SetDefaults() {
	c := Config{EventsURL: s.EventsURL}
	c.SetDefaults()
	s.EventsURL = c.EventsURL
}

// Validate reports every mistake. It never prints the key.
func (s *Second) Validate(report func(path, msg string)) {
	c := Config{RoutingKey: s.RoutingKey, EventsURL: s.EventsURL}
	c.SetDefaults()
	if s.RoutingKey == "" {
		report("routing_key", "is missing (write the integration key of the second service)")
	}
	c.Validate(report)
}

// NewSecond makes a notifier that sends every page with one key.
func NewSecond(cfg Second) *Notifier {
	n := New(Config{EventsURL: cfg.EventsURL}, nil)
	n.only = cfg.RoutingKey
	return n
}
