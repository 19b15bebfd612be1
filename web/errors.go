package web

import (
	"context"
	"errors"
	"net/http"

	"keepwatch/alerting"
)

// ErrNotFound is returned by a Source or an Actor for what does not exist.
var ErrNotFound = errors.New("there is no such thing here")

// ErrUnavailable is returned when the answer needs the database and it is away.
var ErrUnavailable = errors.New("the database is away: try again in a moment")

// ErrStandBy is returned for an action that only the leading daemon can do.
var ErrStandBy = errors.New("this daemon stands by and another one leads: do it on that one's console, or try again in a moment")

// ErrBadLink is returned for an acknowledgement link with a wrong or old signature.
var ErrBadLink = errors.New("this link is not valid or too old: open the incident on the console and acknowledge it there")

// ErrLogIn is returned to whoever brings no valid token where one is needed.
var ErrLogIn = errors.New("a token is needed here: ask whoever runs Keepwatch (console.tokens in its file)")

// ErrRole is returned to the holder of a token whose role does not include this.
var ErrRole = errors.New("this token may not do that: its role in console.tokens is too small")

// errBadRequest is returned for a request that cannot be understood.
var errBadRequest = errors.New("the request cannot be understood")

// status is the one table from errors to HTTP status and to the sentence a
// reader sees; the wrapped chain stays in the log.
func status(err error) (int, string) {
	table := []struct {
		err  error
		code int
	}{
		{alerting.ErrNotFound, http.StatusNotFound},
		{ErrNotFound, http.StatusNotFound},
		{ErrUnavailable, http.StatusServiceUnavailable},
		{ErrStandBy, http.StatusServiceUnavailable},
		{ErrBadLink, http.StatusForbidden},
		{ErrLogIn, http.StatusUnauthorized},
		{ErrRole, http.StatusForbidden},
		{errBadRequest, http.StatusBadRequest},
	}
	for _, row := range table {
		if errors.Is(err, row.err) {
			return row.code, row.err.Error()
		}
	}
	if refused, ok := errors.AsType[RefusedError](err); ok {
		return http.StatusUnprocessableEntity, refused.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, ErrUnavailable.Error()
	}
	return http.StatusInternalServerError, "something went wrong; the log says what"
}
