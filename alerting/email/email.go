// Package email sends pages as plain text mail. It knows SMTP; it does not know
// who is on call, nor why somebody is paged.
package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

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

// Time limits of one attempt.
const (
	attemptWithin = 10 * time.Second
	commandWithin = 5 * time.Second
	dialWithin    = 3 * time.Second
)

// Notifier sends mail through one server. Safe for concurrent use.
type Notifier struct {
	cfg     Config
	address func(person string) string
	roots   *tls.Config // nil means the system's; set by tests
}

// New makes a notifier. address gives a person's address, "" when there is
// none; nil means that nobody has one.
func New(cfg Config, address func(person string) string) *Notifier {
	cfg.SetDefaults()
	return &Notifier{cfg: cfg, address: address}
}

// Send sends one page and says how it ended. It uses one connection per mail:
// pages are rare, and an idle connection breaks when it is needed.
func (n *Notifier) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	to := n.recipients(p)
	got, refused := n.attempt(ctx, p, to)
	if !refused || len(to) < 2 {
		return got
	}
	// The library takes one refused address for the failure of the whole mail:
	// each address by itself, so that the others are told.
	var taken, failed []string
	for _, a := range to {
		if one, _ := n.attempt(ctx, p, []string{a}); one.Class == alerting.Taken {
			taken = append(taken, a)
		} else {
			failed = append(failed, a+" ("+one.Detail+")")
		}
	}
	if len(taken) == 0 {
		return got
	}
	return alerting.Receipt{
		Class: alerting.Taken, Status: 250,
		Detail: "accepted for " + strings.Join(taken, ", ") + "; not for " + strings.Join(failed, ", "),
	}
}

// attempt sends one mail; refused reports that an address was refused.
func (n *Notifier) attempt(ctx context.Context, p alerting.Page, to []string) (got alerting.Receipt, refused bool) {
	msg, err := n.message(p, to)
	if err != nil {
		return alerting.Receipt{Class: alerting.Setup, Detail: err.Error()}, false
	}
	return n.deliver(ctx, msg, to)
}

// deliver sends a mail that is put together.
func (n *Notifier) deliver(ctx context.Context, msg *gomail.Msg, to []string) (got alerting.Receipt, refused bool) {
	w := &wire{}
	client, err := n.client(w)
	if err != nil {
		return alerting.Receipt{Class: alerting.Setup, Detail: "the mail server's settings cannot be used: " + n.clean(err)}, false
	}
	// The library's deadlines are one for each part, and it leaves the connection
	// open when the login fails.
	defer w.breakOff()
	defer context.AfterFunc(ctx, w.breakOff)()
	if err := client.DialWithContext(ctx); err != nil {
		return n.classify(err, "connect to the mail server", false), false
	}
	err = client.Send(msg)
	// What goes wrong after the server has taken the mail takes nothing back.
	if msg.IsDelivered() {
		_ = client.Close()
		return alerting.Receipt{Class: alerting.Taken, Status: 250, Detail: "accepted for " + strings.Join(to, ", ")}, false
	}
	se, ok := errors.AsType[*gomail.SendError](err)
	refused = ok && se.Reason == gomail.ErrSMTPRcptTo && se.ErrorCode() >= 500
	return n.classify(err, "send mail", ok && se.Reason == gomail.ErrSMTPDataClose && se.ErrorCode() == 0), refused
}

// client makes the library's client for one mail.
func (n *Notifier) client(w *wire) (*gomail.Client, error) {
	host, port, err := net.SplitHostPort(n.cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("split host: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("read port: %w", err)
	}
	opts := []gomail.Option{gomail.WithPort(number), gomail.WithTimeout(commandWithin), gomail.WithoutNoop()}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if n.roots != nil {
		conf = n.roots.Clone()
	}
	conf.ServerName = host
	opts = append(opts, gomail.WithTLSConfig(conf))
	switch n.cfg.TLS {
	case Implicit:
		// The library allows a login here only on a connection that it dialled itself.
		opts = append(opts, gomail.WithSSL(), gomail.WithTimeout(commandWithin/2))
	case NoTLS:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithDialContextFunc(w.dial))
	case StartTLS, "":
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(w.dial))
	}
	if n.cfg.Username != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(n.cfg.Username), gomail.WithPassword(n.cfg.Password.Reveal()))
	}
	return gomail.NewClient(host, opts...)
}

// wire is the connection of one attempt, kept so that it can be broken off.
type wire struct {
	mu   sync.Mutex
	conn net.Conn // guarded by mu; nil before it is made
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialWithin}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
	return conn, nil
}

func (w *wire) breakOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// recipients are the person's address when there is one, else the configured ones.
func (n *Notifier) recipients(p alerting.Page) []string {
	if p.Person != "" && n.address != nil {
		if a := n.address(p.Person); a != "" {
			return []string{a}
		}
	}
	return n.cfg.To
}

// message is the mail of a page: plain text, one thread per incident.
func (n *Notifier) message(p alerting.Page, to []string) (*gomail.Msg, error) {
	m := gomail.NewMsg()
	if err := m.From(n.cfg.From); err != nil {
		return nil, fmt.Errorf("the sender cannot be used: %w", err)
	}
	if err := m.To(to...); err != nil {
		return nil, fmt.Errorf("a recipient cannot be used: %w", err)
	}
	m.Subject(subject(p))
	m.SetDate()
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Keepwatch-Page", oneLine(p.ID))
	host := n.host()
	// The same for every attempt, so that mail programs show a repeated page once.
	m.SetMessageIDWithValue(token(p.ID) + "@" + host)
	if p.Action != alerting.Trigger {
		m.SetGenHeader("References", "<"+token(p.Incident)+"@"+host+">")
	}
	if p.Action == alerting.Trigger && p.Message.Text == "" {
		m.SetImportance(gomail.ImportanceHigh)
	}
	m.SetBodyString(gomail.TypeTextPlain, text(p))
	return m, nil
}

func subject(p alerting.Page) string {
	word := map[alerting.Action]string{
		alerting.Trigger: "[PAGE] ", alerting.Acknowledge: "[ACKNOWLEDGED] ", alerting.Resolve: "[RESOLVED] ",
	}[p.Action]
	if p.Message.Text != "" {
		word = "" // a notice is no page
	}
	runes := []rune(word + oneLine(p.Message.Summary))
	if len(runes) > 200 {
		runes = append(runes[:199], '…')
	}
	return string(runes)
}

// text is the body of the mail.
func text(p alerting.Page) string {
	m := p.Message
	var b strings.Builder
	if m.Text != "" {
		b.WriteString(m.Text)
		if m.Link != "" {
			fmt.Fprintf(&b, "\n%s\n", m.Link)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s\n\n", m.Summary)
	fmt.Fprintf(&b, "service:  %s\nincident: %s\nsince:    %s\n", m.Source, p.Incident, m.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	if p.Person != "" {
		fmt.Fprintf(&b, "on call:  %s (level %d)\n", p.Person, p.Level+1)
	}
	if p.Fallback && p.Action == alerting.Trigger {
		b.WriteString("\nThis mail was sent because another channel did not take the page in time, or because nobody is on call.\n")
	}
	if m.AckLink != "" && p.Action == alerting.Trigger {
		fmt.Fprintf(&b, "\nTo say that you are on it: %s\n", m.AckLink)
	}
	if m.Link != "" {
		fmt.Fprintf(&b, "\nThe incident: %s\n", m.Link)
	}
	if len(m.Details) > 0 {
		b.WriteString("\n")
		for _, k := range slices.Sorted(maps.Keys(m.Details)) {
			fmt.Fprintf(&b, "%s: %s\n", k, oneLine(m.Details[k]))
		}
	}
	return b.String()
}

// oneLine keeps a text from making lines of its own, in a header above all.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
}

// token makes a text fit for a message ID.
func token(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
			return c
		}
		return '.'
	}, s)
}

// classify says what an error means: 4yz is temporary, 5yz final, of the login
// or the sender a matter of the configuration; without a reply it is tried again.
func (n *Notifier) classify(err error, what string, doubt bool) alerting.Receipt {
	r := alerting.Receipt{Class: alerting.Again, Status: code(err), Detail: what + ": " + n.clean(err)}
	switch {
	case doubt:
		r.Class = alerting.Doubtful
	case r.Status == 530, r.Status == 534, r.Status == 535, r.Status == 538:
		r.Class = alerting.Setup
	case r.Status >= 500 && r.Status < 600:
		r.Class = alerting.Refused
	default:
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			r.Class = alerting.Setup
		}
	}
	return r
}

// code is the server's reply code, 0 when there was none.
func code(err error) int {
	if se, ok := errors.AsType[*gomail.SendError](err); ok && se.ErrorCode() != 0 {
		return se.ErrorCode()
	}
	if te, ok := errors.AsType[*textproto.Error](err); ok {
		return te.Code
	}
	return 0
}

// clean is an error in one line, without the password.
func (n *Notifier) clean(err error) string {
	s := oneLine(err.Error())
	if pw := n.cfg.Password; pw != "" {
		s = strings.ReplaceAll(s, pw.Reveal(), pw.String())
	}
	if runes := []rune(s); len(runes) > 300 {
		return string(runes[:299]) + "…"
	}
	return s
}
