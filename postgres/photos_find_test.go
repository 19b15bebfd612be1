package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

// Over random sites and questions the store answers as a naive model in memory
// does; pages joined are the whole.
func TestPhotosBrowseModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(2026, seed))
			a := newAlbum(t)
			m := populate(a, rng)
			hits := 0
			for range 150 {
				f := m.randomFilter(rng)
				want := m.find(f)
				hits += len(want)
				got := a.pages(f, 0)
				if f.Order == gallery.Best {
					ordered := slices.Sorted(slices.Values(got))
					same(t, fmt.Sprintf("%+v", f), want, append([]int64{}, ordered...))
				} else {
					same(t, fmt.Sprintf("%+v", f), want, got)
				}
				same(t, fmt.Sprintf("in pages %+v", f), got, a.pages(f, 1+rng.IntN(5)))
				if n, err := a.Count(t.Context(), f); err != nil || n != int64(len(want)) {
					t.Errorf("count %+v: %d, %v; want %d", f, n, err, len(want))
				}
				if t.Failed() {
					return
				}
			}
			if hits < 500 {
				t.Errorf("only %d photos were found in 150 questions: they test nothing", hits)
			}
			a.compareGroups(m, rng)
		})
	}
}

// pages finds all photos, so many at a time (0: all at once).
func (a *album) pages(f gallery.Filter, size int) []int64 {
	a.Helper()
	ids := []int64{}
	f.Limit = size
	for {
		photos, err := a.Find(a.Context(), f)
		if err != nil {
			a.Fatalf("%+v: %v", f, err)
		}
		for _, p := range photos {
			ids = append(ids, p.ID)
		}
		if size == 0 || len(photos) == 0 || len(ids) > 1000 {
			return ids
		}
		f.After = ids[len(ids)-1]
	}
}

func (a *album) compareGroups(m model, rng *rand.Rand) {
	a.Helper()
	for _, by := range []gallery.By{gallery.ByDay, gallery.ByMonth, gallery.ByPlace, gallery.ByPerson, gallery.ByTag} {
		for parent := range m.parents {
			g := gallery.Grouping{By: by, Parent: parent, Tags: []int64{rng.Int64N(7), rng.Int64N(7), rng.Int64N(7)}}
			groups, err := a.Groups(a.Context(), g)
			if err != nil {
				a.Fatal(err)
			}
			var got []string
			for i, e := range groups {
				got = append(got, fmt.Sprint(e.Key, " ", e.Name, " ", e.Count, " ", e.Photo.ID))
				if i > 0 && (by == gallery.ByDay || by == gallery.ByMonth) && groups[i-1].Key <= e.Key {
					a.Errorf("%s stands before %s: want the newest first", groups[i-1].Key, e.Key)
				}
				if want := a.photo(e.Photo.ID); !gocmp.Equal(want, e.Photo) {
					a.Errorf("the photo of group %s: %s", e.Key, gocmp.Diff(want, e.Photo))
				}
			}
			slices.Sort(got)
			same(a.TB, fmt.Sprintf("groups %+v", g), m.groups(g), got)
			if len(groups) > 1 {
				g.Limit = 1 + rng.IntN(len(groups)-1)
				fewer, err := a.Groups(a.Context(), g)
				if err != nil {
					a.Fatal(err)
				}
				same(a.TB, "fewer groups", groups[:g.Limit], fewer)
			}
			if by != gallery.ByPlace {
				break
			}
		}
	}
}

// The latest days are right also where they hold more photos than are looked at
// first.
func TestPhotosLatestDays(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	a.grant("mine", gallery.Read)
	mine := a.tagID("mine")
	a.exec(`
		INSERT INTO photo (content, file_name, bytes, width, height, taken, added)
		SELECT repeat(md5(i::text), 2), '', 1, 1, 1, timestamp '2026-03-01' + i / 1500 * interval '1 day', $1
		FROM generate_series(0, 3999) AS i`, siteNow)
	a.exec("INSERT INTO photo_tag (photo_id, tag_id) SELECT id, $1 FROM photo", mine)
	for limit, want := range map[int][]string{
		1: {"2026-03-03 1000"}, 2: {"2026-03-03 1000", "2026-03-02 1500"}, 3: {"2026-03-03 1000", "2026-03-02 1500", "2026-03-01 1500"},
		12: {"2026-03-03 1000", "2026-03-02 1500", "2026-03-01 1500"},
	} {
		groups, err := a.Groups(t.Context(), gallery.Grouping{By: gallery.ByDay, Tags: []int64{mine}, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range groups {
			got = append(got, fmt.Sprint(g.Key, " ", g.Count))
		}
		same(t, fmt.Sprint("limit ", limit), want, got)
	}
}

// A new name of a person or place is found at once, and the old one no more.
func TestPhotosSearchFollowsNames(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	id := a.add("one", nil, a.tagID("mine"))
	r := gallery.EditRequest{IDs: []int64{id}, PersonNames: []gallery.Person{{First: "Ada", Last: "Byron"}}, LocationName: "Karl-Marx-Stadt", Title: new("Old title")}
	if _, err := a.edit(v, r); err != nil {
		t.Fatal(err)
	}
	finds := func(text string) bool {
		t.Helper()
		got, err := a.Find(t.Context(), gallery.Filter{Tags: v.Readable(), Text: text, Order: gallery.Best})
		if err != nil {
			t.Fatal(err)
		}
		return len(got) == 1
	}
	check := func(want map[string]bool) {
		t.Helper()
		for text, found := range want {
			if finds(text) != found {
				t.Errorf("%q: found %v, want %v", text, !found, found)
			}
		}
	}
	check(map[string]bool{"byron": true, "karl stadt": true, "lovelace": false, "Chemnitz": false, "ada old": true, "mine": true, "earth": true, "ada nobody": false})
	a.exec("UPDATE person SET last_name = 'Lovelace', words = '''ada'' ''lovelace'''")
	a.exec("UPDATE place SET name = 'Chemnitz', words = '''chemnitz''' WHERE id <> 1")
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{id}, Title: new("New title")}); err != nil {
		t.Fatal(err)
	}
	check(map[string]bool{"byron": false, "karl": false, "lovelace": true, "Chem": true, "old": false, "NEW TIT": true})
}

// The best match stands first: a title says more than a caption, a caption more
// than a file's name.
func TestPhotosSearchRank(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	a.grant("mine", gallery.Read)
	mine := a.tagID("mine")
	file := a.add("sunset.jpg", nil, mine)
	caption := a.add("b", func(n *gallery.NewPhoto) { n.Photo.Caption = "a sunset" }, mine)
	title := a.add("c", func(n *gallery.NewPhoto) { n.Photo.Title = "Sunset" }, mine)
	a.add("d", nil, mine)
	got := a.pages(gallery.Filter{Tags: []int64{mine}, Text: "sunset", Order: gallery.Best}, 0)
	same(t, "order", []int64{title, caption, file}, got)
	// On one tag, by the name of another that the visitor holds.
	a.grant("beach", gallery.Read)
	beach := a.tagID("beach")
	both := a.add("e", nil, mine, beach)
	for text, want := range map[string][]int64{"beach": {both}, "elsewhere": {}} {
		same(t, text, want, a.pages(gallery.Filter{Tags: []int64{mine, beach}, Tag: mine, Text: text}, 0))
	}
	same(t, "a tag that is not held", []int64{}, a.pages(gallery.Filter{Tags: []int64{mine}, Tag: mine, Text: "beach"}, 0))
}

// Row 18: text of people is never a statement. Each of these finds exactly nothing
// or what it says, and the tables are as they were.
func TestRow18Injection(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	a.grant("theirs", gallery.Write)
	mine := a.tagID("mine")
	own, foreign := a.add("own", nil, mine), a.add("foreign", nil, a.tagID("theirs"))
	payloads := []string{
		`' OR 1=1 --`, `'; DROP TABLE photo; --`, `1' UNION SELECT hash FROM access_token --`, `" OR ""="`, `\'; SELECT pg_sleep(9); --`,
		`') OR true) --`, `%`, `_`, `*`, `:*`, `'a':*`, `a & ! b | (c`, `<->`, `$1`, `@tags`, `{}`, `\x00`, "a\x00b", "\xff\xfe", `admin'/*`,
		`1; COPY photo TO PROGRAM 'id'`, `${jndi:x}`, `' AND (SELECT 1 FROM pg_sleep(9)) --`, strings.Repeat("'", 1000), strings.Repeat("a ", 5000),
	}
	for i, text := range payloads {
		for _, order := range []gallery.Order{gallery.ByTaken, gallery.Newest, gallery.Best} {
			got, err := a.Find(t.Context(), gallery.Filter{Tags: []int64{mine}, Text: text, Order: order})
			if err != nil || slices.ContainsFunc(got, func(p gallery.Photo) bool { return p.ID == foreign }) {
				t.Errorf("find %q: %d photos, %v", text, len(got), err)
			}
		}
		var input gallery.InputError
		if _, err := a.Find(t.Context(), gallery.Filter{Tags: []int64{mine}, Day: text}); !errors.As(err, &input) {
			t.Errorf("day %q: %v, want an InputError", text, err)
		}
		if _, err := a.Count(t.Context(), gallery.Filter{Tags: []int64{mine}, Month: text}); !errors.As(err, &input) {
			t.Errorf("month %q: %v, want an InputError", text, err)
		}
		if _, err := a.redeem(text, fmt.Sprint("evil", i)); !errors.Is(err, gallery.ErrCode) {
			t.Errorf("code %q: %v, want ErrCode", text, err)
		}
		if err := a.unshare(v, text); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("delete code %q: %v, want ErrNotFound", text, err)
		}
		if _, err := a.Tag(t.Context(), 0, text, v.Asking(siteNow)); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("tag %q: %v, want ErrNotFound", text, err)
		}
		short := text[:min(len(text), 60)]
		r := gallery.EditRequest{
			IDs: []int64{own}, Title: &text, Caption: &text, FileName: &short, TagNames: []string{short}, LocationName: short,
			PersonNames: []gallery.Person{{First: short, Last: short}},
		}
		after, err := a.edit(v, r)
		if err != nil {
			t.Errorf("edit %q: %v", text, err)
			continue
		}
		if want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"); after[0].Title != want {
			t.Errorf("title: got %q, want %q", after[0].Title, want)
		}
	}
	if p := a.photo(foreign); p.Title != "" || len(p.Tags) != 1 {
		t.Errorf("the foreign photo was changed: %+v", p)
	}
	if n := a.count("SELECT count(*) FROM photo"); n != 2 {
		t.Errorf("%d photos, want 2", n)
	}
}
