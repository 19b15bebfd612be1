package postgres_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

// model is a site in memory that answers as plainly as can be.
type model struct {
	photos  []gallery.Photo
	parents map[int64]int64 // of places
	places  map[int64]string
}

// within reports whether a place is another or lies below it.
func (m model) within(place, above int64) bool {
	for ; place != 0; place = m.parents[place] {
		if place == above {
			return true
		}
	}
	return false
}

// shown is the wall time by which a photo is browsed.
func shown(p gallery.Photo) time.Time {
	if p.Taken.IsZero() {
		return p.Added
	}
	return p.Taken
}

func (m model) fits(p gallery.Photo, f gallery.Filter) bool {
	visible := slices.ContainsFunc(f.Tags, func(id int64) bool { return slices.Contains(p.TagIDs(), id) })
	if !visible || p.Deleted.IsZero() == f.Deleted {
		return false
	}
	return (f.Day == "" || shown(p).Format("2006-01-02") == f.Day) &&
		(f.Month == "" || shown(p).Format("2006-01") == f.Month) &&
		(f.Location == 0 || p.Location.ID == f.Location) &&
		(f.Below == 0 || m.within(p.Location.ID, f.Below)) &&
		(f.Person == 0 || slices.ContainsFunc(p.People, func(s gallery.Person) bool { return s.ID == f.Person })) &&
		(f.Tag == 0 || slices.Contains(p.TagIDs(), f.Tag)) &&
		(f.New == nil || p.New == *f.New) &&
		(f.Text == "" || m.says(p, f))
}

// says reports whether each word of the text begins a word of the photo.
func (m model) says(p gallery.Photo, f gallery.Filter) bool {
	text := []string{p.Title, p.Caption, p.FileName}
	for _, s := range p.People {
		text = append(text, s.Name())
	}
	for _, t := range p.Tags {
		if slices.Contains(f.Tags, t.ID) {
			text = append(text, t.Name)
		}
	}
	for place := p.Location.ID; place != 0; place = m.parents[place] {
		text = append(text, m.places[place])
	}
	have := gallery.Words(strings.Join(text, " "), 0)
	asked := gallery.Words(f.Text, 0)
	for _, w := range asked {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, w) }) {
			return false
		}
	}
	return len(asked) > 0
}

// find returns the ids that fit, in the order asked for; Best is only a set here.
func (m model) find(f gallery.Filter) []int64 {
	var fit []gallery.Photo
	for _, p := range m.photos {
		if m.fits(p, f) {
			fit = append(fit, p)
		}
	}
	slices.SortFunc(fit, func(x, y gallery.Photo) int {
		switch f.Order {
		case gallery.Newest:
			return cmp.Or(shown(y).Compare(shown(x)), cmp.Compare(y.ID, x.ID))
		case gallery.ByTaken:
			if x.Taken.IsZero() != y.Taken.IsZero() {
				return map[bool]int{true: 1, false: -1}[x.Taken.IsZero()]
			}
			return cmp.Or(x.Taken.Compare(y.Taken), cmp.Compare(x.ID, y.ID))
		default:
			return cmp.Compare(x.ID, y.ID)
		}
	})
	ids := []int64{}
	for _, p := range fit {
		ids = append(ids, p.ID)
	}
	return ids
}

// keys are the groups that a photo is in, with their names.
func (m model) keys(p gallery.Photo, g gallery.Grouping) map[string]string {
	out := map[string]string{}
	switch g.By {
	case gallery.ByDay:
		out[shown(p).Format("2006-01-02")] = ""
	case gallery.ByMonth:
		out[shown(p).Format("2006-01")] = ""
	case gallery.ByPlace:
		for child, parent := range m.parents {
			if parent == g.Parent && m.within(p.Location.ID, child) {
				out[strconv.FormatInt(child, 10)] = m.places[child]
			}
		}
	case gallery.ByPerson:
		for _, s := range p.People {
			out[strconv.FormatInt(s.ID, 10)] = s.Name()
		}
	case gallery.ByTag:
		for _, t := range p.Tags {
			if slices.Contains(g.Tags, t.ID) {
				out[strconv.FormatInt(t.ID, 10)] = t.Name
			}
		}
	}
	return out
}

// groups counts; its order is that of the keys, newest first.
func (m model) groups(g gallery.Grouping) []string {
	type group struct {
		name   string
		count  int
		newest gallery.Photo
	}
	found := map[string]*group{}
	for _, p := range m.photos {
		if !m.fits(p, gallery.Filter{Tags: g.Tags}) {
			continue
		}
		for key, name := range m.keys(p, g) {
			if found[key] == nil {
				found[key] = &group{name: name, newest: p}
			}
			e := found[key]
			e.count++
			if cmp.Or(shown(p).Compare(shown(e.newest)), cmp.Compare(p.ID, e.newest.ID)) > 0 {
				e.newest = p
			}
		}
	}
	var out []string
	for key, e := range found {
		out = append(out, fmt.Sprint(key, " ", e.name, " ", e.count, " ", e.newest.ID))
	}
	slices.Sort(out)
	return out
}

var someWords = []string{"Sommer", "summer", "Ärger", "ﬁn", "x1", "Köln", "cafe\u0301", "'; DROP", "100%", "_", "東京"}

// populate fills a site at random by its own methods and returns what it holds.
func populate(a *album, rng *rand.Rand) model {
	a.Helper()
	m := model{parents: map[int64]int64{1: 0}, places: map[int64]string{1: "Earth"}}
	pick := func(n int) []string {
		var out []string
		for range rng.IntN(n) {
			out = append(out, someWords[rng.IntN(len(someWords))])
		}
		return out
	}
	for i := range 60 {
		p := newPhoto(fmt.Sprint("IMG", rng.IntN(20))).Photo
		p.ID = int64(100 + i*3)
		p.Title, p.Caption, p.New = strings.Join(pick(3), " "), strings.Join(pick(5), ", "), rng.IntN(2) == 0
		p.Added = siteNow.Add(-time.Duration(rng.IntN(60*24)) * time.Hour)
		if rng.IntN(4) > 0 {
			p.Taken = time.Date(2026, 8+time.Month(rng.IntN(4)), 1+rng.IntN(28), rng.IntN(2), 0, 0, 0, time.UTC)
		}
		if rng.IntN(6) == 0 {
			p.Deleted = siteNow
		}
		in := gallery.ImportedPhoto{Photo: p, Now: siteNow}
		for range 1 + rng.IntN(3) {
			in.Tags = append(in.Tags, fmt.Sprint("tag", rng.IntN(5)))
		}
		for range rng.IntN(3) {
			in.People = append(in.People, gallery.Person{First: []string{"Ada", "Ärla"}[rng.IntN(2)], Last: fmt.Sprint("L", rng.IntN(4))})
		}
		for depth := range rng.IntN(4) {
			in.Places = append(in.Places, fmt.Sprint(someWords[rng.IntN(3)], depth))
		}
		if _, err := a.ImportPhoto(a.Context(), in); err != nil {
			a.Fatal(err)
		}
		m.photos = append(m.photos, a.photo(p.ID))
	}
	for _, p := range m.photos {
		for id := p.Location.ID; id != 1; id = m.parents[id] {
			place, err := a.Place(a.Context(), id)
			if err != nil {
				a.Fatal(err)
			}
			m.parents[id], m.places[id] = place.Parent.ID, place.Name
		}
	}
	return m
}

// randomFilter asks for something that often exists.
func (m model) randomFilter(rng *rand.Rand) gallery.Filter {
	p := m.photos[rng.IntN(len(m.photos))]
	f := gallery.Filter{Order: gallery.Order(rng.IntN(3)), Deleted: rng.IntN(8) == 0}
	for id := range int64(8) {
		if rng.IntN(2) == 0 {
			f.Tags = append(f.Tags, id)
		}
	}
	for range 1 + rng.IntN(2) {
		switch rng.IntN(9) {
		case 0:
			f.Day = shown(p).Format("2006-01-02")
		case 1:
			f.Month = shown(p).Format("2006-01")
		case 2:
			f.Location = p.Location.ID
		case 3:
			f.Below = p.Location.ID
		case 4:
			f.Person = rng.Int64N(8)
		case 5:
			f.Tag = rng.Int64N(6)
		case 6:
			f.New = new(rng.IntN(2) == 0)
		case 7:
			f.Text = []string{someWords[rng.IntN(len(someWords))], fmt.Sprint("Tag", rng.IntN(5)), "tag"}[rng.IntN(3)]
		case 8:
			f.Text = p.Caption + " " + p.Location.Name[:2]
		}
	}
	return f
}

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
