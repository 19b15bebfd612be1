package fakepd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxManaged is how many incidents one PUT /incidents may change.
const maxManaged = 250

// manageIncidents is PUT /incidents.
func (c *restCall) manageIncidents() result {
	if bad := c.must(); bad != nil {
		return *bad
	}
	c.checker.unknown("", c.body, "incidents")
	var items []json.RawMessage
	if err := json.Unmarshal(c.body["incidents"], &items); err != nil || len(items) == 0 {
		return invalidInput("incidents is missing or no list")
	}
	if len(items) > maxManaged {
		return invalidInput(fmt.Sprintf("incidents: at most %d", maxManaged))
	}
	steps := make([]step, 0, len(items))
	for i, raw := range items {
		at := fmt.Sprintf("incidents[%d]", i)
		in, err := object(raw)
		if err != nil {
			return invalidInput(at + ": " + err.Error())
		}
		id := c.checker.text(in, at+".", "id")
		at2 := slices.IndexFunc(c.s.model.all, func(i *Incident) bool { return i.ID == id })
		if at2 < 0 {
			return invalidInput(at + ": Incident Not Found")
		}
		steps = append(steps, c.read(at+".", c.s.model.all[at2], in))
	}
	if bad := c.wrong(); bad != nil {
		return *bad
	}
	out := make([]restIncident, 0, len(steps))
	for _, st := range steps {
		c.apply(st)
		out = append(out, c.s.restIncident(st.inc))
	}
	return list(c, "incidents", out)
}

// updateIncident is PUT /incidents/{id}.
func (c *restCall) updateIncident() result {
	if bad := c.must(); bad != nil {
		return *bad
	}
	inc := c.incident()
	if inc == nil {
		return notFound()
	}
	in, bad := c.field("incident")
	if bad != nil {
		return *bad
	}
	st := c.read("incident.", inc, in)
	if bad := c.wrong(); bad != nil {
		return *bad
	}
	c.apply(st)
	return one(http.StatusOK, "incident", c.s.restIncident(inc))
}

// step is what is to be done to one incident.
type step struct {
	inc       *Incident
	status    string
	title     string
	policy    string
	level     int
	assignees []string
}

// read checks the changes to one incident.
func (c *restCall) read(at string, inc *Incident, in map[string]json.RawMessage) step {
	ck := &c.checker
	ck.unknown(at, in, "id", "type", "status", "title", "priority", "assignments", "escalation_level", "escalation_policy", "resolution", "urgency", "conference_bridge")
	if t := ck.text(in, at, "type"); t != "incident" && t != "incident_reference" {
		ck.err("%stype is %q, should be %q", at, t, "incident_reference")
	}
	st := step{inc: inc, status: ck.text(in, at, "status"), title: ck.text(in, at, "title"), assignees: c.assignees(at, in)}
	switch {
	case st.status != "" && st.status != triggered && st.status != acknowledged && st.status != resolved:
		ck.err("%sstatus is not one of triggered, acknowledged, resolved", at)
	case st.status != "" && st.status != resolved && inc.Status == resolved:
		ck.err("%sstatus: Incident Already Resolved", at)
	}
	if raw, ok := in["escalation_level"]; ok {
		n, err := strconv.Atoi(string(raw))
		if p := c.s.account.policy(inc.Policy); err != nil || p == nil || n < 1 || n > len(p.Rules) {
			ck.err("%sescalation_level is no level of the policy", at)
		}
		st.level = n
	}
	if raw, ok := in["escalation_policy"]; ok && string(raw) != "null" {
		if st.policy = c.refer(at+"escalation_policy", raw, "escalation_policy"); c.s.account.policy(st.policy) == nil {
			ck.err("%sescalation_policy is not known", at)
		}
	}
	return st
}

// apply changes an incident as a person asked.
func (c *restCall) apply(st step) {
	s, inc := c.s, st.inc
	if st.title != "" {
		inc.Summary = st.title
	}
	switch {
	case st.status == acknowledged && inc.Status == triggered, st.status == resolved && inc.Status != resolved:
		action := map[string]string{acknowledged: acknowledge, resolved: resolve}[st.status]
		e := event{RoutingKey: inc.RoutingKey, DedupKey: inc.DedupKey, Action: action}
		done := s.process(e, c.from.Name, c.now)
		c.did(inc, action, done.did)
	case st.status == triggered && inc.Status == acknowledged:
		s.unack(inc, c.from.Name, c.now)
	}
	switch {
	case st.policy != "":
		inc.Policy = st.policy
		s.ring(inc, c.now)
		s.send(inc, "reassigned", c.from.ID, c.now)
	case st.level > 0:
		inc.Level = st.level - 1
		s.climb(inc, c.now)
	case len(st.assignees) > 0:
		inc.turn++ // direct assignment ends the escalation
		s.assign(inc, st.assignees, c.now)
		s.send(inc, "reassigned", c.from.ID, c.now)
	}
}

// unack makes an acknowledged incident ring again; the mutex is held.
func (s *Server) unack(inc *Incident, by string, now time.Time) {
	inc.Status, inc.AcknowledgedAt, inc.AcknowledgedBy = triggered, time.Time{}, ""
	s.record(inc, Record{Type: recUnack, At: now, User: s.userID(by), Summary: "Unacknowledged"})
	s.ring(inc, now)
	s.send(inc, "unacknowledged", by, now)
}

// restNote is a note.
type restNote struct {
	ID        string    `json:"id"`
	User      reference `json:"user"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
}

func (s *Server) restNote(n Note) restNote {
	return restNote{ID: n.ID, User: s.referUser(n.By), Content: n.Content, CreatedAt: n.At}
}

func (c *restCall) listNotes() result {
	c.known()
	inc := c.incident()
	if inc == nil {
		return notFound()
	}
	out := []restNote{}
	for _, n := range inc.Notes {
		out = append(out, c.s.restNote(n))
	}
	return one(http.StatusOK, "notes", out)
}

// createNote is POST /incidents/{id}/notes.
func (c *restCall) createNote() result {
	in, bad := c.field("note")
	if bad != nil {
		return *bad
	}
	if bad := c.must(); bad != nil {
		return *bad
	}
	inc := c.incident()
	if inc == nil {
		return notFound()
	}
	c.checker.unknown("note.", in, "content", "user", "id", "created_at") // the client library sends all four
	content := c.checker.text(in, "note.", "content")
	if content == "" {
		c.checker.err("note.content is missing or blank")
	}
	if bad := c.wrong(); bad != nil {
		return *bad
	}
	c.s.serial++
	n := Note{ID: fmt.Sprintf("N%013d", c.s.serial), By: c.from.ID, Content: content, At: c.now}
	inc.Notes = append(inc.Notes, n)
	c.s.record(inc, Record{Type: recAnnotate, At: c.now, User: c.from.ID, Summary: "Annotated by " + c.from.Name})
	c.s.send(inc, "annotated", c.from.ID, c.now)
	return one(http.StatusOK, "note", c.s.restNote(n))
}

// snooze is POST /incidents/{id}/snooze: acknowledged now, and triggered again after the
// duration.
func (c *restCall) snooze() result {
	if bad := c.must(); bad != nil {
		return *bad
	}
	inc := c.incident()
	if inc == nil {
		return notFound()
	}
	c.checker.unknown("", c.body, "duration")
	n, err := strconv.Atoi(string(c.body["duration"]))
	if err != nil || n < 1 || n > 604800 {
		return invalidInput("duration must be 1 to 604800 seconds")
	}
	if inc.Status == resolved {
		return invalidInput("Incident Already Resolved")
	}
	if inc.Status == triggered {
		c.apply(step{inc: inc, status: acknowledged})
	}
	c.s.record(inc, Record{Type: recSnooze, At: c.now, User: c.from.ID, Summary: "Snoozed by " + c.from.Name})
	inc.turn++
	turn := inc.turn
	c.s.wait(time.Duration(n)*time.Second, func(now time.Time) {
		if inc.Status == acknowledged && inc.turn == turn {
			c.s.unack(inc, "", now)
		}
	})
	return one(http.StatusCreated, "incident", c.s.restIncident(inc))
}
