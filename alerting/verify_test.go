package alerting

import (
	"testing"
	"time"
)

// TestPageStatus: every state of a page in words that a woken person understands.
func TestPageStatus(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 11, 12, 9, 0, time.UTC)
	open := Incident{State: Open}
	page := func(change func(p *Page)) Page {
		p := Page{ID: "p", Channel: "pagerduty", Action: Trigger, State: Accepted, AcceptedAt: at}
		change(&p)
		return p
	}
	proof := func(proof Proof, who string) Page {
		return page(func(p *Page) { p.Proof, p.Ringing, p.RingingAt = proof, who, at })
	}
	mail := []Page{
		{ID: "p/mail", Channel: "mail", Fallback: true, State: Accepted},
		{ID: "p/chat", Channel: "chat", Fallback: true, State: Queued},
		{ID: "p/sms", Channel: "sms", Fallback: true, State: Cancelled},
		{ID: "other/mail", Channel: "nothing", Fallback: true},
	}
	for _, tt := range []struct {
		want string
		in   Incident
		page Page
	}{
		{"queued", open, page(func(p *Page) { p.State = Queued })},
		{"failed (HTTP 503), tried again at 03:12:09", open, page(func(p *Page) { p.State, p.Attempts, p.LastError, p.Due = Queued, 2, "HTTP 503", at })},
		{"sent, not answered yet", open, page(func(p *Page) { p.State = Sending })},
		{"failed (no such key)", open, page(func(p *Page) { p.State, p.LastError = Rejected, "no such key" })},
		{"cancelled (recovered before delivery)", open, page(func(p *Page) { p.State, p.LastError = Cancelled, "recovered before delivery" })},
		{"accepted", open, page(func(*Page) {})},
		{"accepted", open, page(func(p *Page) { p.Action, p.Proof = Resolve, Ringing })},
		{"ringing Ada since 03:12:09", open, proof(Ringing, "Ada")},
		{"ringing Ada", open, page(func(p *Page) { p.Proof, p.Ringing = Ringing, "Ada" })},
		{"rang Ada since 03:12:09", Incident{State: Resolved, AckBy: "Ada"}, proof(Ringing, "Ada")},
		{"acknowledged by Grace", Incident{State: Acknowledged, AckBy: "Grace"}, proof(Ringing, "Ada")},
		{"acknowledged by Ada", open, proof(Answered, "Ada")},
		{"acknowledged", open, proof(Answered, "")},
		{"rang, closed by Ada", open, proof(Closed, "Ada")},
		{"accepted; whether it rings could not be read", open, proof(Unreadable, "")},
		{"accepted but not paging: no incident was opened", open, proof(NoIncident, "")},
		{"accepted but not paging: the incident is assigned to nobody", open, proof(Unassigned, "")},
		{"accepted but not paging: the alert is suppressed", open, proof(Suppressed, "")},
		{"accepted but not paging: it cannot reach who is assigned", open, proof(Mute, "Ada")},
		{"accepted but not paging: ringing Grace instead since 03:12:09", open, proof(Elsewhere, "Grace")},
		{"accepted but not paging: no incident was opened; fell back to chat, mail", open, page(func(p *Page) { p.Proof, p.FellBack = NoIncident, true })},
	} {
		if got := tt.page.Status(tt.in, mail, zone); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
