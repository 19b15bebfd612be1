package probe

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// webJudge holds web answers against expectations. It is not changed by judging,
// so safe for concurrent use.
type webJudge struct {
	expect  *HTTPExpect       // with defaults
	paths   map[string][]step // expect.JSON, parsed
	wants   bool              // an expectation needs the whole body
	anyPage bool              // a challenge or an error page that claims success is right
	// fill puts a journey's values into a text of the file; nil leaves it as it
	// stands. Messages show the text as the file has it: they must not differ from
	// look to look.
	fill filler
}

func newWebJudge(e *HTTPExpect, anyPage bool) (webJudge, error) {
	j := webJudge{expect: e, paths: map[string][]step{}, anyPage: anyPage}
	for path := range e.JSON {
		var err error
		if j.paths[path], err = parsePath(path); err != nil {
			return j, err
		}
	}
	j.wants = len(e.BodyContains)+len(e.BodyNotContains)+len(e.BodyMatches)+len(e.JSON) > 0 || e.Image != ImageExpect{}
	return j, nil
}

// text returns a text of the file with a journey's values in it.
func (j *webJudge) text(s string) string {
	if j.fill == nil {
		return s
	}
	return j.fill(s, nil)
}

// judge returns the first expectation that an answer does not meet, or the zero
// Fault; at most limit bytes of its body were read. The status comes first: it says most.
func (j *webJudge) judge(a *webAnswer, look *Look, limit int64) Fault {
	e := j.expect
	if !slices.ContainsFunc(e.Status, func(s StatusRange) bool { return s.Contains(a.StatusCode) }) {
		return unmet(ClassStatus, "the status is %d, not %s", a.StatusCode, statusList(e.Status))
	}
	if f := j.judgeHeaders(a.Header); f.Class != "" {
		return f
	}
	if a.StatusCode/100 == 2 && !j.anyPage {
		if sign := disguise(a.Header, a.body); sign != "" {
			return unmet(ClassBody, "the status is %d but the page is a challenge or an error page (%s)", a.StatusCode, sign)
		}
	}
	if f := j.judgeBody(a.body); f.Class != "" {
		return f
	}
	if f := judgeImage(e.Image, a.body, limit); f.Class != "" {
		return f
	}
	if f := j.judgeSize(a.Response, look.Bytes); f.Class != "" {
		return f
	}
	if f := judgeDaysLeft(look.CertNotAfter, e.TLSDaysLeft, time.Now()); f.Class != "" {
		return f
	}
	return slow(look.Latency, e.LatencyUnder)
}

func statusList(ranges []StatusRange) string {
	words := make([]string, len(ranges))
	for i, r := range ranges {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}

func (j *webJudge) judgeHeaders(header http.Header) Fault {
	for _, name := range slices.Sorted(maps.Keys(j.expect.Headers)) {
		want := j.expect.Headers[name]
		values := header.Values(name)
		if len(values) == 0 {
			return unmet(ClassHeader, "the header %s is missing", name)
		}
		filled := want.filled(j.fill)
		if !slices.ContainsFunc(values, filled.Match) {
			return unmet(ClassHeader, "the header %s is %s, not %s", name, quoted(values[0]), quoted(want.String()))
		}
	}
	return Fault{}
}

func (j *webJudge) judgeBody(body []byte) Fault {
	e := j.expect
	for _, text := range e.BodyContains {
		if !bytes.Contains(body, []byte(j.text(text))) {
			return unmet(ClassBody, "the body does not contain %s", quoted(text))
		}
	}
	for _, text := range e.BodyNotContains {
		if bytes.Contains(body, []byte(j.text(text))) {
			return unmet(ClassBody, "the body contains %s", quoted(text))
		}
	}
	for _, re := range e.BodyMatches {
		if !re.filled(j.fill).Match(body) {
			return unmet(ClassBody, "the body does not match %s", quoted(re.String()))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(e.JSON)) {
		want := e.JSON[path]
		switch got, err := lookup(body, j.paths[path]); {
		case err != nil:
			return unmet(ClassBody, "%s is not %s: %v", path, quoted(want.String()), err)
		case !want.filled(j.fill).Match(got):
			return unmet(ClassBody, "%s is %s, not %s", path, quoted(got), quoted(want.String()))
		}
	}
	return Fault{}
}

// judgeSize judges the bytes that were read. Validate sees to it that the limit
// of reading lies above both sizes; HEAD has only its word for it.
func (j *webJudge) judgeSize(resp *http.Response, size int64) Fault {
	e := j.expect
	if resp.Request != nil && resp.Request.Method == http.MethodHead {
		size = max(resp.ContentLength, 0)
	}
	if minSize := int64(e.MinSize); size < minSize {
		return unmet(ClassBody, "the body is %s, smaller than %s", Size(size), e.MinSize)
	}
	if maxSize := int64(e.MaxSize); maxSize != 0 && size > maxSize {
		return unmet(ClassBody, "the body is larger than %s", e.MaxSize)
	}
	return Fault{}
}

// judgeDaysLeft reports a certificate that ends too soon. The message names the
// day it ends, not the days left: see [netFault].
func judgeDaysLeft(notAfter time.Time, days int, now time.Time) Fault {
	if days <= 0 {
		return Fault{}
	}
	if notAfter.IsZero() {
		return unmet(ClassTLS, "there is no certificate, so it cannot be valid for %d days more", days)
	}
	if notAfter.Sub(now) < time.Duration(days)*24*time.Hour {
		end := notAfter.UTC().Format(time.RFC3339)
		return unmet(ClassTLS, "the certificate chain ends at %s, in less than %d days", end, days)
	}
	return Fault{}
}
