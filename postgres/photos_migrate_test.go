package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

// What a program wrote that knew migration 0005 only; $1 is a time.
const yesterdaysWords = `
	WITH g AS (INSERT INTO tag (name) VALUES ('Samples') RETURNING id),
	c AS (INSERT INTO access_code (code, tag_id, level, created) SELECT 'AAAAAAAA', id, 1, $1 FROM g),
	p AS (
		INSERT INTO photo (content, file_name, bytes, width, height, title, caption, taken, added)
		VALUES (repeat('ab', 32), 'a.jpg', 10, 30, 20, 'Sunset over water', 'A caption', '2026-01-05 09:30', $1)
		RETURNING id)
	INSERT INTO photo_tag (photo_id, tag_id) SELECT p.id, g.id FROM p, g`

func execOn(t *testing.T, dsn, sql string, args ...any) {
	t.Helper()
	if _, err := connectTo(t, dsn).Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// connectTo returns a session of the test's own; it ends with the test.
func connectTo(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// wantSample holds one photo of yesterday against what today's program must see.
func wantSample(t *testing.T, p postgres.Photos) {
	t.Helper()
	g, err := p.Redeem(t.Context(), gallery.Redemption{Code: "AAAAAAAA", Token: hash("t"), Now: siteNow})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Find(t.Context(), gallery.Filter{Tags: []int64{g.Tag.ID}, Day: "2026-01-05"})
	if err != nil || len(got) != 1 {
		t.Fatalf("found %d, %v", len(got), err)
	}
	same(t, "photo", gallery.Photo{
		ID: got[0].ID, Content: got[0].Content, FileName: "a.jpg", Bytes: 10, Width: 30, Height: 20, Orientation: 1,
		Title: "Sunset over water", Caption: "A caption", Taken: wallTime(2026, 1, 5, 9).Add(30 * 60e9), Added: siteNow,
		Location: gallery.Ref{ID: gallery.RootLocation, Name: "Earth"}, Tags: []gallery.Ref{{ID: g.Tag.ID, Name: "Samples"}},
	}, got[0])
	if f, err := p.Tag(t.Context(), 0, "Samples", gallery.Asking{Now: siteNow}); err != nil || f.ID != g.Tag.ID {
		t.Errorf("the tag by name: %+v, %v", f, err)
	}
}

// What was stored before is there afterwards, and is found by its words.
func TestGalleryMigrationKeepsPhotos(t *testing.T) {
	t.Parallel()
	dsn := pgtest.EmptyDSN(t)
	db := pgtest.Open(t, dsn)
	var texts []string
	for _, path := range glob(t, "migrations/*.sql")[:5] {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if err := db.MigrateFiles(t.Context(), texts...); err != nil {
		t.Fatal(err)
	}
	execOn(t, dsn, yesterdaysWords, siteNow)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := postgres.Photos{DB: db}
	wantSample(t, p)
	for _, text := range []string{"sunset", "caption", "SAMPLES"} {
		f, err := p.Tag(t.Context(), 0, "samples", gallery.Asking{Now: siteNow})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := p.Count(t.Context(), gallery.Filter{Tags: []int64{f.ID}, Text: text}); err != nil || n != 1 {
			t.Errorf("%q finds %d, %v", text, n, err)
		}
	}
}

// While machines are exchanged one by one, yesterday's program writes into today's
// schema.
func TestYesterdaysProgramOnTodaysGallery(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	execOn(t, dsn, yesterdaysWords, siteNow)
	wantSample(t, postgres.Photos{DB: pgtest.Open(t, dsn)})
}
