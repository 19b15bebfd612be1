package probe

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// judge returns the first expectation that an answer does not meet, or the zero
// Fault. The status comes first: it says most.
func (c *httpChecker) judge(resp *http.Response, body []byte, look *Look) Fault {
	e := &c.conf.Expect
	if !slices.ContainsFunc(e.Status, func(s StatusRange) bool { return s.Contains(resp.StatusCode) }) {
		return unmet(ClassStatus, "the status is %d, not %s", resp.StatusCode, statusList(e.Status))
	}
	if f := c.judgeHeaders(resp.Header); f.Class != "" {
		return f
	}
	if resp.StatusCode/100 == 2 && c.conf.Challenge != "allow" {
		if sign := disguise(resp.Header, body); sign != "" {
			return unmet(ClassBody, "the status is %d but the page is a challenge or an error page (%s)", resp.StatusCode, sign)
		}
	}
	if f := c.judgeBody(body); f.Class != "" {
		return f
	}
	if f := c.judgeSize(resp, look.Bytes); f.Class != "" {
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

func (c *httpChecker) judgeHeaders(header http.Header) Fault {
	for _, name := range slices.Sorted(maps.Keys(c.conf.Expect.Headers)) {
		want := c.conf.Expect.Headers[name]
		values := header.Values(name)
		if len(values) == 0 {
			return unmet(ClassHeader, "the header %s is missing", name)
		}
		if !slices.ContainsFunc(values, want.Match) {
			return unmet(ClassHeader, "the header %s is %s, not %s", name, quoted(values[0]), quoted(want.String()))
		}
	}
	return Fault{}
}

func (c *httpChecker) judgeBody(body []byte) Fault {
	e := &c.conf.Expect
	for _, text := range e.BodyContains {
		if !bytes.Contains(body, []byte(text)) {
			return unmet(ClassBody, "the body does not contain %s", quoted(text))
		}
	}
	for _, text := range e.BodyNotContains {
		if bytes.Contains(body, []byte(text)) {
			return unmet(ClassBody, "the body contains %s", quoted(text))
		}
	}
	for _, re := range e.BodyMatches {
		if !re.Match(body) {
			return unmet(ClassBody, "the body does not match %s", quoted(re.String()))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(e.JSON)) {
		want := e.JSON[path]
		switch got, err := lookup(body, c.paths[path]); {
		case err != nil:
			return unmet(ClassBody, "%s is not %s: %v", path, quoted(want.String()), err)
		case !want.Match(got):
			return unmet(ClassBody, "%s is %s, not %s", path, quoted(got), quoted(want.String()))
		}
	}
	return Fault{}
}

// judgeSize judges the bytes that were read. Validate sees to it that the limit
// of reading lies above both sizes; HEAD has only its word for it.
func (c *httpChecker) judgeSize(resp *http.Response, size int64) Fault {
	e := &c.conf.Expect
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
