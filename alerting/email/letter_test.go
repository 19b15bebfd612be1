package email

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
)

func letterOf() Letter {
	return Letter{
		Subject: "Week 2026-W47: shop MET 99.54 %\r\nBcc: eve@example.com", Text: "plain twin ≥ 99 %\n", HTML: `<p>page <img src="cid:bar@keepwatch"></p>`,
		Images: []Image{{CID: "bar@keepwatch", PNG: []byte("\x89PNG picture")}}, ID: "keepwatch-report-r1-abc", Date: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
	}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	s := newSMTP(t, nil, nil)
	cfg := s.config()
	mailer := NewMailer(cfg.Server())
	for range 2 {
		if got := mailer.Send(t.Context(), letterOf(), "team@example.com"); got.Class != alerting.Taken {
			t.Fatalf("got %+v", got)
		}
	}
	mails, rcpts := s.taken()
	if len(mails) != 2 || strings.Join(rcpts, " ") != "team@example.com team@example.com" {
		t.Fatalf("%d mails to %v", len(mails), rcpts)
	}
	var ids []string
	for _, raw := range mails {
		m, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get("Message-ID"))
		if m.Header.Get("Bcc") != "" || strings.Contains(m.Header.Get("To"), "eve") {
			t.Error("the subject made a header")
		}
		parts := map[string]string{}
		collect(t, m.Header.Get("Content-Type"), m.Body, parts)
		if strings.TrimSpace(parts["text/plain"]) != "plain twin ≥ 99 %" || !strings.Contains(parts["text/html"], "cid:bar@keepwatch") || parts["<bar@keepwatch>"] != "\x89PNG picture" {
			t.Errorf("parts: %q", parts)
		}
	}
	if ids[0] != ids[1] || !strings.Contains(ids[0], "keepwatch-report-r1-abc") {
		t.Errorf("message IDs %v: the same report must have the same", ids)
	}
}

// collect reads the parts of a mail, by media type and by content ID.
func collect(t *testing.T, media string, body io.Reader, into map[string]string) {
	t.Helper()
	_, params, err := mime.ParseMediaType(media)
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "multipart/") {
			collect(t, p.Header.Get("Content-Type"), p, into)
			continue
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			if text, err = base64.StdEncoding.DecodeString(string(bytes.ReplaceAll(bytes.TrimSpace(text), []byte("\r\n"), nil))); err != nil {
				t.Fatal(err)
			}
		}
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		into[kind], into[p.Header.Get("Content-ID")] = string(text), string(text)
	}
}

func TestLetterRefused(t *testing.T) {
	t.Parallel()
	s := newSMTP(t, nil, func(line string) string {
		if strings.HasPrefix(line, "RCPT") {
			return "550 no such box"
		}
		return ""
	})
	cfg := s.config()
	if got := NewMailer(cfg.Server()).Send(t.Context(), letterOf(), "gone@example.com"); got.Class != alerting.Refused || got.Status != 550 {
		t.Errorf("got %+v", got)
	}
	if got := NewMailer(cfg.Server()).Send(t.Context(), letterOf(), "no address"); got.Class != alerting.Setup {
		t.Errorf("got %+v", got)
	}
}

func TestServerValidate(t *testing.T) {
	t.Parallel()
	var got []string
	s := Server{Host: "x", From: "y", TLS: "z", Username: "u"}
	s.Validate(func(path, _ string) { got = append(got, path) })
	if want := "host tls from password"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	good := Server{Host: "smtp.example.com:587", From: "a@example.com"}
	good.SetDefaults()
	good.Validate(func(path, msg string) { t.Errorf("%s %s", path, msg) })
	if good.TLS != StartTLS {
		t.Errorf("TLS is %q", good.TLS)
	}
}
