package pagerduty

import (
	"testing"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"
	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
)

// TestCompare: who owns what when PagerDuty and Keepwatch disagree.
func TestCompare(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC)
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	stamp := func(minutes int) string { return at(minutes).Format(time.RFC3339) }
	ada := pd.APIObject{ID: "PADA001", Type: "user_reference", Summary: "Ada"}
	service := pd.APIObject{ID: "PSVC", Type: "service_reference", Summary: "Shop"}
	incident := func(status string, changed int, by pd.APIObject) pd.Incident {
		in := pd.Incident{Status: status, CreatedAt: stamp(0), LastStatusChangeAt: stamp(changed), LastStatusChangeBy: by}
		in.ID = "Q1"
		if status != statusResolved {
			in.Assignments = []pd.Assignment{{At: stamp(0), Assignee: ada}}
		}
		if status == statusAcknowledged {
			in.Acknowledgements = []pd.Acknowledgement{{At: stamp(changed), Acknowledger: by}}
		}
		return in
	}
	open := alerting.Incident{State: alerting.Open, Opened: at(0)}
	acked := alerting.Incident{State: alerting.Acknowledged, Opened: at(0), Acknowledged: at(5)}
	closed := acked
	closed.Closed = true
	for _, tt := range []struct {
		name   string
		ours   alerting.Incident
		theirs []pd.Incident
		told   time.Time
		want   EventType
		show   alerting.Proof
	}{
		{"rings", open, []pd.Incident{incident(statusTriggered, 0, service)}, time.Time{}, "", alerting.Ringing},
		{"nothing is known", open, nil, time.Time{}, "", ""},
		{"acknowledged there", open, []pd.Incident{incident(statusAcknowledged, 3, ada)}, time.Time{}, EventAcknowledged, alerting.Answered},
		{"told already, and expired here since", open, []pd.Incident{incident(statusAcknowledged, 3, ada)}, at(3), "", alerting.Answered},
		{"our own acknowledgement comes back", open, []pd.Incident{incident(statusAcknowledged, 3, service)}, time.Time{}, "", alerting.Answered},
		{"acknowledged in both", acked, []pd.Incident{incident(statusAcknowledged, 3, ada)}, time.Time{}, "", alerting.Answered},
		{"taken back there", acked, []pd.Incident{incident(statusTriggered, 9, service)}, time.Time{}, EventUnacknowledged, alerting.Ringing},
		{"our acknowledgement is not there yet", acked, []pd.Incident{incident(statusTriggered, 0, service)}, time.Time{}, "", alerting.Ringing},
		{"a change older than ours", acked, []pd.Incident{incident(statusTriggered, 4, ada)}, time.Time{}, "", alerting.Ringing},
		{"closed there by a person", open, []pd.Incident{incident(statusResolved, 3, ada)}, time.Time{}, EventResolved, ""},
		{"closed there after it was acknowledged", acked, []pd.Incident{incident(statusResolved, 9, ada)}, time.Time{}, EventResolved, ""},
		{"closed in both", closed, []pd.Incident{incident(statusResolved, 5, ada)}, time.Time{}, "", alerting.Closed},
		{"closed there by itself", open, []pd.Incident{incident(statusResolved, 3, service)}, time.Time{}, "", alerting.Closed},
		{"closed before this page", open, []pd.Incident{incident(statusResolved, -30, ada)}, time.Time{}, "", ""},
		{"an old one closed, a new one rings", open, []pd.Incident{incident(statusResolved, -30, ada), incident(statusTriggered, 0, service)}, time.Time{}, "", alerting.Ringing},
		{"two services, one acknowledged", open, []pd.Incident{incident(statusTriggered, 0, service), incident(statusAcknowledged, 2, ada)}, time.Time{}, EventAcknowledged, alerting.Answered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := compare(ours{incident: tt.ours, key: "kw-shop-1", sent: at(0)}, tt.theirs, tt.told)
			if diff := cmp.Diff([]string{string(got.do), string(got.show.Proof)}, []string{string(tt.want), string(tt.show)}); diff != "" {
				t.Error(diff)
			}
			if got.do == EventAcknowledged && (got.by != "Ada" || got.at.IsZero()) {
				t.Errorf("acknowledged by %q at %v", got.by, got.at)
			}
		})
	}
}

// TestChoose: which of PagerDuty's incidents a page opened.
func TestChoose(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 11, 22, 3, 12, 9, 0, time.UTC)
	incident := func(id, status, user string, created, changed time.Duration) pd.Incident {
		in := pd.Incident{Status: status, CreatedAt: t0.Add(created).Format(time.RFC3339), LastStatusChangeAt: t0.Add(changed).Format(time.RFC3339)}
		in.ID = id
		if user != "" {
			in.Assignments = []pd.Assignment{{Assignee: pd.APIObject{ID: user}}}
		}
		return in
	}
	for _, tt := range []struct {
		name string
		all  []pd.Incident
		user string
		want string
	}{
		{"none", nil, "", ""},
		{"the open one", []pd.Incident{incident("old", statusResolved, "", -time.Hour, -time.Hour), incident("new", statusTriggered, "PA", 0, 0)}, "", "new"},
		{"the newest open one", []pd.Incident{incident("a", statusTriggered, "PA", -time.Minute, 0), incident("b", statusTriggered, "PB", 0, 0)}, "", "b"},
		{"the one of the person", []pd.Incident{incident("a", statusTriggered, "PA", -time.Minute, 0), incident("b", statusTriggered, "PB", 0, 0)}, "PA", "a"},
		{"closed after it was sent", []pd.Incident{incident("a", statusResolved, "", 0, time.Minute)}, "", "a"},
		{"closed long before", []pd.Incident{incident("a", statusResolved, "", -time.Hour, -10*time.Minute)}, "", ""},
	} {
		got, ok := choose(tt.all, tt.user, t0)
		if got.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: got %q %v, want %q", tt.name, got.ID, ok, tt.want)
		}
	}
}
