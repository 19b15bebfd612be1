package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzLoad feeds bytes to the decoder and all checks: it must neither panic nor
// unfold without end, and what it accepts must be usable.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "mistakes", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(seeds, filepath.Join("..", "keepwatch.example.yaml")) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		env := map[string]string{"HOST": "127.0.0.1", "PAGERDUTY_ROUTING_KEY": strings.Repeat("k", 32)}
		d := newDecoder(env, nil)
		file, err := parseFile("fuzz.yaml", data, d)
		if d.values > maxValues+len(data) {
			t.Fatalf("%d values were decoded", d.values)
		}
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 || len(problems) > maxProblems+1 {
				t.Fatalf("not a list of problems: %v", err)
			}
			if strings.Contains(err.Error(), env["PAGERDUTY_ROUTING_KEY"]) {
				t.Fatalf("a secret is shown: %v", err)
			}
			return
		}
		for _, rule := range file.Rules() {
			if rule.Confirm < 1 || rule.Recover < 1 || len(rule.Checks) == 0 {
				t.Fatalf("accepted a rule that cannot work: %+v", rule)
			}
			for _, c := range rule.Checks {
				if c.Quorum < 1 || c.Quorum > len(c.Locations) || c.Every <= 0 || c.Timeout <= 0 || c.Timeout > c.Every || badEvery(c.Every) != "" {
					t.Fatalf("accepted a check that cannot work: %+v", c)
				}
			}
		}
		file.Roster().OnCall("primary", time.Unix(0, 0))
		if got := Diff(file, file); !got.Empty() {
			t.Fatalf("a file differs from itself: %s", got)
		}
	})
}

// TestBillionLaughs unfolds aliases of aliases; the bound ends it.
func TestBillionLaughs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version: 1\nx-0: &a0 {to: [a, a, a, a, a, a, a, a, a, a]}\n")
	b.WriteString("x-1: &l0 [a, a, a, a, a, a, a, a, a, a]\n")
	prev := "l0"
	for _, name := range []string{"l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8"} {
		b.WriteString("x-" + name + ": &" + name + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+", ", 10), ", ") + "]\n")
		prev = name
	}
	b.WriteString("checks:\n")
	for range 200 { // lists of texts take only one level, so repeat a block instead
		b.WriteString("  - &c {name: a, tcp: {address: \"127.0.0.1:1\"}, locations: *l3}\n")
	}
	d := newDecoder(map[string]string{}, nil)
	_, err := parseFile("laughs.yaml", []byte(b.String()), d)
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	if d.values > maxValues+1 || len(problems) > maxProblems+1 {
		t.Errorf("%d values, %d problems: there is no bound", d.values, len(problems))
	}
}

// TestManySecrets has a secret of its own in each of many checks: hiding them all
// must not cost their square.
func TestManySecrets(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version: 1\nchecks:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  - {name: c-%d, http: {url: \"http://127.0.0.1/secret-%d\", headers: {X: secret-%d}}}\n", i, i, i)
	}
	f, err := parseFile("many.yaml", []byte(b.String()), newDecoder(map[string]string{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range f.specs {
		if strings.Contains(spec, "secret-") || !strings.Contains(spec, "http://127.0.0.1/REDACTED") {
			t.Fatalf("%s: %s", name, spec)
		}
	}
}

// TestManyAliases makes a small file that unfolds to more than the bound.
func TestManyAliases(t *testing.T) {
	t.Parallel()
	text := "version: 1\nx-locations: &l [" + strings.Repeat("here,", 2000) + "here]\nchecks:\n" +
		strings.Repeat("  - {name: a, locations: *l}\n", 600)
	d := newDecoder(map[string]string{}, nil)
	_, err := parseFile("many.yaml", []byte(text), d)
	if err == nil || !strings.Contains(err.Error(), "more than 1000000 values") && !strings.Contains(err.Error(), "more mistakes") {
		t.Errorf("got %.200v", err)
	}
	if d.values <= maxValues {
		t.Errorf("%d values: the file does not reach the bound", d.values)
	}
}
