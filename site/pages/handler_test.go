package pages

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
)

// shelf is an Album and Forms over a few photos; what it shows is decided by the
// rules, as the desk does.
type shelf struct {
	photos []gallery.Photo
	away   bool
}

func (s *shelf) visible(v gallery.Visitor) []gallery.Photo {
	var out []gallery.Photo
	for _, p := range s.photos {
		if gallery.MayRead(v, p) {
			out = append(out, p)
		}
	}
	return out
}

func (s *shelf) fault() error {
	if s.away {
		return errors.Join(access.ErrAway, errors.New("connection to 10.0.0.3 refused"))
	}
	return nil
}

func (s *shelf) Photo(_ context.Context, v gallery.Visitor, id int64) (gallery.Photo, error) {
	for _, p := range s.visible(v) {
		if p.ID == id {
			return p, s.fault()
		}
	}
	return gallery.Photo{}, gallery.ErrForbidden
}

func (s *shelf) Photos(_ context.Context, v gallery.Visitor, f gallery.Filter) ([]gallery.Photo, error) {
	var out []gallery.Photo
	for _, p := range s.visible(v) {
		if p.ID > f.After && (f.New == nil || p.New == *f.New) && (f.Tag == 0 || f.Tag == p.Tags[0].ID) && (f.Person == 0) && len(out) < f.Limit {
			out = append(out, p)
		}
	}
	return out, s.fault()
}

func (s *shelf) Groups(_ context.Context, v gallery.Visitor, _ gallery.Grouping) ([]gallery.Group, error) {
	var out []gallery.Group
	for _, p := range s.visible(v) {
		out = append(out, gallery.Group{Key: strconv.FormatInt(p.ID, 10), Name: p.Title, Count: 1, Photo: p})
	}
	return out, s.fault()
}

func (s *shelf) Count(_ context.Context, v gallery.Visitor, _ gallery.Filter) (int64, error) {
	return int64(len(s.visible(v))), s.fault()
}

func (s *shelf) Place(_ context.Context, _ gallery.Visitor, id int64) (gallery.Place, error) {
	if id != gallery.RootLocation {
		return gallery.Place{}, gallery.ErrNotFound
	}
	return gallery.Place{Ref: gallery.Ref{ID: 1, Name: "Earth"}}, s.fault()
}

func (s *shelf) Person(context.Context, gallery.Visitor, int64) (gallery.Person, error) {
	return gallery.Person{}, gallery.ErrNotFound
}

func (s *shelf) Tags(context.Context, gallery.Visitor) ([]gallery.TagFacts, error) {
	return []gallery.TagFacts{
		{Ref: gallery.Ref{ID: 1, Name: "one"}, Owned: true, Codes: []gallery.Code{{Code: "ABCDEFGH", Level: gallery.Read, Uses: 2, MaxUses: 2}}},
	}, s.fault()
}

func (s *shelf) Hints(context.Context, gallery.Visitor, int64) (gallery.Hints, error) {
	return gallery.Hints{}, s.fault()
}

// keys is the store behind the gate: a secret for each level on tag 1.
type keys struct{ access.Store }

const (
	reader = "reader-secret-000000001"
	writer = "writer-secret-000000001"
)

func (keys) Grants(_ context.Context, hashes [][]byte) ([]gallery.Grant, error) {
	var out []gallery.Grant
	for _, h := range hashes {
		for secret, level := range map[string]gallery.Level{reader: gallery.Read, writer: gallery.Write} {
			if string(h) == string(access.HashSecret(secret)) {
				out = append(out, gallery.Grant{Token: h, Tag: gallery.Ref{ID: 1, Name: "one"}, Level: level})
			}
		}
	}
	return out, nil
}

func (keys) Redeem(_ context.Context, r gallery.Redemption) (gallery.Grant, error) {
	if r.Code != "ABCDEFGH" {
		return gallery.Grant{}, gallery.ErrCode
	}
	return gallery.Grant{Token: r.Token, Tag: gallery.Ref{ID: 1, Name: "one"}, Level: gallery.Read}, nil
}

// anyTry never limits.
type anyTry struct{}

func (anyTry) Try(*http.Request) (giveBack func(), err error) { return func() {}, nil }

// setup returns the pages over four photos: 1 and 2 with tag 1, 3 deleted, 4 with tag 9.
func setup(tb testing.TB) (*shelf, http.Handler) {
	tb.Helper()
	lat, lon := 54.4871, -8.33
	one := []gallery.Ref{{ID: 1, Name: "one"}}
	photo := gallery.Photo{
		ID: 1, Content: "aa", Width: 3000, Height: 2000, Title: "First", Taken: time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC), Tags: one, New: true,
		Location: gallery.Ref{ID: 1, Name: "Earth"}, Position: gallery.Position{Lat: &lat, Lon: &lon},
	}
	second, deleted, foreign := photo, photo, photo
	second.ID, second.Title, second.New = 2, "", false
	deleted.ID, deleted.Deleted = 3, photo.Taken
	foreign.ID, foreign.Tags = 4, []gallery.Ref{{ID: 9, Name: "nine"}}
	s := &shelf{photos: []gallery.Photo{photo, second, deleted, foreign}}
	p, err := New(Parts{Gate: access.New(keys{}, false, anyTry{}), Album: s, Forms: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	p.Routes(mux)
	return s, mux
}

func get(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Cookie", "token="+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPagesByVisitor(t *testing.T) {
	t.Parallel()
	_, h := setup(t)
	tests := map[string]struct{ nobody, reader, writer int }{
		"/":                             {200, 200, 200},
		"/recent":                       {403, 200, 200},
		"/months":                       {403, 200, 200},
		"/places":                       {403, 200, 200},
		"/people":                       {403, 200, 200},
		"/tags":                         {403, 200, 200},
		"/day/2026-01-05":               {403, 200, 200},
		"/day/2026-13-05":               {403, 403, 403},
		"/month/2026-01":                {403, 200, 200},
		"/place/1":                      {403, 200, 200},
		"/place/77":                     {403, 403, 403},
		"/person/5":                     {403, 403, 403},
		"/tag/1":                        {403, 200, 200},
		"/tag/9":                        {403, 403, 403},
		"/new":                          {403, 200, 200},
		"/deleted":                      {403, 200, 200},
		"/search":                       {403, 200, 200},
		"/search?q=first":               {403, 200, 200},
		"/photo/1":                      {403, 200, 200},
		"/photo/1?in=day:nonsense":      {403, 403, 403},
		"/photo/3":                      {403, 403, 200},
		"/photo/4":                      {403, 403, 403},
		"/photo/-1":                     {403, 403, 403},
		"/photo/9999999999999999999999": {403, 403, 403},
		"/slides":                       {403, 200, 200},
		"/edit":                         {403, 403, 303},
		"/edit/1":                       {403, 403, 200},
		"/edit/4":                       {403, 403, 403},
		"/batch":                        {403, 403, 200},
		"/upload":                       {403, 403, 200},
		"/access":                       {200, 200, 200},
	}
	for path, want := range tests {
		got := [3]int{get(h, path, "").Code, get(h, path, reader).Code, get(h, path, writer).Code}
		if got != [3]int{want.nobody, want.reader, want.writer} {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// What does not exist and what must not be seen are one answer.
func TestUnseenIsAbsent(t *testing.T) {
	t.Parallel()
	_, h := setup(t)
	for _, token := range []string{"", reader} {
		want := get(h, "/photo/999", token)
		for _, path := range []string{"/photo/4", "/photo/3"} {
			got := get(h, path, token)
			body := strings.ReplaceAll(got.Body.String(), url.QueryEscape(path), "") // the door keeps the address that was asked for
			if diff := cmp.Diff(strings.ReplaceAll(body, path, "/photo/999"), want.Body.String()); diff != "" {
				t.Errorf("%s with %q differs from a photo that does not exist:\n%s", path, token, diff)
			}
			got.Header().Del("Content-Length")
			want.Header().Del("Content-Length")
			if diff := cmp.Diff(got.Header(), want.Header()); diff != "" {
				t.Errorf("%s with %q: headers:\n%s", path, token, diff)
			}
		}
	}
}

func TestPageHeaders(t *testing.T) {
	t.Parallel()
	_, h := setup(t)
	for _, path := range []string{"/", "/recent", "/photo/1", "/photo/4", "/access"} {
		for _, token := range []string{"", writer} {
			got := get(h, path, token).Header()
			want := http.Header{
				"Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {"private, no-store"}, "Vary": {"Cookie"},
				"Content-Length": got["Content-Length"],
				"Content-Security-Policy": {"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
					"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%s:\n%s", path, diff)
			}
		}
	}
}

// Coordinates, codes' makers and the badge New are for those who may change a photo.
func TestPositionIsForWriters(t *testing.T) {
	t.Parallel()
	_, h := setup(t)
	for _, path := range []string{"/photo/1", "/day/2026-01-05"} {
		if body := get(h, path, reader).Body.String(); strings.Contains(body, "54.48") || strings.Contains(body, `class="badge"`) || strings.Contains(body, "/edit/") || strings.Contains(body, "/img/0/") {
			t.Errorf("%s shows a reader what is for writers", path)
		}
		if body := get(h, path, writer).Body.String(); !strings.Contains(body, "54.48710° N, 8.33000° W") || !strings.Contains(body, `class="badge"`) {
			t.Errorf("%s hides from a writer where the photo was taken", path)
		}
	}
}

// A store that is away is told in one sentence, without its address.
func TestPagesWhileAway(t *testing.T) {
	t.Parallel()
	s, h := setup(t)
	s.away = true
	for _, path := range []string{"/", "/recent", "/day/2026-01-05", "/photo/1", "/edit/1", "/upload", "/access", "/batch"} {
		w := get(h, path, writer)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.3") || !strings.Contains(w.Body.String(), "The site cannot reach its database just now; please try again.") {
			t.Errorf("%s: %d %v\n%s", path, w.Code, w.Header(), w.Body)
		}
	}
}

func TestLoginReturns(t *testing.T) {
	t.Parallel()
	_, h := setup(t)
	for next, want := range map[string]string{
		"": "/", "/photo/1?in=day%3A2026-01-05": "/photo/1?in=day%3A2026-01-05", "//evil.example": "/", "/\\evil.example": "/",
		"https://evil.example": "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/", "/" + strings.Repeat("a", 600): "/",
	} {
		form := url.Values{"rc": {"abcd-efgh"}, "next": {next}}
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != 303 || got != want {
			t.Errorf("next %q: %d to %q, want %q", next, w.Code, got, want)
		}
	}
	door := get(h, "/photo/1?in=new", "").Body.String()
	if !strings.Contains(door, `name="next" value="/photo/1?in=new"`) {
		t.Errorf("the door forgets where to go:\n%s", door)
	}
}

func TestRollPages(t *testing.T) {
	t.Parallel()
	s, h := setup(t)
	first := s.photos[0]
	s.photos = nil
	for id := int64(1); id <= rollLimit+2; id++ {
		first.ID = id
		s.photos = append(s.photos, first)
	}
	body := get(h, "/tag/1", reader).Body.String()
	if got := strings.Count(body, "<article"); got != rollLimit || !strings.Contains(body, `href="/tag/1?after=48"`) || !strings.Contains(body, "50 pictures") {
		t.Errorf("the first page has %d pictures, or no way on", got)
	}
	body = get(h, "/tag/1?after=48", reader).Body.String()
	if got := strings.Count(body, "<article"); got != 2 || strings.Contains(body, `rel="next"`) || !strings.Contains(body, "Back to the first") {
		t.Errorf("the second page has %d pictures, or no way back", got)
	}
	body = get(h, "/photo/7?in=tag:1", reader).Body.String()
	for _, want := range []string{`href="/photo/6?in=tag%3A1" rel="prev"`, `href="/photo/8?in=tag%3A1" rel="next"`, "7 of 50", `href="/tag/1#p7"`} {
		if !strings.Contains(body, want) {
			t.Errorf("a photo among others lacks %s", want)
		}
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	_, h := setup(t)
	page := get(h, "/", reader).Body.String()
	prefix := page[strings.Index(page, "/assets/"):][:len("/assets/12345678/")]
	for name, mime := range map[string]string{
		"site.css": "text/css; charset=utf-8", "site.js": "text/javascript; charset=utf-8", "mark.svg": "image/svg+xml", "go-regular.ttf": "font/ttf",
	} {
		r := httptest.NewRequest(http.MethodGet, prefix+name, nil)
		r.Header.Set("Accept-Encoding", "gzip, br")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		plain := get(h, prefix+name, "")
		if w.Code != 200 || plain.Header().Get("Content-Type") != mime || plain.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", name, w.Code, plain.Header())
		}
		if w.Header().Get("Content-Encoding") == "" {
			continue // too small to gain
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != plain.Body.String() {
			t.Errorf("%s packed is another one: %v", name, err)
		}
	}
	if w := get(h, "/assets/00000000/site.css", ""); w.Code != 200 || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("of an older server: %d %v", w.Code, w.Header())
	}
	if w := get(h, prefix+"..%2fpages.go", ""); w.Code != 404 {
		t.Errorf("no asset: %d", w.Code)
	}
}

func FuzzParseSet(f *testing.F) {
	for _, s := range []string{"recent", "day:2026-01-05", "month:2026-01", "place:1", "search:a b", "tag:-1", "new:x", "day:", ":", "search:\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, ok := parseSet(in)
		if !ok {
			return
		}
		if again, ok := parseSet(s.String()); !ok || again != s {
			t.Errorf("%q is %+v, and that is %+v", in, s, again)
		}
		if safeNext(s.path()) == "" && len(s.path()) <= maxNext {
			t.Errorf("%q has the page %q", in, s.path())
		}
	})
}

func FuzzSafeNext(f *testing.F) {
	for _, s := range []string{"/", "//a", "/a//b", "/\\a", "http://a", "/a?b=//c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := safeNext(next)
		if got == "" {
			return
		}
		base := &url.URL{Scheme: "http", Host: "here"}
		if u, err := base.Parse(got); err == nil && u.Host != "here" {
			t.Errorf("%q leads to %s", next, u.Host)
		}
	})
}
