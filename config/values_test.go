package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/probe"
	"keepwatch/reports"
)

// load writes a file and loads it; it must hold no mistake.
func load(t *testing.T, text string, environ ...string) *File {
	t.Helper()
	f, err := Load(Options{Path: write(t, text), Environ: append([]string{}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keepwatch.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const small = `
version: 1
console: {listen: 127.0.0.1:9999}
locations: [west, central, east]
checks:
  - {name: front, every: 30s, timeout: 5s, retries: 2, http: {url: "http://ada:pass-word@127.0.0.1/${PART}", headers: {X-Token: "${TOKEN}"}}}
  - {name: beat, every: 15m, locations: [west], heartbeat: {within: 26h}}
services:
  - {name: site, objective: 99.9%, critical: [front, beat], escalation: ladder}
people:
  ada: {name: Ada, email: ada@example.com, time_zone: Europe/London, pagerduty: {user: PABC123, routing_key: "${ADA_KEY}"}}
  grace: {}
rotations:
  primary: {start: 2026-01-05, people: [ada, grace]}
escalations:
  ladder: {levels: [{page: primary}, {page: grace}], repeat: 1}
pagerduty: {routing_key: "file:KEYFILE"}
`

func smallFile(t *testing.T) *File {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("s", 32)+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, strings.ReplaceAll(small, "KEYFILE", key), "PART=path-from-env", "TOKEN=token-from-env", "ADA_KEY="+strings.Repeat("a", 32))
}

func TestDomainValues(t *testing.T) {
	t.Parallel()
	f := smallFile(t)
	var beats probe.Beats
	checks, err := f.ProbeChecks(probe.Env{Beats: &beats})
	if err != nil {
		t.Fatal(err)
	}
	for i := range checks {
		if checks[i].Checker == nil {
			t.Errorf("%s has no checker", checks[i].Name)
		}
		checks[i].Checker = nil
	}
	wantChecks := []probe.Check{
		{
			Name: "front", Kind: "http", Target: checks[0].Target, Every: 30 * time.Second, Timeout: 5 * time.Second, Retries: 2,
			Quorum: 2, Locations: []string{"west", "central", "east"},
			Spec: `{"timeout":"5s","retries":2,"http":{"url":"http://ada:xxxxx@127.0.0.1/$%7BPART%7D","method":"GET","headers":{"X-Token":"REDACTED"},"max_body":"1MiB","challenge":"fail","expect":{"status":["200-299"]}}}`,
		},
		{
			Name: "beat", Kind: "heartbeat", Target: checks[1].Target, Every: 15 * time.Minute, Timeout: 10 * time.Second,
			Quorum: 1, Locations: []string{"west"}, Spec: `{"timeout":"10s","retries":0,"heartbeat":{"within":"26h0m0s"}}`,
		},
	}
	if diff := cmp.Diff(checks, wantChecks); diff != "" {
		t.Errorf("checks (-got +want):\n%s", diff)
	}
	for _, c := range checks {
		if !json.Valid([]byte(c.Spec)) {
			t.Errorf("spec is not JSON: %s", c.Spec)
		}
	}
	wantRules := []alerting.Rule{{
		Service: "site", Confirm: 2, Recover: 2,
		Checks: []alerting.CheckRule{
			{Name: "front", Locations: []string{"west", "central", "east"}, Quorum: 2, Every: 30 * time.Second, Timeout: 15 * time.Second},
			{Name: "beat", Locations: []string{"west"}, Quorum: 1, Every: 15 * time.Minute, Timeout: 10 * time.Second},
		},
		Policy: oncall.Policy{
			Name: "ladder", Repeat: 1, Levels: []oncall.Level{{Page: "primary"}, {Page: "grace", After: 10 * time.Minute}},
			AckExpires: 4 * time.Hour, StillFailingAfter: 30 * time.Minute,
		},
		Severity: alerting.Critical, Reopen: 5 * time.Minute,
	}}
	if diff := cmp.Diff(f.Rules(), wantRules); diff != "" {
		t.Errorf("rules (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(f.ReportServices(), []reports.Service{{Name: "site", Objective: 999_000, Critical: []string{"front", "beat"}, Cap: 4 * time.Hour}}); diff != "" {
		t.Errorf("services (-got +want):\n%s", diff)
	}
	roster := f.Roster()
	at := time.Date(2026, 1, 6, 12, 0, 0, 0, time.UTC)
	if got := roster.OnCall("primary", at).Person; got != "ada" {
		t.Errorf("on call is %q, want ada", got)
	}
	if got := roster.People["grace"].Name; got != "grace" {
		t.Errorf("grace without a name is called %q, want the key", got)
	}
	if got := roster.People["ada"].TimeZone.String(); got != "Europe/London" {
		t.Errorf("ada lives in %s", got)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	r := smallFile(t).Routes()
	if got := r.Keys["service"].Reveal(); got != strings.Repeat("s", 32) {
		t.Errorf("the shared key has %d characters, want 32: is the line end cut off?", len(got))
	}
	tests := []struct {
		person, route string
		own           bool
	}{{"ada", "person:ada", true}, {"grace", "service", false}, {"", "service", false}}
	for _, test := range tests {
		if route, own := r.Route(test.person); route != test.route || own != test.own {
			t.Errorf("Route(%q) = %q, %v, want %q, %v", test.person, route, own, test.route, test.own)
		}
	}
	if route, _ := (Routes{}).Route("ada"); route != "" {
		t.Errorf("without keys there is a route %q", route)
	}
}

// TestSecretsAreNeverPrinted prints a File in every way.
func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	f := smallFile(t)
	asJSON, err := json.Marshal([]any{f, *f, f.Checks, f.Fallback, f.PagerDuty, f.People})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	all.Write(asJSON)
	for _, v := range []any{f, *f, f.Checks, f.Checks[0], f.People, f.Fallback, f.Checks[0].HTTP.Headers, f.PagerDuty, *f.PagerDuty, f.Routes(), f.Rules(), f.Roster(), f.specs["front"], Diff(f, smallFile(t))} {
		fmt.Fprintf(&all, "\n%v\n%+v\n%#v\n%s\n%q\n%d\n%t", v, v, v, v, v, v, v)
	}
	slog.New(slog.NewJSONHandler(&all, nil)).Info("loaded", "config", f, "check", f.Checks[0])
	for _, secret := range []string{"pass-word", strings.Repeat("a", 32), strings.Repeat("s", 32), "token-from-env"} {
		if i := strings.Index(all.String(), secret); i >= 0 {
			t.Errorf("a secret is printed: …%s", all.String()[max(i-200, 0):i+len(secret)])
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	const before = `
version: 1
data_dir: ./a
console: {listen: 127.0.0.1:1111}
checks:
  - {name: same, tcp: {address: "127.0.0.1:1"}}
  - {name: gone, tcp: {address: "127.0.0.1:1"}}
  - {name: other, http: {url: "http://127.0.0.1/", headers: {A: one-secret}}}
services: [{name: s, critical: [same]}]
people: {ada: {name: Ada}}
rotations: {primary: {start: 2026-01-05, time_zone: Europe/Berlin, people: [ada]}}
escalations: {e: {levels: [{page: primary}]}}
pagerduty: {routing_key: 0123456789abcdef0123456789ABCDEF}
`
	after := strings.NewReplacer("./a", "./b", "127.0.0.1:1111", "127.0.0.1:2222", "name: gone", "name: came", "one-secret", "two-secret",
		"critical: [same]", "critical: [same], confirm: 3", "name: Ada", "name: Ada L", "[ada]", "[ada, grace]", "people: {ada", "people: {grace: {}, ada",
		"page: primary}", "page: primary}, {page: ada}", "ABCDEF", "ABCDEE").Replace(before)
	old, now := load(t, before), load(t, after)
	if got := Diff(old, load(t, before)); !got.Empty() || got.String() != "nothing changed" {
		t.Errorf("a file differs from itself: %s", got)
	}
	want := "check came added; check gone removed; check other changed; service s changed; person ada changed; person grace added; " +
		"rotation primary changed; escalation e changed; block pagerduty changed; needs a restart: data_dir, console.listen, console.public_url"
	if got := Diff(old, now).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Diff(now, old).String(); strings.Contains(got, "secret") {
		t.Errorf("a secret is shown: %s", got)
	}
	without := load(t, strings.ReplaceAll(before, "console: {listen: 127.0.0.1:1111}", ""))
	if got := Diff(old, without).String(); got != "needs a restart: console" {
		t.Errorf("got %s", got)
	}
}

// TestDiffSeesEveryBlock: no key of the file can change without a word.
func TestDiffSeesEveryBlock(t *testing.T) {
	t.Parallel()
	const small = `
version: 1
checks: [{name: front, tcp: {address: "127.0.0.1:1"}}]
people: {ada: {name: Ada, email: ada@example.com}}
rotations: {primary: {start: 2026-01-05, people: [ada]}}
escalations: {e: {levels: [{page: primary}]}}
services: [{name: s, critical: [front], escalation: e}]
console: {listen: "127.0.0.1:1111"}
`
	mail := "fallback: {channels: [{name: mail, email: {host: localhost:25, from: kw@example.com, to: [a@example.com]}}]}\n"
	changes := map[string]string{ // by key: what to add, and what Diff says
		"data_dir: ./b\n":                                  "needs a restart: data_dir",
		"database: {url: \"postgres://h/d\"}\n":            "needs a restart: database.url",
		"site: {originals: ./o, cache: {dir: ./c}}\n":      "needs a restart: site",
		"locations: [here, east]\n":                        "location east added; check front changed",
		"holidays: {us: [\"2026-12-25 Christmas Day\"]}\n": "block holidays added",
		"pagerduty: {routing_key: " + sample32 + "}\n":     "block pagerduty added",
		mail: "channel mail added",
		"deadman: {url: \"http://127.0.0.1/\"}\n":              "block deadman added",
		"drill: {page: ada, at: first Monday 11:00}\n":         "block drill added",
		"newrelic: {license_key: " + sample32 + "abcdef01}\n":  "needs a restart: newrelic",
		"access_logs: [{name: nginx, service: s, file: /l}]\n": "block access_logs added",
		"ledger: {keep_raw: 40d}\n":                            "block ledger changed",
		"reports: {time_zone: Europe/Berlin}\n":                "block reports changed",
	}
	old := load(t, small)
	for add, want := range changes {
		if got := Diff(old, load(t, small+add)).String(); got != want {
			t.Errorf("%s: got %q, want %q", strings.TrimSpace(add), got, want)
		}
	}
	if got := Diff(load(t, small+mail), load(t, small+mail+"notices: {handoffs: true}\n")).String(); got != "block notices added" {
		t.Errorf("notices: got %q", got)
	}
	tokens := strings.Replace(small, "1111\"", "1111\", tokens: [{name: wall, role: view, token: "+sample32+"}]", 1)
	if got := Diff(old, load(t, tokens)).String(); got != "block console.tokens added" {
		t.Errorf("tokens: got %q", got)
	}
}

const sample32 = "0123456789abcdef0123456789abcdef"

func TestParseDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"30s", 30 * time.Second, true},
		{"5m", 5 * time.Minute, true},
		{"1h30m", 90 * time.Minute, true},
		{"1h 30m", 90 * time.Minute, true},
		{"2 days", 48 * time.Hour, true},
		{"1 week", 168 * time.Hour, true},
		{"1.5h", 90 * time.Minute, true},
		{"250ms", 250 * time.Millisecond, true},
		{"100µs", 100 * time.Microsecond, true},
		{"0", 0, true},
		{"0s", 0, true},
		{"1 min", time.Minute, true},
		{"30", 0, false},
		{"", 0, false},
		{"s", 0, false},
		{"-5s", 0, false},
		{"5 fortnights", 0, false},
		{"1..5s", 0, false},
		{"5s,", 0, false},
		{"999999999 weeks", 0, false},
	}
	for _, test := range tests {
		got, err := parseDuration(test.text)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("parseDuration(%q) = %v, %v, want %v, ok %v", test.text, got, err, test.want, test.ok)
		}
		if d, err := time.ParseDuration(test.text); err == nil && test.ok && d != got {
			t.Errorf("%q is %v to Go and %v to us", test.text, d, got)
		}
	}
}

func TestParseZone(t *testing.T) {
	t.Parallel()
	for name := range strings.FieldsSeq(zones) {
		if _, err := parseZone(name); err != nil {
			t.Errorf("%s is suggested but not known: %v", name, err)
		}
	}
	for text, hint := range map[string]string{
		"Europe/Berln": `"Europe/Berlin"`, "berlin": `"Europe/Berlin"`, "New York": `"America/New_York"`,
		"EST": "IANA", "Local": "IANA", "": "IANA", "../etc/passwd": "IANA",
	} {
		if _, err := parseZone(text); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("parseZone(%q): %v, want a hint at %s", text, err, hint)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	keys := []string{"name", "every", "timeout", "retries", "quorum", "locations", "http", "tcp"}
	for word, want := range map[string]string{"naem": "name", "evry": "every", "time_out": "timeout", "htttp": "http", "zzz": "", "interval": "", "x": ""} {
		if got := nearest(word, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
