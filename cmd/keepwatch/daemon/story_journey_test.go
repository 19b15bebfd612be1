package daemon

import (
	"strings"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/reports"
)

// TestStoryJourneyNamesItsStep: a journey fails at its step "upload". The page that
// rings says so, the incident keeps all steps, and Monday's report gives the step
// as the cause.
func TestStoryJourneyNamesItsStep(t *testing.T) {
	t.Parallel()
	const says = "step 5 upload: the status is 507, not 200-299"
	tell(t, func(n *night) {
		watched := probe.Check{
			Name: "front", Kind: "journey", Every: storyInterval, Quorum: 2, Locations: []string{"central", "east", "west"}, Spec: "{}",
		}
		if err := (&postgres.Results{DB: n.db}).SyncChecks(n.t.Context(), n.start.UTC(), []probe.Check{watched}); err != nil {
			n.t.Fatal(err)
		}
		n.wait(2 * time.Minute)
		n.sight.Store(&probe.Look{
			Code: 507, Latency: 80 * time.Millisecond,
			Fault: probe.Fault{Class: probe.ClassStatus, Phase: "expect", Step: "upload", Message: says, Body: []byte("disk full")},
			Steps: []probe.StepLook{
				{Name: "log in", OK: true, Code: 200, Latency: 30 * time.Millisecond, Phases: probe.Phases{FirstByte: 30 * time.Millisecond}},
				{Name: "upload", Code: 507, Began: 30 * time.Millisecond, Latency: 50 * time.Millisecond, Message: "the status is 507, not 200-299"},
				{Name: "gone", Skipped: true, Message: "an earlier step failed"},
			},
		})
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty")
		if got := n.phone.rings[0].page.Message.Summary; !strings.Contains(got, says) {
			n.t.Errorf("the page says %q, want %q in it", got, says)
		}
		n.sight.Store(nil)
		n.wait(2 * time.Minute)
		in := n.stored()[0]
		found, err := (&postgres.Results{DB: n.db}).FirstFailures(n.t.Context(), in.Checks, in.Started, in.Resolved)
		if err != nil || len(found) != 1 {
			n.t.Fatalf("the ledger holds %+v, %v; want one failure", found, err)
		}
		look := found[0].Look
		if look.Fault.Step != "upload" || look.Fault.Message != says || len(look.Steps) != 3 || look.Steps[1].Message == "" || look.Steps[0].Phases.FirstByte != 30*time.Millisecond {
			n.t.Errorf("the incident keeps %+v", look)
		}
		now := time.Now()
		week, err := reports.Make(n.t.Context(), postgres.Reports{DB: n.db}, reports.WeekOf(now, time.UTC),
			[]reports.Service{{Name: "shop", Objective: 950_000, Critical: []string{"front"}}}, now)
		if err != nil {
			n.t.Fatal(err)
		}
		outages := week.Services[0].Outages
		if len(outages) != 1 || !strings.Contains(outages[0].Cause, says) {
			n.t.Errorf("the report has the outages %+v, want one with the cause %q", outages, says)
		}
	})
}
