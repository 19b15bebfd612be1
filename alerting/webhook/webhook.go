// Package webhook sends pages as JSON to an address of the team's choice. It
// knows HTTP; it does not know who is on call, nor why somebody is paged.
package webhook

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Config is one webhook channel.
type Config struct {
	// URL is where each page is sent. It is treated as a secret, because chat services put one into it.
	// Required. Example: "${CHAT_WEBHOOK}".
	URL probe.Secret `yaml:"url"`
	// Method is the HTTP method: POST or PUT. Default: POST.
	Method string `yaml:"method"`
	// Headers are sent with each page. Default: none. Example: {Authorization: "Bearer ${CHAT_TOKEN}"}.
	Headers map[string]probe.Secret `yaml:"headers"`
}

// SetDefaults fills in the method.
func (c *Config) SetDefaults() {
	if c.Method == "" {
		c.Method = http.MethodPost
	}
}

// Validate reports every mistake. It never prints the address.
func (c *Config) Validate(report func(path, msg string)) {
	u, err := url.Parse(c.URL.Reveal())
	switch {
	case c.URL == "":
		report("url", "is missing (write the address that pages are sent to)")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		report("url", "is not an address (write https://host/path)")
	}
	switch c.Method {
	case "", http.MethodPost, http.MethodPut:
	default:
		report("method", "must be POST or PUT")
	}
	for name, v := range c.Headers {
		if name == "" || strings.ContainsAny(name, " \t\r\n:") || strings.ContainsAny(v.Reveal(), "\r\n") {
			report("headers", "the header \""+name+"\" cannot be sent (no spaces, colons or line ends)")
		}
	}
}

// Notifier sends pages to one address. Safe for concurrent use.
type Notifier struct{}

// New makes a notifier.
func New(cfg Config) *Notifier { panic("not yet") }

// Send sends one page and says how it ended.
func (n *Notifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt { panic("not yet") }
