package guard

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is an error that says no to a request for now. Its text is for visitors.
type Refusal struct { //nolint:errname // it is a verdict first, and only travels as an error
	// Status is 429 when the client asks too much, 503 when the site is too busy.
	Status int
	// Code is the machine's word: "limited", "codes", "challenge" or "busy".
	Code string
	// Text is one sentence for people.
	Text string
	// Wait is when to come back; always positive.
	Wait time.Duration
	// Challenge says that a proof of work would help.
	Challenge bool
}

// Error is the sentence for people.
func (r *Refusal) Error() string { return r.Text }

// Busy is the refusal of a site that is too busy for this request.
func Busy(wait time.Duration) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Code: "busy", Text: "the site is very busy; please try again in a moment", Wait: max(wait, time.Second)}
}

func limited(wait time.Duration) *Refusal {
	return &Refusal{Status: http.StatusTooManyRequests, Code: "limited", Text: "that was too much at once; please wait a moment", Wait: wait}
}

func tooManyCodes(wait time.Duration) *Refusal {
	return &Refusal{Status: http.StatusTooManyRequests, Code: "codes", Text: "too many wrong codes; please try again later", Wait: wait}
}

func challenged(status int) *Refusal {
	return &Refusal{
		Status: status, Code: "challenge", Text: "the site is very busy; please try again later, or let your browser solve a small task",
		Wait: challengeWait, Challenge: true,
	}
}

// A refusal is held back for a moment, so that who asks again at once does not
// keep the site busy with saying no; only so many wait, the rest is told at once.
const (
	holdFor = time.Second
	holding = 512
)

// Refuse answers a *[Refusal] that is anywhere in err and returns true, or
// returns false and does nothing. It closes the connection.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return false
	}
	if refusal.Status == http.StatusServiceUnavailable {
		g.count.shed.Add(1)
	}
	if !refusal.Challenge {
		g.hold(r)
	}
	h := w.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Encoding"} {
		h.Del(name)
	}
	h.Set("Retry-After", RetryAfter(refusal.Wait))
	h.Set("Cache-Control", "private, no-store")
	h.Add("Vary", "Accept")
	if r.ProtoMajor < 2 {
		h.Set("Connection", "close")
	}
	switch {
	case refusal.Challenge:
		g.challenge(w, r, refusal)
	case wantsPage(r):
		g.page(w, refusal.Status, pageData{Text: refusal.Text, Form: refusal.Code != "codes"})
	default:
		writeJSON(w, r, refusal.Status, errorBody{Error: errorText{refusal.Code, refusal.Text}})
	}
	return true
}

// hold waits a moment, if not too many do.
func (g *Guard) hold(r *http.Request) {
	select {
	case g.held <- struct{}{}:
		defer func() { <-g.held }()
	default:
		return
	}
	timer := time.NewTimer(holdFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// RetryAfter is the header's value for a wait: whole seconds, at least one.
func RetryAfter(wait time.Duration) string {
	return strconv.FormatInt(max(1, int64((wait+time.Second-1)/time.Second)), 10)
}

// wantsPage reports whether a person asks, with a browser.
func wantsPage(r *http.Request) bool {
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}

type errorBody struct {
	Error     errorText  `json:"error"`
	Challenge *challenge `json:"challenge,omitempty"`
}

type errorText struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, body errorBody) {
	out, err := json.Marshal(body)
	if err != nil { // cannot be: it is made of strings and numbers
		http.Error(w, body.Error.Message, status)
		return
	}
	kind := "text/json; charset=utf-8" // what clients of the original site check
	if strings.HasPrefix(r.URL.Path, "/api/") {
		kind = "application/json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(status)
	_, _ = w.Write(out) // the asker may have left
}
