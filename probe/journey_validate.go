package probe

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The bounds of a journey.
const (
	maxJourneySteps = 50
	maxStepName     = 40
	maxEdge         = 4096
	cookiesJar      = "jar"
	cookiesNone     = "none"
)

// Target returns the base, or the address of the first step.
func (j *Journey) Target() string {
	address := j.Base
	if address == "" && len(j.Steps) > 0 {
		address = j.Steps[0].Request.URL
	}
	return (&HTTP{URL: address}).Target()
}

// SetDefaults fills what was left out.
func (j *Journey) SetDefaults() {
	for _, steps := range [][]JourneyStep{j.Steps, j.Cleanup} {
		for i := range steps {
			steps[i].setDefaults()
		}
	}
}

func (s *JourneyStep) setDefaults() {
	q := &s.Request
	if q.Method == "" {
		q.Method = http.MethodGet
		if len(q.Form)+len(q.Files) > 0 || q.JSON != "" || q.Body != "" {
			q.Method = http.MethodPost
		}
	}
	q.Files = slices.Clone(q.Files)
	for i := range q.Files {
		q.Files[i].setDefaults()
	}
	if s.Cookies == "" {
		s.Cookies = cookiesJar
	}
	if s.MaxBody == 0 {
		s.MaxBody = defaultMaxBody
	}
	if s.Challenge == "" {
		s.Challenge = "fail"
	}
	if len(s.Expect.Status) == 0 {
		s.Expect.Status = []StatusRange{{Low: 200, High: 299}}
	}
}

func (f *JourneyFile) setDefaults() {
	if f.Field == "" {
		f.Field = "file"
	}
	if f.Name == "" {
		f.Name = "probe.jpg"
	}
	if f.Picture.Width == 0 {
		f.Picture.Width = 640
	}
	if f.Picture.Height == 0 {
		f.Picture.Height = 480
	}
}

// journeyText is a text that may have names in it, and where it stands.
type journeyText struct{ path, text string }

// texts lists every text of the journey that may have names in it.
func (j *Journey) texts() []journeyText {
	var all []journeyText
	for _, name := range slices.Sorted(maps.Keys(j.Variables)) {
		all = append(all, journeyText{"variables." + name, j.Variables[name]})
	}
	for at, s := range j.all() {
		all = append(all, s.texts(at)...)
	}
	return all
}

// all gives every step with its place, those of the clean-up last.
func (j *Journey) all() func(yield func(string, *JourneyStep) bool) {
	return func(yield func(string, *JourneyStep) bool) {
		for i := range j.Steps {
			if !yield(fmt.Sprintf("steps[%d].", i), &j.Steps[i]) {
				return
			}
		}
		for i := range j.Cleanup {
			if !yield(fmt.Sprintf("cleanup[%d].", i), &j.Cleanup[i]) {
				return
			}
		}
	}
}

// texts lists the texts of a step that may have names in them.
func (s *JourneyStep) texts(at string) []journeyText {
	q, e := &s.Request, &s.Expect
	all := []journeyText{{at + "request.url", q.URL}, {at + "request.json", q.JSON.Reveal()}, {at + "request.body", q.Body.Reveal()}}
	for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
		all = append(all, journeyText{at + "request.headers." + name, q.Headers[name].Reveal()})
	}
	for i, f := range q.Form {
		all = append(all, journeyText{fmt.Sprintf("%srequest.form[%d].name", at, i), f.Name},
			journeyText{fmt.Sprintf("%srequest.form[%d].value", at, i), f.Value})
	}
	for i, text := range e.BodyContains {
		all = append(all, journeyText{fmt.Sprintf("%sexpect.body_contains[%d]", at, i), text})
	}
	for i, text := range e.BodyNotContains {
		all = append(all, journeyText{fmt.Sprintf("%sexpect.body_not_contains[%d]", at, i), text})
	}
	for i, re := range e.BodyMatches {
		all = append(all, journeyText{fmt.Sprintf("%sexpect.body_matches[%d]", at, i), re.String()})
	}
	for _, path := range slices.Sorted(maps.Keys(e.JSON)) {
		all = append(all, journeyText{at + "expect.json." + path, e.JSON[path].String()})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		all = append(all, journeyText{at + "expect.headers." + name, e.Headers[name].String()})
	}
	return all
}

// Validate reports every mistake.
func (j *Journey) Validate(report func(path, msg string)) {
	if j.Base != "" {
		validateURL("base", j.Base, report)
		if u, err := url.Parse(j.Base); err == nil {
			validateReach("base", u.Hostname(), j.AllowLinkLocal, report)
			if u.RawQuery != "" || u.Fragment != "" {
				report("base", "a query or a fragment cannot stand before a path: give them in the steps")
			}
		}
	}
	switch n := len(j.Steps) + len(j.Cleanup); {
	case len(j.Steps) == 0:
		report("steps", "steps is empty: there is nothing to do (add one with a name and a request)")
	case n > maxJourneySteps:
		report("steps", fmt.Sprintf("%d steps, the clean-up included, are too many: at most %d", n, maxJourneySteps))
	}
	j.validateNames(report)
	for at, s := range j.all() {
		s.validate(j, func(path, msg string) { report(at+path, msg) })
	}
	validateProxy(j.Proxy, report)
	j.TLS.validate("tls", report)
	validateSigned(j.Signed, j.ProbeKey, report)
	if j.LatencyUnder < 0 {
		report("latency_under", fmt.Sprintf("%s is negative: write a duration such as 5s", j.LatencyUnder))
	}
}

// validateNames checks the names of steps and values: what stands in a text must
// be known by then.
func (j *Journey) validateNames(report func(path, msg string)) {
	known := map[string]bool{}
	for _, name := range ownNames() {
		known[name] = true
	}
	given := func(path, name string, taken bool) {
		switch {
		case !isValueName(name):
			report(path, fmt.Sprintf("%q is not a name for a value: use letters, digits, dots and underscores, a letter first, at most %d", name, maxName))
		case taken:
			report(path, fmt.Sprintf("the name %s is taken: give another", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.Secrets)) {
		given("secrets."+name, name, known[name])
		known[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(j.Variables)) {
		given("variables."+name, name, known[name])
		j.uses(journeyText{"variables." + name, j.Variables[name]}, known, "a variable may use run.id, site.code and secrets only", report)
	}
	for name := range j.Variables {
		known[name] = true
	}
	fixed, steps := maps.Clone(known), map[string]bool{}
	for at, s := range j.all() {
		if steps[s.Name] && s.Name != "" {
			report(at+"name", fmt.Sprintf("the name %q is taken by an earlier step: give another", s.Name))
		}
		steps[s.Name] = true
		for _, t := range s.texts(at) {
			j.uses(t, known, "capture it in an earlier step, or give it under variables or secrets", report)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
			given(at+"capture."+name, name, fixed[name])
			known[name] = true
		}
	}
}

// uses checks that the names in a text are known.
func (j *Journey) uses(t journeyText, known map[string]bool, advice string, report func(path, msg string)) {
	names, err := namesIn(t.text)
	if err != nil {
		report(t.path, err.Error())
		return
	}
	for _, name := range names {
		if known[name] {
			continue
		}
		report(t.path, fmt.Sprintf("nothing is known as %s here (there are: %s): %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "), advice))
		return
	}
}

// validate reports the mistakes of a step.
func (s *JourneyStep) validate(j *Journey, report func(path, msg string)) {
	switch {
	case s.Name == "":
		report("name", "a name is missing: write what the step does, such as log in")
	case len(s.Name) > maxStepName || strings.ContainsFunc(s.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		report("name", fmt.Sprintf("a step's name has at most %d letters, and no line breaks", maxStepName))
	}
	if s.Cookies != "" && s.Cookies != cookiesJar && s.Cookies != cookiesNone {
		report("cookies", fmt.Sprintf("%q is not known: write jar or none", s.Cookies))
	}
	if s.Timeout != 0 && s.Timeout < time.Millisecond {
		report("timeout", fmt.Sprintf("%s is too short: write a duration such as 2s", s.Timeout))
	}
	plain := s.Request.validateURL(j, report)
	s.Request.validate(report)
	for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
		s.Capture[name].validate("capture."+name, report)
	}
	asked{
		method: s.Request.Method, plain: plain, hops: s.Redirects.Hops(), maxBody: s.MaxBody, challenge: s.Challenge,
	}.validate(&s.Expect, "", func(path, msg string) {
		if path == "method" {
			path = "request.method"
		}
		report(path, msg)
	})
}

// validateURL reports mistakes in the address and whether it is a plain http one.
func (q *JourneyRequest) validateURL(j *Journey, report func(path, msg string)) (plain bool) {
	address := fillText(q.URL, nil, func(string) (string, bool) { return "x", true })
	switch {
	case q.URL == "":
		report("request.url", "an address is missing: write a path such as /img/1.jpg behind base, or a whole address")
		return false
	case strings.HasPrefix(q.URL, openBraces) && !strings.HasPrefix(q.URL, openBraces+openBraces):
		return false // known in the run only
	case strings.HasPrefix(q.URL, "/"):
		if j.Base == "" {
			report("request.url", "an address that starts with a slash needs base: give it, or write a whole address")
			return false
		}
		return strings.HasPrefix(j.Base, "http:")
	}
	validateURL("request.url", address, report)
	if u, err := url.Parse(address); err == nil {
		validateReach("request.url", u.Hostname(), j.AllowLinkLocal, report)
	}
	return strings.HasPrefix(address, "http:")
}

// validate reports the other mistakes of a request.
func (q *JourneyRequest) validate(report func(path, msg string)) {
	for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
		validateHeader("request.headers."+name, name, q.Headers[name], report)
	}
	var sent []string
	for _, s := range []struct {
		key string
		set bool
	}{{"form", len(q.Form)+len(q.Files) > 0}, {"json", q.JSON != ""}, {"body", q.Body != ""}} {
		if s.set {
			sent = append(sent, s.key)
		}
	}
	if len(sent) > 1 {
		report("request."+sent[1], strings.Join(sent, " and ")+" cannot both be sent: keep one")
	}
	if len(sent) > 0 && (q.Method == http.MethodGet || q.Method == http.MethodHead) {
		report("request.method", q.Method+" sends nothing: use POST, PUT or PATCH, or leave method out")
	}
	for i, f := range q.Form {
		if f.Name == "" {
			report(fmt.Sprintf("request.form[%d]", i), "a name is missing: write the field's name and its value")
		}
	}
	if q.JSON != "" {
		number := fillText(q.JSON.Reveal(), nil, func(string) (string, bool) { return "0", true })
		if !json.Valid([]byte(number)) {
			report("request.json", `this is not JSON: write one such as '{"id": {{id}}, "caption": "{{caption}}"}'`)
		}
	}
	for i, f := range q.Files {
		f.validate(fmt.Sprintf("request.files[%d].", i), report)
	}
}

// validate reports mistakes; at is the file's place.
func (f JourneyFile) validate(at string, report func(path, msg string)) {
	if strings.ContainsAny(f.Field+f.Name, "\r\n\x00") {
		report(at+"name", "the name has a line break in it: take it out")
	}
	for _, edge := range []struct {
		key    string
		pixels int
	}{{"width", f.Picture.Width}, {"height", f.Picture.Height}} {
		if edge.pixels < 1 || edge.pixels > maxEdge {
			report(at+"picture."+edge.key, fmt.Sprintf("%d is out of range: write 1 to %d pixels", edge.pixels, maxEdge))
		}
	}
}

// validate reports mistakes.
func (c JourneyCapture) validate(path string, report func(path, msg string)) {
	var from []string
	for _, s := range []struct {
		key string
		set bool
	}{{"json", c.JSON != ""}, {"regex", !c.Regex.IsZero()}, {"header", c.Header != ""}, {"cookie", c.Cookie != ""}} {
		if s.set {
			from = append(from, s.key)
		}
	}
	switch {
	case len(from) == 0:
		report(path, "it says not where the value is found: give one of json, regex, header, cookie")
	case len(from) > 1:
		report(path+"."+from[1], strings.Join(from, " and ")+" in one capture: give one of them")
	}
	if c.JSON != "" {
		if _, err := parsePath(c.JSON); err != nil {
			report(path+".json", err.Error())
		}
	}
	if c.Header != "" && !validHeaderName(c.Header) {
		report(path+".header", fmt.Sprintf("%q is not a header name: use letters, digits and dashes", c.Header))
	}
}
