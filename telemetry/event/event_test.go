package event_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
	"keepwatch/telemetry/event"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func failing() probe.Result {
	return probe.Result{
		Check: "front-page", Location: "west", Slot: noon, Started: noon.Add(7 * time.Second), Outcome: probe.Bad, Attempts: 2, Lag: 3 * time.Millisecond,
		Look: probe.Look{
			Fault: probe.Fault{Class: probe.ClassStatus, Phase: "expect", Message: "status 503, want 200", Body: []byte("<h1>s3cret</h1>")},
			Code:  503, Latency: 120 * time.Millisecond, Bytes: 17, RemoteAddr: "192.0.2.7:443", CertNotAfter: noon.AddDate(0, 0, 10),
			Phases: probe.Phases{DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 100 * time.Millisecond, Transfer: 14 * time.Millisecond},
		},
	}
}

// every is one event of each type with everything filled in.
func every() map[string]event.Event {
	return map[string]event.Event{
		event.TypeCheck: event.FromResult(failing(), event.Target{Kind: "http", Address: "https://ada:s3cret@images.example.com:8443/a?code=s3cret#s3cret"}),
		event.TypeCheckMinute: event.FromMinute(event.Minute{
			Check: "front-page", Location: "west", Minute: noon, Total: 6, Good: 3, Bad: 1, Unknown: 2, Suspect: 1,
			Min: time.Millisecond, Avg: 2 * time.Millisecond, P95: 3 * time.Millisecond, Max: 4 * time.Millisecond, FirstError: "refused", RawDropped: 5,
		}),
		event.TypeIncident: event.FromTransition(event.Transition{
			Incident: "kw-image-site-1763805600", Service: "image-site", Summary: "image-site is down", Seq: 2001, At: noon.Add(time.Minute), Kind: "acknowledged",
			Person: "ada", Text: "through PagerDuty", Level: 1, Opened: noon, Acknowledged: noon.Add(time.Minute), Resolved: noon.Add(time.Hour), Policy: "site",
		}),
		event.TypeHeartbeat: event.FromHeartbeat(event.Heartbeat{
			Location: "west", At: noon.Add(5 * time.Second), Version: "v1", SchedulerLagP99: time.Millisecond, DBLatency: time.Millisecond,
			ClockOffset: -time.Millisecond, OutboxPending: 1, EventsResent: 2, EventsExpired: 3,
		}),
		event.TypeReport: event.FromReport(event.Report{
			SLO: "image-site", Week: "2026-W47", At: noon, Revision: 1, Availability: 99.5, Objective: 95, BudgetRemaining: 90, Coverage: 99,
			Verdict: "MET", Total: 100, Good: 99, Downtime: time.Hour, Incidents: 1,
		}),
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]any{
		event.TypeCheck: {
			"monitorId": "front-page", "monitorName": "front-page", "monitorType": "http", "location": "west", "locationLabel": "west",
			"result": "FAILED", "error": "status 503, want 200", "failureClass": "status", "failurePhase": "expect", "suspect": false, "schedulerLag": 3.0,
			"attempts": 2.0, "duration": 120.0, "durationDNS": 1.0, "durationConnect": 2.0, "durationSSL": 3.0, "durationWait": 100.0, "durationReceive": 14.0,
			"URL": "https://images.example.com:8443/a", "host": "images.example.com", "port": "8443", "responseCode": 503.0, "responseBodySize": 17.0,
			"serverIPAddress": "192.0.2.7", "sslCertificateExpirationDaysRemaining": 9.0, "slot": float64(noon.UnixMilli()),
		},
		event.TypeCheckMinute: {
			"monitorId": "front-page", "monitorName": "front-page", "location": "west", "locationLabel": "west", "minute": float64(noon.UnixMilli()),
			"total": 6.0, "good": 3.0, "bad": 1.0, "unknown": 2.0, "suspect": 1.0, "durationMin": 1.0, "durationAvg": 2.0, "durationP95": 3.0, "durationMax": 4.0,
			"firstError": "refused", "rawDropped": 5.0,
		},
		event.TypeIncident: {
			"event": "acknowledge", "incidentId": "kw-image-site-1763805600", "title": "image-site is down", "description": "through PagerDuty",
			"priority": "critical", "conditionName": "image-site", "policyName": "site", "targetName": "image-site", "assignee": "ada",
			"escalationLevel": 1.0, "sequence": 2001.0, "openTime": float64(noon.UnixMilli()), "durationSeconds": 60.0, "timeToAckSeconds": 60.0,
		}, // no closeTime: at this moment it was not closed
		event.TypeHeartbeat: {
			"location": "west", "version": "v1", "schedulerLagP99": 1.0, "dbLatency": 1.0, "clockOffsetMs": -1.0, "outboxPending": 1.0, "eventsResent": 2.0, "eventsExpired": 3.0,
		},
		event.TypeReport: {
			"sloName": "image-site", "week": "2026-W47", "revision": 1.0, "verdict": "MET", "availability": 99.5, "objective": 95.0, "budgetRemaining": 90.0,
			"coverage": 99.0, "total": 100.0, "good": 99.0, "downtimeSeconds": 3600.0, "incidents": 1.0,
		},
	}
	for name, e := range every() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := decode(t, e)
			delete(got, "id")
			if diff := cmp.Diff(want[name], got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if e.Type != name {
				t.Errorf("type %q, want %q", e.Type, name)
			}
		})
	}
}

// TestFailingStep: the event of a journey says which step failed.
func TestFailingStep(t *testing.T) {
	t.Parallel()
	r := failing()
	r.Look.Fault.Step, r.Look.Fault.Message = "upload", "step 5 upload: the status is 507, not 200-299"
	got := decode(t, event.FromResult(r, event.Target{Kind: "journey"}))
	if got["failureStep"] != "upload" || got["error"] != r.Look.Fault.Message {
		t.Errorf("got step %v, error %v", got["failureStep"], got["error"])
	}
}

// TestAgentTakesEveryAttribute holds the rules by which the agent refuses whole events.
func TestAgentTakesEveryAttribute(t *testing.T) {
	t.Parallel()
	for name, e := range every() {
		attrs := decode(t, e)
		if n := len(attrs) + 4; n > 64 { // eventId, occurredAt, lateMs, late
			t.Errorf("%s has %d attributes, want at most 64", name, n)
		}
		for k, v := range attrs {
			switch v := v.(type) {
			case bool:
			case float64:
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s.%s is %v", name, k, v)
				}
			case string:
				if len(v) > 255 {
					t.Errorf("%s.%s has %d bytes, want at most 255", name, k, len(v))
				}
			default:
				t.Errorf("%s.%s is a %T, which the agent refuses", name, k, v)
			}
		}
		if strings.Contains(string(e.Attrs), "s3cret") {
			t.Errorf("%s tells a secret: %s", name, e.Attrs)
		}
	}
}

// TestIDsAreStable would fail if an id changed: everything in the outbox would be told twice.
func TestIDsAreStable(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		event.TypeCheck:       "6c268fac-42fa-51e5-83e3-b4ed1d6d3c5c",
		event.TypeCheckMinute: "6654bf21-5502-54c2-af78-58772ed79fee",
		event.TypeIncident:    "1fab2916-e1f7-522a-b9fb-1f628a3e24f4",
		event.TypeHeartbeat:   "402e96bf-6d9a-555e-b923-8002accdae05",
		event.TypeReport:      "0d47506e-4f0a-592c-a2ce-e32f04da2aef",
	}
	got := map[string]string{}
	for name, e := range every() {
		got[name] = e.ID
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

func TestIDsTellApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, check := range []string{"a", "ab", "b"} {
		for _, location := range []string{"c", "bc", "west"} {
			for i := range 3 {
				r := probe.Result{Check: check, Location: location, Slot: noon.Add(time.Duration(i) * time.Second)}
				what := fmt.Sprint(check, "/", location, "/", i)
				id := event.FromResult(r, event.Target{}).ID
				if other, ok := seen[id]; ok {
					t.Errorf("%s and %s have the same id", what, other)
				}
				seen[id] = what
			}
		}
	}
	// Outcome and target may differ in a repeated batch; the slot is the same.
	r := probe.Result{Check: "a", Location: "c", Slot: noon, Outcome: probe.Bad}
	if got, want := event.FromResult(r, event.Target{Kind: "http"}).ID, event.FromResult(probe.Result{Check: "a", Location: "c", Slot: noon}, event.Target{}).ID; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ address, url, host, port string }{
		{"https://images.example.com/", "https://images.example.com/", "images.example.com", ""},
		{"mail.example.com:25", "", "mail.example.com", "25"},
		{"[2001:db8::1]:53", "", "2001:db8::1", "53"},
		{"example.com", "", "example.com", ""},
		{"", "", "", ""},
	} {
		got := decode(t, event.FromResult(failing(), event.Target{Address: tc.address}))
		for k, want := range map[string]string{"URL": tc.url, "host": tc.host, "port": tc.port} {
			if s, _ := got[k].(string); s != want {
				t.Errorf("%q: %s = %q, want %q", tc.address, k, s, want)
			}
		}
	}
}

func FuzzClip(f *testing.F) {
	for _, seed := range []string{"", "ok", "a\x00b", "\xff\xfe", strings.Repeat("é", 200), strings.Repeat("x", 254) + "🙂"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := event.Clip(s)
		if len(got) > 255 || !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("Clip(%q) = %q", s, got)
		}
		if utf8.ValidString(s) && len(s) <= 255 && !strings.Contains(s, "\x00") && got != s {
			t.Errorf("Clip(%q) = %q, want it unchanged", s, got)
		}
		r := failing()
		r.Look.Fault.Message = s
		decode(t, event.FromResult(r, event.Target{Kind: s, Address: s}))
	})
}

func decode(t *testing.T, e event.Event) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(e.Attrs, &got); err != nil {
		t.Fatalf("%s: %v", e.Attrs, err)
	}
	return got
}

func BenchmarkFromResult(b *testing.B) {
	r := failing()
	target := event.Target{Kind: "http", Address: "https://images.example.com/"}
	b.ReportAllocs()
	for b.Loop() {
		event.FromResult(r, target)
	}
}
