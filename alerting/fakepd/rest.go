package fakepd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The REST API, as far as Keepwatch uses it (developer.pagerduty.com, "REST API
// Reference"). It is strict: what the real one would refuse is refused, what it
// would swallow is a warning in the log, and Verify fails on warnings.

// Limits of the REST API.
const (
	defaultRESTPerMinute = 960
	defaultPage          = 25
	maxPage              = 100
	maxReach             = 10_000 // offset + limit
	maxSpan              = 6 * 31 * 24 * time.Hour
)

// Numbers in an error's "code".
const (
	codeInvalid     = 2001
	codeAuth        = 2006
	codeForbidden   = 2010
	codeRate        = 2020
	codeNotFound    = 2100
	codeNoRequester = 1008
)

// restRate counts the calls of each token in its minute. The Server's mutex guards it.
type restRate map[string]*restMinute

type restMinute struct {
	began time.Time
	used  int
}

// restCall is one REST call on its way; the mutex is held while it is answered.
type restCall struct {
	s       *Server
	r       *http.Request
	now     time.Time
	query   url.Values
	body    map[string]json.RawMessage
	from    *User // who asks: From header or the owner of the token
	line    *Line
	checker checker
}

// result is an answer.
type result struct {
	status int
	body   []byte
}

// restError is the shape of every refusal.
type restError struct {
	Error restFault `json:"error"`
}

type restFault struct {
	Message string   `json:"message"`
	Code    int      `json:"code"`
	Errors  []string `json:"errors,omitempty"`
}

// give encodes an answer.
func give[T any](status int, v T) result {
	out, err := json.Marshal(v)
	if err != nil {
		return refuse(http.StatusInternalServerError, 0, err.Error())
	}
	return result{status, out}
}

func refuse(status, code int, message string, errs ...string) result {
	return give(status, restError{restFault{Message: message, Code: code, Errors: errs}})
}

func invalidInput(errs ...string) result {
	return refuse(http.StatusBadRequest, codeInvalid, "Invalid Input Provided", errs...)
}

func notFound() result { return refuse(http.StatusNotFound, codeNotFound, "Not Found") }

// routeREST adds the paths of the REST API.
func (s *Server) routeREST(mux *http.ServeMux) {
	for pattern, answer := range map[string]func(*restCall) result{
		"GET /incidents":                           (*restCall).listIncidents,
		"POST /incidents":                          (*restCall).createIncident,
		"PUT /incidents":                           (*restCall).manageIncidents,
		"GET /incidents/{id}":                      (*restCall).getIncident,
		"PUT /incidents/{id}":                      (*restCall).updateIncident,
		"GET /incidents/{id}/alerts":               (*restCall).listAlerts,
		"GET /incidents/{id}/log_entries":          (*restCall).listRecords,
		"GET /incidents/{id}/notes":                (*restCall).listNotes,
		"POST /incidents/{id}/notes":               (*restCall).createNote,
		"POST /incidents/{id}/snooze":              (*restCall).snooze,
		"GET /log_entries":                         (*restCall).listAllRecords,
		"GET /oncalls":                             (*restCall).listOnCalls,
		"GET /escalation_policies":                 (*restCall).listPolicies,
		"GET /escalation_policies/{id}":            (*restCall).getPolicy,
		"PUT /escalation_policies/{id}":            (*restCall).putPolicy,
		"GET /users":                               (*restCall).listUsers,
		"GET /users/{id}":                          (*restCall).getUser,
		"GET /users/{id}/contact_methods":          (*restCall).listContacts,
		"GET /services":                            (*restCall).listServices,
		"GET /services/{id}":                       (*restCall).getService,
		"GET /abilities":                           (*restCall).abilities,
		"GET /webhook_subscriptions":               (*restCall).listSubscriptions,
		"GET /webhook_subscriptions/{id}":          (*restCall).getSubscription,
		"PUT /webhook_subscriptions/{id}":          (*restCall).putSubscription,
		"POST /webhook_subscriptions/{id}/enable":  (*restCall).enableSubscription,
		"POST /webhook_subscriptions/{id}/disable": (*restCall).disableSubscription,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answerREST(w, r, answer) })
	}
}

// answerREST is the way of every REST call: fault, token, rate, body, answer, log.
func (s *Server) answerREST(w http.ResponseWriter, r *http.Request, answer func(*restCall) result) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the caller went away
	}
	s.mu.Lock()
	c := &restCall{s: s, r: r, now: time.Now().UTC(), query: r.URL.Query()}
	f := s.faults.pickREST(r.Method, r.URL.Path)
	l := Line{At: c.now, Kind: kindREST, Note: r.Method + " " + r.URL.RequestURI(), Hash: hashOf(raw), Body: bodyOf(raw)}
	if f != (Fault{}) {
		l.Fault = &f
	}
	c.line = &l
	var out result
	switch {
	case f.Close:
		l.Did = didClose
	case f.Status != 0 && !f.Processed:
		l.Did = didFail
		out = refuse(f.Status, 0, http.StatusText(f.Status))
	default:
		out = c.run(w.Header(), raw, answer)
		if f.Status != 0 {
			out = refuse(f.Status, 0, http.StatusText(f.Status))
		}
	}
	if f.Close || f.Lost || f.Hole {
		out.status = 0
	}
	l.Status, l.Warnings = out.status, c.checker.warnings
	s.note(l)
	s.mu.Unlock()
	if !s.dawdle(r, f) {
		return
	}
	if out.status == 0 {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(time.Duration(f.RetryAfter))))
	}
	w.Header().Set("Content-Type", "application/json")
	if f.Torn {
		tear(w, out.status, out.body)
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body) // the caller may have left
}

// run checks the call and answers it; the mutex is held.
func (c *restCall) run(h http.Header, raw []byte, answer func(*restCall) result) result {
	token, ok := tokenOf(c.r.Header.Get("Authorization"))
	if !ok || (c.s.opts.Tokens != nil && !slices.Contains(c.s.opts.Tokens, token)) {
		return refuse(http.StatusUnauthorized, codeAuth, "Unauthorized: the token is missing or wrong")
	}
	if !c.s.rest.take(token, c.s.opts.RESTPerMinute, c.now, h) {
		return refuse(http.StatusTooManyRequests, codeRate, "Rate Limit Exceeded")
	}
	if accept := c.r.Header.Get("Accept"); accept != "application/vnd.pagerduty+json;version=2" {
		c.checker.warn("Accept is %q, should be application/vnd.pagerduty+json;version=2", accept)
	}
	if c.r.Method == http.MethodGet {
		return answer(c)
	}
	if !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		return refuse(http.StatusUnsupportedMediaType, codeInvalid, "Content-Type should be application/json")
	}
	if len(raw) > 0 {
		var err error
		if c.body, err = object(raw); err != nil {
			return invalidInput("JSON cannot be read: " + err.Error())
		}
	}
	c.from = c.s.account.userByEmail(c.r.Header.Get("From"))
	if c.from == nil && c.r.Header.Get("From") == "" && strings.HasPrefix(token, "u+") && len(c.s.account.Users) > 0 {
		c.from = &c.s.account.Users[0]
	}
	return answer(c)
}

// tokenOf reads "Token token=x" and "Bearer x".
func tokenOf(header string) (string, bool) {
	for _, prefix := range []string{"Token token=", "Bearer "} {
		if rest, ok := strings.CutPrefix(header, prefix); ok {
			rest = strings.Trim(rest, `"`)
			return rest, rest != ""
		}
	}
	return "", false
}

// take counts a call and says in the headers what is left; false when nothing is.
func (r restRate) take(token string, limit int, now time.Time, h http.Header) bool {
	m := r[token]
	if m == nil || now.Sub(m.began) >= time.Minute {
		if len(r) > maxRateKeys {
			clear(r)
		}
		m = &restMinute{began: now}
		r[token] = m
	}
	ok := m.used < limit
	if ok {
		m.used++
	}
	h.Set("ratelimit-limit", strconv.Itoa(limit))
	h.Set("ratelimit-remaining", strconv.Itoa(limit-m.used))
	h.Set("ratelimit-reset", strconv.Itoa(seconds(m.began.Add(time.Minute).Sub(now))))
	return ok
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// known warns of query parameters that the real one does not know.
func (c *restCall) known(names ...string) {
	for name := range c.query {
		if !slices.Contains(names, name) {
			c.checker.warn("query parameter %q is not known", name)
		}
	}
	slices.Sort(c.checker.warnings)
}

// paging is the part of a list that was asked for.
type paging struct {
	Limit  int  `json:"limit"`
	Offset int  `json:"offset"`
	More   bool `json:"more"`
	Total  *int `json:"total"`
}

// page reads limit and offset.
func (c *restCall) page() (paging, error) {
	p := paging{Limit: defaultPage}
	for name, into := range map[string]*int{"limit": &p.Limit, "offset": &p.Offset} {
		if text := c.query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return p, fmt.Errorf("%s must be a number that is not negative", name)
			}
			*into = n
		}
	}
	p.Limit = min(max(p.Limit, 1), maxPage)
	if p.Offset+p.Limit > maxReach {
		return p, fmt.Errorf("offset and limit together are at most %d", maxReach)
	}
	return p, nil
}

// cut returns the page's part of a list.
func cut[T any](c *restCall, p *paging, all []T) []T {
	if c.query.Get("total") == "true" {
		n := len(all)
		p.Total = &n
	}
	from := min(p.Offset, len(all))
	to := min(from+p.Limit, len(all))
	p.More = to < len(all)
	return all[from:to]
}

// list answers one page of a list under its name.
func list[T any](c *restCall, name string, all []T) result {
	p, err := c.page()
	if err != nil {
		return invalidInput(err.Error())
	}
	part := cut(c, &p, all)
	if part == nil {
		part = []T{}
	}
	items, err := json.Marshal(part)
	if err != nil {
		return refuse(http.StatusInternalServerError, 0, err.Error())
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return refuse(http.StatusInternalServerError, 0, err.Error())
	}
	return result{http.StatusOK, fmt.Appendf(nil, `{%q:%s,%s`, name, items, raw[1:])}
}

// one answers one thing under its name.
func one[T any](status int, name string, v T) result { return give(status, map[string]T{name: v}) }

// field is an object within the body; the refusal says when it is missing.
func (c *restCall) field(name string) (map[string]json.RawMessage, *result) {
	raw, ok := c.body[name]
	if !ok {
		r := invalidInput(name + " is missing")
		return nil, &r
	}
	c.checker.unknown("", c.body, name)
	o, err := object(raw)
	if err != nil {
		r := invalidInput(name + ": " + err.Error())
		return nil, &r
	}
	return o, nil
}

// refer reads a reference: {"id": …, "type": want}. The real one wants the type to be
// the kind or kind_reference; senders of ours write the latter always.
func (c *restCall) refer(at string, raw json.RawMessage, kind string) string {
	o, err := object(raw)
	if err != nil {
		c.checker.err("%s: %v", at, err)
		return ""
	}
	c.checker.unknown(at+".", o, "id", "type", "summary", "self", "html_url")
	switch t := c.checker.text(o, at+".", "type"); t {
	case kind + "_reference":
	case kind:
		c.checker.warn("%s: the type is %q, should be %q", at, t, kind+"_reference")
	default:
		c.checker.err("%s: the type is %q, should be %q", at, t, kind+"_reference")
	}
	id := c.checker.text(o, at+".", "id")
	if id == "" {
		c.checker.err("%s: id is missing", at)
	}
	return id
}

// must reports the refusal of a call without a person who asks.
func (c *restCall) must() *result {
	if c.from == nil {
		r := refuse(http.StatusBadRequest, codeNoRequester, "Requester User Not Found")
		return &r
	}
	return nil
}

// wrong reports the refusal of what the checker found.
func (c *restCall) wrong() *result {
	if len(c.checker.errors) == 0 {
		return nil
	}
	r := invalidInput(c.checker.errors...)
	return &r
}

func (c *restCall) abilities() result {
	return give(http.StatusOK, struct {
		Abilities []string `json:"abilities"`
	}{[]string{"teams", "urgencies"}})
}
