package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/oncall"
	"keepwatch/probe"
)

// ProbeChecks makes the checks to run, in file order. Of env everything is used
// but name, every and timeout, which are each check's own. The error names the check whose
// checker could not be made.
func (f *File) ProbeChecks(env probe.Env) ([]probe.Check, error) {
	checks := make([]probe.Check, 0, len(f.Checks))
	for _, k := range f.Checks {
		kind, name := k.Kind()
		if kind == nil {
			return nil, fmt.Errorf("check %s: it has no kind", k.Name) // only a File that Load did not make
		}
		env.Name, env.Every, env.Timeout = k.Name, k.Every, k.Timeout
		checker, err := kind.Checker(env)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", k.Name, err)
		}
		checks = append(checks, probe.Check{
			Name: k.Name, Kind: name, Target: kind.Target(), Every: k.Every, Timeout: k.Timeout, Retries: k.Retries,
			Quorum: k.Quorum, Locations: slices.Clone(k.Locations), Checker: checker, Spec: f.specs[k.Name],
		})
	}
	return checks, nil
}

// Rules are what the alerting engine must know, one per service, in file order.
func (f *File) Rules() []alerting.Rule {
	checks := make(map[string]Check, len(f.Checks))
	for _, k := range f.Checks {
		checks[k.Name] = k
	}
	rules := make([]alerting.Rule, 0, len(f.Services))
	for _, s := range f.Services {
		r := alerting.Rule{
			Service: s.Name, Confirm: s.Confirm, Recover: s.Recover, Policy: f.Policy(s.Escalation),
			Severity: s.Severity, DependsOn: slices.Clone(s.DependsOn), Reopen: s.Reopen,
		}
		for _, name := range s.checks() {
			k := checks[name]
			r.Checks = append(r.Checks, alerting.CheckRule{
				Name: name, Locations: slices.Clone(k.Locations), Quorum: k.Quorum, Every: k.Every,
				Timeout: k.Timeout * time.Duration(k.Retries+1),
			})
		}
		r.Redundant = s.redundancies()
		rules = append(rules, r)
	}
	return rules
}

// MaintenanceSilences are the maintenance times of all services that touch [from,
// to), as silences. Their IDs name service, block and begin.
func (f *File) MaintenanceSilences(from, to time.Time) []alerting.Silence {
	var out []alerting.Silence
	for _, s := range f.Services {
		for i, m := range s.Maintenance {
			for _, w := range m.Stretches(from, to) {
				out = append(out, alerting.Silence{
					ID: fmt.Sprintf("%s:%d:%d", s.Name, i, w.From.Unix()), Service: s.Name,
					From: w.From, To: w.To, By: "maintenance", Reason: m.Reason, Created: w.From,
				})
			}
		}
	}
	return out
}

// Roster resolves rotations and people.
func (f *File) Roster() oncall.Roster {
	r := oncall.Roster{
		People:    make(map[string]oncall.Person, len(f.People)),
		Rotations: make(map[string]oncall.Rotation, len(f.Rotations)),
	}
	for name, p := range f.People {
		r.People[name] = p.Person
	}
	for name, c := range f.Rotations {
		r.Rotations[name] = c.Rotation(name, f.Holidays)
	}
	return r
}

// Routes say which PagerDuty key serves whom. The zero value has none.
type Routes struct {
	// Keys holds the key of each route: "service" is the shared one,
	// "person:ada" is a person's own. Only keys that are set are in it.
	Keys pagerduty.Keys
}

// The names of routes.
const (
	sharedRoute = "service"
	personRoute = "person:"
	policyRoute = "policy:"
)

// Route gives the route of a page for a person (the YAML key) and whether it is
// the person's own; "" when there is none. It fits alerting.Routing.Route.
func (r Routes) Route(person string) (route string, own bool) {
	if _, ok := r.Keys[personRoute+person]; ok {
		return personRoute + person, true
	}
	if _, ok := r.Keys[sharedRoute]; ok {
		return sharedRoute, false
	}
	return "", false
}

// Climbing gives the route of the PagerDuty service whose escalation policy
// follows an escalation; "" when none does.
func (f *File) Climbing(escalation string) string {
	if f.PagerDuty == nil || f.PagerDuty.APIToken == "" {
		return ""
	}
	switch {
	case f.Escalations[escalation].PagerDuty.Policy != "":
		return policyRoute + escalation
	case f.PagerDuty.EscalationPolicy != "" && f.sharedEscalation() == escalation:
		return sharedRoute
	}
	return ""
}

// Wakes reports whether pages of an escalation reach a person through PagerDuty: by
// a key of their own, by the shared one, or by the escalation's own policy, which
// names them.
func (f *File) Wakes(escalation, person string) bool {
	if _, own := f.Routes().Route(person); own {
		return true
	}
	if f.PagerDuty == nil {
		return false
	}
	return f.PagerDuty.RoutingKey != "" || f.Climbing(escalation) != "" && f.People[person].PagerDuty.User != ""
}

// sharedEscalation is the one escalation that pagerduty.escalation_policy follows;
// "" when there is none, or more than one.
func (f *File) sharedEscalation() string {
	found := ""
	for name, e := range f.Escalations {
		if e.PagerDuty.Policy != "" {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// Followed are the escalations that PagerDuty's policies follow, by name; none
// without an API token.
func (f *File) Followed() []pagerduty.Followed {
	var out []pagerduty.Followed
	for _, name := range slices.Sorted(maps.Keys(f.Escalations)) {
		e := f.Escalations[name]
		var id string
		switch f.Climbing(name) {
		case "":
			continue
		case sharedRoute:
			id = f.PagerDuty.EscalationPolicy
		default:
			id = e.PagerDuty.Policy
		}
		out = append(out, pagerduty.Followed{ID: id, Policy: e.Policy(name)})
	}
	return out
}

// PagerDutyUsers are the PagerDuty user IDs of people who have one.
func (f *File) PagerDutyUsers() map[string]string {
	out := map[string]string{}
	for name, p := range f.People {
		if p.PagerDuty.User != "" {
			out[name] = p.PagerDuty.User
		}
	}
	return out
}

// Routes says which PagerDuty key serves whom. Without a pagerduty block there
// are none, not even people's own.
func (f *File) Routes() Routes {
	r := Routes{Keys: pagerduty.Keys{}}
	if f.PagerDuty == nil {
		return r
	}
	if f.PagerDuty.RoutingKey != "" {
		r.Keys[sharedRoute] = f.PagerDuty.RoutingKey
	}
	for name, p := range f.People {
		if p.PagerDuty.RoutingKey != "" {
			r.Keys[personRoute+name] = p.PagerDuty.RoutingKey
		}
	}
	for name, e := range f.Escalations {
		if e.PagerDuty.RoutingKey != "" {
			r.Keys[policyRoute+name] = e.PagerDuty.RoutingKey
		}
	}
	return r
}
