package alerting

import (
	"fmt"
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
	p.Incident, p.DedupKey = inc.ID, inc.ID
	p.State, p.Created, p.Due = Queued, d.now, d.now
	d.change.Pages = append(d.change.Pages, p)
}

// pagePerson owes the pages that wake one person.
func (s Situation) pagePerson(d *draft, person string, level int) {
	r := s.Routing
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
		if shared, ok := r.Climbs(d.change.Incident.Policy.Name); ok {
			route, own, climbs = shared, true, true
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

// triggered reports whether a route has had a trigger of this incident before.
func (s Situation) triggered(d *draft, channel, route string) bool {
	is := func(p Page) bool { return p.Action == Trigger && p.Channel == channel && p.Route == route }
	return slices.ContainsFunc(s.Pages, is) || slices.ContainsFunc(d.change.Pages, is)
}

// lastResort pages without a person, everywhere at once.
func (s Situation) lastResort(d *draft) {
	r := s.Routing
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

// answer owes an acknowledge or a resolve to every route that was triggered, once each.
func (s Situation) answer(d *draft, action Action) {
	for _, p := range unanswered(s.Pages, "") {
		msg := p.Message
		msg.Summary = clip(string(action)+"d: "+d.change.Incident.Summary, 1024)
		if action == Acknowledge {
			msg.Summary = clip("acknowledged by "+d.change.Incident.AckBy+": "+d.change.Incident.Summary, 1024)
		}
		d.owe(Page{Channel: p.Channel, Route: p.Route, Action: action, Person: p.Person, Level: p.Level, Message: msg, Fallback: p.Fallback})
	}
}

// unanswered returns the newest trigger of each (channel, route) that has no
// page of the action after it; "" as action takes every route.
func unanswered(pages []Page, action Action) []Page {
	type lane struct{ channel, route string }
	newest := map[lane]Page{}
	var order []lane
	for _, p := range pages {
		if p.Action != Trigger {
			continue
		}
		l := lane{p.Channel, p.Route}
		have, ok := newest[l]
		if !ok {
			order = append(order, l)
		}
		if !ok || p.Seq > have.Seq {
			newest[l] = p
		}
	}
	out := make([]Page, 0, len(order))
	for _, l := range order {
		t := newest[l]
		if !slices.ContainsFunc(pages, func(p Page) bool {
			return p.Action == action && p.Channel == l.channel && p.Route == l.route && p.Seq > t.Seq
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
		Summary: clip(inc.Summary, 1024), Source: inc.Service, Severity: "critical", Time: inc.Started,
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
