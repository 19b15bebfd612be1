package postgres_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/site/gallery"
)

func TestPhotosImport(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	imported := func(id int64, name string) gallery.ImportedPhoto {
		p := newPhoto(name).Photo
		p.ID, p.Title, p.Taken, p.Rotation = id, "old title", wallTime(1999, 12, 31, 23), 90
		return gallery.ImportedPhoto{
			Photo: p, Tags: []string{"Family", "family", "Holiday"}, People: []gallery.Person{{First: "Ada", Last: "Lovelace"}},
			Places: []string{"Germany", "Berlin"}, Owner: "import", Now: siteNow,
		}
	}
	// Many at once, some of them twice: each is stored once.
	var wg sync.WaitGroup
	var stored atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			id := int64(1000 + i%10)
			in := imported(id, fmt.Sprint("file", id))
			if err := a.Intend(ctx, in.Photo.Content, "import", siteNow); err != nil {
				t.Error(err)
			}
			ok, err := a.ImportPhoto(ctx, in)
			if err != nil {
				t.Error(err)
			}
			if ok {
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	if stored.Load() != 10 {
		t.Errorf("%d photos were new, want 10", stored.Load())
	}
	if n := a.count("SELECT count(*) FROM upload_intent"); n != 0 {
		t.Errorf("%d intents are left", n)
	}
	got := a.photo(1005)
	if got.Location.Name != "Berlin" || got.Rotation != 90 || !got.Added.Equal(siteNow) || len(got.People) != 1 {
		t.Errorf("imported: %+v", got)
	}
	same(t, "tags, which are different groups of people by one letter", []string{"Family", "Holiday", "family"}, names(got.Tags),
		cmpopts.SortSlices(func(x, y string) bool { return x < y }))
	// What people changed since stays; another picture does not get the number.
	v := a.visitor("family")
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{1005}, Title: new("mine")}); err != nil {
		t.Fatal(err)
	}
	if ok, err := a.ImportPhoto(ctx, imported(1005, "file1005")); ok || err != nil || a.photo(1005).Title != "mine" {
		t.Errorf("again: %v, %v, %q", ok, err, a.photo(1005).Title)
	}
	if _, err := a.ImportPhoto(ctx, imported(1005, "another")); !errors.Is(err, gallery.ErrOccupied) {
		t.Errorf("another picture: %v, want ErrOccupied", err)
	}
	if _, err := a.ImportPhoto(ctx, imported(2000, "unwritten")); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("without an intent: %v", err)
	}
	// The site's own numbers begin behind.
	if id := a.add("own", nil, a.tagID("family")); id <= 2000 {
		t.Errorf("the next photo has the number %d", id)
	}
	low := imported(3, "file3")
	low.Owner = ""
	if ok, err := a.ImportPhoto(ctx, low); !ok || err != nil {
		t.Errorf("a low number: %v, %v", ok, err)
	}
	if id := a.add("own2", nil, a.tagID("family")); id <= 2000 {
		t.Errorf("after a low number the next photo has the number %d", id)
	}
}

func TestPhotosImportCode(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	in := func(code, tag string) gallery.ImportedCode {
		return gallery.ImportedCode{Code: gallery.Code{Code: code, Level: 4, Uses: 2, MaxUses: 3}, Tag: tag, Now: siteNow}
	}
	for i, want := range []bool{true, false} {
		if ok, err := a.ImportCode(t.Context(), in("12345678", "old")); ok != want || err != nil {
			t.Errorf("time %d: %v, %v", i, ok, err)
		}
	}
	if _, err := a.ImportCode(t.Context(), in("12345678", "other")); !errors.Is(err, gallery.ErrTaken) {
		t.Errorf("for another tag: %v, want ErrTaken", err)
	}
	for i, want := range []error{nil, gallery.ErrCode} { // one use is left
		if g, err := a.redeem("12345678", strconv.Itoa(i)); !errors.Is(err, want) || (err == nil && g.Level != gallery.Write) {
			t.Errorf("login %d: %+v, %v", i, g, err)
		}
	}
}

// A seed with intents takes them away, in the same transaction.
func TestPhotosSeedTakesIntents(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	s := seedOf("samples", "AAAAAAAA", gallery.Read, "a.jpg", "b.jpg")
	s.Owner = "init"
	if err := a.Seed(t.Context(), s); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("without intents: %v", err)
	}
	for _, p := range s.Photos {
		if err := a.Intend(t.Context(), p.Content, "init", siteNow); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Seed(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if n := a.count("SELECT count(*) FROM upload_content"); n != 0 {
		t.Errorf("%d intents are left", n)
	}
}

// Samples may come with people and places by name.
func TestPhotosSeedPeopleAndPlaces(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	s := seedOf("samples", "AAAAAAAA", gallery.Read, "a.jpg", "b.jpg")
	for i := range s.Photos {
		s.Photos[i].People, s.Photos[i].Location.Name = []gallery.Person{{First: "Ada", Last: "Example"}}, "Nowhere"
	}
	if err := a.Seed(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	tag := a.tagID("samples")
	got, err := a.Find(t.Context(), gallery.Filter{Tags: []int64{tag}, Text: "ada nowhere"})
	if err != nil || len(got) != 2 || got[0].People[0] != got[1].People[0] || got[0].Location != got[1].Location {
		t.Errorf("got %+v, %v; want two photos of one person at one place", got, err)
	}
}
