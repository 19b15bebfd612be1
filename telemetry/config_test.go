package telemetry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		cfg  Config
		want map[string]string // path: part of the message
	}{
		{"nothing", Config{}, nil},
		{"a good key", Config{LicenseKey: testKey}, nil},
		{"a short key", Config{LicenseKey: "s3cret"}, map[string]string{"license_key": "has 6 characters"}},
		{"a long key", Config{LicenseKey: testKey + "s3cret"}, map[string]string{"license_key": "have 40"}},
		{"a URL as host", Config{Host: "https://collector.newrelic.com/x"}, map[string]string{"host": "without a scheme"}},
		{"no such file", Config{CAFile: "missing.pem"}, map[string]string{"ca_file": "missing.pem"}},
		{"not a certificate", Config{CAFile: empty}, map[string]string{"ca_file": "no PEM certificate"}},
		{"raw", Config{Raw: "some"}, map[string]string{"raw": "try all, failed or none"}},
		{"exclude", Config{APM: APMConfig{Exclude: []string{"/img/", "img"}}}, map[string]string{"apm.exclude[1]": `try "/img"`}},
		{"names", Config{AppName: "a;b;c;d"}, map[string]string{"app_name": "at most three"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := map[string]string{}
			tc.cfg.Validate(func(path, msg string) { got[path] = msg })
			for path, part := range tc.want {
				if !strings.Contains(got[path], part) {
					t.Errorf("%s: %q, want it to say %q", path, got[path], part)
				}
			}
			if len(got) != len(tc.want) {
				t.Errorf("mistakes %v, want at %v", got, tc.want)
			}
			for _, msg := range got {
				if strings.Contains(msg, "s3cret") {
					t.Errorf("%q shows the key", msg)
				}
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	var c Config
	c.SetDefaults()
	want := Config{AppName: "keepwatch", Raw: RawFailed, APM: APMConfig{Exclude: []string{"/img/"}}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	c = Config{APM: APMConfig{Exclude: []string{}}}
	if c.SetDefaults(); len(c.APM.Exclude) != 0 {
		t.Errorf("an empty list became %v", c.APM.Exclude)
	}
}

// TestNewHonoursTheEnvironment is not parallel: it sets variables of the process.
func TestNewHonoursTheEnvironment(t *testing.T) {
	off := false
	for _, tc := range []struct {
		name string
		env  map[string]string
		cfg  Config
		on   bool
		err  string
	}{
		{name: "no key"},
		{name: "key in the file", cfg: Config{LicenseKey: testKey}, on: true},
		{name: "key in the environment", env: map[string]string{"NEW_RELIC_LICENSE_KEY": testKey}, on: true},
		{name: "switched off", env: map[string]string{"NEW_RELIC_ENABLED": "false"}, cfg: Config{LicenseKey: testKey}},
		{name: "short key in the file", cfg: Config{LicenseKey: "s3cret"}, err: "newrelic.license_key has 6 characters"},
		{name: "short key in the environment", env: map[string]string{"NEW_RELIC_LICENSE_KEY": "s3cret"}, err: "NEW_RELIC_LICENSE_KEY has 6 characters"},
		{name: "not a flag", env: map[string]string{"NEW_RELIC_ENABLED": "perhaps"}, cfg: Config{LicenseKey: testKey}, err: "NEW_RELIC_"},
		{name: "high security", env: map[string]string{"NEW_RELIC_HIGH_SECURITY": "true"}, cfg: Config{LicenseKey: testKey}, err: "newrelic.events to false"},
		{name: "high security, no events", env: map[string]string{"NEW_RELIC_HIGH_SECURITY": "true"}, cfg: Config{LicenseKey: testKey, Events: &off}, on: true},
		{name: "no such ca_file", cfg: Config{LicenseKey: testKey, CAFile: "missing.pem"}, err: "missing.pem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("NEW_RELIC_HOST", "127.0.0.1:1") // nothing leaves this machine
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			c, err := New(tc.cfg, Parts{Outbox: newMemory()})
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("error %v, want one that says %q and shows no key", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (c != nil) != tc.on {
				t.Fatalf("client %v, want on = %v", c, tc.on)
			}
			if c != nil {
				c.app.Load().Shutdown(0)
			}
		})
	}
}

func TestNilClientDoesNothing(t *testing.T) {
	t.Parallel()
	var c *Client
	store := &countingStore{}
	if got := c.Results(store); got != probe.Store(store) {
		t.Errorf("a nil client decorates: %T", got)
	}
	if c.Connected() || c.Stats() != (Stats{}) {
		t.Error("a nil client has figures")
	}
	c.StartQuery(t.Context(), "select", "photos")()
	if h := c.Middleware(nil); h != nil {
		t.Errorf("a nil client wraps: %T", h)
	}
}
