package web

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"time"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// answerIn bounds what a page may wait for its data.
const answerIn = 5 * time.Second

func parsePages() (*template.Template, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"local":   local,
		"day":     dayTime,
		"ago":     ago,
		"person":  person,
		"outcome": func(o probe.Outcome) string { return o.String() },
		"ms":      millis,
		"paged":   paged,
		"chart":   chart,
		// the class of a step's state in words
		"stepword": stepWord,
	}).ParseFS(pages, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return t, nil
}

func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	st, err := s.Source.Status(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "status.html", statusView{st})
}

// statusView adds what only the page needs.
type statusView struct{ Status }

// Headline is the one sentence an engineer at 03:12 reads first.
func (v statusView) Headline() string {
	switch n := len(v.Incidents); {
	case n == 1:
		return v.Incidents[0].Service + " is failing"
	case n > 1:
		return fmt.Sprintf("%d services are failing", n)
	}
	for _, s := range v.Services {
		if s.State == "unknown" {
			return "Not everything can be seen"
		}
	}
	if len(v.Services) == 0 {
		return "No service is watched yet"
	}
	return "All services are up"
}

// Mood is the class of the headline.
func (v statusView) Mood() string {
	if len(v.Incidents) > 0 {
		return "down"
	}
	for _, s := range v.Services {
		if s.State != "up" {
			return s.State
		}
	}
	if len(v.Services) == 0 {
		return "unknown"
	}
	return "up"
}

// Troubles are the lines of health that are not ok.
func (v statusView) Troubles() []Line {
	var out []Line
	for _, l := range v.Health {
		if l.Level != OK {
			out = append(out, l)
		}
	}
	return out
}

func (s *Server) statusJSON(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	st, err := s.Source.Status(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.writeJSON(w, r, http.StatusOK, publicStatus(st))
}

// statusAnswer is the stable shape of /api/v1/status.
type statusAnswer struct {
	At        time.Time        `json:"at"`
	Services  []serviceAnswer  `json:"services"`
	Checks    []checkAnswer    `json:"checks"`
	Incidents []incidentAnswer `json:"incidents"`
}

type serviceAnswer struct {
	Name         string `json:"name"`
	State        string `json:"state"`
	Objective    string `json:"objective"`
	Availability string `json:"availability"`
	Coverage     string `json:"coverage"`
}

type checkAnswer struct {
	Name      string           `json:"name"`
	Kind      string           `json:"kind"`
	State     string           `json:"state"`
	Locations []locationAnswer `json:"locations"`
}

type locationAnswer struct {
	Name      string    `json:"name"`
	Outcome   string    `json:"outcome"`
	At        time.Time `json:"at"`
	LatencyMS float64   `json:"latency_ms"`
	Fault     string    `json:"fault,omitempty"`
	// Steps are those of a journey.
	Steps []stepAnswer `json:"steps,omitempty"`
}

type incidentAnswer struct {
	ID      string    `json:"id"`
	Service string    `json:"service"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	AckBy   string    `json:"ack_by,omitempty"`
	Summary string    `json:"summary"`
}

func publicStatus(st Status) statusAnswer {
	out := statusAnswer{
		At: st.Now.UTC(), Services: []serviceAnswer{}, Checks: []checkAnswer{}, Incidents: []incidentAnswer{},
	}
	for _, s := range st.Services {
		out.Services = append(out.Services, serviceAnswer{s.Name, s.State, s.Objective, s.Availability, s.Coverage})
	}
	for _, c := range st.Checks {
		ca := checkAnswer{Name: c.Name, Kind: c.Kind, State: c.State, Locations: []locationAnswer{}}
		for _, l := range c.Locations {
			ca.Locations = append(ca.Locations, locationAnswer{
				Name: l.Name, Outcome: l.Last.Outcome.String(), At: l.Last.Started,
				LatencyMS: float64(l.Last.Look.Latency.Microseconds()) / 1000, Fault: l.Last.Look.Fault.Message,
				Steps: stepAnswers(l.Last.Look.Steps),
			})
		}
		out.Checks = append(out.Checks, ca)
	}
	for _, i := range st.Incidents {
		out.Incidents = append(out.Incidents, incidentAnswer{i.ID, i.Service, string(i.State), i.Started, i.AckBy, i.Summary})
	}
	return out
}

func (s *Server) incidentPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	in, err := s.Source.Incident(ctx, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "incident.html", incidentView{IncidentStatus: in, Now: s.now()})
}

type incidentView struct {
	IncidentStatus
	Now time.Time
}

// beat notes that a job called. It answers 503 while nothing can be noted: a
// job that retries is better than a heartbeat that was lost.
func (s *Server) beat(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	if err := s.Actor.Beat(ctx, r.PathValue("check"), s.now().UTC()); err != nil {
		s.fail(w, r, err)
		return
	}
	if _, err := io.WriteString(w, "ok\n"); err != nil {
		s.Log.DebugContext(r.Context(), "write answer", "err", err)
	}
}

func (s *Server) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, pages, "pages/style.css")
}

// render writes a page whole or not at all.
func (s *Server) render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var buf bytes.Buffer
	if err := s.templates.ExecuteTemplate(&buf, name, data); err != nil {
		s.fail(w, r, fmt.Errorf("render %s: %w", name, err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := buf.WriteTo(w); err != nil {
		s.Log.DebugContext(r.Context(), "write answer", "err", err)
	}
}

func local(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "–"
	}
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Mon 02 Jan 15:04:05 MST")
}

// ago says how long ago t was at now, in the two largest units.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := max(now.Sub(t).Round(time.Second), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

func person(key string, names map[string]string) string {
	if n := names[key]; n != "" {
		return n
	}
	if key == "" {
		return "nobody"
	}
	return key
}

// paged is the state of a page in words: accepted is not yet rung.
func paged(p alerting.Page) string {
	switch p.State {
	case alerting.Accepted:
		return "accepted by " + p.Channel
	case alerting.Queued:
		if p.Attempts == 0 {
			return "queued"
		}
		return fmt.Sprintf("not yet accepted after %d attempts: %s", p.Attempts, p.LastError)
	case alerting.Sending:
		return "being sent"
	case alerting.Rejected:
		return "refused: " + p.LastError
	case alerting.Cancelled:
		return "cancelled: " + p.LastError
	}
	return string(p.State)
}
