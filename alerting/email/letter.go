package email

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// Server is a mail server and the sender, without recipients: for mail that is no page.
type Server struct {
	// Host is the mail server with its port. Required. Example: smtp.example.com:587.
	Host string `yaml:"host"`
	// Username is the login at the mail server. Default: none, no login.
	Username string `yaml:"username"`
	// Password belongs to username. Example: "${SMTP_PASSWORD}".
	Password probe.Secret `yaml:"password"`
	// From is the sender. Required. Example: keepwatch@example.com.
	From string `yaml:"from"`
	// TLS is how the connection is protected: starttls, tls or none. Default: starttls.
	TLS TLS `yaml:"tls"`
}

// SetDefaults fills in the protection.
func (s *Server) SetDefaults() {
	if s.TLS == "" {
		s.TLS = StartTLS
	}
}

// Validate reports every mistake.
func (s *Server) Validate(report func(path, msg string)) {
	c := s.config()
	c.Validate(report)
}

// config is the channel with the same server; its recipient is never used.
func (s *Server) config() Config {
	return Config{Host: s.Host, Username: s.Username, Password: s.Password, From: s.From, TLS: s.TLS, To: []string{"nobody@example.com"}}
}

// Server is the server of the channel.
func (c *Config) Server() Server {
	return Server{Host: c.Host, Username: c.Username, Password: c.Password, From: c.From, TLS: c.TLS}
}

// Letter is a mail with a plain and an HTML body.
type Letter struct {
	Subject, Text, HTML string
	Images              []Image
	// ID makes the message ID, the same for every attempt, so that mail programs show
	// a mail that was sent twice once.
	ID   string
	Date time.Time // zero is now
}

// Image is a PNG that the HTML names as cid:CID.
type Image struct {
	CID string
	PNG []byte
}

// Mailer sends letters through one server. Safe for concurrent use.
type Mailer struct{ n *Notifier }

// NewMailer makes a mailer. The settings must be valid.
func NewMailer(s Server) *Mailer { return &Mailer{n: New(s.config(), nil)} }

// Send sends a letter to one address and says how it ended.
func (m *Mailer) Send(ctx context.Context, l Letter, to string) alerting.Receipt {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	msg, err := m.n.letter(l, to)
	if err != nil {
		return alerting.Receipt{Class: alerting.Setup, Detail: err.Error()}
	}
	got, _ := m.n.deliver(ctx, msg, []string{to})
	return got
}

// letter puts the mail together: the plain twin first, then HTML with its pictures.
func (n *Notifier) letter(l Letter, to string) (*gomail.Msg, error) {
	m := gomail.NewMsg()
	if err := m.From(n.cfg.From); err != nil {
		return nil, fmt.Errorf("the sender cannot be used: %w", err)
	}
	if err := m.To(to); err != nil {
		return nil, fmt.Errorf("the recipient cannot be used: %w", err)
	}
	m.Subject(oneLine(l.Subject))
	if l.Date.IsZero() {
		m.SetDate()
	} else {
		m.SetDateWithValue(l.Date)
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetMessageIDWithValue(token(l.ID) + "." + token(to) + "@" + n.host())
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	if l.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	}
	for _, img := range l.Images {
		name, _, _ := strings.Cut(img.CID, "@")
		if err := m.EmbedReader(token(name)+".png", bytes.NewReader(img.PNG), gomail.WithFileContentID("<"+img.CID+">"), gomail.WithFileContentType("image/png")); err != nil {
			return nil, fmt.Errorf("embed a picture: %w", err)
		}
	}
	return m, nil
}

// host is the sender's domain.
func (n *Notifier) host() string {
	if a, err := mail.ParseAddress(n.cfg.From); err == nil {
		return a.Address[strings.LastIndex(a.Address, "@")+1:]
	}
	return "keepwatch"
}
