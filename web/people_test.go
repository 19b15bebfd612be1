package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/alerting"
	"keepwatch/oncall"
)

func (d *desk) Incidents(context.Context) ([]IncidentStatus, error) {
	return d.status.Incidents, d.failing
}

func (d *desk) Act(ctx context.Context, a Act) error {
	if a.Verb == VerbAck {
		return d.Ack(ctx, a.Incident, a.By, a.At)
	}
	if a.Incident != "kw-shop-1" {
		return alerting.ErrNotFound
	}
	d.acts = append(d.acts, a)
	if d.did != nil {
		d.did <- struct{}{}
	}
	return nil
}

func (d *desk) Page(_ context.Context, o Order) (Ordered, error) {
	if o.To == "kurt" {
		return Ordered{}, RefusedError("no person, rotation or escalation \"kurt\"")
	}
	d.orders = append(d.orders, o)
	return Ordered{Incident: "kw-page-1"}, nil
}

func (d *desk) Plan(context.Context) (Plan, error) { return d.plan, nil }

func (d *desk) Calendar(_ context.Context, w io.Writer, rotation, person string) error {
	_, err := fmt.Fprintf(w, "BEGIN:VCALENDAR %s%s", rotation, person)
	return err
}

// send makes a request with a bearer and returns the answer.
func send(h http.Handler, method, target, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDeedsFromTheIncidentPage(t *testing.T) {
	t.Parallel()
	form := func(kv ...string) string {
		v := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v.Encode()
	}
	for _, tt := range []struct {
		name, verb, body string
		code             int
		want             []Act
	}{
		{"a note", "note", form("by", "ada", "text", " the disk is full "), 303, []Act{{Verb: VerbNote, Incident: "kw-shop-1", By: "ada", Via: "console", Text: "the disk is full"}}},
		{"nobody's name", "resolve", form("text", "over"), 303, []Act{{Verb: VerbResolve, Incident: "kw-shop-1", By: "console", Via: "console", Text: "over"}}},
		{"a silence", "silence", form("by", "ada", "for", "4h"), 303, []Act{{Verb: VerbSilence, Incident: "kw-shop-1", By: "ada", Via: "console", For: 4 * time.Hour}}},
		{"an empty note", "note", form("by", "ada", "text", "  "), 422, nil},
		{"a silence for ever", "silence", form("by", "ada", "for", "9000h"), 422, nil},
		{"a silence for some time", "silence", form("by", "ada", "for", "soon"), 422, nil},
		{"something else", "delete", form("by", "ada"), 404, nil},
		{"a name without end", "note", form("by", strings.Repeat("a", 101), "text", "x"), 422, nil},
		{"a note without end", "note", form("by", "ada", "text", strings.Repeat("a", 2001)), 422, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, d, h := setup(t)
			w := do(h, "POST", "/incidents/kw-shop-1/"+tt.verb, tt.body)
			if w.Code != tt.code {
				t.Errorf("got %d %q, want %d", w.Code, w.Body, tt.code)
			}
			if diff := cmp.Diff(d.acts, tt.want, cmpopts.IgnoreFields(Act{}, "At")); diff != "" {
				t.Errorf("acts (-got +want):\n%s", diff)
			}
			// The same form sent by another site does nothing.
			before := len(d.acts)
			r := httptest.NewRequest(http.MethodPost, "http://console/incidents/kw-shop-1/"+tt.verb, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", "https://evil.example")
			w = httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || len(d.acts) != before {
				t.Errorf("from another origin: got %d and %d acts, want 403 and none", w.Code, len(d.acts)-before)
			}
		})
	}
}

// withTokens is a console with one token of each role, and what it logs.
func withTokens(t *testing.T, logIn bool) (*Server, *desk, http.Handler, *strings.Builder) {
	t.Helper()
	s, d, _ := setup(t)
	log := &strings.Builder{}
	s.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Config.LogIn = logIn
	s.Config.Tokens = []Token{
		{Name: "wall", Token: "view-token-0123456789"}, // no role: view
		{Name: "phone", Role: Acker, Token: "ack-token-0123456789"},
		{Name: "ops", Role: Admin, Token: "admin-token-0123456789"},
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return s, d, h, log
}

func TestRolesOfTheAPI(t *testing.T) {
	t.Parallel()
	s, d, h, log := withTokens(t, false)
	requests := []struct{ method, path, body string }{
		{"GET", "/api/v1/incidents", ""},
		{"POST", "/api/v1/incidents/kw-shop-1/note", `{"by":"ada","text":"hello"}`},
		{"POST", "/api/v1/pages", `{"to":"ada","message":"call me","by":"ada"}`},
	}
	local := s.Signer.Local()
	for token, want := range map[string][]int{
		"":                       {401, 401, 401},
		"wrong-token-0123456789": {401, 401, 401},
		local + "x":              {401, 401, 401},
		"view-token-0123456789":  {200, 403, 403},
		"ack-token-0123456789":   {200, 200, 403},
		"admin-token-0123456789": {200, 200, 200},
		local:                    {200, 200, 200},
	} {
		for i, r := range requests {
			if w := send(h, r.method, r.path, token, r.body); w.Code != want[i] {
				t.Errorf("%s %s with %q: got %d %q, want %d", r.method, r.path, token, w.Code, w.Body, want[i])
			}
		}
	}
	var via []string
	for _, a := range d.acts {
		via = append(via, a.Via)
	}
	if len(via) != 3 || !strings.Contains(strings.Join(via, ","), "token phone") || !strings.Contains(strings.Join(via, ","), "command line") {
		t.Errorf("what is recorded of who it was: got %q", via)
	}
	if len(d.orders) != 2 {
		t.Errorf("pages by hand: got %d, want 2", len(d.orders))
	}
	for _, secret := range []string{local, "token-0123456789"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has a token: %s", log)
		}
	}
	// A reload ends a token at once.
	s.Tokens = func() []Token { return nil }
	if w := send(h, "GET", "/api/v1/incidents", "admin-token-0123456789", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a token that was taken away: got %d, want 401", w.Code)
	}
}

func TestNoKeyNoAccess(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	s.Signer = Signer{}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if w := send(h, "GET", "/api/v1/incidents", s.Signer.Local(), ""); w.Code != http.StatusUnauthorized {
		t.Errorf("without a key: got %d, want 401", w.Code)
	}
	feed := strings.TrimPrefix(s.Signer.FeedURL("http://c", "rotation", "primary"), "http://c")
	if w := do(h, "GET", feed, ""); w.Code != http.StatusNotFound {
		t.Errorf("a calendar without a key: got %d, want 404", w.Code)
	}
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	_, d, h, _ := withTokens(t, true)
	get := func(method, path, password string) int {
		r := httptest.NewRequest(method, path, strings.NewReader("by=ada&text=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if password != "" {
			r.SetBasicAuth("ada", password)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, tt := range []struct {
		method, path                 string
		stranger, wrong, viewer, ack int
	}{
		{"GET", "/", 401, 401, 200, 200},
		{"GET", "/incidents", 401, 401, 200, 200},
		{"GET", "/incidents/kw-shop-1", 401, 401, 200, 200},
		{"GET", "/oncall", 401, 401, 200, 200},
		{"GET", "/api/v1/status", 401, 401, 200, 200},
		{"GET", "/reports/now", 401, 401, 200, 200},
		{"POST", "/incidents/kw-shop-1/note", 401, 401, 403, 303},
		{"GET", "/livez", 200, 200, 200, 200},
		{"GET", "/readyz", 200, 200, 200, 200},
		{"POST", "/v1/heartbeat/backup", 200, 200, 200, 200},
	} {
		got := []int{get(tt.method, tt.path, ""), get(tt.method, tt.path, "no"), get(tt.method, tt.path, "view-token-0123456789"), get(tt.method, tt.path, "ack-token-0123456789")}
		if diff := cmp.Diff(got, []int{tt.stranger, tt.wrong, tt.viewer, tt.ack}); diff != "" {
			t.Errorf("%s %s for a stranger, a wrong token, view and ack (-got +want):\n%s", tt.method, tt.path, diff)
		}
	}
	if len(d.acts) != 1 || d.acts[0].Via != "token phone" {
		t.Errorf("the note: got %+v, want one by the token phone", d.acts)
	}
}

func TestConfigSaysWhatIsWrongWithTokens(t *testing.T) {
	t.Parallel()
	var got []string
	c := Config{LogIn: true}
	c.Validate(func(path, _ string) { got = append(got, path) })
	c = Config{Tokens: []Token{{Name: "a", Token: "0123456789012345678", Role: "root"}, {Name: "a", Token: "01234567890123456789", Role: View}, {}}}
	c.Validate(func(path, _ string) { got = append(got, path) })
	want := []string{"log_in", "tokens[0].role", "tokens[0].token", "tokens[1].name", "tokens[2].name", "tokens[2].token"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("mistakes (-got +want):\n%s", diff)
	}
}

func TestCalendarFeeds(t *testing.T) {
	t.Parallel()
	s, _, h := setup(t)
	feed := func(kind, name string) string {
		return strings.TrimPrefix(s.Signer.FeedURL("http://c", kind, name), "http://c")
	}
	w := do(h, "GET", feed("rotation", "primary"), "")
	if w.Code != http.StatusOK || w.Body.String() != "BEGIN:VCALENDAR primary" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/calendar") {
		t.Errorf("got %d %q %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if w := do(h, "GET", feed("person", "ada"), ""); w.Body.String() != "BEGIN:VCALENDAR ada" {
		t.Errorf("a person's: got %d %q", w.Code, w.Body)
	}
	for name, path := range map[string]string{
		"without a token":            "/calendar/rotation/primary.ics",
		"with another one's token":   strings.Replace(feed("person", "ada"), "/person/ada", "/person/grace", 1),
		"of another kind":            strings.Replace(feed("person", "ada"), "/person/", "/rotation/", 1),
		"with the local token":       "/calendar/rotation/primary.ics?token=" + s.Signer.Local(),
		"of a kind that is not":      "/calendar/team/primary.ics?token=" + s.Signer.FeedToken("team", "primary"),
		"without its ending":         strings.Replace(feed("rotation", "primary"), ".ics", "", 1),
		"with a link's signature":    "/calendar/rotation/primary.ics?token=" + s.Signer.sign("rotation", "primary", ""),
		"with a token that was cut ": strings.TrimSuffix(feed("rotation", "primary"), feed("rotation", "primary")[len(feed("rotation", "primary"))-1:]),
	} {
		if w := do(h, "GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d %q, want 404", name, w.Code, w.Body)
		}
	}
}

func TestAPIAnswersInPromisedNames(t *testing.T) {
	t.Parallel()
	s, d, h := setup(t)
	w := send(h, "GET", "/api/v1/incidents/kw-shop-1", s.Signer.Local(), "")
	var got IncidentFacts
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	want := IncidentFacts{
		ID: "kw-shop-1", Service: "shop", State: "open", Summary: "front is failing", Since: "2026-11-22T03:12:00Z", Checks: []string{"front"},
		Pages:    []PageFacts{{Action: "trigger", Person: "ada", Channel: "pagerduty", State: "accepted", Status: got.Pages[0].Status, Accepted: "2026-11-22T03:12:00Z"}},
		Timeline: []LineFacts{{At: "2026-11-22T03:12:00Z", Kind: "opened", Text: "front is failing"}},
	}
	if diff := cmp.Diff(got, want); diff != "" || !strings.Contains(got.Pages[0].Status, "accepted") {
		t.Errorf("incident (-got +want):\n%s", diff)
	}
	for name, tt := range map[string]struct {
		path, body string
		code       int
		text       string
	}{
		"an unknown field":     {"/api/v1/incidents/kw-shop-1/note", `{"by":"ada","txt":"x"}`, 400, "cannot be understood"},
		"an unknown incident":  {"/api/v1/incidents/none/note", `{"by":"ada","text":"x"}`, 404, "no such incident"},
		"nobody":               {"/api/v1/incidents/kw-shop-1/note", `{"text":"x"}`, 422, "say who you are"},
		"a page to a stranger": {"/api/v1/pages", `{"by":"ada","to":"kurt","message":"x"}`, 422, `"kurt"`},
		"a page to nobody":     {"/api/v1/pages", `{"by":"ada","message":"x"}`, 422, "whom to page"},
		"an empty page":        {"/api/v1/pages", `{"by":"ada","to":"ada","message":" "}`, 422, "message is empty"},
	} {
		if w := send(h, "POST", tt.path, s.Signer.Local(), tt.body); w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: got %d %q, want %d with %q", name, w.Code, w.Body, tt.code, tt.text)
		}
	}
	// While the database is away the open ones are told, and that others are missing.
	d.failing = ErrUnavailable
	w = send(h, "GET", "/api/v1/incidents", s.Signer.Local(), "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"kw-shop-1"`) || !strings.Contains(w.Body.String(), "database is away") {
		t.Errorf("without the database: got %d %s", w.Code, w.Body)
	}
}

func TestPlanPage(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	shift := func(person string, days int) oncall.Shift {
		return oncall.Shift{Rotation: "primary", Person: person, From: opened.AddDate(0, 0, days), To: opened.AddDate(0, 0, days+7), Source: oncall.FromRotation}
	}
	covered := shift("grace", 7)
	covered.Source = oncall.FromOverride
	d.plan = Plan{
		Now: opened, People: map[string]string{"ada": "Ada", "grace": "Grace"}, Holes: []string{"primary: nobody from <Monday>"},
		Rotations: []RotationPlan{{
			Name: "primary", Now: shift("ada", 0), Next: covered,
			Shifts: []PlannedShift{{Shift: shift("ada", 0)}, {Shift: covered, Instead: "ada", Why: "ada: a dentist"}},
		}},
	}
	body := do(h, "GET", "/oncall", "").Body.String()
	for _, want := range []string{"primary: Ada", "then Grace", "covers Ada", "ada: a dentist", "nobody from &lt;Monday&gt;", "Sun 29 Nov 03:12", "Times in UTC"} {
		if !strings.Contains(body, want) {
			t.Errorf("the on-call page lacks %q:\n%s", want, body)
		}
	}
}

func TestIncidentListPage(t *testing.T) {
	t.Parallel()
	_, d, h := setup(t)
	d.status.Incidents = append(d.status.Incidents, IncidentStatus{Incident: alerting.Incident{
		ID: "kw-shop-0", State: alerting.Resolved, Started: opened.Add(-time.Hour), Resolved: opened, Summary: "shop was failing", AckBy: "ada",
	}})
	body := do(h, "GET", "/incidents", "").Body.String()
	for _, want := range []string{"1 open", `href="/incidents/kw-shop-1"`, "Ada through pagerduty: accepted", `href="/incidents/kw-shop-0"`, "1 h 0 min", "<td>Ada</td>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q:\n%s", want, body)
		}
	}
}
