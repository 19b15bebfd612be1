package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// tour is a journey that failed at its second step.
func tour() probe.Result {
	ms := time.Millisecond
	return probe.Result{
		Check: "tour", Location: "west", Slot: opened, Started: opened, Outcome: probe.Bad,
		Look: probe.Look{
			Fault: probe.Fault{Class: probe.ClassStatus, Step: "upload", Message: "step 2 upload: the status is 507, not 200-299", Body: []byte("<b>disk full</b>")},
			Steps: []probe.StepLook{
				{Name: "log in", OK: true, Code: 200, Latency: 60 * ms, Phases: probe.Phases{DNS: 10 * ms, Connect: 10 * ms, TLS: 20 * ms, FirstByte: 15 * ms, Transfer: 5 * ms}},
				{Name: "upload", Code: 507, Began: 60 * ms, Latency: 40 * ms, Phases: probe.Phases{FirstByte: 40 * ms}, Message: "the status is 507, not 200-299"},
				{Name: "<i>gone</i>", Skipped: true, Message: "an earlier step failed"},
				{Name: "sweep", Cleanup: true, Code: 500, Began: 90 * ms, Latency: 10 * ms, Message: "the status is 500"},
			},
		},
	}
}

func TestStepsOnThePages(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	d.status.Checks = append(d.status.Checks, CheckStatus{Name: "tour", Kind: "journey", State: "down", Locations: []LocationStatus{{Name: "west", Last: tour()}}})
	d.status.Incidents[0].Failures = []probe.Result{tour()}
	for _, path := range []string{"/", "/incidents/kw-shop-1"} {
		body := do(h, "GET", path, "").Body.String()
		for _, want := range []string{
			`<span class="tag up">ok</span> 1 log in`, `<span class="tag down">failed</span> 2 upload`, `<span class="tag unknown">skipped</span> 3 &lt;i&gt;gone`,
			`clean-up failed</span> 4 sweep`, "step 2 upload: the status is 507, not 200-299", `<rect class="dns" x="0" y="1" width="100"`,
			`<rect class="first_byte" x="600" y="1" width="400"`, "60.0 ms",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, body)
			}
		}
		if strings.Contains(body, "<i>gone") || strings.Contains(body, "<b>disk") {
			t.Errorf("%s: text from a target reached the page as markup", path)
		}
		if strings.Contains(body, "style=") {
			t.Errorf("%s has a style that the policy forbids", path)
		}
	}
	if body := do(h, "GET", "/incidents/kw-shop-1", "").Body.String(); !strings.Contains(body, "What tour saw first") || !strings.Contains(body, "&lt;b&gt;disk full") {
		t.Errorf("the incident's page lacks what was seen:\n%s", body)
	}
	if body := do(h, "GET", "/", "").Body.String(); !strings.Contains(body, "<details open>") {
		t.Error("the steps of a failing journey are folded away")
	}
}

func TestStepsInTheAnswer(t *testing.T) {
	t.Parallel()
	st := publicStatus(Status{Checks: []CheckStatus{{Name: "tour", Locations: []LocationStatus{{Name: "west", Last: tour()}}}}})
	got, err := json.Marshal(st.Checks[0].Locations[0].Steps)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"log in","outcome":"ok","code":200,"began_ms":0,"latency_ms":60},` +
		`{"name":"upload","outcome":"failed","code":507,"began_ms":60,"latency_ms":40,"fault":"the status is 507, not 200-299"},` +
		`{"name":"\u003ci\u003egone\u003c/i\u003e","outcome":"skipped","began_ms":0,"latency_ms":0,"fault":"an earlier step failed"},` +
		`{"name":"sweep","cleanup":true,"outcome":"clean-up failed","code":500,"began_ms":90,"latency_ms":10,"fault":"the status is 500"}]`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestIncidentWithoutSteps: an incident of other kinds shows what was seen, without a chart.
func TestIncidentWithoutSteps(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	d.status.Incidents[0] = IncidentStatus{
		Incident: alerting.Incident{ID: "kw-shop-1", Service: "shop", State: alerting.Open, Started: opened},
		Failures: []probe.Result{{Check: "front", Location: "west", Slot: opened, Look: probe.Look{Fault: probe.Fault{Message: "the status is 503"}}}},
	}
	body := do(h, "GET", "/incidents/kw-shop-1", "").Body.String()
	if !strings.Contains(body, "What front saw first") || strings.Contains(body, "<svg") || strings.Contains(body, "What was answered") {
		t.Errorf("got %s", body)
	}
}
