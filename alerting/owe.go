package alerting

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// serviceRoute is the route of pages that name no person.
const serviceRoute = "service"

// draft collects one change. Numbers within it are given in the order of
// drafting, so that drafting again gives the same identifiers.
type draft struct {
	change         Change
	now            time.Time
	entries, pages int64
}

func newDraft(inc Incident, now time.Time) *draft {
	inc.Version++
	return &draft{change: Change{Incident: inc}, now: now}
}

func (d *draft) entry(kind, person, text string) {
	d.entries++
	inc := d.change.Incident
	d.change.Entries = append(d.change.Entries, Entry{
		Incident: inc.ID, Seq: inc.Version*1000 + d.entries, At: d.now, Kind: kind, Person: person, Text: clip(text, 1000),
	})
}

func (d *draft) owe(p Page) {
	d.pages++
	inc := d.change.Incident
	p.ID = fmt.Sprintf("%s/%d/%d", inc.ID, inc.Version, d.pages)
	p.Seq = inc.Version*1000 + d.pages
	p.Incident = inc.ID
	if p.DedupKey == "" {
		p.DedupKey = inc.dedupKey()
	}
	p.State, p.Created, p.Due = Queued, d.now, d.now
	d.change.Pages = append(d.change.Pages, p)
}

// pagePerson owes the pages that wake one person.
func (s Situation) pagePerson(d *draft, person string, level int) {
	r := s.Routing
	if d.change.Incident.Severity.LowUrgency() {
		s.tellQuietly(d, person, level)
		return
	}
	if r.Channel == "" {
		for _, channel := range r.Fallback {
			d.owe(Page{Channel: channel, Route: PersonRoute(person), Action: Trigger, Person: person, Level: level, Message: s.message(d, person, level, "")})
		}
		if len(r.Fallback) == 0 {
			d.entry("failed", person, "no channel is configured; nobody can be paged")
		}
		return
	}
	route, own := serviceRoute, false
	if r.Route != nil {
		route, own = r.Route(person)
	}
	climbs := false
	if r.Climbs != nil {
		if shared, yes := r.Climbs(d.change.Incident.Policy.Name, person); shared != "" {
			route, own, climbs = shared, yes, yes
		}
	}
	hint := ""
	if !own {
		hint = "PagerDuty's own escalation policy decides who is rung; Keepwatch names " + person
	}
	rung := s.triggered(d, r.Channel, route)
	d.owe(Page{Channel: r.Channel, Route: route, Action: Trigger, Person: person, Level: level, Message: s.message(d, person, level, hint)})
	// A second trigger of one alert is only logged there and rings nobody, and a
	// shared route rings whom the other side likes: such a person gets a mail too.
	if r.Email != "" && !climbs && (rung || !own && level > 0) {
		d.owe(Page{Channel: r.Email, Route: PersonRoute(person), Action: Trigger, Person: person, Level: level, Message: s.message(d, person, level, "")})
	}
}

// tellQuietly owes what wakes nobody, to a person or, without one, to whoever reads the channel.
func (s Situation) tellQuietly(d *draft, person string, level int) {
	route := serviceRoute
	if person != "" {
		route = PersonRoute(person)
	}
	for _, channel := range s.Routing.Quiet {
		d.owe(Page{Channel: channel, Route: route, Action: Trigger, Person: person, Level: level, Message: s.message(d, person, level, "not urgent")})
	}
	if len(s.Routing.Quiet) == 0 {
		d.entry("failed", person, "not urgent, and no quiet channel (e-mail or chat) is configured; nobody is told")
	}
}

// triggered reports whether an alert of this incident has been opened on a route.
func (s Situation) triggered(d *draft, channel, route string) bool {
	key := d.change.Incident.dedupKey()
	is := func(p Page) bool {
		return p.Action == Trigger && p.Channel == channel && p.Route == route && p.DedupKey == key
	}
	return slices.ContainsFunc(s.Pages, is) || slices.ContainsFunc(d.change.Pages, is)
}

// lastResort pages without a person, everywhere at once.
func (s Situation) lastResort(d *draft) {
	r := s.Routing
	if d.change.Incident.Severity.LowUrgency() {
		d.entry("fallback", "", "nobody is on call at any level; telling whoever reads the quiet channels")
		s.tellQuietly(d, "", 0)
		return
	}
	channels := slices.Clone(r.Fallback)
	if r.Channel != "" && !slices.Contains(channels, r.Channel) {
		channels = append([]string{r.Channel}, channels...)
	}
	if len(channels) == 0 {
		d.entry("failed", "", "nobody is on call and no channel is configured; nobody can be paged")
		return
	}
	d.entry("fallback", "", "nobody is on call at any level; last resort: paging without a name through "+strings.Join(channels, ", "))
	for _, channel := range channels {
		d.owe(Page{
			Channel: channel, Route: serviceRoute, Action: Trigger, Level: max(d.change.Incident.Level-1, 0),
			Message: s.message(d, "", 0, "nobody is on call at any level"), Fallback: channel != r.Channel,
		})
	}
}

// PersonRoute is the route of a person's own pages.
func PersonRoute(person string) string { return "person:" + person }

// answer owes an acknowledge or a resolve to every alert that was triggered and
// is not resolved, once each. what begins the sentence.
func (s Situation) answer(d *draft, action Action, what string) {
	s.answerBecause(d, action, what, "")
}

// answerBecause is answer with the reason why triggers that have not left yet are
// not needed any more.
func (s Situation) answerBecause(d *draft, action Action, what, why string) {
	for _, p := range unanswered(s.Pages, Resolve) {
		msg := p.Message
		msg.Summary = clip(what+": "+d.change.Incident.Summary, 1024)
		if why != "" {
			msg.Details = maps.Clone(msg.Details)
			if msg.Details == nil {
				msg.Details = map[string]string{}
			}
			msg.Details[whyDetail] = why
		}
		d.owe(Page{
			Channel: p.Channel, Route: p.Route, DedupKey: p.DedupKey, Action: action,
			Person: p.Person, Level: p.Level, Message: msg, Fallback: p.Fallback,
		})
	}
}

// whyDetail is the detail of a resolve that says why it is sent although nothing recovered.
const whyDetail = "why"

// withdraw resolves the alerts at the channels, although it still fails. The next
// pages open new ones.
func (s Situation) withdraw(d *draft, why string) {
	before := d.pages
	s.answerBecause(d, Resolve, why, why)
	if d.pages > before {
		d.change.Incident.Ring++
	}
}

// unanswered returns the newest trigger of each alert (channel, route, key) that
// has no page of the action, and no resolve, after it.
func unanswered(pages []Page, action Action) []Page {
	newest := map[pageKey]Page{}
	var order []pageKey
	for _, p := range pages {
		if p.Action != Trigger {
			continue
		}
		have, ok := newest[p.key()]
		if !ok {
			order = append(order, p.key())
		}
		if !ok || p.Seq > have.Seq {
			newest[p.key()] = p
		}
	}
	out := make([]Page, 0, len(order))
	for _, k := range order {
		t := newest[k]
		if !slices.ContainsFunc(pages, func(p Page) bool {
			return (p.Action == action || p.Action == Resolve) && p.key() == k && p.Seq > t.Seq
		}) {
			out = append(out, t)
		}
	}
	return out
}

// message is what a trigger says.
func (s Situation) message(d *draft, person string, level int, hint string) Message {
	inc := d.change.Incident
	m := Message{
		Summary: clip(inc.Summary, 1024), Source: cmp.Or(inc.Service, alarmSource), Severity: string(inc.Severity.or()), Time: inc.Started,
		Component: clip(strings.Join(inc.Checks, ", "), 200),
		Details: map[string]string{
			"incident": inc.ID, "failing_since": inc.Started.Format(time.RFC3339), "opened": inc.Opened.UTC().Format(time.RFC3339),
		},
	}
	if person != "" {
		m.Details["on_call"] = person
		m.Details["level"] = fmt.Sprintf("%d of %d", level+1, len(inc.Policy.Levels))
	}
	if hint != "" {
		m.Details["note"] = hint
	}
	for i, c := range inc.Checks {
		if i == 20 {
			m.Details["more_checks"] = fmt.Sprintf("%d more", len(inc.Checks)-i)
			break
		}
		if f := s.fault(c); f != "" {
			m.Details["check "+c] = clip(f, 500)
		}
	}
	if s.Routing.Link != nil {
		m.Link = s.Routing.Link(inc.ID)
	}
	if s.Routing.AckLink != nil {
		m.AckLink = s.Routing.AckLink(inc.ID, person)
	}
	return m
}
