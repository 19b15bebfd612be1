package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

const (
	viewEdge    = 450          // smaller pictures are thumbnails: nobody looked at them
	viewRoom    = 4096         // views that wait for the next statement
	viewKeep    = 4 * viewRoom // views that wait while the store is away
	viewEvery   = time.Second
	viewFor     = 5 * time.Second // deadline of one statement
	viewForget  = time.Hour       // how often old views are looked for
	clientBytes = 16
)

// Views remembers who looked at which picture: a batch a second, never at the
// cost of a visitor. Make it with [NewViews]; safe for concurrent use.
type Views struct {
	store   gallery.Views
	keep    time.Duration
	salt    []byte
	log     *slog.Logger
	views   chan gallery.View
	stored  atomic.Int64
	dropped atomic.Int64
	// Spare, when set, says that the process has better things to do: views are
	// dropped then, and counted.
	Spare func() bool
}

// NewViews makes the log of views. Views older than keep are forgotten. salt makes
// one client known again without its address being known; processes that share it
// agree, and nil is a new one.
func NewViews(store gallery.Views, keep time.Duration, salt []byte, log *slog.Logger) *Views {
	if len(salt) == 0 {
		salt = make([]byte, sha256.Size)
		_, _ = rand.Read(salt) // never fails: it ends the program instead
	}
	return &Views{store: store, keep: keep, salt: salt, log: log, views: make(chan gallery.View, viewRoom)}
}

// Stats returns how many views were stored and how many were dropped since the start.
func (v *Views) Stats() (stored, dropped int64) { return v.stored.Load(), v.dropped.Load() }

// Add notes a view; it never waits.
func (v *Views) Add(photo int64, edge int, client netip.Addr, at time.Time) {
	if v.Spare != nil && v.Spare() {
		v.dropped.Add(1)
		return
	}
	select {
	case v.views <- gallery.View{Photo: photo, Edge: edge, At: at.UTC(), Client: v.hash(client)}:
	default:
		v.dropped.Add(1)
	}
}

// hash hides an address; without the salt it could be found by trying all.
func (v *Views) hash(client netip.Addr) []byte {
	sum := hmac.New(sha256.New, v.salt)
	_, _ = sum.Write(client.AsSlice()) // a hash never fails
	return sum.Sum(nil)[:clientBytes]
}

// Run stores what was seen until ctx is done, and then what is left.
func (v *Views) Run(ctx context.Context) error {
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	old := time.NewTicker(viewForget)
	defer old.Stop()
	var waiting []gallery.View
	v.forget(ctx)
	for {
		select {
		case <-tick.C:
			waiting = v.flush(ctx, v.collect(waiting))
		case <-old.C:
			v.forget(ctx)
		case <-ctx.Done():
			left := v.flush(context.WithoutCancel(ctx), v.collect(waiting))
			v.dropped.Add(int64(len(left)))
			return nil
		}
	}
}

// collect takes what has come; what is too much while the store is away is
// dropped, the oldest first.
func (v *Views) collect(waiting []gallery.View) []gallery.View {
	for {
		select {
		case view := <-v.views:
			waiting = append(waiting, view)
		default:
			if more := len(waiting) - viewKeep; more > 0 {
				v.dropped.Add(int64(more))
				waiting = append([]gallery.View(nil), waiting[more:]...)
			}
			return waiting
		}
	}
}

// flush stores the views in one statement and returns those that must wait.
func (v *Views) flush(ctx context.Context, views []gallery.View) []gallery.View {
	if len(views) == 0 {
		return views
	}
	ctx, cancel := context.WithTimeout(ctx, viewFor)
	defer cancel()
	if err := v.store.AddViews(ctx, views); err != nil {
		v.log.Debug("views wait", "views", len(views), "err", err)
		return views
	}
	v.stored.Add(int64(len(views)))
	return views[:0]
}

func (v *Views) forget(ctx context.Context) {
	if v.keep <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, viewFor)
	defer cancel()
	if err := v.store.DropViews(ctx, time.Now().UTC().Add(-v.keep)); err != nil && ctx.Err() == nil {
		v.log.Warn("old views not forgotten", "err", err)
	}
}

// seen notes that somebody looked at a large picture or took an original: also
// when the browser had it already. A later part of a file is no second look.
func (a *API) seen(r *http.Request, photo int64, edge int) {
	if a.Views == nil || r.Method != http.MethodGet || (edge < viewEdge && edge != picture.Original) {
		return
	}
	if part := r.Header.Get("Range"); part != "" && !strings.HasPrefix(part, "bytes=0-") {
		return
	}
	a.Views.Add(photo, edge, a.Client(r), time.Now())
}
