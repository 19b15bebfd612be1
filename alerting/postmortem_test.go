package alerting

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPostmortem(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 22, 11, 12, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	inc := Incident{
		ID: "kw-shop-1", Service: "shop", State: Resolved, Started: began, Opened: at(9), Acknowledged: at(95), AckBy: "ada", Resolved: at(600),
		Summary: "shop is failing: front (status 500, <b>expected</b> | 200)", Checks: []string{"front"},
	}
	entries := []Entry{
		{At: at(9), Seq: 1001, Kind: "opened", Text: "shop is failing"},
		{At: at(95), Seq: 2001, Kind: "acknowledged", Person: "ada", Text: "acknowledged in PagerDuty"},
		{At: at(600), Seq: 3001, Kind: "resolved", Text: "recovered: front good again"},
	}
	pages := []Page{
		{Action: Trigger, Channel: "pagerduty", Person: "ada", State: Accepted, Created: at(9), AcceptedAt: at(12), Seq: 1001, Proof: Ringing, Ringing: "Ada", RingingAt: at(12)},
		{Action: Trigger, Channel: "team-mail", Person: "ada", State: Rejected, Created: at(9), Seq: 1002, LastError: "550 no such box"},
	}
	want := `# Incident shop

shop is failing: front (status 500, &lt;b&gt;expected&lt;/b&gt; \| 200)

| | |
|---|---|
| incident | kw-shop-1 |
| began | 2026-11-22 03:12:00 |
| confirmed | 2026-11-22 03:12:09 (9s after it began) |
| first page accepted | 2026-11-22 03:12:12 (12s after it began) |
| acknowledged | 2026-11-22 03:13:35 (1m35s after it began) by ada |
| resolved | 2026-11-22 03:22:00 (10m0s after it began) |
| failing checks | front |

## Timeline

| time (America/Los_Angeles) | what | who |
|---|---|---|
| 2026-11-22 03:12:09 | shop is failing |  |
| 2026-11-22 03:12:09 | trigger through team-mail: failed (550 no such box) | ada |
| 2026-11-22 03:12:12 | trigger through pagerduty: rang Ada since 03:12:12 | ada |
| 2026-11-22 03:13:35 | acknowledged in PagerDuty | ada |
| 2026-11-22 03:22:00 | recovered: front good again |  |

## What people saw

(to be written)

## Why it happened

(to be written)

## What went well

(to be written)

## What to change

(to be written)

`
	if diff := cmp.Diff(want, Postmortem(inc, entries, pages, zone)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	inc.Acknowledged, inc.AckBy, inc.Resolved = time.Time{}, "", time.Time{}
	if got := Postmortem(inc, nil, nil, nil); !containsAll(got, "| acknowledged | not yet |", "| first page accepted | not yet |", "| time (UTC) |") {
		t.Errorf("an open incident:\n%s", got)
	}
	inc.Resolved = inc.Started.Add(time.Minute) // nothing is still to come
	if got := Postmortem(inc, nil, nil, nil); !containsAll(got, "| acknowledged | by nobody when it ended |", "| first page accepted | none |") {
		t.Errorf("an incident that is over:\n%s", got)
	}
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
