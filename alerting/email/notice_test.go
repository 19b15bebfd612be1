package email

import (
	"strings"
	"testing"

	"keepwatch/alerting"
)

// TestNoticeIsALetter: what is only for reading must not look like a page.
func TestNoticeIsALetter(t *testing.T) {
	t.Parallel()
	s := newSMTP(t, nil, nil)
	n := New(s.config(), func(string) string { return "ada@example.com" })
	p := page()
	p.Message.Summary = "You are on call for primary"
	p.Message.Text = "Hello Ada,\n\nyou are on call until Monday.\n"
	p.Message.Link = "http://127.0.0.1:9090/oncall"
	if got := n.Send(t.Context(), p); got.Class != alerting.Taken {
		t.Fatalf("got %+v", got)
	}
	mails, _ := s.taken()
	for _, want := range []string{"Subject: You are on call for primary", "you are on call until Monday.", "http://127.0.0.1:9090/oncall"} {
		if !strings.Contains(mails[0], want) {
			t.Errorf("the letter lacks %q:\n%s", want, mails[0])
		}
	}
	for _, not := range []string{"[PAGE]", "Importance: high", "X-Priority", "you are on it", "/a/1", "incident:", "another channel"} {
		if strings.Contains(mails[0], not) {
			t.Errorf("the letter has %q:\n%s", not, mails[0])
		}
	}
}
