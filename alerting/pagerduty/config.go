package pagerduty

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"keepwatch/probe"
)

// The addresses of PagerDuty's United States region.
const (
	DefaultEventsURL = "https://events.pagerduty.com"
	DefaultAPIURL    = "https://api.pagerduty.com"
)

// Config is how Keepwatch reaches PagerDuty. Without the block nobody is paged
// through PagerDuty.
type Config struct {
	// RoutingKey is the integration key (Events API v2) of the service that is paged for people
	// without a key of their own. Default: none. Example: "${PAGERDUTY_ROUTING_KEY}".
	RoutingKey probe.Secret `yaml:"routing_key"`
	// APIToken is a REST API token with full access. With it each page is looked up after it was accepted, acknowledgements are
	// also read back by polling, and escalation_policy is kept up to date. Default: none; paging works without it. Example: "${PAGERDUTY_TOKEN}".
	APIToken probe.Secret `yaml:"api_token"`
	// EscalationPolicy is the ID of the PagerDuty escalation policy of the service behind routing_key. With an api_token Keepwatch
	// keeps it equal to the escalation of this file and to who is on call, so that PagerDuty rings the right person and escalates
	// even while Keepwatch is dead. Default: none; then that policy is left alone. Example: PESC123.
	EscalationPolicy string `yaml:"escalation_policy"`
	// Service is the ID of the PagerDuty service that pages by hand are made on. Default: the first service that uses escalation_policy, or the policy of an escalation. Example: PSVC123.
	Service string `yaml:"service"`
	// From is the e-mail address of the PagerDuty user in whose name pages by hand are made. It must not be somebody who is on
	// call: PagerDuty acknowledges a page at once when it is for its own sender. Default: none; then `keepwatch page` goes by
	// routing keys. Example: keepwatch@example.com.
	From string `yaml:"from"`
	// VerifyAfter is how long after PagerDuty accepted a page Keepwatch looks whether it rings. Default: 30s. Range: 5s to 10m.
	VerifyAfter time.Duration `yaml:"verify_after"`
	// WebhookSecret is the signing secret of the webhook subscription. Default: none; then PagerDuty's webhooks are refused.
	// Example: "${PAGERDUTY_WEBHOOK_SECRET}".
	WebhookSecret probe.Secret `yaml:"webhook_secret"`
	// WebhookSecrets are further secrets that are also accepted, for changing the secret without losing a webhook. Default: none.
	WebhookSecrets []probe.Secret `yaml:"webhook_secrets"`
	// WebhookHeader is a second secret: what the webhook subscription sends in the custom header X-Keepwatch-Secret. A webhook
	// without it is refused although it is signed. Default: none; the signature is enough. Example: "${PAGERDUTY_WEBHOOK_HEADER}".
	WebhookHeader probe.Secret `yaml:"webhook_header"`
	// EventsURL is where events are sent, without a path. Default: https://events.pagerduty.com. Example: https://events.eu.pagerduty.com.
	EventsURL string `yaml:"events_url"`
	// APIURL is where the REST API is, without a path. Default: https://api.pagerduty.com. Example: https://api.eu.pagerduty.com.
	APIURL string `yaml:"api_url"`
	// HoldResolve is how long a resolve waits after an attempt that PagerDuty may or may not have processed, and how much
	// later it is repeated: a trigger processed after its resolve would leave an incident open. Default: 1m. Range: 1s to 10m.
	HoldResolve time.Duration `yaml:"hold_resolve"`
}

// PersonConfig is how one person is known to PagerDuty.
type PersonConfig struct {
	// User is the person's PagerDuty user ID. Default: none. Example: PABC123.
	User string `yaml:"user"`
	// RoutingKey is the integration key of a PagerDuty service whose escalation policy pages only this person;
	// with it Keepwatch decides who is rung. Default: none, the service's key is used. Example: "${ADA_KEY}".
	RoutingKey probe.Secret `yaml:"routing_key"`
}

// EscalationConfig is how one escalation is known to PagerDuty. It needs pagerduty.api_token.
type EscalationConfig struct {
	// Policy is the ID of the PagerDuty escalation policy that is kept equal to this escalation and to who is on call.
	// Default: none. Example: PESC123.
	Policy string `yaml:"policy"`
	// RoutingKey is the integration key of a PagerDuty service that uses the policy. Required with policy. Example: "${SITE_KEY}".
	RoutingKey probe.Secret `yaml:"routing_key"`
}

// Validate reports every mistake.
func (e *EscalationConfig) Validate(report func(path, msg string)) {
	checkID(e.Policy, "policy", "escalation policy ID (like PESC123)", report)
	checkKey(e.RoutingKey, "routing_key", report)
	if e.Policy != "" && e.RoutingKey == "" {
		report("routing_key", "is missing: pages reach the policy through the key of a PagerDuty service that uses it (set routing_key)")
	}
	if e.Policy == "" && e.RoutingKey != "" {
		report("policy", "is missing: write the ID of the escalation policy that the service of this key uses (like PESC123)")
	}
}

// SetDefaults fills in the addresses.
func (c *Config) SetDefaults() {
	if c.EventsURL == "" {
		c.EventsURL = DefaultEventsURL
	}
	if c.APIURL == "" {
		c.APIURL = DefaultAPIURL
	}
	if c.HoldResolve == 0 {
		c.HoldResolve = time.Minute
	}
	if c.VerifyAfter == 0 {
		c.VerifyAfter = 30 * time.Second
	}
}

// Validate reports every mistake.
func (c *Config) Validate(report func(path, msg string)) {
	checkKey(c.RoutingKey, "routing_key", report)
	checkBase(c.EventsURL, "events_url", report)
	checkBase(c.APIURL, "api_url", report)
	if c.HoldResolve != 0 && c.HoldResolve < time.Second || c.HoldResolve > 10*time.Minute {
		report("hold_resolve", "is out of range (1s to 10m)")
	}
	if c.VerifyAfter != 0 && c.VerifyAfter < 5*time.Second || c.VerifyAfter > 10*time.Minute {
		report("verify_after", "is out of range (5s to 10m)")
	}
	checkID(c.EscalationPolicy, "escalation_policy", "escalation policy ID (like PESC123)", report)
	checkID(c.Service, "service", "service ID (like PSVC123)", report)
	if c.From != "" && (!strings.Contains(c.From, "@") || strings.ContainsAny(c.From, " \t\r\n")) {
		report("from", "is not an e-mail address (write the login of a PagerDuty user, like keepwatch@example.com)")
	}
	if c.EscalationPolicy != "" && c.RoutingKey == "" {
		report("escalation_policy", "is of no use without routing_key: pages reach that policy through the service's key (set routing_key)")
	}
	for i, s := range c.WebhookSecrets {
		if s == "" {
			report(indexed("webhook_secrets", i), "is empty; an empty secret would accept forged webhooks (remove it or set it)")
		}
	}
}

// Validate reports every mistake.
func (p *PersonConfig) Validate(report func(path, msg string)) {
	checkKey(p.RoutingKey, "routing_key", report)
	checkID(p.User, "user", "user ID (like PABC123)", report)
}

// checkID refuses what cannot be an ID and would change the address of a call.
func checkID(id, path, what string, report func(path, msg string)) {
	if strings.ContainsAny(id, " \t\r\n/?#&%") {
		report(path, "is not a PagerDuty "+what)
	}
}

// Secrets returns all webhook secrets that are set.
func (c *Config) Secrets() []probe.Secret {
	var all []probe.Secret
	for _, s := range append([]probe.Secret{c.WebhookSecret}, c.WebhookSecrets...) {
		if s != "" {
			all = append(all, s)
		}
	}
	return all
}

// checkKey refuses what cannot be an integration key: PagerDuty's are 32
// letters and digits, and one with a space or a line end is a slip of the copier.
func checkKey(key probe.Secret, path string, report func(path, msg string)) {
	if key == "" {
		return
	}
	k := key.Reveal()
	if len(k) != 32 {
		report(path, "does not look like an Events API v2 integration key (32 letters and digits)")
		return
	}
	if strings.ContainsFunc(k, func(r rune) bool { return !strings.ContainsRune(keyLetters, r) }) {
		report(path, "does not look like an Events API v2 integration key (32 letters and digits)")
	}
}

const keyLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func checkBase(base, path string, report func(path, msg string)) {
	if base == "" {
		return
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		report(path, "is not an address (write https://host or http://host:port)")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		report(path, "must not have a path or a query (write only https://host; Keepwatch adds the path)")
	}
}

func indexed(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }
