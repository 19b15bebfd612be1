package site

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

// outage takes a real database away from everybody, and gives it back.
type outage struct {
	t    *testing.T
	conn *pgx.Conn // to another database of the server
	name string
}

func newOutage(t *testing.T, dsn string) outage {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := cfg.ConnConfig.Database
	cfg.ConnConfig.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return outage{t: t, conn: conn, name: name}
}

func (o outage) exec(sql string, args ...any) {
	o.t.Helper()
	if _, err := o.conn.Exec(o.t.Context(), sql, args...); err != nil {
		o.t.Fatal(err)
	}
}

func (o outage) begin() {
	o.t.Helper()
	o.exec("ALTER DATABASE " + o.name + " ALLOW_CONNECTIONS false")
	o.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", o.name)
}

func (o outage) end() {
	o.t.Helper()
	o.exec("ALTER DATABASE " + o.name + " ALLOW_CONNECTIONS true")
}

// realSite is a site over a real Postgres with the sample pictures, and a code of
// each level that it was given.
type realSite struct {
	*Site
	t       *testing.T
	handler http.Handler
	store   postgres.Photos
}

func newRealSite(t *testing.T, dsn string, change func(*Config)) *realSite {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{Originals: filepath.Join(dir, "originals")}
	cfg.Cache.Dir = filepath.Join(dir, "cache")
	cfg.Uploads.Dir = filepath.Join(dir, "uploads")
	cfg.SetDefaults()
	if change != nil {
		change(&cfg)
	}
	store := postgres.Photos{DB: pgtest.Open(t, dsn)}
	s, err := New(cfg, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rest(t, s)
	s.sampleEdge = 900
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	for level, code := range map[gallery.Level]string{gallery.Read: "READREAD", gallery.Write: "WR1TEWR1"} {
		err := store.MakeCode(t.Context(), gallery.ImportedCode{Code: gallery.Code{Code: code, Level: level}, Tag: sampleTag, Now: time.Now().UTC()})
		if err != nil {
			t.Fatal(err)
		}
	}
	return &realSite{Site: s, t: t, handler: s.Handler(), store: store}
}

// rest waits at the end of a test for the renderer: what is made ahead of time must not
// outlive its directory.
func rest(tb testing.TB, s *Site) {
	tb.Helper()
	tb.Cleanup(func() {
		ended, end := context.WithCancel(context.Background())
		end()
		_ = s.render.Run(ended)
	})
}

func (s *realSite) do(r *http.Request, cookie string) *httptest.ResponseRecorder {
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func (s *realSite) get(path, cookie string) *httptest.ResponseRecorder {
	return s.do(httptest.NewRequest(http.MethodGet, path, nil), cookie)
}

func (s *realSite) post(path, cookie string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r, cookie)
}

// login returns the cookie that a code gives.
func (s *realSite) login(code string) string {
	s.t.Helper()
	w := s.post("/servlet/token", "", url.Values{"rc": {code}})
	if w.Code != http.StatusOK {
		s.t.Fatalf("code %s: %d %s", code, w.Code, w.Body)
	}
	c := w.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}

func (s *realSite) upload(cookie string, tag int64, file []byte) *httptest.ResponseRecorder {
	s.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	if err := m.WriteField("tag", strconv.FormatInt(tag, 10)); err != nil {
		s.t.Fatal(err)
	}
	part, err := m.CreateFormFile("file", "new.jpg")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.Copy(part, bytes.NewReader(file)); err != nil {
		s.t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/rest/upload", &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	return s.do(r, cookie)
}

// kept counts the originals.
func (s *realSite) kept() int {
	s.t.Helper()
	all, err := s.originals.List(s.t.Context(), "", 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}

// TestPicturesOutliveTheDatabase: while a real Postgres is away, known visitors
// see what is cached, everything else says 503 or what it always says, and
// afterwards nothing is lost and nothing is there twice.
func TestPicturesOutliveTheDatabase(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	s := newRealSite(t, dsn, nil)
	away := newOutage(t, dsn)
	reader, writer := s.login("READREAD"), s.login("WR1TEWR1")
	photo, err := s.store.Photo(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	tag := photo.TagIDs()[0]
	const picture, list = "/img/640/1.jpg", "/servlet/browserest?mode=r"
	for _, cookie := range []string{reader, writer} {
		for _, path := range []string{picture, list, "/recent"} {
			if w := s.get(path, cookie); w.Code != http.StatusOK {
				t.Fatalf("%s before: %d %s", path, w.Code, w.Body)
			}
		}
	}
	before := s.kept()
	file := drawn(300, 200, 99)

	away.begin()
	got := map[string]int{
		"picture of a reader":         s.get(picture, reader).Code,
		"picture of a writer":         s.get(picture, writer).Code,
		"picture again":               s.get(picture, reader).Code,
		"list":                        s.get(list, reader).Code,
		"page":                        s.get("/recent", reader).Code,
		"picture nobody looked at":    s.get("/img/640/2.jpg", reader).Code,
		"picture, no cookie":          s.get(picture, "").Code,
		"picture, nobody knows":       s.get(picture, "token=nobody-knows-this-token").Code,
		"code":                        s.post("/servlet/token", "", url.Values{"rc": {"READREAD"}}).Code,
		"upload":                      s.upload(writer, tag, file).Code,
		"edit":                        s.post("/rest/edit", writer, url.Values{"img": {"1"}, "cap": {"while away"}}).Code,
		"edit without the right":      s.post("/rest/edit", reader, url.Values{"img": {"1"}, "cap": {"never"}}).Code,
		"alive":                       s.get("/healthz", "").Code,
		"style, front page: no query": s.get("/", "").Code,
	}
	want := map[string]int{
		"picture of a reader": 200, "picture of a writer": 200, "picture again": 200, "list": 200, "page": 200,
		"picture nobody looked at": 503, "picture, no cookie": 403, "picture, nobody knows": 503,
		"code": 503, "upload": 503, "edit": 503, "edit without the right": 403, "alive": 200, "style, front page: no query": 200,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("while the database is away (-got +want):\n%s", diff)
	}
	w := s.upload(writer, tag, file)
	if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "SQL") || strings.Contains(w.Body.String(), "connect") {
		t.Errorf("an upload is told %q, Retry-After %q", w.Body, w.Header().Get("Retry-After"))
	}
	for range 20 { // our own failure counts against nobody
		s.post("/servlet/token", "", url.Values{"rc": {"READREAD"}})
	}

	away.end()
	becomes(t, "the database is back", func() bool { return s.get("/img/640/2.jpg", reader).Code == http.StatusOK })
	if p, err := s.store.Photo(t.Context(), 1); err != nil || p.Caption != photo.Caption {
		t.Errorf("caption %q, %v: an edit that was refused was done", p.Caption, err)
	}
	if n := s.kept(); n != before {
		t.Errorf("%d originals, %d before: refused uploads left files", n, before)
	}
	becomes(t, "uploads are taken", func() bool { return s.upload(writer, tag, file).Code == http.StatusOK })
	if w := s.post("/rest/edit", writer, url.Values{"img": {"1"}, "cap": {"afterwards"}}); w.Code != http.StatusOK {
		t.Errorf("an edit afterwards: %d %s", w.Code, w.Body)
	}
	if p, err := s.store.Photo(t.Context(), 1); err != nil || p.Caption != "afterwards" {
		t.Errorf("caption %q, %v", p.Caption, err)
	}
	if n := s.kept(); n != before+1 {
		t.Errorf("%d originals, want %d", n, before+1)
	}
	s.login("READREAD") // nobody was locked out meanwhile
}

// becomes waits until want is true, as long as the test's deadline allows.
func becomes(t *testing.T, what string, want func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !want() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}
