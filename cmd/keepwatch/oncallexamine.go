package main

import (
	"context"
	"time"

	"keepwatch/alerting/pagerduty"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
)

// examineWithin bounds the whole comparison with PagerDuty.
const examineWithin = 2 * time.Minute

// examine compares the plan with PagerDuty; nothing without an API token.
func examine(ctx context.Context, f *config.File, roster oncall.Roster, now time.Time) []troubleLine {
	if f.PagerDuty == nil {
		return nil
	}
	client := pagerduty.NewClient(*f.PagerDuty, nil)
	if client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	var out []troubleLine
	for _, found := range client.Examine(ctx, pagerduty.Examined{
		Users: f.PagerDutyUsers(), Followed: f.Followed(), Roster: roster, From: f.PagerDuty.From,
	}, now) {
		out = append(out, troubleLine{Kind: "pagerduty_" + found.Kind, Person: found.Person, Policy: found.Policy, From: wording.Stamp(now), Text: found.Text})
	}
	return out
}
