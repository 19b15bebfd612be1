package pagerduty

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"keepwatch/alerting"
)

// clockSlack is how far PagerDuty's clock and ours may be apart.
const clockSlack = time.Minute

// Lookout looks accepted pages up at PagerDuty. It implements
// [alerting.Verifier]. Set the fields before use; safe for concurrent use.
type Lookout struct {
	Client *Client
	// Expect gives the PagerDuty user who is to be rung for a page, "" when PagerDuty
	// decides. nil means that it always does.
	Expect func(p alerting.Page) string
}

// Verify implements [alerting.Verifier]: an incident with the page's key must be
// open, assigned, and assigned to the right person.
func (l *Lookout) Verify(ctx context.Context, p alerting.Page) (alerting.Evidence, error) {
	all, err := l.Client.incidentsOf(ctx, p.DedupKey)
	if err != nil {
		return alerting.Evidence{}, err
	}
	want := ""
	if l.Expect != nil {
		want = l.Expect(p)
	}
	inc, ok := choose(all, want, p.FirstTried)
	if !ok {
		return alerting.Evidence{Proof: alerting.NoIncident, Detail: "nobody is on call there, or the service is disabled, in maintenance, or drops the event by a rule"}, nil
	}
	if inc.Status == statusResolved {
		return alerting.Evidence{Proof: alerting.Closed, Who: closer(inc), Since: instant(inc.LastStatusChangeAt)}, nil
	}
	if e := standing(inc); e.Proof != alerting.Ringing {
		return e, nil
	}
	if low := inc.Urgency == "low"; low && p.Message.Severity == "critical" {
		return alerting.Evidence{
			Proof: alerting.Suppressed, Who: strings.Join(names(inc.Assignments), ", "),
			Detail: "PagerDuty gives it a low urgency: let the service's urgency be high, or follow the severity",
		}, nil
	}
	if quiet, err := l.suppressed(ctx, inc.ID, p.DedupKey); err != nil || quiet {
		return alerting.Evidence{Proof: alerting.Suppressed, Detail: "a rule of PagerDuty suppresses it"}, err
	}
	return l.right(ctx, inc, want)
}

// choose returns the incident that a page opened: the newest open one, assigned
// to whom it is for if there are several, else the newest that was closed after
// the page was sent.
func choose(all []pd.Incident, want string, sent time.Time) (pd.Incident, bool) {
	newest := slices.SortedFunc(slices.Values(all), func(a, b pd.Incident) int {
		return instant(b.CreatedAt).Compare(instant(a.CreatedAt))
	})
	open := func(i pd.Incident) bool { return i.Status != statusResolved }
	for _, suits := range []func(pd.Incident) bool{
		func(i pd.Incident) bool { return open(i) && want != "" && assignedTo(i, want) },
		open,
		func(i pd.Incident) bool { return !instant(i.LastStatusChangeAt).Before(sent.Add(-clockSlack)) },
	} {
		if i := slices.IndexFunc(newest, suits); i >= 0 {
			return newest[i], true
		}
	}
	return pd.Incident{}, false
}

func assignedTo(inc pd.Incident, user string) bool {
	return slices.ContainsFunc(inc.Assignments, func(a pd.Assignment) bool { return a.Assignee.ID == user })
}

// standing is what an incident that is not resolved shows by itself.
func standing(inc pd.Incident) alerting.Evidence {
	if inc.Status == statusAcknowledged {
		e := alerting.Evidence{Proof: alerting.Answered, Since: instant(inc.LastStatusChangeAt)}
		if who, at := acknowledger(inc); who != "" {
			e.Who, e.Since = who, at
		}
		return e
	}
	if len(inc.Assignments) == 0 {
		return alerting.Evidence{Proof: alerting.Unassigned, Detail: "PagerDuty's escalation policy names nobody"}
	}
	e := alerting.Evidence{Proof: alerting.Ringing, Who: strings.Join(names(inc.Assignments), ", ")}
	for _, a := range inc.Assignments {
		if at := instant(a.At); e.Since.IsZero() || !at.IsZero() && at.Before(e.Since) {
			e.Since = at
		}
	}
	return e
}

// acknowledger is who acknowledged last, when that was a person.
func acknowledger(inc pd.Incident) (string, time.Time) {
	for _, a := range slices.Backward(inc.Acknowledgements) {
		if strings.HasPrefix(a.Acknowledger.Type, "user") {
			return nameOf(a.Acknowledger), instant(a.At)
		}
	}
	return "", time.Time{}
}

// closer is who closed an incident; "" when it was no person.
func closer(inc pd.Incident) string {
	if strings.HasPrefix(inc.LastStatusChangeBy.Type, "user") {
		return nameOf(inc.LastStatusChangeBy)
	}
	return ""
}

// suppressed reports whether the alert of our key rings nobody although its incident does.
func (l *Lookout) suppressed(ctx context.Context, incident, key string) (bool, error) {
	alerts, err := l.Client.alerts(ctx, incident)
	if err != nil {
		return false, err
	}
	ours, quiet := 0, 0
	for _, a := range alerts {
		if a.AlertKey != key {
			continue
		}
		ours++
		if a.Suppressed {
			quiet++
		}
	}
	return ours > 0 && ours == quiet, nil
}

// right judges whether the right person is rung, and can be. Somebody whom a
// person of PagerDuty's put there, and whoever was notified before, is right too.
func (l *Lookout) right(ctx context.Context, inc pd.Incident, want string) (alerting.Evidence, error) {
	e := standing(inc)
	entries, err := l.Client.records(ctx, inc.ID)
	if err != nil {
		return alerting.Evidence{}, err
	}
	notified := func(user string) (pd.LogEntry, bool) {
		i := slices.IndexFunc(entries, func(r pd.LogEntry) bool {
			return strings.HasPrefix(r.Type, "notify_log_entry") && r.User.ID == user
		})
		if i < 0 {
			return pd.LogEntry{}, false
		}
		return entries[i], true
	}
	if want == "" || assignedTo(inc, want) {
		for _, a := range inc.Assignments {
			if _, ok := notified(a.Assignee.ID); ok {
				return e, nil
			}
		}
		return l.reachable(ctx, inc, e)
	}
	if r, ok := notified(want); ok {
		e.Detail = fmt.Sprintf("%s was notified at %s", nameOf(r.User), instant(r.CreatedAt).Format("15:04:05"))
		return e, nil
	}
	for _, r := range entries {
		if strings.HasPrefix(r.Type, "assign_log_entry") && strings.HasPrefix(r.Agent.Type, "user") {
			e.Detail = "reassigned there by " + nameOf(pd.APIObject(r.Agent))
			return e, nil
		}
	}
	e.Proof = alerting.Elsewhere
	e.Detail = "PagerDuty's escalation policy says otherwise than the roster"
	return e, nil
}

// reachable looks whether PagerDuty has a way to reach anybody who is assigned and
// was not notified yet.
func (l *Lookout) reachable(ctx context.Context, inc pd.Incident, e alerting.Evidence) (alerting.Evidence, error) {
	for _, a := range inc.Assignments {
		methods, err := l.Client.contactMethods(ctx, a.Assignee.ID)
		if err != nil {
			return alerting.Evidence{}, err
		}
		if len(methods) > 0 {
			e.Detail = "PagerDuty has logged no notification yet: the notification rules there may begin later"
			return e, nil
		}
	}
	e.Proof, e.Detail = alerting.Mute, e.Who+" has no contact method at PagerDuty"
	return e, nil
}

// instant reads PagerDuty's time; zero when there is none.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
