package web

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/probe"

	"github.com/google/go-cmp/cmp"
	"github.com/jba/templatecheck"
)

// desk is the source and the actor of the tests.
type desk struct {
	status  Status
	lines   []Line
	acked   []string
	beats   []string
	failing error
	standBy bool
	acts    []Act
	orders  []Order
	plan    Plan
	did     chan struct{} // hears of each act; nil: nobody waits
}

func (d *desk) Status(context.Context) (Status, error) { return d.status, d.failing }
func (d *desk) Health(context.Context) []Line          { return d.lines }

func (d *desk) Incident(_ context.Context, id string) (IncidentStatus, error) {
	for _, i := range d.status.Incidents {
		if i.ID == id {
			return i, nil
		}
	}
	return IncidentStatus{}, alerting.ErrNotFound
}

func (d *desk) Ack(_ context.Context, incident, by string, _ time.Time) error {
	if d.standBy {
		return ErrStandBy
	}
	if incident != "kw-shop-1" {
		return alerting.ErrNotFound
	}
	d.acked = append(d.acked, incident+" by "+by)
	return nil
}

func (d *desk) Beat(_ context.Context, check string, _ time.Time) error {
	if check != "backup" {
		return ErrNotFound
	}
	d.beats = append(d.beats, check)
	return d.failing
}

var opened = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)

func setup(t *testing.T) (*Server, *desk, http.Handler) {
	t.Helper()
	d := &desk{status: Status{
		Now:      opened.Add(95 * time.Second),
		Services: []ServiceStatus{{Name: "shop", State: "down", Objective: "95.00 %", Availability: "94.99 %"}},
		Checks: []CheckStatus{{Name: "front", Kind: "http", Target: "http://shop/", State: "down", Locations: []LocationStatus{{
			Name: "west", History: []probe.Outcome{probe.Good, probe.Unknown, probe.Bad},
			Last: probe.Result{Started: opened, Outcome: probe.Bad, Look: probe.Look{Fault: probe.Fault{Message: `status 503 <script>alert(1)</script>`}}},
		}}}},
		Incidents: []IncidentStatus{{
			Incident: alerting.Incident{ID: "kw-shop-1", Service: "shop", State: alerting.Open, Started: opened, Summary: "front is failing", Checks: []string{"front"}},
			Pages:    []alerting.Page{{Action: alerting.Trigger, Person: "ada", Channel: "pagerduty", State: alerting.Accepted, AcceptedAt: opened}},
			Timeline: []alerting.Entry{{At: opened, Kind: "opened", Text: "front is failing"}},
		}},
		OnCall: []oncall.Shift{{Rotation: "primary", Person: "ada", To: opened.Add(time.Hour), Source: oncall.FromRotation}},
		People: map[string]string{"ada": "Ada"},
		Health: []Line{{Name: "postgres", Level: Red, Text: "is away"}},
	}}
	s := &Server{Source: d, Actor: d, Desk: d, Signer: Signer{Key: []byte("0123456789abcdef")}, Reports: d, Formats: menu(), Log: slog.New(slog.DiscardHandler)}
	s.Config.SetDefaults()
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return s, d, h
}

func do(h http.Handler, method, target string, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTemplatesMatchTheirData(t *testing.T) {
	t.Parallel()
	pages, err := parsePages()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]any{"status.html": statusView{}, "incident.html": incidentView{}, "ack.html": ackView{}, "incidents.html": listView{}, "oncall.html": planView{}} {
		if err := templatecheck.CheckHTML(pages.Lookup(name), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatusPage(t *testing.T) {
	t.Parallel()
	_, _, h := setup(t)
	w := do(h, "GET", "/", "")
	body := w.Body.String()
	for _, want := range []string{
		"<title>shop is failing", "1 min 35 s", "Ada: accepted by pagerduty", "until Sun 22 Nov 04:12:00 UTC",
		"94.99 %", "status 503 &lt;script&gt;", `class="unknown"`, "is away", "Nobody has acknowledged yet",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the status page lacks %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("text from a target reached the page as markup")
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") {
		t.Errorf("Content-Security-Policy is %q", got)
	}
}

func TestHeadlineNeverCallsUnknownUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		status         Status
		headline, mood string
	}{
		{"nothing configured", Status{}, "No service is watched yet", "unknown"},
		{"up", Status{Services: []ServiceStatus{{State: "up"}}}, "All services are up", "up"},
		{"one unseen", Status{Services: []ServiceStatus{{State: "up"}, {State: "unknown"}}}, "Not everything can be seen", "unknown"},
		{"two down", Status{Incidents: make([]IncidentStatus, 2)}, "2 services are failing", "down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := statusView{tt.status}
			if v.Headline() != tt.headline || v.Mood() != tt.mood {
				t.Errorf("got %q %q, want %q %q", v.Headline(), v.Mood(), tt.headline, tt.mood)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		lines           []Line
		health, ready   int
		healthz, readyz string
	}{
		{"all well", []Line{{Name: "probes", Level: OK}}, 200, 200, "ok\n", "ready\n"},
		{"amber is still serving", []Line{{Name: "x", Level: Amber}}, 200, 200, "amber\n", "ready\n"},
		{"red", []Line{{Name: "x", Level: Amber}, {Name: "y", Level: Red}}, 503, 200, "red\n", "ready\n"},
		{"not ready", []Line{{Name: "y", Level: Amber, NotReady: true}}, 200, 503, "amber\n", "not ready\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, d, h := setup(t)
			d.lines = tt.lines
			hz, rz := do(h, "GET", "/healthz", ""), do(h, "GET", "/readyz", "")
			if hz.Code != tt.health || !strings.HasPrefix(hz.Body.String(), tt.healthz) {
				t.Errorf("healthz: got %d %q, want %d %q", hz.Code, hz.Body, tt.health, tt.healthz)
			}
			if rz.Code != tt.ready || !strings.HasPrefix(rz.Body.String(), tt.readyz) {
				t.Errorf("readyz: got %d %q, want %d %q", rz.Code, rz.Body, tt.ready, tt.readyz)
			}
			if do(h, "GET", "/livez", "").Code != http.StatusOK {
				t.Error("livez must not depend on anything")
			}
		})
	}
}

func TestAckLinks(t *testing.T) {
	t.Parallel()
	s, d, h := setup(t)
	link := strings.TrimPrefix(s.Signer.Link("http://console", "kw-shop-1", "ada", time.Now()), "http://console")
	w := do(h, "GET", link, "")
	if w.Code != http.StatusOK || len(d.acked) != 0 {
		t.Fatalf("opening the link: got %d and acks %v, want 200 and none", w.Code, d.acked)
	}
	// An action written by the template would have its query escaped, and the signature lost.
	if !strings.Contains(w.Body.String(), `<form method="post"><button>`) {
		t.Errorf("the form must go to the page's own address:\n%s", w.Body)
	}
	if w := do(h, "POST", link, ""); w.Code != http.StatusSeeOther {
		t.Fatalf("pressing the button: got %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff(d.acked, []string{"kw-shop-1 by ada"}); diff != "" {
		t.Errorf("acks (-got +want):\n%s", diff)
	}
	forged := []string{
		strings.Replace(link, "kw-shop-1", "kw-shop-2", 1),
		strings.Replace(link, "by=ada", "by=eve", 1),
		"/ack/kw-shop-1",
		strings.TrimPrefix(s.Signer.Link("http://console", "kw-shop-1", "ada", time.Now().Add(-8*24*time.Hour)), "http://console"),
	}
	for _, f := range forged {
		if w := do(h, "POST", f, ""); w.Code != http.StatusForbidden {
			t.Errorf("POST %s: got %d, want 403", f, w.Code)
		}
	}
	if (Signer{}).Check("x", url.Values{}, time.Now()) == nil {
		t.Error("a signer without a key must accept nothing")
	}
}

func TestConsoleAck(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	if w := do(h, "POST", "/incidents/kw-shop-1/ack", "by=grace"); w.Code != http.StatusSeeOther {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	d.standBy = true
	if w := do(h, "POST", "/incidents/kw-shop-1/ack", "by=grace"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "another one leads") {
		t.Errorf("on a stand-by: got %d %q, want 503 and what to do", w.Code, w.Body)
	}
	d.standBy = false
	if w := do(h, "POST", "/incidents/none/ack", "by=grace"); w.Code != http.StatusNotFound {
		t.Errorf("unknown incident: got %d, want 404", w.Code)
	}
	r := httptest.NewRequest(http.MethodPost, "/incidents/kw-shop-1/ack", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a form on another site: got %d, want 403", w.Code)
	}
	if diff := cmp.Diff(d.acked, []string{"kw-shop-1 by grace"}); diff != "" {
		t.Errorf("acks (-got +want):\n%s", diff)
	}
}

func TestHeartbeatAnswersTruthfully(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	if w := do(h, "POST", "/v1/heartbeat/backup", ""); w.Code != http.StatusOK || len(d.beats) != 1 {
		t.Errorf("got %d, beats %v", w.Code, d.beats)
	}
	if w := do(h, "POST", "/v1/heartbeat/unknown", ""); w.Code != http.StatusNotFound {
		t.Errorf("unknown check: got %d, want 404", w.Code)
	}
	d.failing = ErrUnavailable
	if w := do(h, "POST", "/v1/heartbeat/backup", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("not stored: got %d, want 503 so that the job tries again", w.Code)
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	var got statusAnswer
	if err := json.Unmarshal(do(h, "GET", "/api/v1/status", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []incidentAnswer{{ID: "kw-shop-1", Service: "shop", State: "open", Since: opened, Summary: "front is failing"}}
	if diff := cmp.Diff(got.Incidents, want); diff != "" {
		t.Errorf("incidents (-got +want):\n%s", diff)
	}
	d.status.Incidents = nil
	if w := do(h, "GET", "/incidents/kw-shop-1", ""); w.Code != http.StatusNotFound {
		t.Errorf("missing incident: got %d, want 404", w.Code)
	}
}

func TestPanicBecomes500(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	s.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bug") })
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if w := do(h, "GET", "/metrics", ""); w.Code != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", w.Code)
	}
}

func TestRunDrainsAndStops(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	s.Config.Listen = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	ln, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/livez") //nolint:forbidigo // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("livez: got %q", body)
	}
	s2 := &Server{Config: Config{Listen: ln.Addr().String()}}
	if _, err := s2.Listen(ctx); err == nil || !strings.Contains(err.Error(), "choose another console.listen") {
		t.Errorf("a taken port: got %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestRecentKeepsSixtySlots(t *testing.T) {
	t.Parallel()

	r := &Recent{}
	for i := range 70 {
		o := probe.Good
		if i >= 65 {
			o = probe.Bad
		}
		r.Record(probe.Result{Check: "a", Location: "west", Outcome: o})
	}
	r.Record(probe.Result{Check: "a", Location: "west", Outcome: probe.Bad, Extra: true, Attempts: 9})
	got := r.Location("a", "west")
	if len(got.History) != historyLen || got.History[54] != probe.Good || got.History[55] != probe.Bad || got.Last.Attempts != 9 {
		t.Errorf("got %d slots, %v, last %+v", len(got.History), got.History, got.Last)
	}
	r.Keep(func(check, _ string) bool { return check != "a" })
	if got := r.Location("a", "west"); len(got.History) != 0 {
		t.Errorf("a removed check is still remembered: %v", got)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s": -time.Second, "59 s": 59 * time.Second, "2 min 5 s": 125 * time.Second,
		"3 h 1 min": 3*time.Hour + time.Minute + 2*time.Second, "2 d 1 h": 49 * time.Hour,
	} {
		if got := ago(opened, opened.Add(d)); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
