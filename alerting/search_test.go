package alerting

import (
	"testing"
	"time"
)

// TestStoryIncidentOfAnotherDaemon: a daemon that led in the dark brings an incident when
// the database is back, and this one leads by now. It must not stay open for ever.
func TestStoryIncidentOfAnotherDaemon(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		t := w.t
		w.start()
		time.Sleep(time.Minute)
		now := time.Now().UTC()
		rule := w.rules[0]
		inc := Incident{ID: "kw-" + rule.Service + "-7", Service: rule.Service, State: Open, Version: 1, Started: now, Opened: now, Checks: []string{rule.Checks[0].Name}, Policy: rule.Policy}
		page := Page{
			ID: inc.ID + "/1/1", Incident: inc.ID, Seq: 1001, Channel: "pagerduty", Route: "person:ada", DedupKey: inc.ID, Action: Trigger, Person: "ada",
			State: Accepted, Created: now, Due: now, AcceptedAt: now,
		}
		if err := w.store.Apply(t.Context(), Change{Incident: inc, Pages: []Page{page}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		if open := w.open(); len(open) != 0 {
			t.Errorf("still open after 3 minutes of a healthy service: %+v", open)
		}
		w.settled()
	})
}
