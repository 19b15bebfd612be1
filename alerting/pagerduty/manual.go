package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"strings"

	pd "github.com/PagerDuty/go-pagerduty"
)

// Manual is a page that a person sends by hand: to a user, or to whoever an
// escalation policy names.
type Manual struct {
	// User is the PagerDuty user ID of who is to be woken; "" leaves it to Policy.
	User string
	// Policy is the ID of the escalation policy to climb; with a User it only tells the service.
	Policy string
	// Service is the ID of the PagerDuty service that the incident is made on; ""
	// means pagerduty.service, else the first service that uses the policy.
	Service string
	// Title is the sentence that is read out; Body is more text. At most 1,024 and 4,000 characters.
	Title, Body string
	// Key makes repeating the same page harmless; "" lets PagerDuty make one up.
	Key string
}

// Paged is what came of a manual page.
type Paged struct {
	ID, URL, Status string
	Who             []string // who is rung
}

// Why a manual page is not sent.
var (
	// ErrSelf means that the page would be born acknowledged.
	ErrSelf = errors.New("PagerDuty acknowledges a page at once, and wakes nobody, when it is sent in the name of the person it is for: set pagerduty.from to the e-mail address of another PagerDuty user")
	// ErrNoFrom means that it is not known in whose name to send.
	ErrNoFrom = errors.New("PagerDuty makes incidents only in the name of one of its users: set pagerduty.from to the e-mail address of one")
	// ErrNoService means that it is not known where to make the incident.
	ErrNoService = errors.New("PagerDuty makes incidents only on a service: set pagerduty.service to its ID (like PSVC123)")
	// ErrNobody means that neither a user nor a policy was given.
	ErrNobody = errors.New("this person has no pagerduty.user, so PagerDuty cannot be asked to wake them: add it to people in the configuration")
	// ErrStillborn means that PagerDuty took the page and rings nobody for it.
	ErrStillborn = errors.New("PagerDuty made the incident but rings nobody for it")
)

// PagePerson makes an incident that is assigned to a person, for pages by hand:
// PagerDuty limits these calls to human speed. Errors: [ErrSelf], [ErrNoFrom],
// [ErrNoService], [ErrNobody], [ErrStillborn], or a [CallError].
func (c *Client) PagePerson(ctx context.Context, m Manual) (Paged, error) {
	switch {
	case c.from == "":
		return Paged{}, ErrNoFrom
	case m.User == "" && m.Policy == "":
		return Paged{}, ErrNobody
	}
	if m.User != "" {
		u, err := c.user(ctx, m.User)
		if err != nil {
			return Paged{}, err
		}
		if strings.EqualFold(u.Email, c.from) {
			return Paged{}, ErrSelf
		}
	}
	service, err := c.serviceOf(ctx, m)
	if err != nil {
		return Paged{}, err
	}
	inc, err := call(ctx, c, "page by hand", func(ctx context.Context) (*pd.Incident, error) {
		return c.lib.CreateIncidentWithContext(ctx, c.from, m.options(service))
	})
	if err != nil {
		return Paged{}, err
	}
	got := Paged{ID: inc.ID, URL: inc.HTMLURL, Status: inc.Status, Who: names(inc.Assignments)}
	if got.Status == statusTriggered && len(got.Who) > 0 {
		return got, nil
	}
	return got, fmt.Errorf("%w: it is %s and assigned to %d people (%s)", ErrStillborn, got.Status, len(got.Who), got.URL)
}

// options are the call's body.
func (m Manual) options(service string) *pd.CreateIncidentOptions {
	o := &pd.CreateIncidentOptions{
		Title: cut(printable(m.Title), maxSummary), IncidentKey: cut(m.Key, maxDedup), Urgency: "high",
		Service: &pd.APIReference{ID: service, Type: "service_reference"},
	}
	if m.Body != "" {
		o.Body = &pd.APIDetails{Type: "incident_body", Details: cut(m.Body, 4000)}
	}
	if m.User != "" {
		o.Assignments = []pd.Assignee{{Assignee: pd.APIObject{ID: m.User, Type: "user_reference"}}}
	} else {
		o.EscalationPolicy = &pd.APIReference{ID: m.Policy, Type: "escalation_policy_reference"}
	}
	return o
}

// serviceOf says on which service a manual page is made.
func (c *Client) serviceOf(ctx context.Context, m Manual) (string, error) {
	switch {
	case m.Service != "":
		return m.Service, nil
	case c.on != "":
		return c.on, nil
	case m.Policy == "":
		return "", ErrNoService
	}
	p, err := c.policy(ctx, m.Policy)
	if err != nil {
		return "", err
	}
	if len(p.Services) == 0 {
		return "", ErrNoService
	}
	return p.Services[0].ID, nil
}
