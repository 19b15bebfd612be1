// Package storetest is the one conformance suite of [alerting.Store]: whatever
// keeps incidents and owed pages must pass it, so that paging from the spool is
// paging from Postgres.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/oncall"
)

// Run runs the suite. open returns a fresh, empty store for each test and
// cleans up after it. Stores may cut times to microseconds.
func Run(t *testing.T, open func(t *testing.T) alerting.Store) {
	t.Helper()
	for _, tt := range []struct {
		name string
		test func(*testing.T, bench)
	}{
		{"apply is idempotent", applyTwice},
		{"a lower version changes nothing", lowerVersion},
		{"an equal version adds what is missing", equalVersion},
		{"a higher version replaces the incident and leaves pages alone", higherVersion},
		{"open incidents come oldest first", openOrder},
		{"every field comes back", roundTrip},
		{"zero values come back as zero", zeroTrip},
		{"text that is not clean UTF-8 is kept readable", dirtyText},
		{"pages come in order of creation", pageOrder},
		{"an unknown incident has no pages", unknownIncident},
		{"claim leases", claimLeases},
		{"due is respected", dueRespected},
		{"claim respects the limit and the urgency", claimOrder},
		{"one page of a key in flight, in order", oneInFlight},
		{"other keys do not wait", keysApart},
		{"a failed page blocks the later ones of its key", retryBlocks},
		{"a lease that ran out is claimed again and unsure", leaseExpiry},
		{"many claimers never get the same page", manyClaimers},
		{"many claimers keep the order of each key", claimersInOrder},
		{"settle writes the outcome", settleWrites},
		{"a look at the channel is written after acceptance", proofWrites},
		{"settle twice is settle once", settleTwice},
		{"a stale epoch is ignored whole", staleEpoch},
		{"a finished page stays finished", finishedStays},
		{"fallback pages come in the same step", fallbackPages},
		{"a cancelled page frees its key", cancelledPage},
		{"the backlog is what is not finished", backlog},
		{"a done context changes nothing", doneContext},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t, bench{open(t)})
		})
	}
}

// t0 is the moment at which every story here begins.
func t0() time.Time { return time.Date(2026, 11, 22, 3, 12, 9, 123456000, time.UTC) }

func at(seconds int) time.Time { return t0().Add(time.Duration(seconds) * time.Second) }

const lease = 15 * time.Second

// incident is an open incident of a service whose episode began at t0.
func incident(service string, version int64) alerting.Incident {
	return alerting.Incident{
		ID: fmt.Sprintf("kw-%s-%d", service, t0().Unix()), Service: service,
		State: alerting.Open, Version: version, Started: at(-30), Opened: t0(),
		Summary: service + " is failing", Checks: []string{"front-page"},
		NextActionAt: at(600),
		Policy: oncall.Policy{Name: "site", Levels: []oncall.Level{
			{Page: "primary"}, {Page: "secondary", After: 10 * time.Minute},
		}, Repeat: 2},
	}
}

// page is what version n of an incident owes; it is due at once.
func page(in alerting.Incident, version int64, action alerting.Action) alerting.Page {
	return alerting.Page{
		ID: fmt.Sprintf("%s/%d/1", in.ID, version), Incident: in.ID, Seq: version * 1000,
		Channel: "pagerduty", Route: "service", DedupKey: in.ID, Action: action,
		Message: alerting.Message{Summary: "failing", Source: in.Service, Severity: "critical", Time: in.Started},
		State:   alerting.Queued, Created: t0().Add(time.Duration(version) * time.Millisecond), Due: t0(),
	}
}

func entry(in alerting.Incident, seq int64, kind string) alerting.Entry {
	return alerting.Entry{Incident: in.ID, Seq: seq, At: t0(), Kind: kind, Text: kind + " for the test"}
}

// bench is a store with the few words that the stories use.
type bench struct{ alerting.Store }

func (b bench) apply(t *testing.T, c alerting.Change) {
	t.Helper()
	if err := b.Apply(t.Context(), c); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func (b bench) claim(t *testing.T, now time.Time, limit int) []alerting.Page {
	t.Helper()
	pages, err := b.Claim(t.Context(), now, lease, limit)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return pages
}

// claimOne claims exactly the page with this ID.
func (b bench) claimOne(t *testing.T, now time.Time, id string) alerting.Page {
	t.Helper()
	pages := b.claim(t, now, 10)
	if diff := cmp.Diff(ids(pages), []string{id}); diff != "" {
		t.Fatalf("claimed pages (-got +want):\n%s", diff)
	}
	return pages[0]
}

// claimNone claims nothing.
func (b bench) claimNone(t *testing.T, now time.Time) {
	t.Helper()
	if pages := b.claim(t, now, 10); len(pages) != 0 {
		t.Fatalf("claimed %v, want nothing", ids(pages))
	}
}

func (b bench) settle(t *testing.T, s alerting.Settlement) {
	t.Helper()
	if err := b.Settle(t.Context(), s); err != nil {
		t.Fatalf("settle: %v", err)
	}
}

// finish settles a claimed page in a finished state.
func (b bench) finish(t *testing.T, p alerting.Page, state alerting.PageState) {
	t.Helper()
	p.State, p.Attempts, p.LeaseUntil = state, p.Attempts+1, time.Time{}
	if state == alerting.Accepted {
		p.AcceptedAt = t0()
	}
	b.settle(t, alerting.Settlement{Page: p})
}

func (b bench) pagesOf(t *testing.T, incident string) []alerting.Page {
	t.Helper()
	pages, err := b.Pages(t.Context(), incident)
	if err != nil {
		t.Fatalf("pages: %v", err)
	}
	return pages
}

func (b bench) open(t *testing.T) []alerting.Incident {
	t.Helper()
	open, err := b.OpenIncidents(t.Context())
	if err != nil {
		t.Fatalf("open incidents: %v", err)
	}
	return open
}

func ids(pages []alerting.Page) []string {
	var out []string
	for _, p := range pages {
		out = append(out, p.ID)
	}
	return out
}

// timeline is asked of stores that can tell it.
type timeline interface {
	Timeline(ctx context.Context, incident string) ([]alerting.Entry, error)
}

// wantEntries compares the sequence numbers of the timeline, where the store can tell it.
func (b bench) wantEntries(t *testing.T, incident string, want ...int64) {
	t.Helper()
	teller, ok := b.Store.(timeline)
	if !ok {
		return
	}
	entries, err := teller.Timeline(t.Context(), incident)
	if err != nil {
		t.Fatalf("timeline: %v", err)
	}
	var got []int64
	for _, e := range entries {
		got = append(got, e.Seq)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("timeline (-got +want):\n%s", diff)
	}
}
