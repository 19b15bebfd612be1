package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// errand is some other file than the configuration.
type errand struct {
	// What is to be done.
	What string `yaml:"what"`
	// Times is how often.
	Times int `yaml:"times"`
}

func (e *errand) SetDefaults() {
	if e.Times == 0 {
		e.Times = 1
	}
}

func (e *errand) Validate(report func(path, msg string)) {
	if e.What == "" {
		report("what", "is missing; say what is to be done")
	}
}

func TestLoadOther(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text, want string
	}{
		"good":             {"what: shop\n", ""},
		"an unknown key":   {"what: shop\nwhen: now\n", ":2:1: unknown key \"when\""},
		"a wrong value":    {"what: shop\ntimes: often\n", ":2:8: times"},
		"what Validate":    {"times: 2\n", "what: is missing; say what is to be done"},
		"what others know": {"what: nothing\n", ":1:7: what: nothing is no errand"},
		"nothing":          {"", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "errand.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var e errand
			err := LoadOther(path, &e, func(report func(path, msg string)) {
				if e.What == "nothing" {
					report("what", "nothing is no errand")
				}
			})
			switch {
			case tt.want == "" && (err != nil || e.What != "shop" || e.Times != 1):
				t.Errorf("got %+v, %v, want shopping once", e, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want a mistake with %q", err, tt.want)
			}
		})
	}
}
