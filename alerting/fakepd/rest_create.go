package fakepd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// createIncident is POST /incidents: a person makes an incident by hand.
func (c *restCall) createIncident() result {
	in, bad := c.field("incident")
	if bad != nil {
		return *bad
	}
	if bad := c.must(); bad != nil {
		return *bad
	}
	ck := &c.checker
	ck.unknown("incident.", in, "type", "title", "service", "priority", "urgency", "incident_key", "body", "escalation_policy", "assignments", "conference_bridge")
	if t := ck.text(in, "incident.", "type"); t != "incident" {
		ck.err("incident.type is %q, should be %q", t, "incident")
	}
	title := ck.text(in, "incident.", "title")
	if title == "" {
		ck.err("incident.title is missing or blank")
	}
	svc := c.s.account.service(c.refer("incident.service", in["service"], "service"))
	if svc == nil {
		ck.err("incident.service is not known")
	}
	urgency := ck.text(in, "incident.", "urgency")
	if urgency == "" {
		urgency = "high"
	}
	if urgency != "high" && urgency != "low" {
		ck.err("incident.urgency is not one of high, low")
	}
	c.details(in["body"])
	who := c.assignees("incident.", in)
	policy := ""
	if raw, ok := in["escalation_policy"]; ok && string(raw) != "null" {
		if policy = c.refer("incident.escalation_policy", raw, "escalation_policy"); c.s.account.policy(policy) == nil {
			ck.err("incident.escalation_policy is not known")
		}
		if len(who) > 0 {
			ck.err("incident: assignments and escalation_policy exclude each other")
		}
	}
	if len(who) > 1 {
		ck.err("incident.assignments: only one assignee is allowed")
	}
	if bad := c.wrong(); bad != nil {
		return *bad
	}
	key := ck.text(in, "incident.", "incident_key")
	if key == "" {
		key = fmt.Sprintf("manual-%d", c.s.model.number+1)
	}
	if slices.ContainsFunc(c.s.model.all, func(i *Incident) bool {
		return i.Status != resolved && i.Service == svc.ID && i.DedupKey == key
	}) {
		return invalidInput("Open incident with matching dedup key already exists on this service")
	}
	inc := c.openByHand(svc, event{RoutingKey: svc.Key, DedupKey: key, Action: trigger, Summary: title, Severity: "critical"}, policy, who)
	inc.Urgency = urgency
	return one(http.StatusCreated, "incident", c.s.restIncident(inc))
}

// openByHand opens an incident for a person who asks. One who is assigned by herself is
// not rung: the incident is acknowledged from the start.
func (c *restCall) openByHand(svc *Service, e event, policy string, who []string) *Incident {
	s := c.s
	inc := s.model.add(alertKey{e.RoutingKey, e.DedupKey}, e, c.now)
	inc.Service, inc.Policy, inc.Manual = svc.ID, svc.Policy, true
	if policy != "" {
		inc.Policy = policy
	}
	s.record(inc, Record{Type: recTrigger, At: c.now, User: c.from.ID, Summary: "Triggered by " + c.from.Name})
	c.did(inc, trigger, didOpen)
	switch {
	case len(who) == 0:
		s.ring(inc, c.now)
	case who[0] == c.from.ID:
		inc.Status, inc.AcknowledgedAt, inc.AcknowledgedBy = acknowledged, c.now, c.from.Name
		s.assign(inc, who, c.now)
	default:
		s.assign(inc, who, c.now)
	}
	s.send(inc, "triggered", c.from.ID, c.now)
	return inc
}

// did notes in the call's line what it did to an incident.
func (c *restCall) did(inc *Incident, action, did string) {
	c.line.Action, c.line.Did, c.line.Incident = action, did, inc.ID
	c.line.RoutingKey, c.line.DedupKey, c.line.By = inc.RoutingKey, inc.DedupKey, c.from.Name
}

// details checks the body of an incident: a text, and nothing else.
func (c *restCall) details(raw json.RawMessage) {
	if len(raw) == 0 || string(raw) == "null" {
		return
	}
	o, err := object(raw)
	if err != nil {
		c.checker.err("incident.body: %v", err)
		return
	}
	c.checker.unknown("incident.body.", o, "type", "details")
	if t := c.checker.text(o, "incident.body.", "type"); t != "incident_body" {
		c.checker.err("incident.body.type is %q, should be %q", t, "incident_body")
	}
	c.checker.text(o, "incident.body.", "details")
}

// assignees reads assignments: [{"assignee": {user_reference}}].
func (c *restCall) assignees(at string, in map[string]json.RawMessage) []string {
	raw, ok := in["assignments"]
	if !ok || string(raw) == "null" {
		return nil
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		c.checker.err("%sassignments is not a list of objects", at)
		return nil
	}
	var out []string
	for i, item := range items {
		where := fmt.Sprintf("%sassignments[%d]", at, i)
		c.checker.unknown(where+".", item, "assignee", "at")
		id := c.refer(where+".assignee", item["assignee"], "user")
		if id != "" && c.s.account.user(id) == nil {
			c.checker.err("%s: no such user", where)
		}
		out = append(out, id)
	}
	return out
}
