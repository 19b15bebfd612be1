// Package guard stands before the image site: it knows who the client is, how
// much each may ask for, how loaded the process is and what to leave out then,
// and it asks strangers for a proof of work when it must. It knows nothing of
// pictures, tokens or codes: who holds a valid token is told by a function.
package guard

import (
	"crypto/sha256"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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
	// Key signs the cookie of solved challenges and is what signed probes are checked with. Processes
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
	// Ask is like Known but may ask the database. It is asked only before a stranger who sends a cookie
	// would be challenged; nil asks nobody.
	Ask func(*http.Request) Holder
	// Sources are what the load is read from.
	Sources Sources
	// Log gets changes of level; nil drops them.
	Log *slog.Logger
}

// Guard is the defence of one site process. Made by [New]; safe for concurrent use.
type Guard struct {
	opts     Options
	table    *table
	failures *failures
	nonces   *once
	work     *worker
	crowd    *crowd
	html     *template.Template
	held     chan struct{} // refusals that are being held back

	level atomic.Int32
	score atomic.Int64
	lag   atomic.Int64
	count counters
}

// New makes a guard.
func New(opts Options) (*Guard, error) {
	if len(opts.Key) < minKey {
		return nil, errors.New("guard: the key is too short")
	}
	if opts.Challenge == "" {
		opts.Challenge = Auto
	}
	html, err := parsePage()
	if err != nil {
		return nil, err
	}
	return &Guard{
		opts:     opts,
		table:    newTable(time.Now()),
		failures: newFailures(opts.Limits.Codes),
		nonces:   newOnce(nonces, 2*signedFor, false),
		work:     newWorker(opts.Key, opts.Secure),
		crowd:    &crowd{most: opts.Limits.Connections, clients: opts.Clients, by: map[netip.Prefix]int{}},
		html:     html,
		held:     make(chan struct{}, holding),
	}, nil
}

// Handler limits, sheds and challenges before next, and answers below /guard/
// itself. It does not wrap the ResponseWriter: files must reach the kernel's
// sendfile.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		own := strings.HasPrefix(r.URL.Path, ownPath)
		class := Browse
		switch {
		case own:
			class = Static
		case g.opts.Classify != nil:
			class = g.opts.Classify(r)
		}
		if refusal := g.admit(r, class, now); refusal != nil {
			g.Refuse(w, r, refusal)
			return
		}
		if own {
			g.own(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Listener caps the connections of ln, in all and by client.
func (g *Guard) Listener(ln net.Listener) net.Listener {
	return &capped{Listener: ln, crowd: g.crowd, slots: make(chan struct{}, connections), closed: make(chan struct{})}
}

// admit lets a request in or says why not.
func (g *Guard) admit(r *http.Request, class Class, now time.Time) *Refusal {
	if g.signed(r, now) || class == Free {
		g.count.passed[class].Add(1)
		return nil
	}
	holder := Holder{}
	if class != Static {
		holder = g.known(r)
	}
	if class == Image && !holder.Valid() {
		class = Stranger
	}
	if refusal := g.spend(r, class, 1, holder, now); refusal != nil {
		return refusal
	}
	if g.Level() >= CachedOnly && (class == Browse || class == Home || class == Code || class == Upload) {
		return Busy(busyWait)
	}
	if (class == Home || class == Code) && !holder.Valid() && g.asked(class, now) && !g.worthy(r, now) && !g.ask(r).Valid() {
		if class == Home || g.table.take(now, 1, g.slowLane()) > 0 {
			return challenged(g.challengeStatus())
		}
	}
	g.count.passed[class].Add(1)
	return nil
}

// busyWait is when to come back to a site that only answers what is ready.
const busyWait = 5 * time.Second

// challengeStatus never is 200: who looks only at the status must see that this
// is not the page.
func (g *Guard) challengeStatus() int {
	if g.Level() >= Challenged {
		return http.StatusServiceUnavailable
	}
	return http.StatusTooManyRequests
}

func (g *Guard) known(r *http.Request) Holder {
	if g.opts.Known == nil {
		return Holder{}
	}
	return g.opts.Known(r)
}

func (g *Guard) ask(r *http.Request) Holder {
	if g.opts.Ask == nil || len(r.Header["Cookie"]) == 0 {
		return Holder{}
	}
	return g.opts.Ask(r)
}

// Lanes keep limits apart in the table.
const (
	laneStranger byte = iota
	laneHolder
	laneAll
	laneSlow
)

// spend takes units of a class for a client. Who holds a valid token is counted
// by it: neighbours without one cannot use up what is the holder's.
func (g *Guard) spend(r *http.Request, class Class, units int, holder Holder, now time.Time) *Refusal {
	rate := g.opts.Limits.of(class)
	if rate.Off {
		return nil
	}
	limit := class
	if limit == Home || limit == Code {
		limit = Browse // one allowance
	}
	client := g.Client(r)
	buckets := [2]bucket{
		{g.table.prefixKey(limit, laneStranger, Narrow(client)), rate, 1},
		{g.table.prefixKey(limit, laneStranger, Wide(client)), rate, neighbours},
	}
	if holder.Valid() {
		buckets = [2]bucket{
			{g.table.tokenKey(limit, laneHolder, holder.Token), rate, 1},
			{g.table.prefixKey(limit, laneHolder, Narrow(client)), rate, neighbours},
		}
	}
	if wait := g.table.take(now, units, buckets[0], buckets[1]); wait > 0 {
		g.count.limited[class].Add(1)
		return limited(wait)
	}
	return nil
}

// Spend takes units of a class beyond the one that the request itself has cost,
// for a render for example. The error is a *[Refusal].
func (g *Guard) Spend(r *http.Request, class Class, units int) error {
	if Signed(r) {
		return nil
	}
	if class == Cold && g.Level() >= CachedOnly {
		return Busy(busyWait)
	}
	if refusal := g.spend(r, class, max(units, 1), g.known(r), time.Now()); refusal != nil {
		return refusal
	}
	return nil
}

// Try takes a place for one try of a code, before it is made. giveBack returns
// the place and must be called when the code was right, or was not judged at
// all; it is never nil and may be called again. The error is a *[Refusal].
func (g *Guard) Try(r *http.Request) (giveBack func(), err error) {
	nothing := func() {}
	if Signed(r) {
		return nothing, nil
	}
	now, holder := time.Now(), g.known(r)
	if !holder.Valid() {
		holder = g.ask(r)
	}
	place, wait := g.failures.try(limits(g.Client(r), holder), now)
	if wait > 0 {
		return nothing, tooManyCodes(wait)
	}
	g.count.wrongCodes.Add(1)
	if holder.Valid() {
		return sync.OnceFunc(func() { place(); g.count.wrongCodes.Add(-1) }), nil
	}
	// All together: this never shuts the door, the next place is seconds away.
	all := g.allCodes()
	if wait := g.table.take(now, 1, all); wait > 0 {
		place()
		g.count.wrongCodes.Add(-1)
		return nothing, tooManyCodes(wait)
	}
	return sync.OnceFunc(func() { place(); g.table.giveBack(all, 1); g.count.wrongCodes.Add(-1) }), nil
}

// allCodes is what all strangers together may try.
func (g *Guard) allCodes() bucket {
	return bucket{g.table.prefixKey(Code, laneAll, netip.Prefix{}), g.opts.Limits.AllCodes, 1}
}

// slowShare is which part of all wrong codes is for strangers who solve no task
// while tasks are asked: the rest is for those who do.
const slowShare = 4

// slowLane is what strangers without a solved task may try of codes while tasks
// are asked: somebody without JavaScript must get in too, be it late.
func (g *Guard) slowLane() bucket {
	rate := g.opts.Limits.AllCodes
	if rate.Off {
		rate = Rate{Events: 1000, Per: time.Hour}
	}
	return bucket{g.table.prefixKey(Code, laneSlow, netip.Prefix{}), Rate{Events: max(1, rate.Events/slowShare), Per: rate.Per, Burst: 5}, 1}
}

// asked reports whether strangers must solve a task now. Many wrong codes make it
// so where codes are entered, and leave the front page alone.
func (g *Guard) asked(class Class, now time.Time) bool {
	switch g.opts.Challenge {
	case Always:
		return true
	case Never:
		return false
	case Auto:
	}
	return g.Level() >= Challenged || (class == Code && g.table.left(now, g.allCodes()) < 0.5)
}

// Level is how loaded the process is.
func (g *Guard) Level() Level { return Level(g.level.Load()) }

// Client returns who asks.
func (g *Guard) Client(r *http.Request) netip.Addr { return g.opts.Clients.Addr(r) }
