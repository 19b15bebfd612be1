package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/reports"
)

// TestFirstAnswersCount: of an incident that was acknowledged, ran out and was
// acknowledged anew by somebody else, the report tells of the first page and the
// first answer; what the program noted itself is no note; a quiet one asks nobody.
func TestFirstAnswersCount(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	at := func(minutes int) time.Time {
		return time.Date(2026, 11, 16, 12, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
	}
	incidents := postgres.Incidents{DB: db}
	twice := alerting.Incident{
		ID: "kw-shop-1", Service: "shop", State: alerting.Acknowledged, Version: 9, Started: at(0), Opened: at(1),
		Acknowledged: at(245), AckBy: "grace", Checks: []string{"login"}, Severity: alerting.Critical,
	}
	pages := []alerting.Page{
		{ID: "kw-shop-1/1/1", Created: at(1), AcceptedAt: at(30), State: alerting.Accepted},
		{ID: "kw-shop-1/5/1", Created: at(240), AcceptedAt: at(240), State: alerting.Accepted},
	}
	for i := range pages {
		p := &pages[i]
		p.Incident, p.Seq, p.Channel, p.Route, p.DedupKey, p.Action, p.Person = twice.ID, int64(i+1), "pagerduty", "service", twice.ID, alerting.Trigger, "ada"
	}
	ticket := alerting.Incident{
		ID: "kw-alarm:budget-short.shop-1", Service: "shop", Alarm: "budget-short.shop", State: alerting.Open, Version: 1,
		Started: at(60), Opened: at(60), Severity: alerting.Warning,
	}
	for _, c := range []alerting.Change{
		{Incident: twice, Pages: pages, Entries: []alerting.Entry{
			{Incident: twice.ID, Seq: 3000, At: at(34), Kind: "acknowledged", Person: "ada"},
			{Incident: twice.ID, Seq: 3001, At: at(40), Kind: "note", Text: "shop burns its error budget"},
			{Incident: twice.ID, Seq: 4000, At: at(240), Kind: "expired", Person: "ada"},
			{Incident: twice.ID, Seq: 6000, At: at(245), Kind: "acknowledged", Person: "grace"},
			{Incident: twice.ID, Seq: 6001, At: at(250), Kind: "note", Person: "grace", Text: "disk replaced"},
		}},
		{Incident: ticket},
	} {
		if err := incidents.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	facts, err := postgres.Reports{DB: db}.Incidents(t.Context(), []string{"shop"}, at(0), at(600))
	if err != nil {
		t.Fatal(err)
	}
	want := []reports.IncidentFact{{
		ID: twice.ID, Started: at(0), Opened: at(1), Rung: at(30), Acknowledged: at(34), AckBy: "ada", Checks: []string{"login"},
		Pages: 2, Note: "grace: disk replaced", Paged: []reports.PageFact{
			{At: at(30), Person: "ada", Channel: "pagerduty"}, {At: at(240), Person: "ada", Channel: "pagerduty"},
		},
	}, {ID: ticket.ID, Started: at(60), Opened: at(60), Rule: "budget-short.shop", Alarm: true, Quiet: true}}
	if diff := cmp.Diff(facts["shop"], want); diff != "" {
		t.Errorf("incidents (-got +want):\n%s", diff)
	}
}
