package fakepd

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// restIncident is an incident as the REST API shows it.
type restIncident struct {
	reference

	Number           int            `json:"incident_number"`
	Title            string         `json:"title"`
	Description      string         `json:"description"`
	CreatedAt        time.Time      `json:"created_at"`
	UpdatedAt        time.Time      `json:"updated_at"`
	Status           string         `json:"status"`
	IncidentKey      *string        `json:"incident_key"`
	Service          reference      `json:"service"`
	Assignments      []restAssigned `json:"assignments"`
	AssignedVia      string         `json:"assigned_via"`
	Acknowledgements []restAcked    `json:"acknowledgements"`
	LastStatusAt     time.Time      `json:"last_status_change_at"`
	LastStatusBy     reference      `json:"last_status_change_by"`
	FirstTrigger     reference      `json:"first_trigger_log_entry"`
	EscalationPolicy reference      `json:"escalation_policy"`
	Teams            []reference    `json:"teams"`
	Priority         *reference     `json:"priority"`
	PendingActions   []restPending  `json:"pending_actions"`
	ResolveReason    *reference     `json:"resolve_reason"`
	AlertCounts      restCounts     `json:"alert_counts"`
	Urgency          string         `json:"urgency"`
	ResolvedAt       *time.Time     `json:"resolved_at"`
}

type restAssigned struct {
	At       time.Time `json:"at"`
	Assignee reference `json:"assignee"`
}

type restAcked struct {
	At           time.Time `json:"at"`
	Acknowledger reference `json:"acknowledger"`
}

type restPending struct {
	Type string    `json:"type"`
	At   time.Time `json:"at"`
}

type restCounts struct {
	All       int `json:"all"`
	Triggered int `json:"triggered"`
	Resolved  int `json:"resolved"`
}

func (s *Server) restIncident(inc *Incident) restIncident {
	self := referTo("incident", "incidents", inc.ID, fmt.Sprintf("[#%d] %s", inc.Number, inc.Summary))
	self.Type = "incident"
	out := restIncident{
		reference: self, Number: inc.Number, Title: inc.Summary, Description: inc.Summary, CreatedAt: inc.Created, UpdatedAt: inc.Created,
		Status: inc.Status, Service: s.referService(inc.Service), Assignments: []restAssigned{}, AssignedVia: "escalation_policy",
		Acknowledgements: []restAcked{}, LastStatusAt: inc.Created, LastStatusBy: s.referService(inc.Service),
		EscalationPolicy: s.referPolicy(inc.Policy), Teams: []reference{}, PendingActions: []restPending{}, Urgency: inc.Urgency,
		AlertCounts: restCounts{All: 1, Triggered: 1},
	}
	if key := s.shownKey(inc); key != "" {
		out.IncidentKey = &key
	}
	if len(inc.Records) > 0 {
		out.FirstTrigger = referTo("trigger_log_entry", "log_entries", inc.Records[0].ID, inc.Records[0].Summary)
		out.UpdatedAt = inc.Records[len(inc.Records)-1].At
	}
	if inc.Manual {
		out.AssignedVia = "direct_assignment"
	}
	if inc.Status != resolved {
		for _, id := range inc.Assignees {
			out.Assignments = append(out.Assignments, restAssigned{At: inc.assignedAt(), Assignee: s.referUser(id)})
		}
	}
	switch inc.Status {
	case acknowledged:
		out.LastStatusAt, out.LastStatusBy = inc.AcknowledgedAt, s.actor(inc, inc.AcknowledgedBy)
		out.Acknowledgements = append(out.Acknowledgements, restAcked{At: inc.AcknowledgedAt, Acknowledger: out.LastStatusBy})
	case resolved:
		at := inc.ResolvedAt
		out.LastStatusAt, out.LastStatusBy, out.ResolvedAt = at, s.actor(inc, inc.ResolvedBy), &at
		out.AlertCounts = restCounts{All: 1, Resolved: 1}
	}
	return out
}

// actor is who changed the state: a person, or the service when it was an event.
func (s *Server) actor(inc *Incident, by string) reference {
	if by == byEvents {
		return s.referService(inc.Service)
	}
	return s.referUser(by)
}

// incident finds the incident of the path.
func (c *restCall) incident() *Incident {
	for _, inc := range c.s.model.all {
		if inc.ID == c.r.PathValue("id") {
			return inc
		}
	}
	return nil
}

// listIncidents is GET /incidents.
func (c *restCall) listIncidents() result {
	c.known("limit", "offset", "total", "since", "until", "date_range", "statuses[]", "incident_key", "service_ids[]",
		"team_ids[]", "user_ids[]", "urgencies[]", "time_zone", "sort_by", "include[]")
	since, until, err := c.span()
	if err != nil {
		return invalidInput(err.Error())
	}
	for _, st := range c.query["statuses[]"] {
		if st != triggered && st != acknowledged && st != resolved {
			return invalidInput("statuses[] is not one of triggered, acknowledged, resolved")
		}
	}
	out := []restIncident{}
	for _, inc := range c.s.model.all {
		if c.wanted(inc) && !inc.Created.Before(since) && inc.Created.Before(until) {
			out = append(out, c.s.restIncident(inc))
		}
	}
	if strings.HasPrefix(c.query.Get("sort_by"), "created_at:desc") || strings.HasPrefix(c.query.Get("sort_by"), "incident_number:desc") {
		slices.Reverse(out)
	}
	return list(c, "incidents", out)
}

// wanted applies the filters of a list of incidents.
func (c *restCall) wanted(inc *Incident) bool {
	has := func(name string, values ...string) bool {
		want, ok := c.query[name]
		return !ok || slices.ContainsFunc(values, func(v string) bool { return slices.Contains(want, v) })
	}
	return has("statuses[]", inc.Status) && has("service_ids[]", inc.Service) && has("incident_key", inc.DedupKey) &&
		has("urgencies[]", inc.Urgency) && has("user_ids[]", inc.Assignees...)
}

// span is the time that a list covers: all, or since and until, or the last month.
func (c *restCall) span() (since, until time.Time, err error) {
	since, until = c.now.AddDate(0, -1, 0), c.now.Add(time.Minute)
	switch r := c.query.Get("date_range"); r {
	case "":
	case "all":
		return time.Time{}, time.Unix(math.MaxInt32, 0), nil
	default:
		return since, until, fmt.Errorf("date_range is %q, should be all", r)
	}
	for name, into := range map[string]*time.Time{"since": &since, "until": &until} {
		if text := c.query.Get(name); text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return since, until, fmt.Errorf("%s is not an ISO 8601 time", name)
			}
		}
	}
	if until.Sub(since) > maxSpan {
		return since, until, errors.New("since and until are more than 6 months apart")
	}
	return since, until, nil
}

func (c *restCall) getIncident() result {
	c.known("include[]")
	if inc := c.incident(); inc != nil {
		return one(http.StatusOK, "incident", c.s.restIncident(inc))
	}
	return notFound()
}

// restAlert is an alert of an incident; here each incident has one.
type restAlert struct {
	reference

	CreatedAt  time.Time     `json:"created_at"`
	Status     string        `json:"status"`
	AlertKey   string        `json:"alert_key"`
	Service    reference     `json:"service"`
	Body       restAlertBody `json:"body"`
	Incident   reference     `json:"incident"`
	Suppressed bool          `json:"suppressed"`
	Severity   string        `json:"severity"`
}

type restAlertBody struct {
	Type string `json:"type"`
}

// listAlerts is GET /incidents/{id}/alerts. A manual incident has none.
func (c *restCall) listAlerts() result {
	c.known("limit", "offset", "total", "alert_key", "statuses[]", "sort_by", "include[]")
	inc := c.incident()
	if inc == nil {
		return notFound()
	}
	all := []restAlert{}
	status := triggered
	if inc.Status == resolved {
		status = resolved
	}
	want, filtered := c.query["alert_key"]
	if !inc.Manual && (!filtered || slices.Contains(want, inc.DedupKey)) {
		self := referTo("alert", "alerts", "A"+inc.ID[1:], inc.Summary)
		self.Type = "alert"
		all = append(all, restAlert{
			reference: self, CreatedAt: inc.Created, Status: status, AlertKey: inc.DedupKey, Service: c.s.referService(inc.Service),
			Body: restAlertBody{"alert_body"}, Incident: referTo("incident", "incidents", inc.ID, inc.Summary), Severity: inc.Severity,
		})
	}
	return list(c, "alerts", all)
}

// restRecord is a log entry.
type restRecord struct {
	reference

	CreatedAt time.Time   `json:"created_at"`
	Agent     reference   `json:"agent"`
	Channel   restChannel `json:"channel"`
	Service   reference   `json:"service"`
	Incident  reference   `json:"incident"`
	Teams     []reference `json:"teams"`
	Contexts  []reference `json:"contexts"`
	User      *reference  `json:"user,omitempty"`
	Assignees []reference `json:"assignees,omitempty"`
}

type restChannel struct {
	Type         string            `json:"type"`
	Notification *restNotification `json:"notification,omitempty"`
}

type restNotification struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

func (s *Server) restRecord(inc *Incident, r Record) restRecord {
	self := referTo("", "log_entries", r.ID, r.Summary)
	self.Type = r.Type
	out := restRecord{
		reference: self, CreatedAt: r.At, Agent: s.referService(inc.Service), Channel: restChannel{Type: "api"},
		Service: s.referService(inc.Service), Incident: referTo("incident", "incidents", inc.ID, inc.Summary),
		Teams: []reference{}, Contexts: []reference{},
	}
	switch {
	case r.Type == recNotify:
		u := s.referUser(r.User)
		out.User, out.Channel = &u, restChannel{Type: "auto", Notification: &restNotification{Type: "push", Status: "success"}}
	case r.User != "":
		out.Agent, out.Channel = s.referUser(r.User), restChannel{Type: "website"}
	case r.Type == recEscalate:
		out.Channel = restChannel{Type: "timeout"}
	}
	for _, id := range r.Assignees {
		out.Assignees = append(out.Assignees, s.referUser(id))
	}
	return out
}

// listRecords is GET /incidents/{id}/log_entries, newest first.
func (c *restCall) listRecords() result {
	c.known("limit", "offset", "total", "time_zone", "since", "until", "is_overview", "include[]")
	inc := c.incident()
	if inc == nil {
		return notFound()
	}
	all := []restRecord{}
	for _, r := range slices.Backward(inc.Records) {
		all = append(all, c.s.restRecord(inc, r))
	}
	return list(c, "log_entries", all)
}

// listAllRecords is GET /log_entries, newest first.
func (c *restCall) listAllRecords() result {
	c.known("limit", "offset", "total", "time_zone", "since", "until", "is_overview", "include[]", "team_ids[]")
	since, until, err := c.span()
	if err != nil {
		return invalidInput(err.Error())
	}
	all := []restRecord{}
	for _, inc := range c.s.model.all {
		for _, r := range inc.Records {
			if !r.At.Before(since) && r.At.Before(until) {
				all = append(all, c.s.restRecord(inc, r))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b restRecord) int { return strings.Compare(b.ID, a.ID) })
	return list(c, "log_entries", all)
}
