package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site"
	"keepwatch/site/access"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/originals"
)

// rig is a whole site on a real Postgres and real files, without limits for one
// client.
type rig struct {
	testing.TB
	postgres.Photos

	site    *site.Site
	flaky   *flaky // between the site and its database
	handler http.Handler
	sql     *pgx.Conn
	files   originals.Store
	log     *lockedBuffer

	content string // of the picture that all photos show
	bytes   int64

	mu     sync.Mutex
	serial int64 // guarded by mu: of codes, tokens and photos
}

// lockedBuffer takes the log of several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// drawing is the one picture of most tests, encoded once: red to the right, green
// downwards, 400 by 300.
var drawing = sync.OnceValue(func() []byte { return draw(400, 300, 0) })

func draw(w, h int, blue uint8) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{R: uint8(x * 255 / w), G: uint8(y * 255 / h), B: blue, A: 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func newRig(tb testing.TB, change ...func(*site.Config)) *rig {
	tb.Helper()
	dir := tb.TempDir()
	cfg := site.Config{Originals: filepath.Join(dir, "originals")}
	cfg.Cache.Dir = filepath.Join(dir, "cache")
	cfg.Uploads.Dir = filepath.Join(dir, "uploads")
	unlimited(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	cfg.Drain = new(time.Duration)
	cfg.SetDefaults()
	dsn := pgtest.DSN(tb)
	b := &rig{TB: tb, Photos: postgres.Photos{DB: pgtest.Open(tb, dsn)}, log: &lockedBuffer{}}
	var err error
	if b.sql, err = pgx.Connect(tb.Context(), dsn); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.sql.Close(tb.Context()) })
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.flaky = &flaky{Photos: b.Photos}
	if b.site, err = site.New(cfg, b.flaky, log); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.rest)
	if b.files, err = originals.New(cfg.Originals); err != nil {
		tb.Fatal(err)
	}
	b.handler = b.site.Handler()
	b.content, b.bytes, err = originals.Content(bytes.NewReader(drawing()))
	if err == nil {
		err = b.files.Put(tb.Context(), b.content, bytes.NewReader(drawing()))
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// rest lets the site serve and end at once, so that nothing that it makes in the
// background outlives the test's directory.
func (b *rig) rest() {
	ended, end := context.WithCancel(context.Background())
	end()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = b.site.Serve(ended, ln)
	}
	if err != nil {
		b.Errorf("end the site: %v", err)
	}
}

// unlimited lifts the limits of one client: the tests are one.
func unlimited(cfg *site.Config) {
	none := guard.Rate{Off: true}
	cfg.Limits = guard.Limits{
		Static: none, Images: none, Strangers: none, Browse: none, Cold: none, Uploads: none, Codes: none, AllCodes: none,
	}
	cfg.Challenge = guard.Never
}

func (b *rig) next() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serial++
	return b.serial
}

func (b *rig) exec(sql string, args ...any) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	tag, err := b.sql.Exec(b.Context(), sql, args...)
	if err != nil || tag.RowsAffected() == 0 {
		b.Fatalf("%s: %v, %v", sql, tag, err)
	}
}

func (b *rig) number(sql string, args ...any) (n int64) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.sql.QueryRow(b.Context(), sql, args...).Scan(&n); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
	return n
}

// code makes a code for a tag, which is made when missing.
func (b *rig) code(tag string, level gallery.Level, uses int64) string {
	b.Helper()
	code := fmt.Sprintf("TESTC0DE%d", b.next())
	err := b.MakeCode(b.Context(), gallery.ImportedCode{
		Code: gallery.Code{Code: code, Level: level, MaxUses: uses}, Tag: tag, Now: time.Now().UTC(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return code
}

// token makes a token for a tag and returns its secret.
func (b *rig) token(tag string, level gallery.Level) string {
	b.Helper()
	secret := fmt.Sprintf("secret-of-a-test-%05d", b.next())
	_, err := b.Redeem(b.Context(), gallery.Redemption{
		Code: b.code(tag, level, 1), Token: access.HashSecret(secret), Now: time.Now().UTC(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return secret
}

// expired is a token that was one.
func (b *rig) expired(tag string, level gallery.Level) string {
	b.Helper()
	secret := b.token(tag, level)
	b.exec("UPDATE access_token SET expires = $1 WHERE hash = $2", time.Now().Add(-time.Minute), access.HashSecret(secret))
	return secret
}

func (b *rig) tagID(name string) int64 {
	b.Helper()
	return b.number("SELECT id FROM tag WHERE name = $1", name)
}

// photo stores a photo of the drawing under tags that exist; change may say more.
func (b *rig) photo(tags []string, change ...func(*gallery.ImportedPhoto)) int64 {
	b.Helper()
	id := 1000 + b.next()
	p := gallery.ImportedPhoto{
		Photo: gallery.Photo{
			ID: id, Content: b.content, FileName: "drawing.jpg", Bytes: b.bytes, Width: 400, Height: 300, Orientation: 1,
			Taken: time.Date(2026, time.May, 31, 14, 30, 0, 0, time.UTC),
		},
		Tags: tags, Owner: "test", Now: time.Now().UTC(),
	}
	for _, c := range change {
		c(&p)
	}
	if err := b.Intend(b.Context(), p.Photo.Content, "test", p.Now); err != nil {
		b.Fatal(err)
	}
	if _, err := b.ImportPhoto(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	return id
}

// ask sends a request with tokens; header holds pairs of names and values.
func (b *rig) ask(r *http.Request, tokens string, header ...string) *httptest.ResponseRecorder {
	if tokens != "" {
		r.Header.Add("Cookie", "token="+tokens)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b *rig) get(path, tokens string, header ...string) *httptest.ResponseRecorder {
	return b.ask(httptest.NewRequest(http.MethodGet, path, nil), tokens, header...)
}

func (b *rig) post(path, tokens string, form url.Values) *httptest.ResponseRecorder {
	return b.ask(formRequest(path, form), tokens)
}

func (b *rig) postJSON(path, tokens string, body any) *httptest.ResponseRecorder {
	return b.ask(jsonRequest(path, body), tokens)
}

func formRequest(path string, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func jsonRequest(path string, body any) *http.Request {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// uploadRequest sends files, in the order of their names, to tags.
func uploadRequest(path string, files map[string][]byte, tags ...int64) *http.Request {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, t := range tags {
		_ = form.WriteField("tag", strconv.FormatInt(t, 10))
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w, err := form.CreateFormFile("file", name)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(files[name])
	}
	_ = form.Close()
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// decode reads an answer that must be JSON without unknown fields.
func decode(tb testing.TB, w *httptest.ResponseRecorder, into any) {
	tb.Helper()
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		tb.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
}
