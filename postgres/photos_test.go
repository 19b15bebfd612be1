package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

var siteNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func seedOf(tag, code string, level gallery.Level, names ...string) gallery.Seed {
	s := gallery.Seed{Now: siteNow, Tag: tag, Level: level, Code: code}
	for i, name := range names {
		s.Photos = append(s.Photos, gallery.Photo{
			Content: strings.Repeat(string("0123456789abcdef"[i]), 64), FileName: name, Bytes: 10, Width: 30, Height: 20,
			Title: "Title of " + name, Taken: time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC),
		})
	}
	return s
}

func token(fill byte) []byte { return []byte(strings.Repeat(string(rune(fill)), 32)) }

func TestPhotosSeedAndRead(t *testing.T) {
	t.Parallel()
	p := postgres.Photos{DB: pgtest.New(t)}
	ctx := t.Context()
	if w, err := p.Welcome(ctx); err != nil || w != (gallery.Welcome{Empty: true}) {
		t.Fatalf("an empty site: %+v, %v", w, err)
	}
	// Two machines start at once: one seed counts.
	var wg sync.WaitGroup
	for _, code := range []string{"AAAAAAAA", "BBBBBBBB", "CCCCCCCC"} {
		wg.Go(func() {
			if err := p.Seed(ctx, seedOf("samples", code, gallery.Read, "a.jpg", "b.jpg")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w, err := p.Welcome(ctx)
	if err != nil || w.Empty || len(w.Code) != 8 {
		t.Fatalf("after the seed: %+v, %v", w, err)
	}
	grant, err := p.Redeem(ctx, gallery.Redemption{Code: w.Code, Token: token('t'), Now: siteNow})
	if err != nil {
		t.Fatal(err)
	}
	want := gallery.Grant{Token: token('t'), Tag: gallery.Ref{ID: grant.Tag.ID, Name: "samples"}, Level: gallery.Read}
	if diff := cmp.Diff(want, grant); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
	if w, err := p.Welcome(ctx); err != nil || w.Code != "" {
		t.Errorf("after the first login the code is still told: %+v, %v", w, err)
	}
	grants, err := p.Grants(ctx, [][]byte{token('x'), token('t')})
	if diff := cmp.Diff([]gallery.Grant{want}, grants); diff != "" || err != nil {
		t.Errorf("grants %v (-want +got):\n%s", err, diff)
	}
	photos, err := p.Find(ctx, gallery.Filter{Tags: []int64{grant.Tag.ID}, Order: gallery.Newest, Limit: 10})
	if err != nil || len(photos) != 2 || photos[0].FileName != "b.jpg" || photos[0].ID <= photos[1].ID {
		t.Fatalf("photos %+v, %v; want b.jpg and a.jpg once each", photos, err)
	}
	wantPhoto := seedOf("", "", 0, "a.jpg").Photos[0]
	wantPhoto.ID, wantPhoto.Added, wantPhoto.Tags = photos[1].ID, siteNow, []gallery.Ref{{ID: grant.Tag.ID, Name: "samples"}}
	wantPhoto.Orientation, wantPhoto.Location = 1, gallery.Ref{ID: gallery.RootLocation, Name: "Earth"}
	one, err := p.Photo(ctx, photos[1].ID)
	if diff := cmp.Diff(wantPhoto, one); diff != "" || err != nil {
		t.Errorf("photo %v (-want +got):\n%s", err, diff)
	}
	if got, err := p.Find(ctx, gallery.Filter{Tags: []int64{grant.Tag.ID}, Order: gallery.Newest, Limit: 1}); err != nil || len(got) != 1 {
		t.Errorf("limit 1: %d, %v", len(got), err)
	}
	if got, err := p.Find(ctx, gallery.Filter{Tags: []int64{grant.Tag.ID + 1}, Limit: 10}); err != nil || len(got) != 0 {
		t.Errorf("another tag sees %d photos, %v", len(got), err)
	}
	for _, id := range []int64{0, 99999, -1} {
		if _, err := p.Photo(ctx, id); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("photo %d: %v, want ErrNotFound", id, err)
		}
	}
	if _, err := p.Redeem(ctx, gallery.Redemption{Code: "UNKNOWN", Token: token('u'), Now: siteNow}); !errors.Is(err, gallery.ErrCode) {
		t.Errorf("an unknown code: %v", err)
	}
}

// A seed that fails half-way leaves nothing.
func TestPhotosSeedIsWhole(t *testing.T) {
	t.Parallel()
	p := postgres.Photos{DB: pgtest.New(t)}
	bad := seedOf("samples", "AAAAAAAA", gallery.Read, "a.jpg", "b.jpg")
	bad.Photos[1].Bytes = 0 // refused by the table
	if err := p.Seed(t.Context(), bad); err == nil {
		t.Fatal("a bad seed was stored")
	}
	if w, err := p.Welcome(t.Context()); err != nil || !w.Empty || w.Code != "" {
		t.Errorf("left behind: %+v, %v", w, err)
	}
}

// A code can be used as often as it allows, however many try at once, and not
// after its end. Its tokens live on.
func TestPhotosRedeemIsExact(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	p := postgres.Photos{DB: pgtest.Open(t, dsn)}
	ctx := t.Context()
	if err := p.Seed(ctx, seedOf("samples", "FIRST", gallery.Download, "a.jpg")); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `
		INSERT INTO access_code (code, tag_id, level, max_uses, created, expires)
		SELECT v.code, t.id, v.level, v.max_uses, $1::timestamptz, $1::timestamptz + v.lives
		FROM tag AS t, (VALUES ('THREE', 2, 3, NULL), ('HOUR', 4, NULL, interval '1 hour')) AS v (code, level, max_uses, lives)`, siteNow)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range 60 {
		wg.Go(func() {
			_, err := p.Redeem(ctx, gallery.Redemption{Code: "THREE", Token: token(byte('0' + i)), Now: siteNow})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, gallery.ErrCode):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 3 {
		t.Errorf("%d of 60 racing logins won, want 3", won.Load())
	}
	g, err := p.Redeem(ctx, gallery.Redemption{Code: "HOUR", Token: token('h'), Now: siteNow.Add(time.Hour - time.Second)})
	if err != nil || g.Level != gallery.Write {
		t.Errorf("within its hour: %+v, %v; want level write (4 is an old name of it)", g, err)
	}
	for _, late := range []time.Duration{time.Hour, 2 * time.Hour} {
		if _, err := p.Redeem(ctx, gallery.Redemption{Code: "HOUR", Token: token('l'), Now: siteNow.Add(late)}); !errors.Is(err, gallery.ErrCode) {
			t.Errorf("after %v: %v, want ErrCode", late, err)
		}
	}
	if got, err := p.Grants(ctx, [][]byte{token('h')}); err != nil || len(got) != 1 {
		t.Errorf("the token of an expired code: %d, %v; want it to live on", len(got), err)
	}
	photos, err := p.Find(ctx, gallery.Filter{Tags: []int64{g.Tag.ID}, Limit: 5})
	if err != nil || len(photos) != 1 {
		t.Fatalf("photos %v, %v", photos, err)
	}
	if _, err := conn.Exec(ctx, "UPDATE photo SET deleted = $1", siteNow); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Photo(ctx, photos[0].ID); err != nil || !got.Deleted.Equal(siteNow) {
		t.Errorf("a deleted photo: %v, %v; want it with the time", got.Deleted, err)
	}
	if got, err := p.Find(ctx, gallery.Filter{Tags: []int64{g.Tag.ID}, Limit: 5}); err != nil || len(got) != 0 {
		t.Errorf("deleted photos listed: %v, %v", got, err)
	}
}
