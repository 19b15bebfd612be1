package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/site/gallery"
)

// Every field that can be changed comes back as it was given, also hostile text.
func TestPhotosEditFields(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	id := a.add("one", nil, v.Writable()...)
	text := func(s string) *string { return new(s + ` '"; DROP TABLE photo; -- <b>&amp;` + "\n\\ ü 東") }
	r := gallery.EditRequest{
		IDs: []int64{id}, Title: text("title"), Caption: text("caption"), Watermark: text("wmk"), FileName: text("../../etc/passwd"),
		Camera: text("c"), Aperture: text("a"), Shutter: text("s"), Exposure: text("e"), Metering: text("m"), Film: text("f"),
		Process: text("p"), FocalLength: text("l"), Zone: text("z"), Taken: new(wallTime(2001, 2, 3, 4)), Rotation: new(270),
		Flash: new(false), New: new(true), Reread: true,
		FromFile: map[int64]gallery.FromFile{id: {Orientation: 6, Position: gallery.Position{Lat: new(-12.5), Lon: new(7.25), Alt: new(-3.0)}}},
	}
	want := a.photo(id)
	got, err := a.edit(v, r)
	if err != nil {
		t.Fatal(err)
	}
	want.Title, want.Caption, want.Watermark, want.FileName = *r.Title, *r.Caption, *r.Watermark, *r.FileName
	want.Shot = gallery.Shot{
		Camera: *r.Camera, Aperture: *r.Aperture, Shutter: *r.Shutter, Exposure: *r.Exposure, Metering: *r.Metering,
		Film: *r.Film, Process: *r.Process, FocalLength: *r.FocalLength, Flash: new(false),
	}
	want.Zone, want.Taken, want.Rotation, want.New, want.Orientation = *r.Zone, *r.Taken, 270, true, 6
	want.Position = r.FromFile[id].Position
	same(t, "edited", []gallery.Photo{want}, got)
	same(t, "read back", want, a.photo(id))
	// And all of it can be taken away again.
	empty := new("")
	_, err = a.edit(v, gallery.EditRequest{
		IDs: []int64{id}, Title: empty, Caption: empty, Watermark: empty, FileName: empty, Camera: empty, Aperture: empty,
		Shutter: empty, Exposure: empty, Metering: empty, Film: empty, Process: empty, FocalLength: empty, Zone: empty, Taken: &time.Time{},
	})
	if err != nil {
		t.Fatal(err)
	}
	want = gallery.Photo{
		ID: id, Content: contentOf("one"), Bytes: 10, Width: 30, Height: 20, Orientation: 6, Rotation: 270, Added: siteNow,
		Shot: gallery.Shot{Flash: new(false)}, Position: want.Position, Location: gallery.Ref{ID: 1, Name: "Earth"}, Tags: want.Tags,
	}
	same(t, "emptied", want, a.photo(id))
}

func TestPhotosEditLinks(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine", "other", "ärger")
	mine := a.tagID("mine")
	one, two := a.add("one", nil, mine), a.add("two", nil, mine)
	// A batch: the answer is in the order of the request; what is new is made once.
	got, err := a.edit(v, gallery.EditRequest{
		IDs: []int64{two, one}, TagNames: []string{"Holiday", "OTHER", "ÄRGER"}, LocationName: "Berlin",
		PersonNames: []gallery.Person{gallery.PersonOf("Ada Lovelace"), gallery.PersonOf("ada LOVELACE"), gallery.PersonOf("Plato")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []int64{two, one} {
		p := got[i]
		if p.ID != id || p.Location.Name != "Berlin" || p.Location.ID == 1 {
			t.Errorf("photo %d is %d at %+v", i, p.ID, p.Location)
		}
		same(t, "tags", []string{"mine", "other", "ärger", "Holiday"}, names(p.Tags))
		people := []gallery.Person{{First: "Ada", Last: "Lovelace"}, {Last: "Plato"}}
		same(t, "people", people, p.People, cmpopts.IgnoreFields(gallery.Person{}, "ID"),
			cmpopts.SortSlices(func(x, y gallery.Person) bool { return x.Last < y.Last }))
	}
	if n := a.count("SELECT count(*) FROM tag WHERE name = 'Holiday'"); n != 1 {
		t.Errorf("the new tag was made %d times", n)
	}
	// The same again changes nothing; another spelling finds what is there.
	again, err := a.edit(v, gallery.EditRequest{
		IDs: []int64{two, one}, TagNames: []string{"holiday"}, LocationName: " BERLIN", PersonNames: []gallery.Person{gallery.PersonOf("plato")},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "again", got, again)
	// Beside Berlin, then below it.
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{one}, LocationName: "Mitte"}); err != nil {
		t.Fatal(err)
	}
	berlin := got[0].Location
	place, err := a.Place(t.Context(), berlin.ID)
	if err != nil || place.Parent == nil || place.Parent.ID != gallery.RootLocation {
		t.Fatalf("Berlin: %+v, %v", place, err)
	}
	same(t, "children of Berlin", []string{"Mitte"}, names(place.Children))
	// What nobody uses and nobody holds is gone; people and places stay.
	holiday := a.tagID("Holiday")
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{one}, DelTags: []int64{holiday}}); err != nil {
		t.Fatal(err)
	}
	a.tagID("Holiday")
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{one, two}, DelTags: []int64{holiday, a.tagID("other")}, DelPeople: []int64{got[0].People[0].ID}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Tag(t.Context(), holiday, "", gallery.Asking{Now: siteNow}); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("an idle tag (T2b): %v, want ErrNotFound", err)
	}
	a.tagID("other") // held by a token
	if s, err := a.Person(t.Context(), got[0].People[0].ID); err != nil || s != got[0].People[0] {
		t.Errorf("the person: %+v, %v", s, err)
	}
	if p := a.photo(one); len(p.People) != 1 || len(p.Tags) != 2 {
		t.Errorf("left: %+v", p)
	}
	for _, id := range []int64{0, -1, 1 << 40} {
		if _, err := a.Person(t.Context(), id); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("person %d: %v", id, err)
		}
		if _, err := a.Place(t.Context(), id); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("place %d: %v", id, err)
		}
	}
}

// One refusal, and nothing of the whole batch is done.
func TestPhotosEditIsAllOrNothing(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	a.grant("theirs", gallery.Write)
	mine, theirs := a.tagID("mine"), a.tagID("theirs")
	own, foreign := a.add("one", nil, mine), a.add("two", nil, theirs)
	before := []gallery.Photo{a.photo(own), a.photo(foreign)}
	cases := []struct {
		name string
		r    gallery.EditRequest
		want error
	}{
		{"a photo of others", gallery.EditRequest{IDs: []int64{own, foreign}, TagNames: []string{"fresh"}, LocationName: "Oslo"}, gallery.ErrForbidden},
		{"a photo that does not exist", gallery.EditRequest{IDs: []int64{own, 1 << 40}, TagNames: []string{"fresh"}}, gallery.ErrNotFound},
		{"a tag of others (T1)", gallery.EditRequest{IDs: []int64{own}, Title: new("x"), TagNames: []string{"fresh", "Theirs"}}, gallery.ErrForbidden},
		{"the last own tag (T2)", gallery.EditRequest{IDs: []int64{own}, Title: new("x"), DelTags: []int64{mine}}, gallery.ErrForbidden},
		{"a person that does not exist", gallery.EditRequest{IDs: []int64{own}, Title: new("x"), AddPeople: []int64{99}}, gallery.InputError{}},
	}
	for _, c := range cases {
		_, err := a.edit(v, c.r)
		var input gallery.InputError
		if isInput := errors.As(err, &input); !errors.Is(err, c.want) && (!isInput || !errors.As(c.want, &input)) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	same(t, "photos", before, []gallery.Photo{a.photo(own), a.photo(foreign)})
	if n := a.count("SELECT count(*) FROM tag WHERE name = 'fresh'") + a.count("SELECT count(*) FROM place WHERE name = 'Oslo'"); n != 0 {
		t.Errorf("%d new things were left behind", n)
	}
}

// Two people take away each other's tag at the same moment: one of them is
// refused, and the photo stays writable for somebody (T2 under the lock).
func TestPhotosRacingRemovals(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ada, alan := a.visitor("ada"), a.visitor("alan")
	tagAda, tagAlan := a.tagID("ada"), a.tagID("alan")
	var ids []int64
	for i := range 12 {
		ids = append(ids, a.add(fmt.Sprint("photo", i), nil, tagAda, tagAlan))
	}
	for _, id := range ids {
		var wg sync.WaitGroup
		var won atomic.Int64
		for _, side := range []struct {
			v   gallery.Visitor
			tag int64
		}{{ada, tagAlan}, {alan, tagAda}} {
			wg.Go(func() {
				switch _, err := a.edit(side.v, gallery.EditRequest{IDs: []int64{id}, DelTags: []int64{side.tag}}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, gallery.ErrForbidden):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if p := a.photo(id); won.Load() != 1 || len(p.Tags) != 1 {
			t.Fatalf("%d removals won, tags left: %v", won.Load(), p.Tags)
		}
	}
}

// Many edit the same photos in any order, with the same new names: nobody waits
// for ever, nobody fails, nothing is made twice.
func TestPhotosRacingEdits(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine", "second")
	mine := a.tagID("mine")
	var ids []int64
	for i := range 10 {
		ids = append(ids, a.add(fmt.Sprint("photo", i), nil, mine))
	}
	before := a.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(worker)))
			for round := range 6 {
				some := slices.Clone(ids)
				rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
				tagNames := []string{fmt.Sprint("b", round), fmt.Sprint("a", round)}
				people := []gallery.Person{{Last: fmt.Sprint("y", round)}, {Last: fmt.Sprint("x", round)}}
				if worker%2 == 0 {
					slices.Reverse(tagNames)
					slices.Reverse(people)
				}
				r := gallery.EditRequest{IDs: some[:5], TagNames: tagNames, PersonNames: people, LocationName: fmt.Sprint("place", round)}
				if _, err := a.edit(v, r); err != nil {
					t.Error(err)
				}
				if tag, err := a.Tag(t.Context(), 0, tagNames[0], gallery.Asking{Now: siteNow}); err == nil && rng.IntN(2) == 0 {
					if _, err := a.edit(v, gallery.EditRequest{IDs: some[:7], DelTags: []int64{tag.ID}}); err != nil {
						t.Error(err)
					}
				}
				if _, err := a.tryAdd(fmt.Sprint("new", worker, round), nil, mine, a.tagID("second")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, sql := range []string{
		"SELECT count(*) - count(DISTINCT key) FROM tag", "SELECT count(*) - count(DISTINCT key) FROM person",
		"SELECT count(*) FROM (SELECT parent_id, key FROM place GROUP BY parent_id, key HAVING count(*) > 1) AS twice",
		"SELECT count(*) FROM upload_intent", "SELECT count(*) FROM upload_content",
	} {
		if n := a.count(sql); n != 0 {
			t.Errorf("%s: got %d, want 0", sql, n)
		}
	}
	if after := a.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); after != before {
		t.Errorf("%d deadlocks: the order of locks is broken", after-before)
	}
}

// What an edit changed and its own answer say the same.
func TestPhotosEditTellsWhatChanged(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine", "second")
	id := a.add("one", nil, a.tagID("mine"))
	before := a.photo(id)
	for _, c := range []struct {
		name string
		r    gallery.EditRequest
		want gallery.Changed
	}{
		{"title", gallery.EditRequest{Title: new("x")}, gallery.Changed{New: true}},
		{"title again", gallery.EditRequest{Title: new("y")}, gallery.Changed{}},
		{"tag", gallery.EditRequest{TagNames: []string{"second"}}, gallery.Changed{Tags: true}},
		{"person", gallery.EditRequest{PersonNames: []gallery.Person{{Last: "Ada"}}}, gallery.Changed{People: true}},
		{"place", gallery.EditRequest{LocationName: "Oslo"}, gallery.Changed{Location: true}},
		{"deleted", gallery.EditRequest{Deleted: new(true), New: new(true)}, gallery.Changed{Deleted: true, New: true}},
	} {
		c.r.IDs = []int64{id}
		after, err := a.edit(v, c.r)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		same(t, c.name, c.want, gallery.Compare(before, after[0]))
		before = after[0]
	}
}

func TestPhotosHints(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine", "party", "private")
	a.grant("theirs", gallery.Write)
	mine, party, private, theirs := a.tagID("mine"), a.tagID("party"), a.tagID("private"), a.tagID("theirs")
	at := func(day int, mark, zone string) func(*gallery.NewPhoto) {
		return func(n *gallery.NewPhoto) {
			n.Photo.Taken, n.Photo.Watermark, n.Photo.Zone = wallTime(2026, 3, day, 12), mark, zone
		}
	}
	one := a.add("one", at(1, "first", "Europe/Oslo"), mine)
	near := a.add("near", at(20, "", ""), mine, party, theirs)
	far := a.add("far", at(50, "second", "Asia/Tokyo"), mine, private)
	a.add("foreign", at(2, "hidden", "hidden"), theirs)
	for i, id := range []int64{near, far} {
		r := gallery.EditRequest{IDs: []int64{id}, PersonNames: []gallery.Person{{First: "P", Last: strconv.Itoa(i)}}, LocationName: fmt.Sprint("L", i)}
		if _, err := a.edit(v, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := a.Hints(t.Context(), gallery.HintRequest{Writable: v.Writable(), Photo: one})
	if err != nil {
		t.Fatal(err)
	}
	want := gallery.Hints{
		Watermarks: []string{"second", "first"}, Zones: []string{"Asia/Tokyo", "Europe/Oslo"},
		Tags:   []gallery.Ref{{ID: party, Name: "party"}}, // not theirs, not private: 49 days away
		People: []gallery.Person{{First: "P", Last: "0"}}, Places: []gallery.Ref{{Name: "L0"}},
	}
	same(t, "hints", want, got, cmpopts.IgnoreFields(gallery.Person{}, "ID"),
		cmp.FilterPath(func(p cmp.Path) bool {
			return strings.HasPrefix(p.GoString(), "{gallery.Hints}.Places") && p.Last().String() == ".ID"
		}, cmp.Ignore()))
	if got, err := a.Hints(t.Context(), gallery.HintRequest{Writable: v.Writable(), Limit: 1}); err != nil || len(got.Watermarks) != 1 || got.Tags != nil {
		t.Errorf("one without a photo: %+v, %v", got, err)
	}
	if got, err := a.Hints(t.Context(), gallery.HintRequest{Photo: one}); err != nil || !cmp.Equal(got, gallery.Hints{}) {
		t.Errorf("a stranger gets %+v, %v", got, err)
	}
}
