package probe

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// UserAgent is what web checks call themselves unless a header says otherwise.
// Sites may leave it out of their visitor figures.
const UserAgent = "keepwatch-probe/1.0"

// defaultMaxBody is how much of a body a web check reads unless max_body says otherwise.
const defaultMaxBody Size = 1 << 20

// HTTP looks at a web address. A fresh connection is made for each look, so
// that name, connection and handshake are looked at each time. The zero value
// wants a URL; everything else has a default.
type HTTP struct {
	// URL is the address to ask: http or https. A password in it is never printed. Required.
	// Example: https://photos.example.com/
	URL string `yaml:"url"`
	// Method is the request method. Default GET. Example: HEAD
	Method string `yaml:"method,omitempty"`
	// Headers are sent with the request; their values are never printed and are not sent on to
	// another host by a redirect. Host and User-Agent may be set too. Example: {Authorization: "Bearer ${TOKEN}"}
	Headers map[string]Secret `yaml:"headers,omitempty"`
	// Body is sent with the request; it is never printed. Default none. Example: '{"ping": true}'
	Body Secret `yaml:"body,omitempty"`
	// Redirects says how many redirects are followed: follow (10), none, or 0 to 50. One more than that is a failure;
	// with none the redirect itself is the answer. Default follow.
	Redirects Redirects `yaml:"redirects,omitempty"`
	// MaxBody is how much of the answer is read; of a longer answer this much is looked at and the rest is left.
	// Default 1MiB, range 1KiB to 64MiB.
	MaxBody Size `yaml:"max_body,omitempty"`
	// Challenge says what a challenge, interstitial or error page that claims success (200) is: "fail" or "allow".
	// Default fail.
	Challenge string `yaml:"challenge,omitempty"`
	// Proxy is the proxy to go through: a URL, or "environment" for HTTP_PROXY and kin. Default none: the
	// environment is not asked.
	Proxy string `yaml:"proxy,omitempty"`
	// TLS says how https answers are verified. Default: the system's authorities and the URL's host name.
	TLS TLSClient `yaml:"tls,omitempty"`
	// Expect is what the answer must be. Default: a status from 200 to 299.
	Expect HTTPExpect `yaml:"expect,omitempty"`
	// Signed says that the request carries a signature by which a Keepwatch site knows its own probes. Default false: the
	// site sees a stranger.
	Signed bool `yaml:"signed,omitempty"`
	// ProbeKey is the key to sign with. Default: site.probe_key.
	ProbeKey Secret `yaml:"probe_key,omitempty"`
	// AllowLinkLocal lets the look reach link-local addresses and the metadata services of clouds, which no visitor can.
	// Default false.
	AllowLinkLocal bool `yaml:"allow_link_local,omitempty"`
}

// HTTPExpect is what a web answer must be; every expectation given must be met.
type HTTPExpect struct {
	// Status is a status, a range or a list of them. Default 200-299. Example: [200, 301-302, 4xx]
	Status []StatusRange `yaml:"status,omitempty"`
	// BodyContains are texts that the body must contain, every one of them. Example: "<title>"
	BodyContains []string `yaml:"body_contains,omitempty"`
	// BodyNotContains are texts that the body must not contain. Example: "Fatal error"
	BodyNotContains []string `yaml:"body_not_contains,omitempty"`
	// BodyMatches are regular expressions that must match the body, every one of them. Example: 'build \d+'
	BodyMatches []Regexp `yaml:"body_matches,omitempty"`
	// JSON maps paths into a JSON body to what must stand there: a text, number, true, false or null as written,
	// a regular expression between slashes, or * for anything. Example: {$.status: ok, "$.nodes[0].name": /^db-/}
	JSON map[string]Pattern `yaml:"json,omitempty"`
	// Headers maps header names to what their value must be: the text itself, a regular expression between
	// slashes, or * for anything. Example: {Content-Type: "/^text\/html/"}
	Headers map[string]Pattern `yaml:"headers,omitempty"`
	// MinSize is the smallest body that is right. Default 0. Example: 10KiB
	MinSize Size `yaml:"min_size,omitempty"`
	// MaxSize is the largest body that is right. Default: no limit.
	MaxSize Size `yaml:"max_size,omitempty"`
	// LatencyUnder is how long the answer may take, from the start to the last byte. Default: only the check's
	// timeout counts. Example: 2s
	LatencyUnder time.Duration `yaml:"latency_under,omitempty"`
	// TLSDaysLeft is how many whole days every certificate of the chain must still be valid. Default 0: valid now is enough.
	TLSDaysLeft int `yaml:"tls_days_left,omitempty"`
	// Image is what a picture must be. Default: the body need not be one.
	Image ImageExpect `yaml:"image,omitempty"`
}

// ImageExpect is what a picture (JPEG, PNG, GIF or WebP) must be.
type ImageExpect struct {
	// Decodes says that the body must be a whole picture that can be decoded to the last line. Default false.
	Decodes bool `yaml:"decodes,omitempty"`
	// LongerEdge is how many pixels the longer edge must have. Default: any. Example: 1440
	LongerEdge int `yaml:"longer_edge,omitempty"`
	// OrNative says that a smaller picture is right too: sites do not enlarge. Default false.
	OrNative bool `yaml:"or_native,omitempty"`
}

// TLSClient says how the other side's certificate is verified.
type TLSClient struct {
	// CAFile is a PEM file of authorities to trust instead of the system's. Default: the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// ServerName is the name that the certificate must carry and that is asked for. Default: the host of the address.
	ServerName string `yaml:"server_name,omitempty"`
	// SkipVerify accepts any certificate. Default false. A look that skips verification says nothing about who answered.
	SkipVerify bool `yaml:"skip_verify,omitempty"`
}

// validate reports mistakes; path is the block's place ("tls").
func (c *TLSClient) validate(path string, report func(path, msg string)) {
	if c.CAFile == "" {
		return
	}
	if c.SkipVerify {
		report(path+".ca_file", "ca_file has no meaning with skip_verify: leave one of them out")
	}
	if _, err := os.Stat(c.CAFile); err != nil {
		report(path+".ca_file", fmt.Sprintf("%q cannot be read: give the path of a PEM file", c.CAFile))
	}
}

// Target returns the URL without its password.
func (h *HTTP) Target() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "(unreadable url)" // the text itself might hold a password
	}
	return u.Redacted()
}

// SetDefaults fills what was left out.
func (h *HTTP) SetDefaults() {
	if h.Method == "" {
		h.Method = http.MethodGet
	}
	if h.MaxBody == 0 {
		h.MaxBody = defaultMaxBody
	}
	if h.Challenge == "" {
		h.Challenge = "fail"
	}
	if len(h.Expect.Status) == 0 {
		h.Expect.Status = []StatusRange{{Low: 200, High: 299}}
	}
}

// Validate reports every mistake.
func (h *HTTP) Validate(report func(path, msg string)) {
	validateURL("url", h.URL, report)
	if u, err := url.Parse(h.URL); err == nil {
		validateReach("url", u.Hostname(), h.AllowLinkLocal, report)
	}
	validateProxy(h.Proxy, report)
	for name, value := range h.Headers {
		validateHeader("headers."+name, name, value, report)
	}
	h.TLS.validate("tls", report)
	validateSigned(h.Signed, h.ProbeKey, report)
	asked{
		method: h.Method, plain: strings.HasPrefix(h.URL, "http:"), hops: h.Redirects.Hops(), maxBody: h.MaxBody, challenge: h.Challenge,
	}.validate(&h.Expect, "", report)
}

// asked is what must be known of a request to judge the expectations of its answer.
type asked struct {
	method    string // "" when left out
	plain     bool   // the address is an http one
	hops      int
	maxBody   Size
	challenge string
}

// validate reports mistakes; at is the place of the block, "" or one that ends with a dot.
func (q asked) validate(e *HTTPExpect, at string, report func(path, msg string)) {
	if at != "" {
		outer := report
		report = func(path, msg string) { outer(at+path, msg) }
	}
	if q.method != "" && strings.Trim(q.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		report("method", fmt.Sprintf("%q is not a method: write GET, HEAD, POST … in capitals", q.method))
	}
	if q.challenge != "" && q.challenge != "fail" && q.challenge != "allow" {
		report("challenge", fmt.Sprintf("%q is not known: write fail or allow", q.challenge))
	}
	if q.maxBody != 0 && (q.maxBody < 1<<10 || q.maxBody > 64<<20) {
		report("max_body", fmt.Sprintf("%s is out of range: write 1KiB to 64MiB", q.maxBody))
	}
	e.validateTexts(report)
	q.validateSizes(e, report)
	if q.method == http.MethodHead && e.needsBody() {
		report("method", "HEAD has no body to look at: use GET, or leave the expectations on the body out")
	}
	validateLatency(e.LatencyUnder, report)
	if e.TLSDaysLeft < 0 {
		report("expect.tls_days_left", fmt.Sprintf("%d days is negative: write 0 or more, such as 14", e.TLSDaysLeft))
	} else if e.TLSDaysLeft > 0 && q.plain && q.hops == 0 {
		report("expect.tls_days_left", "an http address has no certificate: use https, or leave this out")
	}
	e.Image.validate("expect.image", report)
}

// needsBody reports whether an expectation needs a body to be there.
func (e *HTTPExpect) needsBody() bool {
	return e.MinSize != 0 || len(e.BodyContains)+len(e.BodyMatches)+len(e.JSON) != 0 || e.Image != ImageExpect{}
}

func (e *HTTPExpect) validateTexts(report func(path, msg string)) {
	for i, text := range slices.Concat(e.BodyContains, e.BodyNotContains) {
		if text == "" {
			path := fmt.Sprintf("expect.body_contains[%d]", i)
			if i >= len(e.BodyContains) {
				path = fmt.Sprintf("expect.body_not_contains[%d]", i-len(e.BodyContains))
			}
			report(path, "the empty text is in every body: write what the body must hold")
		}
	}
	for path := range e.JSON {
		if _, err := parsePath(path); err != nil {
			report("expect.json."+path, err.Error())
		}
	}
	for name := range e.Headers {
		if !validHeaderName(name) {
			report("expect.headers."+name, fmt.Sprintf("%q is not a header name: use letters, digits and dashes", name))
		}
	}
}

func (q asked) validateSizes(e *HTTPExpect, report func(path, msg string)) {
	limit := q.maxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	if e.MinSize > limit {
		report("expect.min_size", fmt.Sprintf("only %s of a body is read: raise max_body to at least %s", limit, e.MinSize))
	}
	if e.MaxSize > limit {
		report("expect.max_size", fmt.Sprintf("only %s of a body is read: raise max_body above %s", limit, e.MaxSize))
	}
	if e.MaxSize != 0 && e.MaxSize < e.MinSize {
		report("expect.max_size", fmt.Sprintf("%s is smaller than min_size %s: swap them", e.MaxSize, e.MinSize))
	}
}

// validateProxy reports mistakes in the proxy of a check.
func validateProxy(proxy string, report func(path, msg string)) {
	if proxy != "" && proxy != "environment" {
		validateURL("proxy", proxy, report)
	}
}

// validateHeader reports mistakes in a header that is sent.
func validateHeader(path, name string, value Secret, report func(path, msg string)) {
	if !validHeaderName(name) {
		report(path, fmt.Sprintf("%q is not a header name: use letters, digits and dashes", name))
	}
	if strings.ContainsAny(value.Reveal(), "\r\n\x00") {
		report(path, "the value has a line break in it: take it out")
	}
}

// validateURL reports whether raw is an absolute http or https address.
func validateURL(path, raw string, report func(path, msg string)) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		report(path, "an address is missing: write one such as https://photos.example.com/")
	case err != nil || (u.Scheme != "http" && u.Scheme != "https"):
		report(path, "this is not a web address: write one such as https://photos.example.com/")
	case u.Hostname() == "":
		report(path, "the address has no host: write one such as https://photos.example.com/")
	}
}

// validateLatency reports a negative latency_under.
func validateLatency(d time.Duration, report func(path, msg string)) {
	if d < 0 {
		report("expect.latency_under", fmt.Sprintf("%s is negative: write a duration such as 2s", d))
	}
}

// validHeaderName reports whether name is a token of RFC 9110, section 5.6.2.
func validHeaderName(name string) bool {
	return name != "" && strings.Trim(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
