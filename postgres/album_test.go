package postgres_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

// album is an image site for a test: a store, and short words for what tests do.
type album struct {
	testing.TB
	postgres.Photos

	dsn    string
	tokens int // made so far
}

func newAlbum(tb testing.TB) *album {
	tb.Helper()
	dsn := pgtest.DSN(tb)
	return &album{TB: tb, Photos: postgres.Photos{DB: pgtest.Open(tb, dsn)}, dsn: dsn}
}

// hash is a different 32 bytes for each name.
func hash(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

func contentOf(name string) string { return hex.EncodeToString(hash(name)) }

// grant makes a tag, when it is missing, and a token for it.
func (a *album) grant(tag string, level gallery.Level) gallery.Grant {
	a.Helper()
	a.tokens++
	code := fmt.Sprintf("CODE%d", a.tokens)
	in := gallery.ImportedCode{Code: gallery.Code{Code: code, Level: level, MaxUses: 1}, Tag: tag, Now: siteNow}
	if err := a.MakeCode(a.Context(), in); err != nil {
		a.Fatal(err)
	}
	g, err := a.Redeem(a.Context(), gallery.Redemption{Code: code, Token: hash(code), Now: siteNow})
	if err != nil {
		a.Fatal(err)
	}
	return g
}

// visitor holds fresh write tokens for tags.
func (a *album) visitor(tags ...string) gallery.Visitor {
	a.Helper()
	var grants []gallery.Grant
	for _, tag := range tags {
		grants = append(grants, a.grant(tag, gallery.Write))
	}
	return gallery.NewVisitor(grants, siteNow)
}

// tagID is the number of a tag.
func (a *album) tagID(name string) int64 {
	a.Helper()
	f, err := a.Tag(a.Context(), 0, name, gallery.Asking{Now: siteNow})
	if err != nil {
		a.Fatalf("tag %s: %v", name, err)
	}
	return f.ID
}

// add stores a picture on tags, without asking whether that is allowed.
func (a *album) add(name string, change func(*gallery.NewPhoto), tags ...int64) int64 {
	a.Helper()
	id, err := a.tryAdd(name, change, tags...)
	if err != nil {
		a.Fatalf("add %s: %v", name, err)
	}
	return id
}

func (a *album) tryAdd(name string, change func(*gallery.NewPhoto), tags ...int64) (int64, error) {
	a.Helper()
	if err := a.Intend(a.Context(), contentOf(name), "test", siteNow); err != nil {
		return 0, err
	}
	n := newPhoto(name, tags...)
	if change != nil {
		change(&n)
	}
	return a.Add(a.Context(), n, gallery.Asking{Now: siteNow}, func([]gallery.TagFacts) error { return nil })
}

func newPhoto(name string, tags ...int64) gallery.NewPhoto {
	return gallery.NewPhoto{
		Photo: gallery.Photo{Content: contentOf(name), FileName: name, Bytes: 10, Width: 30, Height: 20, New: true},
		Tags:  tags, Owner: "test", Now: siteNow,
	}
}

// edit does what a visitor asks for, by the rules.
func (a *album) edit(v gallery.Visitor, r gallery.EditRequest) ([]gallery.Photo, error) {
	return a.Edit(a.Context(), r.Edit(v, siteNow), func(f gallery.EditFacts) ([]gallery.Plan, error) {
		return gallery.Decide(v, r, f, siteNow)
	})
}

func (a *album) photo(id int64) gallery.Photo {
	a.Helper()
	p, err := a.Photo(a.Context(), id)
	if err != nil {
		a.Fatalf("photo %d: %v", id, err)
	}
	return p
}

// exec runs a statement that the store has no words for.
func (a *album) exec(sql string, args ...any) {
	a.Helper()
	conn, err := pgx.Connect(a.Context(), a.dsn)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = conn.Close(a.Context()) }()
	if _, err := conn.Exec(a.Context(), sql, args...); err != nil {
		a.Fatal(err)
	}
}

// count is the number that a statement gives.
func (a *album) count(sql string, args ...any) int {
	a.Helper()
	conn, err := pgx.Connect(a.Context(), a.dsn)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = conn.Close(a.Context()) }()
	var n int
	if err := conn.QueryRow(a.Context(), sql, args...).Scan(&n); err != nil {
		a.Fatal(err)
	}
	return n
}

func names(refs []gallery.Ref) []string {
	out := []string{}
	for _, r := range refs {
		out = append(out, r.Name)
	}
	return out
}

// same complains when got is not want.
func same[T any](tb testing.TB, what string, want, got T, opts ...cmp.Option) {
	tb.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wallTime(y, m, d, h int) time.Time { return time.Date(y, time.Month(m), d, h, 0, 0, 0, time.UTC) }
