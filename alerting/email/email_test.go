package email

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/alerting"
)

// smtpServer is a small strict mail server. reply may answer a command in its
// place ("" means the usual answer); it gets the command's line, or "." at the end of a mail.
type smtpServer struct {
	t      *testing.T
	addr   string
	tls    *tls.Config // offers STARTTLS when set
	reply  func(line string) string
	listen net.Listener

	mu    sync.Mutex
	rcpts []string // guarded by mu: recipients of taken mails
	mails []string // guarded by mu
	auth  bool     // guarded by mu: somebody logged in over TLS
}

func newSMTP(t *testing.T, conf *tls.Config, reply func(line string) string) *smtpServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{t: t, addr: l.Addr().String(), tls: conf, reply: reply, listen: l}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return s
}

func (s *smtpServer) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	say := func(line string) { _, _ = fmt.Fprintf(c, "%s\r\n", line) }
	say("220 test ESMTP")
	var from string
	var rcpts []string
	secure := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if s.reply != nil {
			switch own := s.reply(line); own {
			case "":
			case "close":
				return
			case "hang":
				_, _ = r.ReadString('\n')
				return
			default:
				say(own)
				continue
			}
		}
		switch verb {
		case "EHLO":
			say("250-test")
			if s.tls != nil && !secure {
				say("250-STARTTLS")
			}
			if secure {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go")
			c = tls.Server(c, s.tls)
			r, secure = bufio.NewReader(c), true
		case "AUTH":
			s.mu.Lock()
			s.auth = secure
			s.mu.Unlock()
			say("235 ok")
		case "MAIL":
			from, rcpts = line, nil
			say("250 ok")
		case "RCPT":
			if from == "" {
				s.t.Error("RCPT before MAIL")
			}
			rcpts = append(rcpts, line[strings.Index(line, "<")+1:strings.Index(line, ">")])
			say("250 ok")
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				text, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if text == ".\r\n" {
					break
				}
				if !strings.HasSuffix(text, "\r\n") || len(text) > 1000 {
					s.t.Errorf("a bad line in the mail: %q", text)
				}
				b.WriteString(text)
			}
			if s.reply != nil {
				switch own := s.reply("."); own {
				case "":
				case "close":
					return
				default:
					say(own)
					continue
				}
			}
			s.mu.Lock()
			s.mails, s.rcpts = append(s.mails, b.String()), append(s.rcpts, rcpts...)
			s.mu.Unlock()
			say("250 taken")
		case "*": // the client gives up its login
			say("501 given up")
		case "RSET", "NOOP":
			from, rcpts = "", nil
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			s.t.Errorf("unknown command %q", line)
			say("500 what")
		}
	}
}

func (s *smtpServer) taken() (mails, rcpts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails), slices.Clone(s.rcpts)
}

func (s *smtpServer) config() Config {
	return Config{Host: s.addr, From: "keepwatch@example.com", To: []string{"team@example.com", "boss@example.com"}, TLS: NoTLS}
}

func page() alerting.Page {
	return alerting.Page{
		ID: "kw-shop-1/1/1", Incident: "kw-shop-1", Action: alerting.Trigger, Person: "ada", Fallback: true,
		Message: alerting.Message{
			Summary: "shop is failing\r\nBcc: all@example.com", Source: "shop", Severity: "critical",
			Time: time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC), AckLink: "http://127.0.0.1:9090/a/1",
			Details: map[string]string{"note": "one\ntwo"},
		},
	}
}

func TestSendMail(t *testing.T) {
	t.Parallel()
	s := newSMTP(t, nil, nil)
	n := New(s.config(), func(person string) string {
		return map[string]string{"ada": "ada@example.com"}[person]
	})
	if got := n.Send(t.Context(), page()); got.Class != alerting.Taken {
		t.Fatalf("got %+v", got)
	}
	p := page()
	p.Person, p.Action = "grace", alerting.Resolve
	if got := n.Send(t.Context(), p); got.Class != alerting.Taken {
		t.Fatalf("got %+v", got)
	}
	mails, rcpts := s.taken()
	if want := []string{"ada@example.com", "team@example.com", "boss@example.com"}; !slices.Equal(rcpts, want) {
		t.Errorf("sent to %v, want %v", rcpts, want)
	}
	m, err := mail.ReadMessage(strings.NewReader(mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Header.Get("Subject"), "[PAGE] shop is failing Bcc: all@example.com"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if m.Header.Get("Bcc") != "" || m.Header.Get("Message-Id") != "<kw-shop-1.1.1@example.com>" || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("header %v", m.Header)
	}
	for _, part := range []string{"shop", "kw-shop-1", "2026-11-22 03:12:09 UTC", "http://127.0.0.1:9090/a/1", "note: one two"} {
		if !strings.Contains(mails[0], part) {
			t.Errorf("the mail lacks %q:\n%s", part, mails[0])
		}
	}
	if !strings.Contains(mails[1], "[RESOLVED]") {
		t.Errorf("the second mail:\n%s", mails[1])
	}
}

func TestSendClasses(t *testing.T) {
	t.Parallel()
	on := func(prefix, answer string) func(string) string {
		return func(line string) string {
			if strings.HasPrefix(line, prefix) {
				return answer
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name   string
		reply  func(string) string
		class  alerting.Class
		status int
	}{
		{"busy", on("MAIL", "451 later"), alerting.Again, 451},
		{"sender refused", on("MAIL", "550 who"), alerting.Refused, 550},
		{"too large", on("DATA", "552 full"), alerting.Refused, 552},
		{"refused after the mail", on(".", "554 spam"), alerting.Refused, 554},
		{"busy after the mail", on(".", "452 later"), alerting.Again, 452},
		{"gone after the mail", on(".", "close"), alerting.Doubtful, 0},
		{"gone before the mail", on("DATA", "close"), alerting.Again, 0},
		{"gone at the greeting", on("EHLO", "close"), alerting.Again, 0},
		{"gone after it was taken", on("RSET", "close"), alerting.Taken, 250},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := New(newSMTP(t, nil, tt.reply).config(), nil).Send(t.Context(), page())
			if got.Class != tt.class || got.Status != tt.status {
				t.Errorf("got %+v, want %s %d", got, tt.class, tt.status)
			}
		})
	}
}

// One refused address must not keep the others from being told.
func TestSendOneRefusedAddress(t *testing.T) {
	t.Parallel()
	s := newSMTP(t, nil, func(line string) string {
		if strings.HasPrefix(line, "RCPT") && strings.Contains(line, "boss@") {
			return "550 no such user"
		}
		return ""
	})
	got := New(s.config(), nil).Send(t.Context(), page())
	_, rcpts := s.taken()
	if got.Class != alerting.Taken || !slices.Equal(rcpts, []string{"team@example.com"}) || !strings.Contains(got.Detail, "not for boss@example.com") {
		t.Errorf("got %+v, sent to %v", got, rcpts)
	}
}

func TestSendNeverHangs(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"EHLO", "MAIL", "DATA"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			s := newSMTP(t, nil, func(line string) string {
				if strings.HasPrefix(line, verb) {
					return "hang"
				}
				return ""
			})
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			done := make(chan alerting.Receipt, 1)
			go func() { done <- New(s.config(), nil).Send(ctx, page()) }()
			select {
			case got := <-done:
				if got.Class != alerting.Again {
					t.Errorf("got %+v, want retry", got)
				}
			case <-time.After(commandWithin - time.Second): // the caller's deadline counts, not the library's
				t.Error("Send hangs")
			}
		})
	}
}

func TestSendStartTLSAndLogin(t *testing.T) {
	t.Parallel()
	pki := httptest.NewTLSServer(nil)
	t.Cleanup(pki.Close)
	s := newSMTP(t, &tls.Config{Certificates: pki.TLS.Certificates, MinVersion: tls.VersionTLS12}, nil)
	cfg := s.config()
	cfg.TLS, cfg.Username, cfg.Password = StartTLS, "kw", "hush"
	n := New(cfg, nil)
	if got := n.Send(t.Context(), page()); got.Class != alerting.Setup {
		t.Errorf("an untrusted certificate: %+v, want config", got)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pki.Certificate())
	n.roots = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if got := n.Send(t.Context(), page()); got.Class != alerting.Taken {
		t.Errorf("got %+v", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.auth {
		t.Error("no login over TLS")
	}
	// A server that offers no STARTTLS gets neither the mail nor the password.
	plain := newSMTP(t, nil, nil)
	cfg.Host = plain.addr
	if got := New(cfg, nil).Send(t.Context(), page()); got.Class == alerting.Taken || strings.Contains(got.Detail, "hush") {
		t.Errorf("without STARTTLS: %+v", got)
	}
	if mails, _ := plain.taken(); len(mails) != 0 {
		t.Error("a mail went out in the clear")
	}
}

func TestSendWrongPassword(t *testing.T) {
	t.Parallel()
	pki := httptest.NewTLSServer(nil)
	t.Cleanup(pki.Close)
	s := newSMTP(t, &tls.Config{Certificates: pki.TLS.Certificates, MinVersion: tls.VersionTLS12}, func(line string) string {
		if strings.HasPrefix(line, "AUTH") {
			return "535 hush is wrong"
		}
		return ""
	})
	cfg := s.config()
	cfg.TLS, cfg.Username, cfg.Password = StartTLS, "kw", "hush"
	n := New(cfg, nil)
	roots := x509.NewCertPool()
	roots.AddCert(pki.Certificate())
	n.roots = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if got := n.Send(t.Context(), page()); got.Class != alerting.Setup || got.Status != 535 || strings.Contains(got.Detail, "hush") {
		t.Errorf("got %+v, want config 535 without the password", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"good", Config{Host: "smtp.example.com:587", From: "a@example.com", To: []string{"b@example.com"}}, nil},
		{"empty", Config{}, []string{"host", "from", "to"}},
		{"bad", Config{Host: "smtp:x", From: "a", To: []string{"b"}, TLS: "ssl", Username: "u"}, []string{"host", "tls", "from", "to[0]", "password"}},
		{"password in the clear", Config{Host: "h:25", From: "a@b.example", To: []string{"b@b.example"}, TLS: NoTLS, Username: "u", Password: "p"}, []string{"tls"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			tt.cfg.Validate(func(path, _ string) { got = append(got, path) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
