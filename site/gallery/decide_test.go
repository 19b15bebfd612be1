package gallery_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"keepwatch/site/gallery"
)

// The tags of these tests: 1 and 2 are the visitor's, 3 belongs to others, 4 is free.
func someFacts(photos ...gallery.Photo) gallery.EditFacts {
	return gallery.EditFacts{
		Photos: photos,
		Tags: map[int64]gallery.TagFacts{
			1: {Ref: gallery.Ref{ID: 1}, Owned: true}, 2: {Ref: gallery.Ref{ID: 2}, Owned: true},
			3: {Ref: gallery.Ref{ID: 3}, Owned: true}, 4: {Ref: gallery.Ref{ID: 4}},
		},
		TagNames:    map[string]int64{"theirs": 3, "free": 4},
		People:      map[int64]gallery.Person{10: {ID: 10, First: "Ada", Last: "Lovelace"}},
		PersonNames: map[string]int64{"ada lovelace": 10, "grace hopper": 11},
		Places: map[int64]gallery.Place{
			1: {Ref: gallery.Ref{ID: 1, Name: "Earth"}, Children: []gallery.Ref{{ID: 20, Name: "Germany"}, {ID: 21, Name: "Peru"}}},
			20: {
				Ref: gallery.Ref{ID: 20, Name: "Germany"}, Parent: &gallery.Ref{ID: 1, Name: "Earth"},
				Children: []gallery.Ref{{ID: 30, Name: "Berlin"}},
			},
		},
		Siblings: map[int64][]gallery.Ref{20: {{ID: 21, Name: "Peru"}, {ID: 22, Name: "Berlin"}}},
	}
}

func TestDecideTags(t *testing.T) {
	t.Parallel()
	v := holder(map[int64]gallery.Level{1: gallery.Write, 2: gallery.Write, 3: gallery.Download})
	cases := []struct {
		name   string
		on     []int64
		r      gallery.EditRequest
		add    []int64
		remove []int64
		fresh  []string
		err    error
	}{
		{name: "own tag", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{2}}, add: []int64{2}},
		{name: "free tag", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{4}}, add: []int64{4}},
		{name: "free tag by name", on: []int64{1}, r: gallery.EditRequest{TagNames: []string{"Free"}}, add: []int64{4}},
		{name: "new tag", on: []int64{1}, r: gallery.EditRequest{TagNames: []string{"Brand new"}}, fresh: []string{"Brand new"}},
		{name: "T1: a tag of others", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{3}}, err: gallery.ErrForbidden},
		{name: "T1: a tag of others by name", on: []int64{1}, r: gallery.EditRequest{TagNames: []string{"Theirs"}}, err: gallery.ErrForbidden},
		{name: "a tag of others that is there already", on: []int64{1, 3}, r: gallery.EditRequest{AddTags: []int64{3}}},
		{name: "a tag that does not exist", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{99}}, err: gallery.ErrForbidden},
		{name: "twice the same", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{4}, TagNames: []string{"free"}}, add: []int64{4}},
		{name: "T2: one of two own", on: []int64{1, 2}, r: gallery.EditRequest{DelTags: []int64{1}}, remove: []int64{1}},
		{name: "T2: a tag of others goes", on: []int64{1, 3}, r: gallery.EditRequest{DelTags: []int64{3}}, remove: []int64{3}},
		{name: "T2: the last own one", on: []int64{1}, r: gallery.EditRequest{DelTags: []int64{1}}, err: gallery.ErrForbidden},
		{name: "T2: the last own one beside others", on: []int64{1, 3, 4}, r: gallery.EditRequest{DelTags: []int64{1}}, err: gallery.ErrForbidden},
		{name: "T2: both own ones at once", on: []int64{1, 2}, r: gallery.EditRequest{DelTags: []int64{1, 2}}, err: gallery.ErrForbidden},
		{name: "T2: own one for another own one", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{2}, DelTags: []int64{1}}, add: []int64{2}, remove: []int64{1}},
		{name: "T2: own one for a free one", on: []int64{1}, r: gallery.EditRequest{AddTags: []int64{4}, DelTags: []int64{1}}, err: gallery.ErrForbidden},
		{name: "a tag that is not there", on: []int64{1}, r: gallery.EditRequest{DelTags: []int64{2}}},
		{name: "A3: a photo of others", on: []int64{3}, r: gallery.EditRequest{Title: new("x")}, err: gallery.ErrForbidden},
		{name: "A3: a photo without tags", r: gallery.EditRequest{Title: new("x")}, err: gallery.ErrForbidden},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plans, err := gallery.Decide(v, c.r, someFacts(photoOn(c.on...)), now)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if err != nil {
				if plans != nil {
					t.Errorf("refused, and yet plans: %+v", plans)
				}
				return
			}
			got := gallery.Plan{AddTags: plans[0].AddTags, RemoveTags: plans[0].RemoveTags, NewTags: plans[0].NewTags}
			if diff := cmp.Diff(gallery.Plan{AddTags: c.add, RemoveTags: c.remove, NewTags: c.fresh}, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One photo that may not be changed stops all.
func TestDecideIsAllOrNothing(t *testing.T) {
	t.Parallel()
	v := holder(map[int64]gallery.Level{1: gallery.Write})
	plans, err := gallery.Decide(v, gallery.EditRequest{Title: new("x")}, someFacts(photoOn(1), photoOn(3), photoOn(1)), now)
	if !errors.Is(err, gallery.ErrForbidden) || plans != nil {
		t.Errorf("got %v, %v; want no plan and ErrForbidden", plans, err)
	}
	plans, err = gallery.Decide(v, gallery.EditRequest{Title: new("x")}, someFacts(photoOn(1), photoOn(1, 3)), now)
	if err != nil || len(plans) != 2 {
		t.Errorf("got %v, %v; want two plans", plans, err)
	}
}

func TestDecidePeople(t *testing.T) {
	t.Parallel()
	v := holder(map[int64]gallery.Level{1: gallery.Write})
	photo := photoOn(1)
	photo.People = []gallery.Person{{ID: 10, First: "Ada", Last: "Lovelace"}}
	cases := []struct {
		name string
		r    gallery.EditRequest
		want gallery.Plan
		bad  bool
	}{
		{name: "twice is once", r: gallery.EditRequest{AddPeople: []int64{10}}},
		{name: "by name, in another case", r: gallery.EditRequest{PersonNames: []gallery.Person{{First: "GRACE", Last: "hopper"}}}, want: gallery.Plan{AddPeople: []int64{11}}},
		{name: "by name, there already", r: gallery.EditRequest{PersonNames: []gallery.Person{{First: "ada", Last: "LOVELACE"}}}},
		{name: "new", r: gallery.EditRequest{PersonNames: []gallery.Person{{First: "Alan", Last: "Turing"}}}, want: gallery.Plan{NewPeople: []gallery.Person{{First: "Alan", Last: "Turing"}}}},
		{name: "away", r: gallery.EditRequest{DelPeople: []int64{10}}, want: gallery.Plan{RemovePeople: []int64{10}}},
		{name: "away, not there", r: gallery.EditRequest{DelPeople: []int64{11}}},
		{name: "no such person", r: gallery.EditRequest{AddPeople: []int64{99}}, bad: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plans, err := gallery.Decide(v, c.r, someFacts(photo), now)
			var input gallery.InputError
			if errors.As(err, &input) != c.bad || (err != nil) != c.bad {
				t.Fatalf("got %v, want an InputError: %v", err, c.bad)
			}
			if c.bad {
				return
			}
			plans[0].Photo = gallery.Photo{}
			if diff := cmp.Diff(c.want, plans[0], cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecidePlace(t *testing.T) {
	t.Parallel()
	v := holder(map[int64]gallery.Level{1: gallery.Write})
	cases := []struct {
		name  string
		at    int64
		r     gallery.EditRequest
		want  int64
		fresh gallery.Ref
		bad   bool
	}{
		{name: "by number", at: 1, r: gallery.EditRequest{Location: 20}, want: 20},
		{name: "no such place", at: 1, r: gallery.EditRequest{Location: 99}, bad: true},
		{name: "a child, in another case", at: 1, r: gallery.EditRequest{LocationName: "pERU"}, want: 21},
		{name: "a child before a sibling of the same name", at: 20, r: gallery.EditRequest{LocationName: "berlin"}, want: 30},
		{name: "a sibling", at: 20, r: gallery.EditRequest{LocationName: "peru"}, want: 21},
		{name: "itself", at: 20, r: gallery.EditRequest{LocationName: "germany"}, want: 20},
		{name: "a new child", at: 20, r: gallery.EditRequest{LocationName: "Hamburg"}, want: 20, fresh: gallery.Ref{ID: 20, Name: "Hamburg"}},
		{name: "the parent's name is no match", at: 20, r: gallery.EditRequest{LocationName: "Earth"}, want: 20, fresh: gallery.Ref{ID: 20, Name: "Earth"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			photo := photoOn(1)
			photo.Location.ID = c.at
			plans, err := gallery.Decide(v, c.r, someFacts(photo), now)
			var input gallery.InputError
			if errors.As(err, &input) != c.bad || (err != nil) != c.bad {
				t.Fatalf("got %v, want an InputError: %v", err, c.bad)
			}
			if !c.bad && (plans[0].Photo.Location.ID != c.want || plans[0].NewLocation != c.fresh) {
				t.Errorf("got %+v and new %+v, want %d and %+v", plans[0].Photo.Location, plans[0].NewLocation, c.want, c.fresh)
			}
		})
	}
}

func TestDecideFields(t *testing.T) {
	t.Parallel()
	v := holder(map[int64]gallery.Level{1: gallery.Write})
	before := photoOn(1)
	before.Title, before.Caption, before.Shot.Camera, before.Rotation = "old", "old caption", "Box", 90
	before.Taken = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	before.Deleted = now.Add(-time.Hour)
	decide := func(r gallery.EditRequest) gallery.Photo {
		plans, err := gallery.Decide(v, r, someFacts(before), now)
		if err != nil {
			t.Fatal(err)
		}
		return plans[0].Photo
	}
	untouched := before
	untouched.New = false // by any touch
	check := func(name string, r gallery.EditRequest, change func(*gallery.Photo)) {
		want := untouched
		change(&want)
		if diff := cmp.Diff(want, decide(r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	check("clear a title", gallery.EditRequest{Title: new("")}, func(p *gallery.Photo) { p.Title = "" })
	check("keep new", gallery.EditRequest{New: new(true)}, func(p *gallery.Photo) { p.New = true })
	check("turn", gallery.EditRequest{Rotation: new(0)}, func(p *gallery.Photo) { p.Rotation = 0 })
	check("clear the time", gallery.EditRequest{Taken: &time.Time{}}, func(p *gallery.Photo) { p.Taken = time.Time{} })
	check("undelete", gallery.EditRequest{Deleted: new(false)}, func(p *gallery.Photo) { p.Deleted = time.Time{} })
	check("delete again", gallery.EditRequest{Deleted: new(true)}, func(*gallery.Photo) {}) // keeps its first time
	check("what people say wins over the file", gallery.EditRequest{
		Title: new("t"), Camera: new("mine"), Reread: true,
		FromFile: map[int64]gallery.FromFile{7: {
			Shot: gallery.Shot{Camera: "file's", Film: "ISO 100", Flash: new(true)}, Orientation: 6,
			Position: gallery.Position{Lat: new(1.5), Lon: new(-2.5)},
		}},
	}, func(p *gallery.Photo) {
		p.Title, p.Shot.Camera, p.Shot.Film, p.Shot.Flash, p.Orientation = "t", "mine", "ISO 100", new(true), 6
		p.Position = gallery.Position{Lat: new(1.5), Lon: new(-2.5)}
	})
	before.Deleted = time.Time{}
	untouched.Deleted = time.Time{}
	check("delete", gallery.EditRequest{Deleted: new(true)}, func(p *gallery.Photo) { p.Deleted = now })
}

// However a request and a photo look: what is decided leaves every photo writable
// for its editor, and puts nothing into the albums of others.
func TestDecideProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tag := rapid.Int64Range(1, 6)
		level := rapid.Map(rapid.Int16Range(0, 3), func(l int16) gallery.Level { return gallery.Level(l) })
		v := holder(rapid.MapOf(tag, level).Draw(t, "levels"))
		facts := gallery.EditFacts{Tags: map[int64]gallery.TagFacts{}, TagNames: map[string]int64{}}
		for id := int64(1); id <= 5; id++ {
			owned := v.Level(id) == gallery.Write || rapid.Bool().Draw(t, "owned")
			facts.Tags[id] = gallery.TagFacts{Ref: gallery.Ref{ID: id}, Owned: owned}
			facts.TagNames[string(rune('a'+id))] = id
		}
		for range rapid.IntRange(1, 3).Draw(t, "photos") {
			photo := photoOn(rapid.SliceOfNDistinct(rapid.Int64Range(1, 5), 0, 4, rapid.ID).Draw(t, "tags")...)
			if rapid.Bool().Draw(t, "deleted") {
				photo.Deleted = now
			}
			facts.Photos = append(facts.Photos, photo)
		}
		r := gallery.EditRequest{
			AddTags: rapid.SliceOfN(tag, 0, 3).Draw(t, "add"), DelTags: rapid.SliceOfN(tag, 0, 3).Draw(t, "remove"),
			TagNames: rapid.SliceOfN(rapid.StringMatching("[a-h]"), 0, 2).Draw(t, "names"),
		}
		plans, err := gallery.Decide(v, r, facts, now)
		if err != nil {
			return
		}
		for i, plan := range plans {
			if !gallery.MayWrite(v, facts.Photos[i]) {
				t.Fatalf("photo %v was changed by %v", facts.Photos[i].Tags, v)
			}
			after := facts.Photos[i].TagIDs()
			for _, id := range plan.AddTags {
				if v.Level(id) < gallery.Write && facts.Tags[id].Owned {
					t.Fatalf("tag %d of others was added", id)
				}
			}
			after = append(after, plan.AddTags...)
			after = slices.DeleteFunc(after, func(id int64) bool { return slices.Contains(plan.RemoveTags, id) })
			if v.On(after) < gallery.Write {
				t.Fatalf("photo on %v is left with %v, which the editor cannot write", facts.Photos[i].Tags, after)
			}
		}
	})
}

func TestParseEdit(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, query string
		want        gallery.EditRequest
		err         string
	}{
		{name: "texts", query: "img=3&cap=a%0D%0Ab&tit=+x+&cam=", want: gallery.EditRequest{IDs: []int64{3}, Caption: new("a\nb"), Title: new("x"), Camera: new("")}},
		{name: "the word null is a word", query: "img=3&tit=null", want: gallery.EditRequest{IDs: []int64{3}, Title: new("null")}},
		{name: "many photos", query: "img=3&img=1&img=3&del=true", want: gallery.EditRequest{IDs: []int64{3, 1}, Deleted: new(true)}},
		{name: "time", query: "img=1&ts=2026-05-31T14:30", want: gallery.EditRequest{IDs: []int64{1}, Taken: new(time.Date(2026, 5, 31, 14, 30, 0, 0, time.UTC))}},
		{name: "no time", query: "img=1&ts=", want: gallery.EditRequest{IDs: []int64{1}, Taken: &time.Time{}}},
		{name: "lists", query: "img=1&tag=2&tag=3&tag_del=4&tag_fre=New+tag&ppl=5&ppl_del=6&ppl_fre=Mary+Ann+Lee", want: gallery.EditRequest{
			IDs: []int64{1}, AddTags: []int64{2, 3}, DelTags: []int64{4}, TagNames: []string{"New tag"},
			AddPeople: []int64{5}, DelPeople: []int64{6}, PersonNames: []gallery.Person{{First: "Mary Ann", Last: "Lee"}},
		}},
		{name: "switches", query: "img=1&rot=270&new=false&fls=true&exf=1&loc=9", want: gallery.EditRequest{
			IDs: []int64{1}, Rotation: new(270), New: new(false), Flash: new(true), Reread: true, Location: 9,
		}},
		{name: "a control character goes", query: "img=1&tit=a%00b%1b%E2%80%AEc", want: gallery.EditRequest{IDs: []int64{1}, Title: new("abc")}},
		{name: "no photo", query: "tit=x", err: "img"},
		{name: "no change", query: "img=1", err: "change"},
		{name: "photo x", query: "img=x&tit=x", err: "img"},
		{name: "photo 0", query: "img=0&tit=x", err: "img"},
		{name: "photo beyond", query: "img=9223372036854775808&tit=x", err: "img"},
		{name: "title twice", query: "img=1&tit=x&tit=y", err: "tit"},
		{name: "title too long", query: "img=1&tit=" + strings.Repeat("%C3%A9", 101), err: "tit"},
		{name: "title as long as may be", query: "img=1&tit=" + strings.Repeat("%C3%A9", 100), want: gallery.EditRequest{IDs: []int64{1}, Title: new(strings.Repeat("é", 100))}},
		{name: "camera too long", query: "img=1&cam=" + strings.Repeat("x", 33), err: "cam"},
		{name: "watermark too long", query: "img=1&wmk=" + strings.Repeat("x", 65), err: "wmk"},
		{name: "file name too long", query: "img=1&fil=" + strings.Repeat("x", 256), err: "fil"},
		{name: "tag name too long", query: "img=1&tag_fre=" + strings.Repeat("x", 65), err: "tag_fre"},
		{name: "an empty tag name", query: "img=1&tag_fre=+", err: "tag_fre"},
		{name: "no text at all", query: "img=1&tit=%ff", err: "tit"},
		{name: "turned by 45", query: "img=1&rot=45", err: "rot"},
		{name: "turned by -90", query: "img=1&rot=-90", err: "rot"},
		{name: "turned by 360", query: "img=1&rot=360", err: "rot"},
		{name: "new maybe", query: "img=1&new=maybe", err: "new"},
		{name: "flash 1", query: "img=1&fls=1", err: "fls"},
		{name: "deleted, empty", query: "img=1&del=", err: "del"},
		{name: "a time of injection", query: "img=1&ts=2026-01-01'--", err: "ts"},
		{name: "the 31st of February", query: "img=1&ts=2026-02-31", err: "ts"},
		{name: "year 0", query: "img=1&ts=0000-01-01", err: "ts"},
		{name: "place and its name", query: "img=1&loc=2&loc_fre=x", err: "loc"},
		{name: "a tag to and fro", query: "img=1&tag=2&tag_del=2", err: "tag"},
		{name: "a person to and fro", query: "img=1&ppl=2&ppl_del=2", err: "ppl"},
		{name: "a parameter nobody knows", query: "img=1&tit=x&sql=1", err: "parameter"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			values, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := gallery.ParseEdit(values)
			var input gallery.InputError
			if c.err != "" {
				if !errors.As(err, &input) || !strings.Contains(input.Message, c.err) {
					t.Fatalf("got %+v, %v; want an InputError about %q", got, err, c.err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Whatever is sent: no panic, and what is accepted is within its limits.
func FuzzParseEdit(f *testing.F) {
	for _, seed := range []string{
		"img=1&tit=x", "img=1&ts=2026-05-31 14:30:00&rot=90", "img=1&tag=2&tag_fre=a&ppl_fre=b+c", "img=1&cap=%ff", "img=1&exf", "img=-1", "",
		"img=1&loc_fre=%E2%80%8F", "img=1&ts=9999-12-31T23:59:59.999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		r, err := gallery.ParseEdit(values)
		if err != nil {
			var input gallery.InputError
			if !errors.As(err, &input) || strings.ContainsAny(input.Message, "\r\n") {
				t.Fatalf("%q: %v is no sentence for people", query, err)
			}
			return
		}
		if len(r.IDs) == 0 || len(r.IDs) > gallery.MaxBatch {
			t.Fatalf("%q: %d photos", query, len(r.IDs))
		}
		for _, s := range []*string{r.Title, r.Caption, r.FileName, r.Zone} {
			if s != nil && (strings.ContainsRune(*s, 0) || len([]rune(*s)) > gallery.MaxCaption) {
				t.Fatalf("%q: accepted %q", query, *s)
			}
		}
		for _, name := range r.TagNames {
			if name == "" || len([]rune(name)) > gallery.MaxMedium {
				t.Fatalf("%q: accepted the name %q", query, name)
			}
		}
	})
}
