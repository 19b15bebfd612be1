package access

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"keepwatch/site/gallery"
)

// Lists is what a Gate asks for the pages of the site.
type Lists interface {
	Groups(ctx context.Context, g gallery.Grouping) ([]gallery.Group, error)
	Count(ctx context.Context, f gallery.Filter) (int64, error)
	Place(ctx context.Context, id int64) (gallery.Place, error)
	Person(ctx context.Context, id int64) (gallery.Person, error)
	Tags(ctx context.Context, ask gallery.Asking) ([]gallery.TagFacts, error)
	Hints(ctx context.Context, h gallery.HintRequest) (gallery.Hints, error)
}

// What the memory of each kind of list holds at most, in photos or rows: some ten
// megabytes each.
const (
	listedPhotos = 16384
	listedRows   = 32768
)

// lists is the memory of what pages show.
type lists struct {
	photos *memory[[]gallery.Photo]
	groups *memory[[]gallery.Group]
	counts *memory[int64]
	places *memory[gallery.Place]
	people *memory[gallery.Person]
	tags   *memory[[]gallery.TagFacts]
	hints  *memory[gallery.Hints]
}

func newLists() lists {
	l := lists{
		photos: newMemory(listedPhotos, func(p []gallery.Photo) bool { return len(p) == 0 }),
		groups: newMemory(listedPhotos, func(g []gallery.Group) bool { return len(g) == 0 }),
		counts: newMemory(listedRows, func(n int64) bool { return n == 0 }),
		places: newMemory(listedRows, func(p gallery.Place) bool { return p.ID == 0 }),
		people: newMemory(listedRows, func(p gallery.Person) bool { return p.ID == 0 }),
		tags:   newMemory(listedRows, func(t []gallery.TagFacts) bool { return len(t) == 0 }),
		hints:  newMemory(listedRows, func(gallery.Hints) bool { return false }),
	}
	l.photos.weigh(func(p []gallery.Photo) int { return len(p) })
	l.groups.weigh(func(g []gallery.Group) int { return len(g) })
	l.places.weigh(func(p gallery.Place) int { return len(p.Children) })
	l.tags.weigh(func(tags []gallery.TagFacts) int {
		n := len(tags)
		for _, t := range tags {
			n += len(t.Codes)
		}
		return n
	})
	l.hints.weigh(func(h gallery.Hints) int {
		return len(h.Watermarks) + len(h.Zones) + len(h.Tags) + len(h.People) + len(h.Places)
	})
	return l
}

// believe sets how long lists are believed while the store is away.
func (l lists) believe(stale time.Duration) {
	l.photos.stale, l.groups.stale, l.counts.stale = stale, stale, stale
	l.places.stale, l.people.stale, l.tags.stale, l.hints.stale = stale, stale, stale, stale
}

// doubt makes the next look at each list ask the store.
func (l lists) doubt(now time.Time) {
	l.photos.doubt(now)
	l.groups.doubt(now)
	l.counts.doubt(now)
	l.places.doubt(now)
	l.people.doubt(now)
	l.tags.doubt(now)
	l.hints.doubt(now)
}

// key is a question as text: two questions are one only if all of them is equal.
func key(question any) (string, error) {
	text, err := json.Marshal(question)
	return string(text), err
}

// recall answers a question from memory, or asks. Its error is [ErrAway].
func recall[V any](ctx context.Context, m *memory[V], question any, ask func(context.Context) (V, error)) (V, error) {
	var none V
	k, err := key(question)
	if err != nil {
		return none, err
	}
	v, err := m.get(ctx, k, func(ctx context.Context) (V, error) {
		v, err := ask(ctx)
		if errors.Is(err, gallery.ErrNotFound) {
			return none, nil // an answer, worth remembering
		}
		return v, err
	})
	if err != nil {
		return none, Away(ctx, err)
	}
	return v, nil
}

// Photo returns a photo, also a deleted one, from memory when it is there; ID 0
// means there is none. The error is [ErrAway].
func (g *Gate) Photo(ctx context.Context, id int64) (gallery.Photo, error) {
	p, err := g.knownPhotos.get(ctx, strconv.FormatInt(id, 10), func(ctx context.Context) (gallery.Photo, error) {
		p, err := g.store.Photo(ctx, id)
		if errors.Is(err, gallery.ErrNotFound) {
			return gallery.Photo{}, nil // an answer, worth remembering
		}
		return p, err
	})
	if err != nil {
		return gallery.Photo{}, Away(ctx, err)
	}
	return p, nil
}

// Find returns what a filter asks for, from memory when it is there. An After that
// names no photo is an InputError, else the error is [ErrAway]. Nobody may change
// the list.
func (g *Gate) Find(ctx context.Context, f gallery.Filter) ([]gallery.Photo, error) {
	return recall(ctx, g.known.photos, f, func(ctx context.Context) ([]gallery.Photo, error) { return g.store.Find(ctx, f) })
}

// Groups counts photos by something, from memory when it is there. The error is
// [ErrAway]. Nobody may change the list.
func (g *Gate) Groups(ctx context.Context, by gallery.Grouping) ([]gallery.Group, error) {
	return recall(ctx, g.known.groups, by, func(ctx context.Context) ([]gallery.Group, error) { return g.lists.Groups(ctx, by) })
}

// Count counts photos, from memory when it is there. The error is [ErrAway].
func (g *Gate) Count(ctx context.Context, f gallery.Filter) (int64, error) {
	return recall(ctx, g.known.counts, f, func(ctx context.Context) (int64, error) { return g.lists.Count(ctx, f) })
}

// Place returns a place, from memory when it is there; ID 0 means there is none.
// The error is [ErrAway].
func (g *Gate) Place(ctx context.Context, id int64) (gallery.Place, error) {
	return recall(ctx, g.known.places, id, func(ctx context.Context) (gallery.Place, error) { return g.lists.Place(ctx, id) })
}

// Person returns a person, from memory when it is there; ID 0 means there is none.
// The error is [ErrAway].
func (g *Gate) Person(ctx context.Context, id int64) (gallery.Person, error) {
	return recall(ctx, g.known.people, id, func(ctx context.Context) (gallery.Person, error) { return g.lists.Person(ctx, id) })
}

// Tags returns the tags of a visitor with their facts and all their codes, from
// memory when it is there: the caller hides what K2 forbids. The error is [ErrAway].
func (g *Gate) Tags(ctx context.Context, v gallery.Visitor) ([]gallery.TagFacts, error) {
	ask := v.Asking(time.Time{}) // the time is no part of the question
	return recall(ctx, g.known.tags, ask, func(ctx context.Context) ([]gallery.TagFacts, error) {
		return g.lists.Tags(ctx, v.Asking(time.Now().UTC()))
	})
}

// Hints returns what helps to fill in forms, from memory when it is there. The
// error is [ErrAway].
func (g *Gate) Hints(ctx context.Context, h gallery.HintRequest) (gallery.Hints, error) {
	return recall(ctx, g.known.hints, h, func(ctx context.Context) (gallery.Hints, error) { return g.lists.Hints(ctx, h) })
}
