package gallery_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keepwatch/site/gallery"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// holder is a visitor with levels on tags.
func holder(levels map[int64]gallery.Level) gallery.Visitor {
	var grants []gallery.Grant
	for tag, level := range levels {
		grants = append(grants, gallery.Grant{Tag: gallery.Ref{ID: tag}, Level: level})
	}
	return gallery.NewVisitor(grants, now)
}

func photoOn(tags ...int64) gallery.Photo {
	p := gallery.Photo{ID: 7, New: true, Location: gallery.Ref{ID: 1, Name: "Earth"}}
	for _, t := range tags {
		p.Tags = append(p.Tags, gallery.Ref{ID: t, Name: fmt.Sprint("tag", t)})
	}
	return p
}

// Row 19 of the security checklist: kinds of tokens, tags, and what is allowed on a
// photo that carries tags 1 and 2.
func TestRow19PhotoRules(t *testing.T) {
	t.Parallel()
	past, future := now.Add(-time.Second), now.Add(time.Second)
	type rights struct{ read, download, write bool }
	cases := []struct {
		name          string
		grants        []gallery.Grant
		alive, buried rights // on the photo, and on the photo once it is deleted
	}{
		{"no token", nil, rights{}, rights{}},
		{"a token for another tag", []gallery.Grant{{Tag: gallery.Ref{ID: 3}, Level: gallery.Write}}, rights{}, rights{}},
		{"read", []gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: gallery.Read}}, rights{read: true}, rights{}},
		{"download", []gallery.Grant{{Tag: gallery.Ref{ID: 2}, Level: gallery.Download}}, rights{read: true, download: true}, rights{}},
		{"write", []gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: gallery.Write}}, rights{true, true, true}, rights{true, true, true}},
		{"manage, an old name of write", []gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: 4}}, rights{true, true, true}, rights{true, true, true}},
		{"the best of several tags", []gallery.Grant{
			{Tag: gallery.Ref{ID: 1}, Level: gallery.Read}, {Tag: gallery.Ref{ID: 2}, Level: gallery.Write},
		}, rights{true, true, true}, rights{true, true, true}},
		{"the best of several tokens of a tag", []gallery.Grant{
			{Tag: gallery.Ref{ID: 1}, Level: gallery.Download}, {Tag: gallery.Ref{ID: 1}, Level: gallery.Read},
		}, rights{read: true, download: true}, rights{}},
		{"an expired write token", []gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: gallery.Write, Expires: past}}, rights{}, rights{}},
		{"a write token that expires just now", []gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: gallery.Write, Expires: now}}, rights{}, rights{}},
		{"a write token that expires later", []gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: gallery.Write, Expires: future}}, rights{true, true, true}, rights{true, true, true}},
		{"expired write beside read", []gallery.Grant{
			{Tag: gallery.Ref{ID: 1}, Level: gallery.Write, Expires: past}, {Tag: gallery.Ref{ID: 2}, Level: gallery.Read},
		}, rights{read: true}, rights{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := gallery.NewVisitor(c.grants, now)
			rightsOf := func(p gallery.Photo) rights {
				return rights{gallery.MayRead(v, p), gallery.MayDownload(v, p), gallery.MayWrite(v, p)}
			}
			p := photoOn(1, 2)
			if got := rightsOf(p); got != c.alive {
				t.Errorf("photo: got %+v, want %+v", got, c.alive)
			}
			p.Deleted = past
			if got := rightsOf(p); got != c.buried {
				t.Errorf("deleted photo: got %+v, want %+v", got, c.buried)
			}
			if got := rightsOf(photoOn()); got != (rights{}) {
				t.Errorf("a photo without tags: got %+v, want nothing", got)
			}
		})
	}
}

// Row 19: T1, A6, K1 and K2 in every situation of a tag.
func TestRow19TagRules(t *testing.T) {
	t.Parallel()
	const mine, theirs = 1, 2
	type may struct{ tag, upload, see, share1, share2, share3 bool }
	all := may{true, true, true, true, true, true}
	free := gallery.TagFacts{Ref: gallery.Ref{ID: theirs}, Photos: 2, All: 3}
	foreign := free
	foreign.Foreign = 1
	unused := gallery.TagFacts{Ref: gallery.Ref{ID: theirs}}
	taken := free
	taken.Owned = true
	cases := []struct {
		name  string
		level gallery.Level // on the tag
		facts gallery.TagFacts
		want  may
	}{
		{"write on an owned tag", gallery.Write, taken, all},
		{"write on a free tag", gallery.Write, free, all},
		{"write on a tag with foreign photos", gallery.Write, foreign, all},
		{"write on an unused tag", gallery.Write, unused, all},
		{"free, all photos writable", gallery.None, free, may{tag: true, upload: true, see: true, share1: true, share2: true}},
		{"free, one photo foreign (K1)", gallery.None, foreign, may{tag: true, upload: true}},
		{"free, on no photo (K1)", gallery.None, unused, may{tag: true, upload: true}},
		{"owned by others (K1 escalation)", gallery.None, taken, may{}},
		{"owned by others, held at read", gallery.Read, taken, may{}},
		{"owned by others, held at download", gallery.Download, taken, may{}},
		{"free, held at read, all photos writable", gallery.Read, free, may{tag: true, upload: true, see: true, share1: true, share2: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := holder(map[int64]gallery.Level{mine: gallery.Write, theirs: c.level})
			own := gallery.TagFacts{Ref: gallery.Ref{ID: mine}, Owned: true}
			got := may{
				tag: gallery.MayTag(v, c.facts) == nil, upload: gallery.MayUpload(v, []gallery.TagFacts{own, c.facts}) == nil,
				see:    gallery.MaySeeCodes(v, c.facts),
				share1: gallery.MayShare(v, c.facts, gallery.Read) == nil, share2: gallery.MayShare(v, c.facts, gallery.Download) == nil,
				share3: gallery.MayShare(v, c.facts, gallery.Write) == nil,
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			for _, level := range []gallery.Level{-1, gallery.None, 4, 100} {
				var wrong gallery.InputError
				if err := gallery.MayShare(v, c.facts, level); !errors.As(err, &wrong) {
					t.Errorf("a code of level %d: %v, want an InputError", level, err)
				}
			}
		})
	}
}

// Row 19: nobody puts photos into the albums of others (A6).
func TestRow19UploadInjection(t *testing.T) {
	t.Parallel()
	own, free := gallery.TagFacts{Ref: gallery.Ref{ID: 1}, Owned: true}, gallery.TagFacts{Ref: gallery.Ref{ID: 2}}
	theirs := gallery.TagFacts{Ref: gallery.Ref{ID: 3}, Owned: true}
	held := gallery.TagFacts{Ref: gallery.Ref{ID: 4}}
	v := holder(map[int64]gallery.Level{1: gallery.Write, 3: gallery.Download, 4: gallery.Download})
	for _, c := range []struct {
		name string
		tags []gallery.TagFacts
		ok   bool
	}{
		{"own", []gallery.TagFacts{own}, true},
		{"own and free", []gallery.TagFacts{own, free}, true},
		{"own and theirs", []gallery.TagFacts{own, theirs}, false},
		{"theirs", []gallery.TagFacts{theirs}, false},
		{"free alone", []gallery.TagFacts{free}, false},
		{"free, held at download", []gallery.TagFacts{held}, false},
		{"none", nil, false},
	} {
		if err := gallery.MayUpload(v, c.tags); (err == nil) != c.ok || (err != nil && !errors.Is(err, gallery.ErrForbidden)) {
			t.Errorf("%s: %v, want allowed %v", c.name, err, c.ok)
		}
	}
}

// However things stand: a code needs write on its tag, or a free tag that is on
// nothing foreign, and then gives no write.
func TestShareProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		levels := rapid.MapOf(rapid.Int64Range(1, 4), rapid.Map(rapid.Int16Range(0, 4), func(l int16) gallery.Level { return gallery.Level(l) })).Draw(t, "levels")
		v := holder(levels)
		f := gallery.TagFacts{
			Ref: gallery.Ref{ID: rapid.Int64Range(1, 4).Draw(t, "tag")}, Owned: rapid.Bool().Draw(t, "owned"),
			All: rapid.Int64Range(0, 3).Draw(t, "all"),
		}
		f.Foreign = rapid.Int64Range(0, f.All).Draw(t, "foreign")
		level := gallery.Level(rapid.Int16Range(-1, 5).Draw(t, "level"))
		err := gallery.MayShare(v, f, level)
		if err != nil {
			return
		}
		if level < gallery.Read || level > gallery.Write {
			t.Fatalf("a code of level %d was allowed", level)
		}
		if levels[f.ID] >= gallery.Write {
			return
		}
		if f.Owned || f.All == 0 || f.Foreign > 0 || level == gallery.Write {
			t.Fatalf("shared %+v at %d with %v", f, level, levels)
		}
	})
}
