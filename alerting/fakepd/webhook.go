package fakepd

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The rules of v3 webhooks (developer.pagerduty.com, "Webhooks Overview"): an
// answer in 5 s; a time-out, 5xx or 429 is tried again (there for 48 h, here a few
// times); any other status drops it for good, and three drops in a row switch the
// subscription off.
const (
	webhookTimeout  = 5 * time.Second
	webhookTries    = 8
	webhookFirst    = time.Second // doubles with each try
	webhookMaxWait  = 30 * time.Second
	webhookQueue    = 1000
	webhookMaxDrops = 3
)

// webhookBody is the shape of a v3 webhook.
type webhookBody struct {
	Event webhookEvent `json:"event"`
}

type webhookEvent struct {
	ID           string      `json:"id"`
	Type         string      `json:"event_type"`
	ResourceType string      `json:"resource_type"`
	OccurredAt   time.Time   `json:"occurred_at"`
	Agent        *reference  `json:"agent"`
	Client       *reference  `json:"client"`
	Data         webhookData `json:"data"`
}

type webhookData struct {
	ID               string      `json:"id"`
	Type             string      `json:"type"`
	Self             string      `json:"self"`
	HTMLURL          string      `json:"html_url"`
	Number           int         `json:"number"`
	Status           string      `json:"status"`
	IncidentKey      string      `json:"incident_key"`
	CreatedAt        time.Time   `json:"created_at"`
	Title            string      `json:"title"`
	Service          reference   `json:"service"`
	Assignees        []reference `json:"assignees"`
	EscalationPolicy reference   `json:"escalation_policy"`
	Teams            []reference `json:"teams"`
	Priority         *reference  `json:"priority"`
	Urgency          string      `json:"urgency"`
	ConferenceBridge *reference  `json:"conference_bridge"`
	ResolveReason    *reference  `json:"resolve_reason"`
}

type reference struct {
	HTMLURL string `json:"html_url"`
	ID      string `json:"id"`
	Self    string `json:"self"`
	Summary string `json:"summary"`
	Type    string `json:"type"`
}

const host = "https://fake.pagerduty.example"

func referTo(kind, path, id, summary string) reference {
	return reference{
		HTMLURL: host + "/" + path + "/" + id, ID: id, Self: "https://api." + host[len("https://"):] + "/" + path + "/" + id,
		Summary: summary, Type: kind + "_reference",
	}
}

// newWebhook builds the event for what happened to an incident; by is "" for the
// Events API. The mutex is held.
func (s *Server) newWebhook(inc *Incident, kind, by string, at time.Time) webhookEvent {
	agent := s.referService(inc.Service)
	if by != "" {
		agent = s.referUser(by)
	}
	assignees := []reference{}
	if inc.Status != resolved {
		for _, id := range inc.Assignees {
			assignees = append(assignees, s.referUser(id))
		}
	}
	self := referTo("incident", "incidents", inc.ID, inc.Summary)
	return webhookEvent{
		ID: rand.Text(), Type: "incident." + kind, ResourceType: "incident", OccurredAt: at.UTC(), Agent: &agent,
		Data: webhookData{
			ID: inc.ID, Type: "incident", Self: self.Self, HTMLURL: self.HTMLURL, Number: inc.Number, Status: inc.Status,
			IncidentKey: s.shownKey(inc), CreatedAt: inc.Created.UTC(), Title: inc.Summary,
			Service: s.referService(inc.Service), Assignees: assignees,
			EscalationPolicy: s.referPolicy(inc.Policy),
			Teams:            []reference{}, Urgency: inc.Urgency,
		},
	}
}

// shownKey is the incident_key that readers see.
func (s *Server) shownKey(inc *Incident) string {
	if s.opts.HideIncidentKey {
		return ""
	}
	return inc.DedupKey
}

// referUser refers to a person by ID, or by a name that the account may not know.
func (s *Server) referUser(who string) reference {
	if u := s.account.userNamed(who); u != nil {
		return referTo("user", "users", u.ID, u.Name)
	}
	return referTo("user", "users", "PNOBODY", who)
}

func (s *Server) referService(id string) reference {
	name := "Keepwatch"
	if svc := s.account.service(id); svc != nil {
		name = svc.Name
	}
	return referTo("service", "services", id, name)
}

func (s *Server) referPolicy(id string) reference {
	name := "deleted"
	if p := s.account.policy(id); p != nil {
		name = p.Name
	}
	return referTo("escalation_policy", "escalation_policies", id, name)
}

// Sign returns the value of X-PagerDuty-Signature for a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body) // never fails
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// hook is one webhook on its way.
type hook struct {
	id    string // X-Webhook-Id, the same for all tries
	body  []byte
	line  Line
	fault Fault // what is on for webhooks
	// url and secret are where it goes and what signs it.
	url, secret string
}

// send queues a webhook; the Server's mutex is held. A full queue drops it and says so.
func (s *Server) send(inc *Incident, kind, by string, at time.Time) {
	if s.opts.WebhookURL == "" || s.hooksOff || !s.subscribed("incident."+kind) {
		return
	}
	body, err := json.Marshal(webhookBody{Event: s.newWebhook(inc, kind, by, at)})
	line := Line{At: at, Kind: kindWebhook, Action: "incident." + kind, RoutingKey: inc.RoutingKey, DedupKey: inc.DedupKey, Incident: inc.ID}
	if err != nil {
		line.Note = err.Error()
		s.journal.add(line)
		return
	}
	select {
	case s.hooks <- hook{id: rand.Text(), body: body, line: line, fault: s.faults.webhook(), url: s.opts.WebhookURL, secret: s.opts.WebhookSecret}:
	default:
		line.Note = "dropped: the queue of webhooks is full"
		s.journal.add(line)
	}
}

// deliver sends the queued webhooks in order until the Server closes.
func (s *Server) deliver() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case h := <-s.hooks:
			for _, h := range s.gather(h) {
				s.deliverOne(h)
			}
		}
	}
}

// gather returns the webhooks to send next, the newest first when they are to be disordered.
func (s *Server) gather(first hook) []hook {
	out := []hook{first}
	wait := time.NewTimer(time.Second)
	defer wait.Stop()
	for len(out) < first.fault.WebhookReorder {
		select {
		case h := <-s.hooks:
			out = append(out, h)
		case <-wait.C:
			slices.Reverse(out)
			return out
		case <-s.ctx.Done():
			return nil
		}
	}
	slices.Reverse(out)
	return out
}

// deliverOne sends a webhook with what the faults add to it.
func (s *Server) deliverOne(h hook) {
	if h.fault.WebhookForge {
		s.beside(h, "forged", strings.NewReplacer(h.line.Action, "incident.resolved").Replace(string(h.body)), "not the secret")
	}
	for range h.fault.WebhookCopies {
		s.attempt(h)
	}
	if h.fault.WebhookOdd {
		s.beside(h, "of an odd type", strings.NewReplacer(h.line.Action, "incident.sneezed").Replace(string(h.body)), "")
	}
	if h.fault.WebhookReplay > 0 {
		again := h
		again.fault = Fault{WebhookCopies: 1}
		s.work.Go(func() { // ends with the timer or with Close
			if s.sleep(time.Duration(h.fault.WebhookReplay)) {
				s.attempt(again)
			}
		})
	}
}

// beside sends a webhook once that is not a true one; how it is answered is only noted.
func (s *Server) beside(h hook, what, body, secret string) {
	h.id, h.body = rand.Text(), []byte(body)
	if secret != "" {
		h.secret = secret
	}
	if what == "forged" {
		h.body = bytes.ReplaceAll(h.body, []byte("\"agent\":{"), []byte("\"agent\":{\"summary\":\"mallory\","))
	}
	status, err := s.post(h)
	l := h.line
	l.At, l.Status, l.Note = time.Now().UTC(), status, what
	if err != nil {
		l.Note += ": " + err.Error()
	}
	s.write(l)
}

// HookTo sends webhooks to an address from now on, signed with a secret.
func (s *Server) HookTo(url, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.WebhookURL, s.opts.WebhookSecret = url, secret
}

// attempt tries one webhook until it is taken or dropped.
func (s *Server) attempt(h hook) {
	wait := webhookFirst
	for try := 1; ; try++ {
		status, err := s.post(h)
		again := err != nil || status >= 500 || status == http.StatusTooManyRequests
		h.line.At, h.line.Status, h.line.Note = time.Now().UTC(), status, fmt.Sprintf("try %d", try)
		if err != nil {
			h.line.Note += ": " + err.Error()
		}
		if again && try < webhookTries {
			s.write(h.line)
			if !s.sleep(wait) {
				return
			}
			wait = min(2*wait, webhookMaxWait)
			continue
		}
		s.settle(h.line, status >= 200 && status <= 299 && err == nil)
		return
	}
}

// settle counts drops in a row and switches the subscription off after three.
func (s *Server) settle(l Line, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken {
		s.drops = 0
		s.journal.add(l)
		return
	}
	s.drops++
	l.Note += ", dropped"
	if s.drops >= webhookMaxDrops {
		s.hooksOff = true
		l.Note += "; three drops in a row: the subscription is off until POST /_webhook"
		for len(s.hooks) > 0 {
			<-s.hooks // the real one empties the queue too
		}
	}
	s.journal.add(l)
}

func (s *Server) write(l Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.add(l)
}

// post makes one attempt.
func (s *Server) post(h hook) (int, error) {
	ctx, cancel := context.WithTimeout(s.ctx, webhookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(h.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "PagerDuty-Webhook/V3.0")
	req.Header.Set("X-Webhook-Id", h.id)
	req.Header.Set("X-Webhook-Subscription", "PFAKEHOOK")
	req.Header.Set("X-PagerDuty-Signature", Sign(h.secret, h.body))
	resp, err := s.client.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return 0, errors.New("no answer within 5 s")
		}
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)) // only to reuse the connection
	return resp.StatusCode, resp.Body.Close()
}

// sleep waits and reports false when the Server closes meanwhile.
func (s *Server) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
