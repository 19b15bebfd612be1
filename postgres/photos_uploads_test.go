package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/site/gallery"
)

func (a *album) intend(name, owner string) error {
	return a.Intend(a.Context(), contentOf(name), owner, siteNow)
}

func TestPhotosAdd(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	v := a.visitor("mine")
	a.grant("theirs", gallery.Write)
	mine, theirs := a.tagID("mine"), a.tagID("theirs")
	decide := func(f []gallery.TagFacts) error { return gallery.MayUpload(v, f) }
	n := newPhoto("one", mine)
	n.Location = "Peru"
	n.Photo.Shot, n.Photo.Taken = gallery.Shot{Camera: "Box", Flash: new(true)}, wallTime(2026, 1, 2, 3)
	if _, err := a.Add(ctx, n, v.Asking(siteNow), decide); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("without an intent: %v", err)
	}
	if err := a.intend("one", "test"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		tags []int64
		want error
	}{
		{"into an album of others (A6)", []int64{mine, theirs}, gallery.ErrForbidden},
		{"on a tag that does not exist", []int64{mine, 1 << 40}, gallery.ErrNotFound},
		{"on no tag", nil, gallery.ErrForbidden},
	} {
		bad := n
		bad.Tags = c.tags
		if _, err := a.Add(ctx, bad, v.Asking(siteNow), decide); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	other := n
	other.Owner = "somebody else"
	if _, err := a.Add(ctx, other, v.Asking(siteNow), decide); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("with the intent of another: %v", err)
	}
	if got := a.count("SELECT count(*) FROM photo") + a.count("SELECT count(*) FROM place") - 1; got != 0 {
		t.Errorf("refused uploads left %d rows", got)
	}
	id, err := a.Add(ctx, n, v.Asking(siteNow), decide)
	if err != nil {
		t.Fatal(err)
	}
	want := n.Photo
	want.ID, want.Added, want.Orientation = id, siteNow, 1
	want.Tags = []gallery.Ref{{ID: mine, Name: "mine"}}
	want.Location = a.photo(id).Location
	same(t, "photo", want, a.photo(id))
	if want.Location.Name != "Peru" {
		t.Errorf("place: %+v", want.Location)
	}
	if left := a.count("SELECT count(*) FROM upload_intent") + a.count("SELECT count(*) FROM upload_content"); left != 0 {
		t.Errorf("%d rows of the upload are left", left)
	}
	// The place is found the next time: the same, beside, below.
	for place, where := range map[string]int64{"PERU": want.Location.ID, "Chile": 0} {
		other := a.add("at "+place, func(n *gallery.NewPhoto) { n.Location, n.Photo.Location = place, want.Location }, mine)
		if got := a.photo(other).Location; (got.ID == want.Location.ID) != (where == want.Location.ID) {
			t.Errorf("%s: at %+v", place, got)
		}
	}
	// Known finds it under a tag of the visitor's only.
	if got, err := a.Known(ctx, contentOf("one"), []int64{theirs, mine}); err != nil || got.ID != id {
		t.Errorf("known: %d, %v", got.ID, err)
	}
	if _, err := a.Known(ctx, contentOf("one"), []int64{theirs}); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("known to others: %v", err)
	}
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{id}, Deleted: new(true)}); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Known(ctx, contentOf("one"), []int64{mine}); err != nil || got.ID != id || got.Deleted.IsZero() {
		t.Errorf("known and deleted: %+v, %v", got, err)
	}
	second := a.add("one", nil, mine)
	if got, err := a.Known(ctx, contentOf("one"), []int64{mine}); err != nil || got.ID != second {
		t.Errorf("of two the one that is not deleted: %d, %v; want %d", got.ID, err, second)
	}
}

// A file is removed only when nothing names it, and nobody writes it meanwhile.
func TestPhotosForget(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	a.grant("mine", gallery.Write)
	mine := a.tagID("mine")
	forget := func(name, owner string) bool {
		t.Helper()
		orphan, err := a.Forget(ctx, contentOf(name), owner, siteNow)
		if err != nil {
			t.Fatal(err)
		}
		return orphan
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.intend("x", "p1"))
	must(a.intend("x", "p1")) // two uploads of one picture in one process
	must(a.intend("x", "p2"))
	if first, second := forget("x", "p1"), forget("x", "p1"); first || second {
		t.Error("the file of another upload would have been removed")
	}
	if !forget("x", "p2") {
		t.Error("the last one did not remove its file")
	}
	if err := a.intend("x", "p1"); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("while it is being removed: %v", err)
	}
	must(a.Removed(ctx, contentOf("x"), "p1")) // not p1's removal
	if err := a.intend("x", "p1"); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("after somebody else's word: %v", err)
	}
	must(a.Removed(ctx, contentOf("x"), "p2"))
	must(a.intend("x", "p1"))
	// A photo names it: then it stays, whatever fails later.
	a.add("y", nil, mine)
	must(a.intend("y", "p1"))
	if forget("y", "p1") {
		t.Error("the file of a photo would have been removed")
	}
	if forget("never", "p1") {
		t.Error("a file that nobody knows would have been removed")
	}
	if n := a.count("SELECT count(*) FROM upload_content"); n != 1 {
		t.Errorf("%d contents are noted, want x alone", n)
	}
}

// Of the file's writers and its remover one is first, and the other knows: there
// is never a photo whose file was removed.
func TestPhotosRacingUploads(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	a.grant("mine", gallery.Write)
	mine := a.tagID("mine")
	var files sync.Map // stands for the store of originals
	var lost, stored atomic.Int64
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			owner := fmt.Sprint("p", worker%3)
			for round := range 12 {
				name := fmt.Sprint("file", round%4)
				err := a.intend(name, owner)
				if errors.Is(err, gallery.ErrBeingRemoved) {
					continue
				}
				if err != nil {
					t.Error(err)
					continue
				}
				files.Store(name, true)
				if (worker+round)%2 == 0 {
					n := newPhoto(name, mine)
					n.Owner = owner
					if _, err := a.Add(t.Context(), n, gallery.Asking{Now: siteNow}, func([]gallery.TagFacts) error { return nil }); err != nil {
						t.Error(err)
						continue
					}
					stored.Add(1)
					if _, ok := files.Load(name); !ok {
						lost.Add(1)
					}
					_, _, err := a.Purge(t.Context(), siteNow, siteNow, owner, 1) // nothing is deleted
					if err != nil {
						t.Error(err)
					}
					continue
				}
				orphan, err := a.Forget(t.Context(), contentOf(name), owner, siteNow)
				if err != nil {
					t.Error(err)
				}
				if orphan {
					files.Delete(name)
					if err := a.Removed(t.Context(), contentOf(name), owner); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for round := range 4 {
		name := fmt.Sprint("file", round)
		_, there := files.Load(name)
		if named := a.count("SELECT count(*) FROM photo WHERE content = $1", contentOf(name)) > 0; named != there {
			t.Errorf("%s: named by a photo %v, on disk %v", name, named, there)
		}
	}
	if lost.Load() != 0 || stored.Load() == 0 {
		t.Errorf("%d of %d photos had no file when they were stored", lost.Load(), stored.Load())
	}
	if n := a.count("SELECT count(*) FROM upload_intent") + a.count("SELECT count(*) FROM upload_content"); n != 0 {
		t.Errorf("%d rows of uploads are left", n)
	}
}

func TestPhotosUpkeep(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	v := a.visitor("mine")
	mine := a.tagID("mine")
	at := func(name, owner string, age time.Duration) {
		if err := a.Intend(ctx, contentOf(name), owner, siteNow.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	stale := func(owner string, before, now time.Time) []string {
		t.Helper()
		got, err := a.Stale(ctx, owner, before, now, 100)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	sorted := cmpopts.SortSlices(func(x, y string) bool { return x < y })
	id := a.add("kept", nil, mine)
	at("kept", "dead", time.Minute) // a second upload of a picture that is here
	at("half", "dead", time.Minute)
	at("shared", "dead", time.Minute)
	at("shared", "alive", time.Minute)
	at("old", "gone", 3*time.Hour)
	survey, err := a.Survey(ctx, gallery.Survey{
		Contents: []string{contentOf("kept"), contentOf("half"), contentOf("nobody")}, StaleBefore: siteNow.Add(-time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "survey", gallery.Surveyed{Unnamed: []string{contentOf("nobody")}, Stale: 1}, survey)
	same(t, "an empty owner", nil, stale("", siteNow.Add(-24*time.Hour), siteNow), cmpopts.EquateEmpty())
	// The restarted process cleans up after itself, and after what is old.
	same(t, "at the start", []string{contentOf("half"), contentOf("old")}, stale("dead", siteNow.Add(-time.Hour), siteNow), sorted)
	// It is killed before it removed them: at the next start they are told again.
	if err := a.Removed(ctx, contentOf("old"), "dead"); err != nil {
		t.Fatal(err)
	}
	same(t, "at the next start", []string{contentOf("half")}, stale("dead", siteNow.Add(-time.Hour), siteNow))
	same(t, "others leave it alone", nil, stale("alive2", siteNow.Add(-time.Hour), siteNow.Add(59*time.Minute)), cmpopts.EquateEmpty())
	same(t, "for an hour", []string{contentOf("half")}, stale("alive2", siteNow.Add(-time.Hour), siteNow.Add(61*time.Minute)))
	if err := a.Removed(ctx, contentOf("half"), "alive2"); err != nil {
		t.Fatal(err)
	}
	// Files that nothing names.
	unnamed, err := a.Unnamed(ctx, []string{contentOf("nobody"), contentOf("kept"), contentOf("shared"), contentOf("nobody")}, "gc", siteNow)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unnamed", []string{contentOf("nobody")}, unnamed)
	if err := a.intend("nobody", "p"); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("a file that is being removed is written: %v", err)
	}
	same(t, "shared is alive's", nil, stale("alive2", siteNow.Add(-time.Hour), siteNow), cmpopts.EquateEmpty())
	same(t, "alive's own", []string{contentOf("shared")}, stale("alive", siteNow.Add(-time.Hour), siteNow))
	a.purge(v, id, mine)
}

// purge is the last part of TestPhotosUpkeep: photos deleted long ago go for good.
func (a *album) purge(v gallery.Visitor, id, mine int64) {
	a.Helper()
	ctx := a.Context()
	twin := a.add("kept", nil, mine)
	last := a.add("last", nil, mine)
	r := gallery.EditRequest{IDs: []int64{id, last}, TagNames: []string{"only here"}, PersonNames: []gallery.Person{{Last: "Ada"}}, Deleted: new(true)}
	if _, err := a.edit(v, r); err != nil {
		a.Fatal(err)
	}
	ask := gallery.Survey{PurgeBefore: siteNow.Add(time.Second)}
	if got, err := a.Survey(ctx, ask); err != nil || got.Purge != 2 || got.PurgeFiles != 1 || got.PurgeBytes != 10 {
		a.Errorf("survey: %+v, %v", got, err)
	}
	if n, contents, err := a.Purge(ctx, siteNow, siteNow, "gc", 10); err != nil || n != 0 || len(contents) != 0 {
		a.Errorf("too early: %d, %v, %v", n, contents, err)
	}
	n, contents, err := a.Purge(ctx, siteNow.Add(time.Second), siteNow, "gc", 10)
	if err != nil || n != 2 {
		a.Fatalf("purged %d, %v", n, err)
	}
	same(a.TB, "contents to remove", []string{contentOf("last")}, contents) // the twin needs the other
	for _, gone := range []int64{id, last} {
		if _, err := a.Photo(ctx, gone); !errors.Is(err, gallery.ErrNotFound) {
			a.Errorf("purged photo %d: %v", gone, err)
		}
	}
	if p := a.photo(twin); p.Content != contentOf("kept") {
		a.Errorf("the twin: %+v", p)
	}
	if _, err := a.Tag(ctx, 0, "only here", gallery.Asking{Now: siteNow}); !errors.Is(err, gallery.ErrNotFound) {
		a.Errorf("the tag of purged photos: %v", err)
	}
	if err := a.intend("last", "p"); !errors.Is(err, gallery.ErrBeingRemoved) {
		a.Errorf("a purged file is written while it is removed: %v", err)
	}
}
