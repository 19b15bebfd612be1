package postgres_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

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
