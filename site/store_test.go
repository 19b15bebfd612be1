package site

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

// memStore is a Store in memory; the real one is tested in package postgres.
type memStore struct {
	Store // nil: what these tests do not ask

	mu     sync.Mutex
	away   error
	asked  int
	photos map[int64]gallery.Photo
	tags   []gallery.Ref
	grants []gallery.Grant
	codes  map[string]*memCode
}

type memCode struct {
	grant     gallery.Grant
	uses, max int
}

func (m *memStore) enter() (func(), error) {
	m.mu.Lock()
	m.asked++
	if m.away != nil {
		defer m.mu.Unlock()
		return nil, m.away
	}
	return m.mu.Unlock, nil
}

func (m *memStore) setAway(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

func (m *memStore) questions() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func (m *memStore) Grants(_ context.Context, hashes [][]byte) ([]gallery.Grant, error) {
	leave, err := m.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []gallery.Grant
	for _, g := range m.grants {
		if slices.ContainsFunc(hashes, func(h []byte) bool { return string(h) == string(g.Token) }) {
			out = append(out, g)
		}
	}
	return out, nil
}

func (m *memStore) Photo(_ context.Context, id int64) (gallery.Photo, error) {
	leave, err := m.enter()
	if err != nil {
		return gallery.Photo{}, err
	}
	defer leave()
	p, ok := m.photos[id]
	if !ok {
		return gallery.Photo{}, gallery.ErrNotFound
	}
	return p, nil
}

func (m *memStore) Find(_ context.Context, f gallery.Filter) ([]gallery.Photo, error) {
	leave, err := m.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []gallery.Photo
	for id := int64(len(m.photos)); id > 0 && len(out) < f.Limit; id-- {
		if slices.ContainsFunc(m.photos[id].TagIDs(), func(t int64) bool { return slices.Contains(f.Tags, t) }) {
			out = append(out, m.photos[id])
		}
	}
	return out, nil
}

func (m *memStore) Redeem(_ context.Context, r gallery.Redemption) (gallery.Grant, error) {
	leave, err := m.enter()
	if err != nil {
		return gallery.Grant{}, err
	}
	defer leave()
	c, ok := m.codes[r.Code]
	if !ok || (c.max > 0 && c.uses >= c.max) {
		return gallery.Grant{}, gallery.ErrCode
	}
	c.uses++
	g := c.grant
	g.Token = r.Token
	m.grants = append(m.grants, g)
	return g, nil
}

// Watch hears nothing.
func (m *memStore) Watch(ctx context.Context, _ func(gallery.Change)) error {
	<-ctx.Done()
	return ctx.Err()
}

// Stale has nothing to clean up.
func (m *memStore) Stale(context.Context, string, time.Time, time.Time, int) ([]string, error) {
	return nil, nil
}

// AddViews forgets them.
func (m *memStore) AddViews(context.Context, []gallery.View) error { return nil }

// DropViews has none.
func (m *memStore) DropViews(context.Context, time.Time) error { return nil }

// Tags knows none.
func (m *memStore) Tags(context.Context, gallery.Asking) ([]gallery.TagFacts, error) {
	leave, err := m.enter()
	if err == nil {
		leave()
	}
	return nil, err
}

// Count counts nothing: no photo is new.
func (m *memStore) Count(context.Context, gallery.Filter) (int64, error) {
	leave, err := m.enter()
	if err == nil {
		leave()
	}
	return 0, err
}

// Groups gives each photo a day of its own.
func (m *memStore) Groups(ctx context.Context, g gallery.Grouping) ([]gallery.Group, error) {
	photos, err := m.Find(ctx, gallery.Filter{Tags: g.Tags, Limit: len(m.photos)})
	out := make([]gallery.Group, len(photos))
	for i, p := range photos {
		out[i] = gallery.Group{Key: p.Added.Format("2006-01-02"), Count: 1, Photo: p}
	}
	return out, err
}

func (m *memStore) Welcome(context.Context) (gallery.Welcome, error) {
	leave, err := m.enter()
	if err != nil {
		return gallery.Welcome{}, err
	}
	defer leave()
	w := gallery.Welcome{Empty: len(m.photos) == 0 && len(m.tags) == 0}
	for code, c := range m.codes {
		if c.uses == 0 {
			w.Code = code
		}
	}
	return w, nil
}

func (m *memStore) Seed(_ context.Context, s gallery.Seed) error {
	leave, err := m.enter()
	if err != nil {
		return err
	}
	defer leave()
	if len(m.tags) > 0 {
		return nil
	}
	tag := gallery.Ref{ID: 1, Name: s.Tag}
	m.tags = []gallery.Ref{tag}
	m.codes = map[string]*memCode{s.Code: {grant: gallery.Grant{Tag: tag, Level: s.Level}}}
	m.photos = map[int64]gallery.Photo{}
	for i, p := range s.Photos {
		p.ID, p.Tags, p.Added = int64(i+1), []gallery.Ref{tag}, s.Now
		m.photos[p.ID] = p
	}
	return nil
}

var errDown = errors.New("connection refused by 10.0.0.3")

// fixtures are the two pictures of every bundle, encoded once.
var fixtures = sync.OnceValue(func() [2][]byte { return [2][]byte{drawn(900, 600, 0), drawn(900, 600, 40)} })

// bundle is a site over a memStore with two small pictures: 1 with tag 1, 2 with tag 2.
type bundle struct {
	*Site
	store   *memStore
	handler http.Handler
}

const (
	readSecret     = "read-secret-0000000001"
	downloadSecret = "download-secret-000001"
	expiredSecret  = "expired-secret-0000001"
	otherSecret    = "other-tags-secret-00001"
)

func setup(tb testing.TB, change func(*Config)) *bundle {
	tb.Helper()
	dir := tb.TempDir()
	cfg := Config{Originals: filepath.Join(dir, "originals")}
	cfg.Cache.Dir = filepath.Join(dir, "cache")
	cfg.Uploads.Dir = filepath.Join(dir, "uploads")
	cfg.SetDefaults()
	if change != nil {
		change(&cfg)
	}
	store := &memStore{photos: map[int64]gallery.Photo{}, codes: map[string]*memCode{}}
	s, err := New(cfg, store, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	rest(tb, s)
	one, two := gallery.Ref{ID: 1, Name: "one"}, gallery.Ref{ID: 2, Name: "two"}
	store.tags = []gallery.Ref{one, two}
	store.grants = []gallery.Grant{
		{Token: access.HashSecret(readSecret), Tag: one, Level: gallery.Read},
		{Token: access.HashSecret(downloadSecret), Tag: one, Level: gallery.Download},
		{Token: access.HashSecret(expiredSecret), Tag: one, Level: gallery.Write, Expires: time.Now().Add(-time.Minute)},
		{Token: access.HashSecret(otherSecret), Tag: two, Level: gallery.Download},
	}
	store.codes["ABCDEFGH"] = &memCode{grant: gallery.Grant{Tag: one, Level: gallery.Read}}
	store.codes["0NCE0NCE"] = &memCode{grant: gallery.Grant{Tag: one, Level: gallery.Read}, max: 1}
	for id, tag := range []gallery.Ref{one, two} {
		data := fixtures()[id]
		content, size, err := originals.Content(bytes.NewReader(data))
		if err == nil {
			err = s.originals.Put(tb.Context(), content, bytes.NewReader(data))
		}
		if err != nil {
			tb.Fatal(err)
		}
		store.photos[int64(id+1)] = gallery.Photo{
			ID: int64(id + 1), Content: content, Bytes: size, Width: 900, Height: 600, Title: `<b>"Title"</b>`,
			Added: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Tags: []gallery.Ref{tag},
		}
	}
	return &bundle{Site: s, store: store, handler: s.Handler()}
}

// get asks for a path with tokens; header holds pairs of names and values.
func (b *bundle) get(method, path, tokens string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if tokens != "" {
		r.Header.Set("Cookie", access.CookieName(b.secure)+"="+tokens)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// post sends a form.
func (b *bundle) post(path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}
