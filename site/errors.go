package site

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"keepwatch/site/render"
)

// The errors that only answers know.
var (
	errForbidden = errors.New("not allowed")
	errPath      = errors.New("the address is /img/{size}/{id}.jpg, with whole numbers")
	errSize      = errors.New("this size is not offered; use 192, 256, 350, 450, 640, 800, 1024, 1280, 1440, 1600, 1920, or 0 for the original")
	errVerb      = errors.New("give exactly one of rc, new and del")
	errNotYet    = errors.New("this site does not make or delete codes yet")
	errForm      = errors.New("the form cannot be read")
	errNoPage    = errors.New("there is nothing at this address")
	errServer    = errors.New("the site made a mistake; it has been noted")
)

// limitedError says that a client failed too often and when it may try again.
type limitedError struct{ wait time.Duration }

func (e limitedError) Error() string { return "too many wrong codes; please try again later" }

// answer is what an error means to a visitor.
type answer struct {
	err    error
	status int
	code   string
}

// answers is the one table from errors to HTTP. What is not in it is a mistake of ours.
var answers = []answer{ //nolint:gochecknoglobals // a constant table
	{errForbidden, http.StatusForbidden, "forbidden"},
	{ErrCode, http.StatusForbidden, "code"},
	{errPath, http.StatusBadRequest, "path"},
	{errSize, http.StatusBadRequest, "size"},
	{errVerb, http.StatusBadRequest, "verb"},
	{errForm, http.StatusBadRequest, "form"},
	{errTokens, http.StatusBadRequest, "cookie"},
	{errNoPage, http.StatusNotFound, "not_found"},
	{errNotYet, http.StatusNotImplemented, "not_yet"},
	{errAway, http.StatusServiceUnavailable, "away"},
	{render.ErrBusy, http.StatusServiceUnavailable, "busy"},
}

// explain turns an error into what a visitor may see: never the wrapped chain.
func explain(err error) answer {
	if _, ok := errors.AsType[limitedError](err); ok {
		return answer{err: err, status: http.StatusTooManyRequests, code: "limited"}
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a
		}
	}
	return answer{err: errServer, status: http.StatusInternalServerError, code: "server"}
}

// note logs what somebody should look at; the rest is the visitor's.
func (s *Site) note(r *http.Request, err error) {
	a := explain(err)
	switch {
	case r.Context().Err() != nil: // the visitor left
	case errors.Is(err, errAway):
		s.log.Warn("database away", "err", err)
	case a.status == http.StatusInternalServerError:
		s.log.Error("request failed", "path", r.URL.Path, "err", err)
	}
}

// setRetry tells when to come back, where that makes sense.
func setRetry(w http.ResponseWriter, err error, status int) {
	if limited, ok := errors.AsType[limitedError](err); ok {
		seconds := int((limited.wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
	} else if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
}

type errorBody struct {
	Error errorText `json:"error"`
}

type errorText struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail answers with an error as JSON.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.note(r, err)
	a := explain(err)
	setRetry(w, err, a.status)
	s.json(w, a.status, errorBody{errorText{Code: a.code, Message: a.err.Error()}})
}

// json writes a body with the media type that clients of the original site check.
func (s *Site) json(w http.ResponseWriter, status int, body any) {
	out, err := json.Marshal(body)
	if err != nil {
		s.log.Error("answer not encoded", "err", err)
		http.Error(w, errServer.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(out)))
	h.Set("Cache-Control", "private, no-store")
	h.Del("ETag")
	h.Del("Content-Disposition")
	w.WriteHeader(status)
	_, _ = w.Write(out) // the visitor may have left
}
