// Package answer is the one table from errors to what a visitor of the image
// site is told, and the writing of JSON.
//
// Visitors see the text of the error in the table, never the chain it came with:
// no SQL, no path, no address of ours.
package answer

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

// The media types of answers.
const (
	Original = "text/json; charset=utf-8" // what clients of the original site check
	Tidy     = "application/json"         // of /api/v1
)

// The errors that only answers know.
var (
	ErrPath   = errors.New("the address is /img/{size}/{id}.jpg, with whole numbers")
	ErrSize   = errors.New("this size is not offered; use 192, 256, 350, 450, 640, 800, 1024, 1280, 1440, 1600, 1920, or 0 for the original")
	ErrVerb   = errors.New("give exactly one of rc, new and del")
	ErrForm   = errors.New("the form cannot be read")
	ErrJSON   = errors.New("the body must be one JSON object, with the fields that this address knows")
	ErrBody   = errors.New("the request is too large")
	ErrMethod = errors.New("this address does not know this method")
	ErrNoPage = errors.New("there is nothing at this address")
	ErrServer = errors.New("the site made a mistake; it has been noted")
)

// Answer is what an error means to a visitor.
type Answer struct {
	Err    error // its text is for the visitor
	Status int   // of HTTP
	Code   string
}

// answers is the table. What is not in it is a mistake of ours.
var answers = []Answer{ //nolint:gochecknoglobals // a constant table
	{gallery.ErrForbidden, http.StatusForbidden, "forbidden"},
	{gallery.ErrCode, http.StatusForbidden, "code"},
	{gallery.ErrNotFound, http.StatusNotFound, "not_found"},
	{gallery.ErrTaken, http.StatusConflict, "taken"},
	{gallery.ErrBeingRemoved, http.StatusServiceUnavailable, "being_removed"},
	{ErrPath, http.StatusBadRequest, "path"},
	{ErrSize, http.StatusBadRequest, "size"},
	{ErrVerb, http.StatusBadRequest, "verb"},
	{ErrForm, http.StatusBadRequest, "form"},
	{ErrJSON, http.StatusBadRequest, "json"},
	{ErrBody, http.StatusRequestEntityTooLarge, "too_large"},
	{ErrMethod, http.StatusMethodNotAllowed, "method"},
	{access.ErrTokens, http.StatusBadRequest, "cookie"},
	{ErrNoPage, http.StatusNotFound, "not_found"},
	{access.ErrAway, http.StatusServiceUnavailable, "away"},
	{render.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{render.ErrNotPicture, http.StatusUnsupportedMediaType, "not_a_picture"},
	{render.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{intake.ErrNotPicture, http.StatusUnsupportedMediaType, "not_a_picture"},
	{intake.ErrZIP, http.StatusUnsupportedMediaType, "zip"},
	{intake.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{intake.ErrFull, http.StatusInsufficientStorage, "full"},
	{intake.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{intake.ErrKeep, http.StatusServiceUnavailable, "storage"},
	{guard.ErrSlow, http.StatusRequestTimeout, "slow"},
	{originals.ErrFull, http.StatusInsufficientStorage, "full"},
	{originals.ErrSlow, http.StatusServiceUnavailable, "slow"},
}

// ToldError is an error that brings its own sentence for the visitor.
type ToldError struct {
	Err  error // decides the status
	Text string
}

// Error is the sentence.
func (t ToldError) Error() string { return t.Text }

// Unwrap returns what decides the status.
func (t ToldError) Unwrap() error { return t.Err }

// Explain turns an error into what a visitor may see.
func Explain(err error) Answer {
	if told, ok := errors.AsType[ToldError](err); ok {
		a := Explain(told.Err)
		a.Err = told
		return a
	}
	if refusal, ok := errors.AsType[*guard.Refusal](err); ok {
		return Answer{Err: refusal, Status: refusal.Status, Code: refusal.Code}
	}
	if wrong, ok := errors.AsType[gallery.InputError](err); ok {
		return Answer{Err: wrong, Status: http.StatusBadRequest, Code: "input"}
	}
	for _, a := range answers {
		if errors.Is(err, a.Err) {
			return a
		}
	}
	return Answer{Err: ErrServer, Status: http.StatusInternalServerError, Code: "server"}
}

// Writer writes answers. Type is the media type of JSON, [Original] when empty.
// Safe for concurrent use.
type Writer struct {
	Log  *slog.Logger
	Type string
	// Refuse answers errors of a busy site in place of Fail, and says whether it did;
	// nil answers none.
	Refuse func(w http.ResponseWriter, r *http.Request, err error) bool
}

// Note logs what somebody should look at; the rest is the visitor's.
func (a Writer) Note(r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil: // the visitor left
	case errors.Is(err, intake.ErrKeep):
		a.Log.Error("originals cannot be written", "err", err)
	case errors.Is(err, access.ErrAway):
		a.Log.Warn("database away", "err", err)
	case Explain(err).Status == http.StatusInternalServerError:
		a.Log.Error("request failed", "path", r.URL.Path, "err", err)
	}
}

// SetRetry tells when to come back, where that makes sense.
func SetRetry(w http.ResponseWriter, err error, status int) {
	if wait := waitOf(err); wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	} else if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
}

// waitOf is how long an error asks to wait; 0 when it does not say.
func waitOf(err error) time.Duration {
	if refusal, ok := errors.AsType[*guard.Refusal](err); ok {
		return max(refusal.Wait, time.Second)
	}
	if busy, ok := errors.AsType[*render.BusyError](err); ok {
		return max(busy.After, time.Second)
	}
	return 0
}

type errorBody struct {
	Error errorText `json:"error"`
}

type errorText struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Fail answers with an error as JSON.
func (a Writer) Fail(w http.ResponseWriter, r *http.Request, err error) {
	a.Note(r, err)
	if a.Refuse != nil && a.Refuse(w, r, err) {
		return
	}
	e := Explain(err)
	SetRetry(w, err, e.Status)
	a.JSON(w, e.Status, errorBody{errorText{Code: e.Code, Message: e.Err.Error()}})
}

// JSON answers with a body.
func (a Writer) JSON(w http.ResponseWriter, status int, body any) {
	out, err := json.Marshal(body)
	if err != nil {
		a.Log.Error("answer not encoded", "err", err)
		http.Error(w, ErrServer.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", Original)
	if a.Type != "" {
		h.Set("Content-Type", a.Type)
	}
	h.Set("Content-Length", strconv.Itoa(len(out)))
	h.Set("Cache-Control", "private, no-store")
	h.Del("ETag")
	h.Del("Content-Disposition")
	w.WriteHeader(status)
	_, _ = w.Write(out) // the visitor may have left
}
