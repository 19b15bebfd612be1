package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/site/api"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

// While the database is away known visitors see what they saw, writes answer 503
// with Retry-After, nothing is half done, and nobody is told why.
func TestWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	known, unknown := b.token("mine", gallery.Write), b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine"})
	paths := []string{
		"/servlet/browserest?mode=r", "/servlet/browserest?mode=m", "/servlet/browserest?mode=l", "/servlet/browserest?mode=p", "/servlet/browserest?mode=n",
		"/servlet/browserest?mode=d&date=2026-05-31", "/servlet/searchrest?q=drawing", fmt.Sprintf("/rest/edit?img=%d", photo), "/rest/tag?v=1",
		"/rest/location", "/rest/suggest?wmk&tmz&loc=", "/api/v1/photos", fmt.Sprintf("/api/v1/photos/%d", photo), "/api/v1/session", "/api/v1/codes",
		"/api/v1/groups?by=tag", "/api/v1/places", fmt.Sprintf("/img/192/%d.jpg", photo), fmt.Sprintf("/img/0/%d.jpg", photo), "/",
	}
	before := map[string]string{}
	for _, path := range paths {
		w := b.get(path, known)
		if w.Code != 200 {
			t.Fatalf("%s before: %d %s", path, w.Code, w.Body)
		}
		before[path] = w.Body.String()
	}
	writes := mutations(b, photo, b.tagID("mine"))
	requests := map[string]func() *http.Request{}
	for path, ask := range writes {
		r := ask()
		requests[path] = func() *http.Request { return r }
	}
	state := func() string {
		return fmt.Sprint(b.number("SELECT count(*) FROM photo"), b.number("SELECT count(*) FROM access_code"), b.number("SELECT count(*) FROM access_token"),
			b.number("SELECT length(caption) FROM photo WHERE id = $1", photo))
	}
	was := state()
	b.flaky.away.Store(true)
	for _, path := range paths {
		if w := b.get(path, known); w.Code != 200 || w.Body.String() != before[path] {
			t.Errorf("%s while away: %d %.200s, want what was there before", path, w.Code, w.Body)
		}
	}
	for path, ask := range requests {
		if path == "/api/v1/session/end" {
			continue // needs no database
		}
		w := b.ask(ask(), known)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.3") || strings.Contains(w.Body.String(), "SELECT") {
			t.Errorf("POST %s while away: %d %v %s, want 503 with Retry-After", path, w.Code, w.Header(), w.Body)
		}
	}
	if w := b.get("/api/v1/photos", unknown); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("somebody not known: %d %s, want 503", w.Code, w.Body)
	}
	b.flaky.away.Store(false)
	if got := state(); got != was {
		t.Errorf("something was done while away: %s, want %s", got, was)
	}
}

// viewStore keeps views in memory; it may be away.
type viewStore struct {
	mu      sync.Mutex
	err     error          // guarded by mu
	batches []int          // guarded by mu
	views   []gallery.View // guarded by mu
	dropped []time.Time    // guarded by mu
}

func (s *viewStore) AddViews(_ context.Context, vs []gallery.View) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches, s.views = append(s.batches, len(vs)), append(s.views, vs...)
	return nil
}

func (s *viewStore) DropViews(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = append(s.dropped, before)
	return nil
}

func (s *viewStore) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Views are stored a batch a second, wait while the store is away, are dropped
// rather than held without end, and are counted then.
func TestViewsAreBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &viewStore{}
		v := api.NewViews(store, 24*time.Hour, []byte("salt"), slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		ada, grace := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for range 5 {
			v.Add(7, 640, ada, time.Now())
		}
		v.Add(7, 640, grace, time.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		if len(store.batches) != 1 || store.batches[0] != 6 {
			t.Fatalf("batches %v, want one of 6", store.batches)
		}
		if a, g := store.views[0].Client, store.views[5].Client; string(a) == string(g) || len(a) != 16 || string(a) != string(store.views[1].Client) {
			t.Errorf("clients %x and %x", a, g)
		}
		store.set(errors.New("away"))
		for range 100 {
			for range 400 {
				v.Add(7, 640, ada, time.Now())
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if stored, dropped := v.Stats(); stored != 6 || dropped != 100*400-4*4096 {
			t.Errorf("away: %d stored, %d dropped; want 6 and what is more than 16384", stored, dropped)
		}
		store.set(nil)
		time.Sleep(time.Second)
		synctest.Wait() // what waited is stored before the next one comes
		v.Add(8, 0, ada, time.Now())
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if stored, dropped := v.Stats(); stored != 6+4*4096+1 || dropped != 100*400-4*4096 {
			t.Errorf("back: %d stored, %d dropped", stored, dropped)
		}
		if len(store.dropped) == 0 || time.Since(store.dropped[0]) < 24*time.Hour {
			t.Errorf("old views were dropped before %v", store.dropped)
		}
		spare := api.NewViews(store, 0, nil, slog.New(slog.DiscardHandler))
		spare.Spare = func() bool { return true }
		spare.Add(1, 640, ada, time.Now())
		for range 5000 {
			v.Add(1, 640, ada, time.Now()) // nobody collects any more: it must not wait
		}
		if _, dropped := spare.Stats(); dropped != 1 {
			t.Errorf("under load %d views were dropped, want 1", dropped)
		}
	})
}

// What counts as a look: large pictures and originals, also those that the browser
// had; no thumbnails, no HEAD, no second part of a file, nothing that was refused.
func TestWhatCountsAsAView(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	secret := b.token("mine", gallery.Download)
	photo := b.photo([]string{"mine"})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.site.Serve(ctx, ln) }()
	path := func(edge int) string { return fmt.Sprintf("/img/%d/%d.jpg", edge, photo) }
	etag := b.get(path(640), secret).Header().Get("ETag") // 1
	b.get(path(640), secret, "If-None-Match", etag)       // 2
	b.get(path(0), secret)                                // 3
	b.get(path(0), secret, "Range", "bytes=0-99")         // 4
	b.get(fmt.Sprintf("/i/%d", photo), secret)            // 5
	b.get(path(450), secret)                              // 6
	b.get(path(350), secret)
	b.get(path(0), secret, "Range", "bytes=100-199")
	b.get(path(640), "")
	b.ask(httptest.NewRequest(http.MethodHead, path(640), nil), secret)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := b.number("SELECT count(*) FROM photo_view WHERE photo_id = $1 AND length(client) = 16", photo); n != 6 {
		t.Errorf("%d views are stored, want 6", n)
	}
}

// A process that was killed between file and row is cleaned up when it starts again.
func TestKilledUploadIsCleanedUp(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	data := draw(32, 32, 77)
	content, _, err := originals.Content(bytes.NewReader(data))
	if err == nil {
		err = b.files.Put(t.Context(), content, bytes.NewReader(data))
	}
	if err == nil {
		err = b.Intend(t.Context(), content, name+" 127.0.0.1:8080", time.Now().UTC())
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.site.Serve(ctx, ln) }()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // answered when it has begun
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if o, err := b.files.Open(t.Context(), content); !errors.Is(err, originals.ErrNotFound) {
		_ = o.Close()
		t.Errorf("the file is still there: %v", err)
	}
	if n := b.number("SELECT count(*) FROM upload_intent"); n != 0 {
		t.Errorf("%d intents are left", n)
	}
}
