package fakepd

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Account is whom the stand-in knows: people, escalation policies, services. It is
// what the REST API reads and changes, and what decides who is rung. Options.Account
// gives the first one, GET and PUT /_account and [Server.Change] work on it later.
type Account struct {
	Users    []User    `json:"users"`
	Policies []Policy  `json:"escalation_policies"`
	Services []Service `json:"services"`
	// SubscriptionEvents are what the webhook subscription asks for; nil is all of incident.*.
	SubscriptionEvents []string `json:"subscription_events,omitempty"`
}

// User is a person.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// NoContact is a user without any way to be reached: such a one is never notified.
	NoContact bool `json:"no_contact,omitempty"`
}

// Policy is an escalation policy.
type Policy struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Loops int    `json:"num_loops"` // how often the rules are repeated after their end
	Rules []Rule `json:"rules"`
}

// Rule is one level.
type Rule struct {
	ID    string `json:"id"`
	Delay int    `json:"escalation_delay_in_minutes"` // until the next level, at least 1
	// Users are the IDs of those who are rung; none is a level where nobody is on call.
	Users []string `json:"users"`
}

// Service takes the events of one routing key.
type Service struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Key is the routing key; "" takes the events of every key that no other service has.
	Key string `json:"routing_key,omitempty"`
	// Policy is the ID of the escalation policy.
	Policy string `json:"escalation_policy"`
	// Maintenance drops every new trigger silently, after a 202.
	Maintenance bool `json:"maintenance,omitempty"`
	// Suppress makes alerts without an incident, as an event rule that suppresses does.
	Suppress bool `json:"suppress,omitempty"`
	// Unassigned opens incidents that are assigned to nobody, so that nobody is rung.
	Unassigned bool `json:"unassigned,omitempty"`
	// BySeverity gives warning and info a low urgency; else everything is high.
	BySeverity bool `json:"by_severity,omitempty"`
}

// DefaultAccount is a service that takes every routing key, and a policy that rings one person.
func DefaultAccount() Account {
	return Account{
		Users:    []User{{ID: "PUSER01", Name: "On call", Email: "oncall@example.com"}},
		Policies: []Policy{{ID: "PESC001", Name: "On call", Rules: []Rule{{ID: "PRULE01", Delay: 30, Users: []string{"PUSER01"}}}}},
		Services: []Service{{ID: "PFAKE01", Name: "Keepwatch", Policy: "PESC001"}},
	}
}

// TeamAccount is two levels of two people and a spare one: the account of tests that
// are about who is rung.
func TeamAccount() Account {
	return Account{
		Users: []User{
			{ID: "PADA001", Name: "Ada", Email: "ada@example.com"},
			{ID: "PGRACE1", Name: "Grace", Email: "grace@example.com"},
			{ID: "PALAN01", Name: "Alan", Email: "alan@example.com"},
			{ID: "PROBOT1", Name: "Keepwatch", Email: "keepwatch@example.com"},
		},
		Policies: []Policy{{ID: "PESC001", Name: "On call", Rules: []Rule{
			{ID: "PRULE01", Delay: 10, Users: []string{"PADA001"}},
			{ID: "PRULE02", Delay: 10, Users: []string{"PGRACE1"}},
		}}},
		Services: []Service{{ID: "PFAKE01", Name: "Keepwatch", Policy: "PESC001"}},
	}
}

// Check refuses an account that contradicts itself, and says where.
func (a *Account) Check() error {
	var errs []error
	seen := map[string]bool{}
	id := func(kind, id string) {
		if id == "" || seen[id] {
			errs = append(errs, fmt.Errorf("%s %q: the id is missing or given twice", kind, id))
		}
		seen[id] = true
	}
	for _, u := range a.Users {
		id("user", u.ID)
	}
	for _, p := range a.Policies {
		id("policy", p.ID)
		for i, r := range p.Rules {
			if r.Delay < 1 {
				errs = append(errs, fmt.Errorf("policy %s: level %d: the delay is at least 1 minute", p.ID, i+1))
			}
			for _, u := range r.Users {
				if a.user(u) == nil {
					errs = append(errs, fmt.Errorf("policy %s: level %d: no user %s", p.ID, i+1, u))
				}
			}
		}
	}
	for _, s := range a.Services {
		id("service", s.ID)
	}
	return errors.Join(errs...)
}

// clone copies everything, so that what a caller holds and what is in force do not meet.
func (a *Account) clone() Account {
	raw, err := json.Marshal(a)
	var out Account
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil { // texts, numbers and booleans always survive JSON
		panic(err)
	}
	return out
}

func (a *Account) user(id string) *User {
	for i := range a.Users {
		if a.Users[i].ID == id {
			return &a.Users[i]
		}
	}
	return nil
}

func (a *Account) userByEmail(email string) *User {
	for i := range a.Users {
		if email != "" && strings.EqualFold(a.Users[i].Email, email) {
			return &a.Users[i]
		}
	}
	return nil
}

// userNamed finds a person by id, e-mail address or name.
func (a *Account) userNamed(who string) *User {
	for i := range a.Users {
		if u := &a.Users[i]; u.ID == who || strings.EqualFold(u.Name, who) || strings.EqualFold(u.Email, who) {
			return u
		}
	}
	return nil
}

func (a *Account) policy(id string) *Policy {
	for i := range a.Policies {
		if a.Policies[i].ID == id {
			return &a.Policies[i]
		}
	}
	return nil
}

func (a *Account) service(id string) *Service {
	for i := range a.Services {
		if a.Services[i].ID == id {
			return &a.Services[i]
		}
	}
	return nil
}

// serviceOf is the service of a routing key; nil when no service takes it.
func (a *Account) serviceOf(key string) *Service {
	var rest *Service
	for i := range a.Services {
		switch s := &a.Services[i]; s.Key {
		case key:
			return s
		case "":
			rest = s
		}
	}
	return rest
}

// onCall says whether anybody is on call at any level.
func (p *Policy) onCall() bool {
	return p != nil && slices.ContainsFunc(p.Rules, func(r Rule) bool { return len(r.Users) > 0 })
}

// Account returns a copy of the account in force.
func (s *Server) Account() Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account.clone()
}

// Change changes the account as f says: somebody edits it in PagerDuty's pages.
// The error names what contradicts itself; then nothing has changed. f must not call the Server.
func (s *Server) Change(f func(a *Account)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.account.clone()
	f(&next)
	if err := next.Check(); err != nil {
		return err
	}
	s.account = next
	return nil
}
