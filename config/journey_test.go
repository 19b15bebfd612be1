package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
)

const tour = `
version: 1
checks:
  - name: tour
    timeout: 10s
    journey:
      base: http://ada:pass-word@127.0.0.1
      secrets: {password: "${PASSWORD}"}
      steps:
        - name: log in
          request:
            url: /login
            headers: {X-Key: header-key}
            form: {zeta: 1, user: ada, password: "{{password}}", from: "${FROM}", alpha: true}
        - name: twice
          request:
            url: /twice
            form: [{name: tag, value: a}, {name: tag, value: b}]
            json:
          capture: {id: {json: a}}
`

// TestFormKeepsItsOrder: names with values stand for a list of them.
func TestFormKeepsItsOrder(t *testing.T) {
	t.Parallel()
	f := load(t, tour, "PASSWORD=correct-horse", "FROM=env-value")
	steps := f.Checks[0].Journey.Steps
	want := [][]probe.FormField{
		{{Name: "zeta", Value: "1"}, {Name: "user", Value: "ada"}, {Name: "password", Value: "{{password}}"}, {Name: "from", Value: "env-value"}, {Name: "alpha", Value: "true"}},
		{{Name: "tag", Value: "a"}, {Name: "tag", Value: "b"}},
	}
	if diff := cmp.Diff(want, [][]probe.FormField{steps[0].Request.Form, steps[1].Request.Form}); diff != "" {
		t.Errorf("forms (-want +got):\n%s", diff)
	}
	if got := steps[0].Request.Method + " " + steps[1].Request.Method; got != "POST POST" {
		t.Errorf("methods %s", got)
	}
}

// TestJourneySpec: the form that is kept shows names, never values that are secret.
func TestJourneySpec(t *testing.T) {
	t.Parallel()
	f := load(t, tour, "PASSWORD=correct-horse", "FROM=env-value")
	checks, err := f.ProbeChecks(probe.Env{})
	if err != nil {
		t.Fatal(err)
	}
	spec := checks[0].Spec
	for _, secret := range []string{"correct-horse", "header-key", "env-value", "pass-word"} {
		if strings.Contains(spec, secret) || strings.Contains(checks[0].Target, secret) {
			t.Errorf("%s is shown: %s %s", secret, checks[0].Target, spec)
		}
	}
	for _, want := range []string{`"name":"password","value":"{{password}}"`, `"X-Key":"REDACTED"`, `"value":"${FROM}"`, `"json":"a"`} {
		if !strings.Contains(spec, want) {
			t.Errorf("the spec lacks %s: %s", want, spec)
		}
	}
}

func TestFormMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ form, says string }{
		{`{a: 1, a: 2}`, `"a" is given twice`},
		{`{a: [1]}`, `form[0].value: must be text`},
		{`{[a]: 1}`, `a key must be one word`},
		{`[[a]]`, `form[0]: must be a block of keys, not a list`},
		{`{"": x}`, `form[0]: a name is missing`},
	} {
		_, err := Load(Options{Path: write(t, strings.Replace(tour, `{zeta: 1, user: ada, password: "{{password}}", from: "${FROM}", alpha: true}`, tc.form, 1)), Environ: []string{"PASSWORD=correct-horse", "FROM=x"}})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %q", tc.form, err, tc.says)
		}
	}
}
