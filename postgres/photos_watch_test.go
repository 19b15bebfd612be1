package postgres_test

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

func TestPhotosViews(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	view := func(photo int64, at time.Time) gallery.View {
		return gallery.View{Photo: photo, Edge: 1440, At: at, Client: hash("client")[:16]}
	}
	months := []time.Time{
		time.Date(2026, 10, 31, 23, 59, 59, 999999000, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), siteNow,
		time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.FixedZone("east", 7200)),
	}
	var vs []gallery.View
	for i, at := range months {
		vs = append(vs, view(int64(i), at))
	}
	for range 2 { // the second time the partitions are there
		if err := a.AddViews(t.Context(), vs); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.AddViews(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	partitions := "SELECT count(*) FROM pg_inherits WHERE inhparent = 'photo_view'::regclass"
	if n, parts := a.count("SELECT count(*) FROM photo_view"), a.count(partitions); n != 10 || parts != 3 {
		t.Errorf("%d views in %d partitions, want 10 in 3", n, parts)
	}
	if n := a.count("SELECT count(*) FROM photo_view WHERE at = $1 AND edge = 1440 AND client = $2", months[0], hash("client")[:16]); n != 2 {
		t.Errorf("the last of October is there %d times, want 2", n)
	}
	// October goes with its partition, a part of November without.
	if err := a.DropViews(t.Context(), siteNow); err != nil {
		t.Fatal(err)
	}
	if n, parts := a.count("SELECT count(*) FROM photo_view"), a.count(partitions); n != 6 || parts != 2 {
		t.Errorf("then %d views in %d partitions, want 6 in 2", n, parts)
	}
	if n := a.count("SELECT count(*) FROM photo_view WHERE at < $1", siteNow); n != 0 {
		t.Errorf("%d views are too old", n)
	}
}

// Another process hears of every change that it may have remembered differently.
func TestPhotosWatch(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	mine := a.tagID("mine")
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan gallery.Change, 1000)
	ended := make(chan error, 1)
	other := postgres.Photos{DB: pgtest.Open(t, a.dsn)}
	go func() { ended <- other.Watch(ctx, func(c gallery.Change) { heard <- c }) }()
	next := func() gallery.Change {
		t.Helper()
		select {
		case c := <-heard:
			return c
		case err := <-ended:
			t.Fatalf("watching ended: %v", err)
		case <-time.After(time.Minute):
			t.Fatal("nothing was heard for a minute")
		}
		return gallery.Change{}
	}
	expect := func(what string, photo int64, token []byte) {
		t.Helper()
		if c := next(); c.Photo != photo || hex.EncodeToString(c.Token) != hex.EncodeToString(token) {
			t.Errorf("%s: heard %+v, want photo %d, token %x", what, c, photo, token)
		}
	}
	expect("at the start", 0, nil)
	one, two := a.add("one", nil, mine), a.add("two", nil, mine)
	expect("a new photo", one, nil)
	expect("a new photo", two, nil)
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{two, one}, Title: new("x"), Deleted: new(true)}); err != nil {
		t.Fatal(err)
	}
	expect("an edit", two, nil)
	expect("an edit", one, nil)
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{one, 1 << 40}, Title: new("y")}); err == nil {
		t.Fatal("edited a photo that does not exist")
	}
	if _, err := a.share(v, mine, gallery.Code{Code: "GUEST", Level: gallery.Read}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.redeem("GUEST", "guest"); err != nil {
		t.Fatal(err)
	}
	if err := a.unshare(v, "GUEST"); err != nil {
		t.Fatal(err)
	}
	expect("a token that is no more", 0, hash("guest"))
	if _, _, err := a.Purge(t.Context(), siteNow.Add(time.Hour), siteNow, "gc", 1); err != nil {
		t.Fatal(err)
	}
	expect("a purge", one, nil)
	// Too many for one notice: anything.
	r := gallery.EditRequest{Title: new("z")}
	for i := range 101 {
		r.IDs = append(r.IDs, a.add(string(rune('a'+i%26))+string(rune('a'+i/26)), nil, mine))
		next()
	}
	if _, err := a.edit(v, r); err != nil {
		t.Fatal(err)
	}
	expect("a large batch", 0, nil)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if len(heard) != 0 {
		t.Errorf("also heard %+v", <-heard)
	}
}

// A watcher whose session is ended says so, and its caller begins anew.
func TestPhotosWatchEnds(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ended := make(chan error, 1)
	begun := make(chan struct{}, 1)
	go func() { ended <- a.Watch(t.Context(), func(gallery.Change) { begun <- struct{}{} }) }()
	<-begun
	a.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN gallery' AND datname = current_database()")
	if err := <-ended; !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
