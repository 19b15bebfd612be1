package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
)

// Desk is what people do with incidents and duties beyond reading the status.
// Safe for concurrent use.
type Desk interface {
	// Incidents returns the open ones, oldest first, then resolved ones, newest first.
	// Without the database it returns the open ones and ErrUnavailable.
	Incidents(ctx context.Context) ([]IncidentStatus, error)
	// Act does something to an incident and returns when that is stored.
	Act(ctx context.Context, a Act) error
	// Page pages somebody by hand and says what came of it.
	Page(ctx context.Context, o Order) (Ordered, error)
	// Plan is who is on call now, next and in the coming weeks.
	Plan(ctx context.Context) (Plan, error)
	// Calendar writes the feed of a rotation or, with a person, of that person's
	// shifts. ErrNotFound when there is no such one.
	Calendar(ctx context.Context, w io.Writer, rotation, person string) error
}

// Verb is what can be done to an incident.
type Verb string

// The verbs, in the words of the CLI and of the pages' addresses.
const (
	VerbAck     Verb = "ack"
	VerbUnack   Verb = "unack"
	VerbResolve Verb = "resolve"
	VerbNote    Verb = "note"
	VerbSilence Verb = "silence"
)

// Act is something that somebody does to an incident.
type Act struct {
	Verb     Verb
	Incident string
	By       string        // as the timeline shows it
	Via      string        // how: "console", "signed link", "command line", "token NAME"
	Text     string        // the note, or why
	For      time.Duration // of a silence
	At       time.Time
}

// Bounds of what people write.
const (
	maxName    = 100
	maxNote    = 2000
	minSilence = time.Minute
	maxSilence = 7 * 24 * time.Hour
)

// check says what is wrong with an act.
func (a Act) check() error {
	switch {
	case a.By == "":
		return RefusedError("say who you are")
	case len(a.By) > maxName:
		return RefusedError(fmt.Sprintf("the name is too long (at most %d bytes)", maxName))
	case len(a.Text) > maxNote:
		return RefusedError(fmt.Sprintf("the text is too long (at most %d bytes)", maxNote))
	case a.Verb == VerbNote && strings.TrimSpace(a.Text) == "":
		return RefusedError("the note is empty: write what others should know")
	case a.Verb == VerbSilence && (a.For < minSilence || a.For > maxSilence):
		return RefusedError("a silence lasts between a minute and 7 days (write it like 30m or 4h)")
	}
	switch a.Verb {
	case VerbAck, VerbUnack, VerbResolve, VerbNote, VerbSilence:
		return nil
	}
	return ErrNotFound
}

// Order is a page that somebody sends by hand.
type Order struct {
	To      string `json:"to"` // a person, a rotation or an escalation
	Message string `json:"message"`
	Test    bool   `json:"test"` // it says so, and closes itself
	By      string `json:"by"`
	Via     string `json:"-"`
}

// Ordered is what came of a page by hand: an incident to be followed, or, when the
// page already rings, a sentence that says whom.
type Ordered struct {
	Incident string `json:"incident"`
	Said     string `json:"said"`
	// Verified says that accepted pages are looked up, so that it will be known whether they ring.
	Verified bool `json:"verified"`
}

// Plan is what the on-call page shows.
type Plan struct {
	Now       time.Time
	Zone      *time.Location
	People    map[string]string // key to name
	Rotations []RotationPlan
	Holes     []string // sentences: where nobody is on call
}

// RotationPlan is one rotation with its coming shifts.
type RotationPlan struct {
	Name   string
	Zone   *time.Location
	Now    oncall.Shift
	Next   oncall.Shift // zero when there is none
	Shifts []PlannedShift
}

// PlannedShift is a shift and, when somebody covers it, for whom and why.
type PlannedShift struct {
	oncall.Shift
	Instead string // YAML key of who would be on call without the override; "" when nobody else
	Why     string // who made the override, and the reason
}

// RefusedError is a request that cannot be done as it is; it says why.
type RefusedError string

// Error implements error.
func (e RefusedError) Error() string { return string(e) }

// mountDesk adds the pages and the API of people.
func (s *Server) mountDesk(mux *http.ServeMux) {
	if s.Desk == nil {
		return
	}
	mux.HandleFunc("GET /incidents", s.page(View, s.incidentList))
	mux.HandleFunc("GET /incidents/{$}", s.page(View, s.incidentList))
	mux.HandleFunc("POST /incidents/{id}/{verb}", s.page(Acker, s.actConsole))
	mux.HandleFunc("GET /oncall", s.page(View, s.planPage))
	mux.HandleFunc("GET /calendar/{kind}/{file}", s.calendar)
	mux.HandleFunc("GET /api/v1/incidents", s.api(View, s.listIncidents))
	mux.HandleFunc("GET /api/v1/incidents/{id}", s.api(View, s.showIncident))
	mux.HandleFunc("POST /api/v1/incidents/{id}/{verb}", s.api(Acker, s.actAPI))
	mux.HandleFunc("POST /api/v1/pages", s.api(Admin, s.orderPage))
}

// actConsole does what a button of an incident's page says.
func (s *Server) actConsole(w http.ResponseWriter, r *http.Request) {
	who, _ := s.visitor(r) // page has asked already
	id := r.PathValue("id")
	a := Act{
		Verb: Verb(r.PathValue("verb")), Incident: id, By: strings.TrimSpace(r.PostFormValue("by")), Via: "console",
		Text: strings.TrimSpace(r.PostFormValue("text")), At: s.now().UTC(),
	}
	if who.name != "" {
		a.Via = "token " + who.name
	}
	if a.By == "" {
		a.By = who.name
	}
	if a.By == "" {
		a.By = "console"
	}
	if a.Verb == VerbSilence {
		d, err := time.ParseDuration(r.PostFormValue("for"))
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
	http.Redirect(w, r, "/incidents/"+url.PathEscape(id), http.StatusSeeOther)
}

// do checks an act and has it done.
func (s *Server) do(ctx context.Context, a Act) error {
	if err := a.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	return s.Desk.Act(ctx, a)
}

// actWithin bounds an act: the store needs 2 s to give up on the database, and then
// writes to the disk.
const actWithin = 12 * time.Second

func (s *Server) incidentList(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	v := listView{Now: s.now().UTC()}
	list, err := s.Desk.Incidents(ctx)
	if err != nil {
		v.Trouble = ErrUnavailable.Error()
		s.Log.WarnContext(ctx, "list incidents", "err", err)
	}
	if st, err := s.Source.Status(ctx); err == nil {
		v.Zone, v.People = st.Zone, st.People
	}
	for _, in := range list {
		if in.State == alerting.Resolved {
			v.Resolved = append(v.Resolved, in)
		} else {
			v.Open = append(v.Open, in)
		}
	}
	s.render(w, r, "incidents.html", v)
}

// listView is the data of incidents.html.
type listView struct {
	Now            time.Time
	Zone           *time.Location
	People         map[string]string
	Open, Resolved []IncidentStatus
	Trouble        string
}

func (s *Server) planPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	p, err := s.Desk.Plan(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "oncall.html", planView{p})
}

// planView adds what only the page needs.
type planView struct{ Plan }

// calendar is a feed for calendar programs. They cannot log in: the address
// itself is the secret, one for each rotation and person.
func (s *Server) calendar(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	name, ok := strings.CutSuffix(r.PathValue("file"), ".ics")
	if !ok || kind != "rotation" && kind != "person" || len(s.Signer.Key) == 0 ||
		!same(r.URL.Query().Get("token"), s.Signer.FeedToken(kind, name)) {
		s.fail(w, r, ErrNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	rotation, person := name, ""
	if kind == "person" {
		rotation, person = "", name
	}
	var buf bytes.Buffer
	if err := s.Desk.Calendar(ctx, &buf, rotation, person); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	if _, err := buf.WriteTo(w); err != nil {
		s.Log.DebugContext(ctx, "write answer", "err", err)
	}
}

// Zone is UTC on the incident's page: a timeline is compared with logs.
func (incidentView) Zone() *time.Location { return time.UTC }

// Stands says how a page stands.
func (v incidentView) Stands(p alerting.Page) string {
	return pageStatus(v.IncidentStatus, p, time.UTC)
}

// Stands says how a page of an incident stands.
func (v listView) Stands(in IncidentStatus, p alerting.Page) string {
	return pageStatus(in, p, v.Zone)
}

// span is a length that a silence may have.
type span struct{ Value, Text string }

// Spans are the choices of the form.
func (incidentView) Spans() []span {
	return []span{{"30m", "30 minutes"}, {"1h", "an hour"}, {"4h", "4 hours"}, {"8h", "8 hours"}, {"24h", "a day"}}
}

// dayTime is an instant of a plan: the day and the time. The page names the zone once.
func dayTime(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "–"
	}
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Mon 02 Jan 15:04")
}
