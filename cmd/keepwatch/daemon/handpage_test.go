package daemon

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
	"keepwatch/oncall"
)

// TestPagesByHandAreAssigned: whom only the shared key reaches is rung alone; whoever
// has a key, and whole ladders, go the usual way.
func TestPagesByHandAreAssigned(t *testing.T) {
	t.Parallel()
	account := fakepd.TeamAccount()
	pd := fakepd.New(fakepd.Options{Account: &account})
	defer pd.Close()
	srv := httptest.NewServer(pd.Handler())
	defer srv.Close()
	text := strings.ReplaceAll(`
version: 1
checks: [{name: front, tcp: {address: "127.0.0.1:1"}}]
people:
  ada: {name: Ada, pagerduty: {user: PADA001}}
  grace: {name: Grace, pagerduty: {user: PGRACE1, routing_key: "0123456789abcdef0123456789abcdef"}}
  alan: {name: Alan}
  robot: {name: Robot, pagerduty: {user: PROBOT1}}
rotations: {primary: {start: 2026-01-05, people: [ada]}}
escalations: {site: {levels: [{page: primary}, {page: grace}]}}
pagerduty: {routing_key: "0123456789abcdef0123456789abcdef", api_token: token, api_url: "URL", from: keepwatch@example.com, SERVICE}
`, "URL", srv.URL)
	for _, service := range []string{"service: PFAKE01", "escalation_policy: PESC001"} {
		assignAll(t, strings.ReplaceAll(text, "SERVICE", service))
	}
}

// assignAll pages everybody in a file by hand.
func assignAll(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kw.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{covers: &covers{}}
	d.present.Store(f)
	d.pd.client.Store(pagerduty.NewClient(*f.PagerDuty, nil))
	for to, want := range map[string]struct{ said, refused string }{
		"ada":     {said: "PagerDuty rings Ada: http"},
		"primary": {said: "PagerDuty rings Ada: http"},
		"site:1":  {said: "PagerDuty rings Ada: http"},
		"grace":   {}, // her own key reaches her
		"alan":    {}, // PagerDuty does not know him
		"site":    {}, // a ladder is climbed by Keepwatch
		"robot":   {refused: "acknowledges a page at once"},
	} {
		policy, err := policyTo(f, to)
		if err != nil {
			t.Fatal(err)
		}
		said, err := desk{d}.assign(t.Context(), alerting.Alarm{Name: "page-" + unique(time.Now()) + strings.ReplaceAll(to, ":", "-"), Summary: "please call", Policy: policy})
		refused := ""
		if err != nil {
			refused = err.Error()
		}
		if !strings.HasPrefix(said, want.said) || (said == "") != (want.said == "") || !strings.Contains(refused, want.refused) || (refused == "") != (want.refused == "") {
			t.Errorf("%s: said %q, refused %q; want %q, %q", to, said, refused, want.said, want.refused)
		}
	}
}

func TestWhomAPageByHandGoesTo(t *testing.T) {
	t.Parallel()
	f := &config.File{
		People:      map[string]config.Person{"ada": {}},
		Rotations:   map[string]oncall.RotationConfig{"primary": {}},
		Escalations: map[string]config.Escalation{"site": {PolicyConfig: oncall.PolicyConfig{Levels: []oncall.LevelConfig{{Page: "primary"}, {Page: "ada"}}}}},
	}
	for to, want := range map[string]string{
		"ada": "ada", "primary": "primary", "site": "primary,ada", "site:2": "ada",
		"site:0": "", "site:3": "", "site:": "", "kurt": "", "": "", "kurt:1": "",
	} {
		p, err := policyTo(f, to)
		var pages []string
		for _, l := range p.Levels {
			pages = append(pages, l.Page)
		}
		if got := strings.Join(pages, ","); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", to, got, err, want)
		}
	}
}
