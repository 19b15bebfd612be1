package fakepd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restOnCall says that a person is on call at a level.
type restOnCall struct {
	EscalationPolicy reference  `json:"escalation_policy"`
	EscalationLevel  int        `json:"escalation_level"`
	Schedule         *reference `json:"schedule"`
	User             reference  `json:"user"`
	Start            *time.Time `json:"start"`
	End              *time.Time `json:"end"`
}

// listOnCalls is GET /oncalls. People who stand in the policy itself are on call always.
func (c *restCall) listOnCalls() result {
	c.known("limit", "offset", "total", "time_zone", "include[]", "user_ids[]", "escalation_policy_ids[]", "schedule_ids[]", "since", "until", "earliest")
	all := []restOnCall{}
	if c.query.Has("schedule_ids[]") {
		return list(c, "oncalls", all) // there are no schedules here
	}
	for _, p := range c.s.account.Policies {
		if want, ok := c.query["escalation_policy_ids[]"]; ok && !slices.Contains(want, p.ID) {
			continue
		}
		for i, r := range p.Rules {
			for _, id := range r.Users {
				if want, ok := c.query["user_ids[]"]; ok && !slices.Contains(want, id) {
					continue
				}
				all = append(all, restOnCall{EscalationPolicy: c.s.referPolicy(p.ID), EscalationLevel: i + 1, User: c.s.referUser(id)})
			}
		}
	}
	return list(c, "oncalls", all)
}

// restPolicy is an escalation policy.
type restPolicy struct {
	reference

	Name     string      `json:"name"`
	Rules    []restRule  `json:"escalation_rules"`
	Services []reference `json:"services"`
	NumLoops int         `json:"num_loops"`
	Teams    []reference `json:"teams"`
	About    string      `json:"description"`
	Handoff  string      `json:"on_call_handoff_notifications"`
}

type restRule struct {
	ID      string      `json:"id"`
	Delay   int         `json:"escalation_delay_in_minutes"`
	Targets []reference `json:"targets"`
}

func (s *Server) restPolicy(p *Policy) restPolicy {
	self := s.referPolicy(p.ID)
	self.Type = "escalation_policy"
	out := restPolicy{reference: self, Name: p.Name, Rules: []restRule{}, Services: []reference{}, NumLoops: p.Loops, Teams: []reference{}, Handoff: "if_has_services"}
	for _, r := range p.Rules {
		rule := restRule{ID: r.ID, Delay: r.Delay, Targets: []reference{}}
		for _, id := range r.Users {
			rule.Targets = append(rule.Targets, s.referUser(id))
		}
		out.Rules = append(out.Rules, rule)
	}
	for _, svc := range s.account.Services {
		if svc.Policy == p.ID {
			out.Services = append(out.Services, s.referService(svc.ID))
		}
	}
	return out
}

func (c *restCall) listPolicies() result {
	c.known("limit", "offset", "total", "query", "user_ids[]", "team_ids[]", "include[]", "sort_by")
	all := []restPolicy{}
	for i := range c.s.account.Policies {
		if p := &c.s.account.Policies[i]; strings.Contains(strings.ToLower(p.Name), strings.ToLower(c.query.Get("query"))) {
			all = append(all, c.s.restPolicy(p))
		}
	}
	return list(c, "escalation_policies", all)
}

func (c *restCall) getPolicy() result {
	c.known("include[]")
	if p := c.s.account.policy(c.r.PathValue("id")); p != nil {
		return one(http.StatusOK, "escalation_policy", c.s.restPolicy(p))
	}
	return notFound()
}

// putPolicy is PUT /escalation_policies/{id}: the rules are replaced whole.
func (c *restCall) putPolicy() result {
	p := c.s.account.policy(c.r.PathValue("id"))
	if p == nil {
		return notFound()
	}
	in, bad := c.field("escalation_policy")
	if bad != nil {
		return *bad
	}
	ck := &c.checker
	ck.unknown("escalation_policy.", in, "id", "type", "summary", "self", "html_url", "name", "description", "num_loops",
		"on_call_handoff_notifications", "escalation_rules", "services", "teams")
	if t := ck.text(in, "escalation_policy.", "type"); t != "escalation_policy" {
		ck.err("escalation_policy.type is %q, should be %q", t, "escalation_policy")
	}
	name := ck.text(in, "escalation_policy.", "name")
	if name == "" {
		ck.err("escalation_policy.name is missing or blank")
	}
	loops := 0
	if raw, ok := in["num_loops"]; ok {
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 0 || n > 9 {
			ck.err("escalation_policy.num_loops must be 0 to 9")
		}
		loops = n
	}
	rules := c.rules(in["escalation_rules"])
	if bad := c.wrong(); bad != nil {
		return *bad
	}
	p.Name, p.Loops, p.Rules = name, loops, rules
	return one(http.StatusOK, "escalation_policy", c.s.restPolicy(p))
}

// rules reads the levels of an escalation policy.
func (c *restCall) rules(raw json.RawMessage) []Rule {
	ck := &c.checker
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || len(items) == 0 {
		ck.err("escalation_policy.escalation_rules is missing or empty")
		return nil
	}
	out := make([]Rule, 0, len(items))
	for i, item := range items {
		at := fmt.Sprintf("escalation_rules[%d]", i)
		ck.unknown(at+".", item, "id", "escalation_delay_in_minutes", "targets", "escalation_rule_assignment_strategy")
		c.s.serial++
		r := Rule{ID: fmt.Sprintf("L%013d", c.s.serial)}
		var err error
		if r.Delay, err = strconv.Atoi(string(item["escalation_delay_in_minutes"])); err != nil || r.Delay < 1 {
			ck.err("%s.escalation_delay_in_minutes must be at least 1", at)
		}
		var targets []json.RawMessage
		if err := json.Unmarshal(item["targets"], &targets); err != nil || len(targets) == 0 || len(targets) > 10 {
			ck.err("%s.targets must have 1 to 10 targets", at)
		}
		for j, t := range targets {
			where := fmt.Sprintf("%s.targets[%d]", at, j)
			id := c.refer(where, t, "user")
			if id != "" && c.s.account.user(id) == nil {
				ck.err("%s: no such user", where)
			}
			r.Users = append(r.Users, id)
		}
		out = append(out, r)
	}
	return out
}

// restUser is a person.
type restUser struct {
	reference

	Name     string      `json:"name"`
	Email    string      `json:"email"`
	TimeZone string      `json:"time_zone"`
	Color    string      `json:"color"`
	Role     string      `json:"role"`
	Job      *string     `json:"job_title"`
	Contacts []reference `json:"contact_methods"`
	Rules    []reference `json:"notification_rules"`
	Teams    []reference `json:"teams"`
}

func restUserOf(u *User) restUser {
	self := referTo("user", "users", u.ID, u.Name)
	self.Type = "user"
	out := restUser{
		reference: self, Name: u.Name, Email: u.Email, TimeZone: "Etc/UTC", Color: "teal", Role: "user",
		Contacts: []reference{}, Rules: []reference{}, Teams: []reference{},
	}
	if !u.NoContact {
		out.Contacts = append(out.Contacts, referTo("email_contact_method", "users/"+u.ID+"/contact_methods", "C"+u.ID[1:], "Default"))
		out.Rules = append(out.Rules, referTo("assignment_notification_rule", "users/"+u.ID+"/notification_rules", "F"+u.ID[1:], "0 minutes: push"))
	}
	return out
}

// listUsers is GET /users; query matches name or e-mail address.
func (c *restCall) listUsers() result {
	c.known("limit", "offset", "total", "query", "team_ids[]", "include[]")
	want := strings.ToLower(c.query.Get("query"))
	all := []restUser{}
	for i := range c.s.account.Users {
		u := &c.s.account.Users[i]
		if strings.Contains(strings.ToLower(u.Name), want) || strings.Contains(strings.ToLower(u.Email), want) {
			all = append(all, restUserOf(u))
		}
	}
	return list(c, "users", all)
}

func (c *restCall) getUser() result {
	c.known("include[]")
	if u := c.s.account.user(c.r.PathValue("id")); u != nil {
		return one(http.StatusOK, "user", restUserOf(u))
	}
	return notFound()
}

type restContact struct {
	reference

	Label   string `json:"label"`
	Address string `json:"address"`
}

func (c *restCall) listContacts() result {
	c.known()
	u := c.s.account.user(c.r.PathValue("id"))
	if u == nil {
		return notFound()
	}
	all := []restContact{}
	if !u.NoContact {
		self := referTo("", "users/"+u.ID+"/contact_methods", "C"+u.ID[1:], "Default")
		self.Type = "email_contact_method"
		all = append(all, restContact{reference: self, Label: "Default", Address: u.Email})
	}
	return one(http.StatusOK, "contact_methods", all)
}

// restService is a service.
type restService struct {
	reference

	Name             string      `json:"name"`
	Status           string      `json:"status"`
	EscalationPolicy reference   `json:"escalation_policy"`
	AckTimeout       *int        `json:"acknowledgement_timeout"`
	AutoResolve      *int        `json:"auto_resolve_timeout"`
	AlertCreation    string      `json:"alert_creation"`
	Teams            []reference `json:"teams"`
}

func (s *Server) restService(svc *Service) restService {
	self := s.referService(svc.ID)
	self.Type = "service"
	out := restService{reference: self, Name: svc.Name, Status: "active", EscalationPolicy: s.referPolicy(svc.Policy), AlertCreation: "create_alerts_and_incidents", Teams: []reference{}}
	for _, inc := range s.model.all {
		if inc.Service == svc.ID && inc.Status == triggered {
			out.Status = "critical"
		}
	}
	if svc.Maintenance {
		out.Status = "maintenance"
	}
	return out
}

func (c *restCall) listServices() result {
	c.known("limit", "offset", "total", "query", "team_ids[]", "time_zone", "sort_by", "include[]", "name")
	want := strings.ToLower(c.query.Get("query"))
	all := []restService{}
	for i := range c.s.account.Services {
		if svc := &c.s.account.Services[i]; strings.Contains(strings.ToLower(svc.Name), want) {
			all = append(all, c.s.restService(svc))
		}
	}
	return list(c, "services", all)
}

func (c *restCall) getService() result {
	c.known("include[]")
	if svc := c.s.account.service(c.r.PathValue("id")); svc != nil {
		return one(http.StatusOK, "service", c.s.restService(svc))
	}
	return notFound()
}
