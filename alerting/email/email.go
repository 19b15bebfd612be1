// Package email sends pages as plain text mail. It knows SMTP; it does not know
// who is on call, nor why somebody is paged.
package email

import (
	"context"
	"net"
	"net/mail"
	"strconv"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// TLS says how the connection to the mail server is protected.
type TLS string

// The ways. The zero value means StartTLS.
const (
	StartTLS TLS = "starttls" // plain at first, then upgraded; refused when the server cannot
	Implicit TLS = "tls"      // encrypted from the first byte (port 465)
	NoTLS    TLS = "none"     // for a mail server on this machine only
)

// Config is the e-mail channel.
type Config struct {
	// Host is the mail server with its port. Required. Example: smtp.example.com:587.
	Host string `yaml:"host"`
	// Username is the login at the mail server. Default: none, no login.
	Username string `yaml:"username"`
	// Password belongs to username. Example: "${SMTP_PASSWORD}".
	Password probe.Secret `yaml:"password"`
	// From is the sender. Required. Example: keepwatch@example.com.
	From string `yaml:"from"`
	// To are the addresses for pages that name no person with an address. Required. Example: [team@example.com].
	To []string `yaml:"to"`
	// TLS is how the connection is protected: starttls, tls or none. Default: starttls.
	TLS TLS `yaml:"tls"`
}

// SetDefaults fills in the protection.
func (c *Config) SetDefaults() {
	if c.TLS == "" {
		c.TLS = StartTLS
	}
}

// Validate reports every mistake.
func (c *Config) Validate(report func(path, msg string)) {
	host, port, err := net.SplitHostPort(c.Host)
	if n, perr := strconv.Atoi(port); err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
		report("host", "is not a mail server with a port (write smtp.example.com:587)")
	}
	switch c.TLS {
	case "", StartTLS, Implicit, NoTLS:
	default:
		report("tls", "must be starttls, tls or none")
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		report("from", "is not an e-mail address (write keepwatch@example.com)")
	}
	if len(c.To) == 0 {
		report("to", "is empty (write at least one address)")
	}
	for i, a := range c.To {
		if _, err := mail.ParseAddress(a); err != nil {
			report("to["+strconv.Itoa(i)+"]", "is not an e-mail address (write team@example.com)")
		}
	}
	if c.Username != "" && c.TLS == NoTLS {
		report("tls", "is none, which would send the password in the clear (write starttls or tls)")
	}
	if (c.Username == "") != (c.Password == "") {
		report("password", "username and password belong together (set both or neither)")
	}
}

// Notifier sends mail through one server. Safe for concurrent use.
type Notifier struct{}

// New makes a notifier. address gives a person's address, "" when there is
// none; nil means that nobody has one.
func New(cfg Config, address func(person string) string) *Notifier { panic("not yet") }

// Send sends one page and says how it ended.
func (n *Notifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt { panic("not yet") }
