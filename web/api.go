package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"keepwatch/alerting"
)

// IncidentFacts is an incident as the API tells it; the names are a promise.
type IncidentFacts struct {
	ID           string      `json:"id"`
	Service      string      `json:"service"`
	State        string      `json:"state"` // open, acknowledged, resolved
	Summary      string      `json:"summary"`
	Since        string      `json:"since"` // RFC 3339 in UTC, as all times here; "" when it has not happened
	Opened       string      `json:"opened"`
	Acknowledged string      `json:"acknowledged"`
	AckBy        string      `json:"ack_by"`
	Resolved     string      `json:"resolved"`
	Checks       []string    `json:"checks"`
	Pages        []PageFacts `json:"pages"`
	Timeline     []LineFacts `json:"timeline,omitempty"`
}

// PageFacts is a page as the API tells it.
type PageFacts struct {
	ID       string `json:"id"`
	Action   string `json:"action"`
	Person   string `json:"person"` // "" when the channel decides
	Channel  string `json:"channel"`
	Fallback bool   `json:"fallback"`
	State    string `json:"state"`
	Proof    string `json:"proof"`  // what a look at the channel showed; "" before it
	Status   string `json:"status"` // how it stands, for people
	Created  string `json:"created"`
	Accepted string `json:"accepted"`
}

// LineFacts is a line of a timeline.
type LineFacts struct {
	At     string `json:"at"`
	Kind   string `json:"kind"`
	Person string `json:"person"`
	Text   string `json:"text"`
}

// FactsOf turns an incident into what the API tells; times of states are in zone.
func FactsOf(in IncidentStatus, zone *time.Location) IncidentFacts {
	out := IncidentFacts{
		ID: in.ID, Service: in.Service, State: string(in.State), Summary: in.Summary, AckBy: in.AckBy,
		Since: rfc3339(in.Started), Opened: rfc3339(in.Opened), Acknowledged: rfc3339(in.Acknowledged), Resolved: rfc3339(in.Resolved),
		Checks: append([]string{}, in.Checks...), Pages: []PageFacts{},
	}
	for _, p := range in.Pages {
		out.Pages = append(out.Pages, PageFacts{
			ID: p.ID, Action: string(p.Action), Person: p.Person, Channel: p.Channel, Fallback: p.Fallback,
			State: string(p.State), Proof: string(p.Proof), Status: pageStatus(in, p, zone), Created: rfc3339(p.Created), Accepted: rfc3339(p.AcceptedAt),
		})
	}
	for _, e := range in.Timeline {
		out.Timeline = append(out.Timeline, LineFacts{At: rfc3339(e.At), Kind: e.Kind, Person: e.Person, Text: e.Text})
	}
	return out
}

// pageStatus says how a page stands, for people.
func pageStatus(in IncidentStatus, p alerting.Page, zone *time.Location) string {
	return p.Status(in.Incident, in.Pages, zone)
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// incidentsAnswer is the answer of GET /api/v1/incidents. Trouble is why resolved
// ones are missing.
type incidentsAnswer struct {
	Incidents []IncidentFacts `json:"incidents"`
	Trouble   string          `json:"trouble,omitempty"`
}

func (s *Server) listIncidents(w http.ResponseWriter, r *http.Request, _ caller) {
	ctx := r.Context()
	list, err := s.Desk.Incidents(ctx)
	answer := incidentsAnswer{Incidents: []IncidentFacts{}}
	if err != nil {
		answer.Trouble = ErrUnavailable.Error()
	}
	for _, in := range list {
		answer.Incidents = append(answer.Incidents, FactsOf(in, nil))
	}
	s.writeJSON(w, r, http.StatusOK, answer)
}

func (s *Server) showIncident(w http.ResponseWriter, r *http.Request, _ caller) {
	in, err := s.Source.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.writeJSON(w, r, http.StatusOK, FactsOf(in, nil))
}

// ActBody is the body of POST /api/v1/incidents/{id}/{verb}.
type ActBody struct {
	By   string `json:"by"`
	Text string `json:"text"`
	For  string `json:"for"` // of a silence, like 30m
}

// named is who is recorded, and how that one came: the holder of a token cannot
// act in another's name without the token's being told too.
func (c caller) named(by string) (name, via string) {
	if c.name == "" {
		return by, "command line"
	}
	if by == "" {
		by = c.name
	}
	return by, "token " + c.name
}

func (s *Server) actAPI(w http.ResponseWriter, r *http.Request, who caller) {
	var body ActBody
	if err := readJSON(r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	a := Act{Verb: Verb(r.PathValue("verb")), Incident: r.PathValue("id"), Text: strings.TrimSpace(body.Text), At: s.now().UTC()}
	a.By, a.Via = who.named(body.By)
	if body.For != "" {
		d, err := time.ParseDuration(body.For)
		if err != nil {
			s.fail(w, r, RefusedError("the time cannot be read (write it like 30m or 4h)"))
			return
		}
		a.For = d
	}
	if err := s.do(r.Context(), a); err != nil {
		s.fail(w, r, err)
		return
	}
	in, err := s.Source.Incident(r.Context(), a.Incident)
	if err != nil { // it is done all the same
		in = IncidentStatus{Incident: alerting.Incident{ID: a.Incident}}
	}
	s.writeJSON(w, r, http.StatusOK, FactsOf(in, nil))
}

func (s *Server) orderPage(w http.ResponseWriter, r *http.Request, who caller) {
	var o Order
	if err := readJSON(r, &o); err != nil {
		s.fail(w, r, err)
		return
	}
	o.By, o.Via = who.named(o.By)
	switch {
	case o.To == "":
		s.fail(w, r, RefusedError("say whom to page: a person, a rotation or an escalation"))
		return
	case strings.TrimSpace(o.Message) == "":
		s.fail(w, r, RefusedError("the message is empty: say in a sentence what it is about"))
		return
	case len(o.Message) > maxNote || len(o.By) > maxName:
		s.fail(w, r, RefusedError("the message or the name is too long"))
		return
	case o.By == "":
		s.fail(w, r, RefusedError("say who you are"))
		return
	}
	got, err := s.Desk.Page(r.Context(), o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.writeJSON(w, r, http.StatusOK, got)
}

// readJSON reads a small body; an empty one is {}.
func readJSON(r *http.Request, v any) error {
	if r.ContentLength == 0 {
		return nil
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.Join(errBadRequest, err)
	}
	return nil
}
