package probe

import (
	"cmp"
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The values that are there without being given.
const (
	runID    = "run.id"    // 16 hexadecimal digits, new in each run
	siteCode = "site.code" // a code with which probes may write to this process's own site
)

// cookiePrefix begins the names of cookies among the values; no text can name them.
const cookiePrefix = "cookie "

// outsideNames are the values that the process gives and no file.
func outsideNames() []string { return []string{siteCode} }

// ownNames are all values that are there without being given.
func ownNames() []string { return append(outsideNames(), runID) }

// fill puts the values of a run into a text of the file.
func (r *journeyRun) fill(text string, escape func(string) string) string {
	return fillText(text, escape, func(name string) (string, bool) {
		v, ok := r.values[name]
		return v.text, ok
	})
}

// tells reports whether a text has a secret among its values.
func (r *journeyRun) tells(text string) bool {
	names, _ := namesIn(text) // refused before the first run
	return slices.ContainsFunc(names, func(name string) bool { return r.values[name].secret })
}

// secrets are all that must not be seen in the evidence of a request, in every
// form that a page may send them back in.
func (r *journeyRun) secrets(req *webRequest) []Secret {
	var plain []string
	for _, v := range r.values {
		if v.secret {
			plain = append(plain, v.text)
		}
	}
	if req != nil {
		for _, name := range req.private {
			plain = append(plain, req.header.Get(name))
		}
		if password, ok := req.url.User.Password(); ok {
			plain = append(plain, password)
		}
	}
	all := make([]Secret, 0, len(plain))
	for _, s := range plain {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), insideJSON(s)} {
			if !slices.Contains(all, Secret(form)) {
				all = append(all, Secret(form))
			}
		}
	}
	// A longer one first: it may hold a shorter one.
	slices.SortFunc(all, func(a, b Secret) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// tame takes secrets out of a message, and what differs from run to run: equal
// failures have equal messages.
func (r *journeyRun) tame(message string) string {
	if message == "" {
		return ""
	}
	for _, s := range r.secrets(nil) {
		if len(s) >= minSecret {
			message = strings.ReplaceAll(message, s.Reveal(), Secret("x").String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		v := r.values[name]
		changes := v.given || name == runID
		if changes && len(v.text) >= minVarying && strings.ContainsAny(v.text, "0123456789") {
			message = strings.ReplaceAll(message, v.text, openBraces+name+closeBraces)
		}
	}
	return message
}

const (
	minSecret  = 4 // a shorter secret would black out plain words and hides nothing
	minVarying = 6 // a shorter value may be part of anything
)
