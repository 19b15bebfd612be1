package guard

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"
)

// ErrSlow is what reading a body returns when it comes more slowly than allowed.
var ErrSlow = errors.New("the upload came too slowly; please try again on a better connection")

// The timeouts of the server.
const (
	headerFor = 5 * time.Second
	readFor   = 30 * time.Second // a whole request, unless MinRate says otherwise
	writeFor  = 60 * time.Second // the answer, unless WriteRate says otherwise
	idleFor   = 60 * time.Second
	headers   = 16 << 10 // bytes
	// grace is how long a body may be silent before its rate counts.
	grace = 10 * time.Second
)

// Server returns a server with the timeouts of the site, for listeners made by
// [Guard.Listener]. It speaks HTTP/1.1: what ends TLS in front may speak what it
// likes. log may not be nil.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerFor,
		ReadTimeout:       readFor,
		WriteTimeout:      writeFor,
		IdleTimeout:       idleFor,
		MaxHeaderBytes:    headers,
		ConnState:         connState,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// MinRate lets the body of r take as long as it comes with at least
// bytesPerSecond on average, after ten seconds of grace, in place of the
// server's fixed deadline; reading fails with [ErrSlow] below that. It sets
// r.Body. The answer then has the server's usual time from the last read on.
// Where the ResponseWriter has no deadlines (tests) it does nothing.
func MinRate(w http.ResponseWriter, r *http.Request, bytesPerSecond int64) {
	b := &paced{ReadCloser: r.Body, control: http.NewResponseController(w), rate: bytesPerSecond, start: time.Now()}
	if b.extend() == nil {
		r.Body = b
	}
}

// WriteRate gives an answer of size bytes the server's usual time and as much
// more as bytesPerSecond needs: for files that slow lines take minutes for.
func WriteRate(w http.ResponseWriter, size, bytesPerSecond int64) {
	more := time.Duration(float64(size) / float64(bytesPerSecond) * float64(time.Second))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeFor + more)) // without deadlines (tests) there is none to move
}

// paced is a body with a deadline that moves on with what has come.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	rate    int64 // bytes a second
	start   time.Time
	read    int64
	moved   int64 // read when the deadline was moved last
}

// Read reads and, each second's worth of bytes, moves the deadline on.
func (p *paced) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, ErrSlow
	case errors.Is(err, io.EOF):
		// The server now waits for the end of the connection in the background: a
		// deadline would end the request's context while its body is worked on.
		return n, p.done(err)
	case err == nil && p.read-p.moved >= p.rate:
		err = p.extend()
	}
	return n, err
}

func (p *paced) extend() error {
	p.moved = p.read
	due := p.start.Add(grace + time.Duration(float64(p.read)/float64(p.rate)*float64(time.Second)))
	return errors.Join(p.control.SetReadDeadline(due), p.control.SetWriteDeadline(due.Add(writeFor)))
}

// done returns io.EOF itself: readers compare it.
func (p *paced) done(eof error) error {
	if err := errors.Join(p.control.SetReadDeadline(time.Time{}), p.control.SetWriteDeadline(time.Now().Add(writeFor))); err != nil {
		return err
	}
	return eof
}
