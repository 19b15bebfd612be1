package pagerduty

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	pd "github.com/PagerDuty/go-pagerduty"
)

// The states of an incident, in PagerDuty's words.
const (
	statusTriggered    = "triggered"
	statusAcknowledged = "acknowledged"
	statusResolved     = "resolved"
)

func (c *Client) user(ctx context.Context, id string) (*pd.User, error) {
	return call(ctx, c, "read PagerDuty user "+id, func(ctx context.Context) (*pd.User, error) {
		return c.lib.GetUserWithContext(ctx, id, pd.GetUserOptions{})
	})
}

func (c *Client) contactMethods(ctx context.Context, user string) ([]pd.ContactMethod, error) {
	got, err := call(ctx, c, "read the contact methods of PagerDuty user "+user, func(ctx context.Context) (*pd.ListContactMethodsResponse, error) {
		return c.lib.ListUserContactMethodsWithContext(ctx, user)
	})
	if err != nil {
		return nil, err
	}
	return got.ContactMethods, nil
}

// wirePolicy is an escalation policy, as far as Keepwatch reads it.
type wirePolicy struct {
	ID       string              `json:"id"`
	Name     string              `json:"name"`
	Rules    []pd.EscalationRule `json:"escalation_rules"`
	NumLoops int                 `json:"num_loops"`
	Services []pd.APIObject      `json:"services"`
	About    string              `json:"description"`
	Handoff  string              `json:"on_call_handoff_notifications"`
	Teams    json.RawMessage     `json:"teams"`
}

// policy reads an escalation policy.
func (c *Client) policy(ctx context.Context, id string) (wirePolicy, error) {
	var got struct {
		Policy wirePolicy `json:"escalation_policy"`
	}
	err := c.raw(ctx, "read PagerDuty escalation policy "+id, http.MethodGet, "/escalation_policies/"+url.PathEscape(id), nil, &got)
	return got.Policy, err
}

// incidentsOf lists the incidents with one of our keys, of all times.
func (c *Client) incidentsOf(ctx context.Context, key string) ([]pd.Incident, error) {
	return c.incidents(ctx, "look up PagerDuty's incidents of "+key, pd.ListIncidentsOptions{IncidentKey: key, DateRange: "all"})
}

func (c *Client) incidents(ctx context.Context, what string, o pd.ListIncidentsOptions) ([]pd.Incident, error) {
	return list(ctx, func(ctx context.Context, limit, offset uint) ([]pd.Incident, bool, error) {
		o.Limit, o.Offset = limit, offset
		got, err := call(ctx, c, what, func(ctx context.Context) (*pd.ListIncidentsResponse, error) {
			return c.lib.ListIncidentsWithContext(ctx, o)
		})
		if err != nil {
			return nil, false, err
		}
		return got.Incidents, got.More, nil
	})
}

func (c *Client) incident(ctx context.Context, id string) (*pd.Incident, error) {
	return call(ctx, c, "read PagerDuty incident "+id, func(ctx context.Context) (*pd.Incident, error) {
		return c.lib.GetIncidentWithContext(ctx, id)
	})
}

func (c *Client) alerts(ctx context.Context, id string) ([]pd.IncidentAlert, error) {
	return list(ctx, func(ctx context.Context, limit, offset uint) ([]pd.IncidentAlert, bool, error) {
		got, err := call(ctx, c, "read the alerts of PagerDuty incident "+id, func(ctx context.Context) (*pd.ListAlertsResponse, error) {
			return c.lib.ListIncidentAlertsWithContext(ctx, id, pd.ListIncidentAlertsOptions{Limit: limit, Offset: offset})
		})
		if err != nil {
			return nil, false, err
		}
		return got.Alerts, got.More, nil
	})
}

func (c *Client) onCalls(ctx context.Context, policy string) ([]pd.OnCall, error) {
	return list(ctx, func(ctx context.Context, limit, offset uint) ([]pd.OnCall, bool, error) {
		got, err := call(ctx, c, "read who PagerDuty has on call", func(ctx context.Context) (*pd.ListOnCallsResponse, error) {
			return c.lib.ListOnCallsWithContext(ctx, pd.ListOnCallOptions{EscalationPolicyIDs: []string{policy}, Limit: limit, Offset: offset})
		})
		if err != nil {
			return nil, false, err
		}
		return got.OnCalls, got.More, nil
	})
}

// names are who an incident is assigned to.
func names(assigned []pd.Assignment) []string {
	var out []string
	for _, a := range assigned {
		out = append(out, nameOf(a.Assignee))
	}
	return out
}

func nameOf(o pd.APIObject) string {
	if o.Summary != "" {
		return cut(printable(o.Summary), 100)
	}
	return o.ID
}

// records are an incident's log entries, newest first.
func (c *Client) records(ctx context.Context, id string) ([]pd.LogEntry, error) {
	return list(ctx, func(ctx context.Context, limit, offset uint) ([]pd.LogEntry, bool, error) {
		got, err := call(ctx, c, "read the log of PagerDuty incident "+id, func(ctx context.Context) (*pd.ListIncidentLogEntriesResponse, error) {
			return c.lib.ListIncidentLogEntriesWithContext(ctx, id, pd.ListIncidentLogEntriesOptions{Limit: limit, Offset: offset})
		})
		if err != nil {
			return nil, false, err
		}
		return got.LogEntries, got.More, nil
	})
}
