package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"keepwatch/oncall"
)

// Finding is something about PagerDuty that would keep a page from reaching
// somebody, or that could not be looked at.
type Finding struct {
	Kind   string // unknown_user, no_contact, self, unknown_policy, policy_differs, unread
	Person string // YAML key; "" when it concerns nobody in particular
	Policy string // name of the escalation; "" likewise
	Text   string // one sentence
}

// Examined is what the file says and PagerDuty shall be compared with.
type Examined struct {
	Users    map[string]string // PagerDuty user IDs by person
	Followed []Followed
	Roster   oncall.Roster
	From     string // pagerduty.from
}

// Examine compares the file with PagerDuty and returns what differs: users who do
// not exist or cannot be reached, policies that do not exist, and other people on
// call there than here. What cannot be read is a finding too; a refused token ends it.
func (c *Client) Examine(ctx context.Context, x Examined, now time.Time) []Finding {
	var out []Finding
	known := map[string]bool{}
	for _, person := range slices.Sorted(maps.Keys(x.Users)) {
		id := x.Users[person]
		if id == "" {
			continue
		}
		found, ok := c.examineUser(ctx, person, id, x.From)
		out = append(out, found...)
		if known[id] = ok; endsAll(found) {
			return out
		}
	}
	for _, f := range x.Followed {
		found := c.examinePolicy(ctx, x, f, known, now)
		out = append(out, found...)
		if endsAll(found) {
			break
		}
	}
	return out
}

// endsAll reports that PagerDuty refuses the token, and would refuse it again.
func endsAll(found []Finding) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == "unread" && strings.Contains(f.Text, ErrToken.Error()) })
}

func (c *Client) examineUser(ctx context.Context, person, id, from string) (found []Finding, known bool) {
	finding := func(kind, text string) []Finding {
		return []Finding{{Kind: kind, Person: person, Text: person + ": " + text}}
	}
	u, err := c.user(ctx, id)
	switch {
	case errors.Is(err, ErrGone):
		return finding("unknown_user", "PagerDuty has no user "+id+": correct pagerduty.user of this person"), false
	case err != nil:
		return finding("unread", err.Error()), true
	}
	if from != "" && strings.EqualFold(u.Email, from) {
		found = finding("self", "is the user of pagerduty.from, so pages by hand for this person would be acknowledged at once: set pagerduty.from to another user's address")
	}
	methods, err := c.contactMethods(ctx, id)
	switch {
	case err != nil:
		return append(found, finding("unread", err.Error())...), true
	case len(methods) == 0:
		return append(found, finding("no_contact", "PagerDuty user "+id+" ("+u.Name+") has no contact method, so PagerDuty can wake nobody: add one in that user's profile")...), true
	}
	return found, true
}

func (c *Client) examinePolicy(ctx context.Context, x Examined, f Followed, known map[string]bool, now time.Time) []Finding {
	finding := func(kind, text string) []Finding {
		return []Finding{{Kind: kind, Policy: f.Policy.Name, Text: "escalation " + f.Policy.Name + ": " + text}}
	}
	have, err := c.policy(ctx, f.ID)
	switch {
	case errors.Is(err, ErrGone):
		return finding("unknown_policy", "PagerDuty has no escalation policy "+f.ID+": correct its ID")
	case err != nil:
		return finding("unread", err.Error())
	}
	want := Climb(f.Policy, func(name string) string { return x.Roster.OnCall(name, now).Person }, func(person string) string {
		if id := x.Users[person]; known[id] {
			return id
		}
		return ""
	})
	var out []Finding
	for _, note := range want.Notes {
		out = append(out, Finding{Kind: "policy_differs", Policy: f.Policy.Name, Text: note})
	}
	if is := ladderOf(have); !is.same(want) {
		return append(out, finding("policy_differs", fmt.Sprintf(
			"PagerDuty's policy %s is %s; by the file it should be %s (the daemon writes it within a minute)", f.ID, is, want))...)
	}
	there, err := c.onCalls(ctx, f.ID)
	if err != nil {
		return append(out, finding("unread", err.Error())...)
	}
	if diff := want.onCallDiffers(there); diff != "" {
		out = append(out, finding("policy_differs", "at PagerDuty "+diff)...)
	}
	return out
}
