package desk

import (
	"context"
	"slices"
	"strconv"

	"keepwatch/site/gallery"
)

// Photo returns a photo that the visitor may see (A1).
func (d *Desk) Photo(ctx context.Context, v gallery.Visitor, id int64) (gallery.Photo, error) {
	if !v.Known() {
		return gallery.Photo{}, gallery.ErrForbidden
	}
	p, err := d.Gate.Photo(ctx, id)
	if err != nil {
		return gallery.Photo{}, err
	}
	if p.ID == 0 || !gallery.MayRead(v, p) {
		return gallery.Photo{}, gallery.ErrForbidden
	}
	return p, nil
}

// Photos returns what a filter asks for, of what the visitor may see (A5):
// Filter.Tags is set here. Deleted and new photos are shown to those who may
// change them. Nobody may change the list.
func (d *Desk) Photos(ctx context.Context, v gallery.Visitor, f gallery.Filter) ([]gallery.Photo, error) {
	if err := d.restrict(v, &f); err != nil || len(f.Tags) == 0 {
		return nil, err
	}
	return d.Gate.Find(ctx, f)
}

// Page is Photos that tells whether there are more. Filter.Limit is 1 to
// [MaxPage], 0 means MaxPage.
func (d *Desk) Page(ctx context.Context, v gallery.Visitor, f gallery.Filter) (List, error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	limit := f.Limit
	f.Limit++
	photos, err := d.Photos(ctx, v, f)
	if err != nil {
		return List{}, err
	}
	if len(photos) <= limit {
		return List{Photos: photos}, nil
	}
	return List{Photos: photos[:limit:limit], Next: photos[limit-1].ID}, nil
}

// Count counts what Photos would find without a limit.
func (d *Desk) Count(ctx context.Context, v gallery.Visitor, f gallery.Filter) (int64, error) {
	if err := d.restrict(v, &f); err != nil || len(f.Tags) == 0 {
		return 0, err
	}
	return d.Gate.Count(ctx, f)
}

// NewCount counts the new photos that the visitor may change.
func (d *Desk) NewCount(ctx context.Context, v gallery.Visitor) (int64, error) {
	yes := true
	return d.Count(ctx, v, gallery.Filter{New: &yes})
}

// restrict makes a filter find only what the visitor may see, and refuses what no
// store need be asked.
func (d *Desk) restrict(v gallery.Visitor, f *gallery.Filter) error {
	if !v.Known() {
		return gallery.ErrForbidden
	}
	f.Tags = v.Readable()
	if f.Deleted || f.New != nil {
		f.Tags = v.Writable()
	}
	_, _, err := f.Span()
	return err
}

// Groups counts the photos that the visitor may see by something: Grouping.Tags is
// set here. Nobody may change the list.
func (d *Desk) Groups(ctx context.Context, v gallery.Visitor, g gallery.Grouping) ([]gallery.Group, error) {
	if !v.Known() {
		return nil, gallery.ErrForbidden
	}
	g.Tags = v.Readable()
	return d.Gate.Groups(ctx, g)
}

// TagNamed finds a tag by name, exact or else alike, among those of the photos that
// the visitor may see. Other names are as if they did not exist: ID 0.
func (d *Desk) TagNamed(ctx context.Context, v gallery.Visitor, name string) (gallery.Ref, error) {
	groups, err := d.Groups(ctx, v, gallery.Grouping{By: gallery.ByTag})
	if err != nil {
		return gallery.Ref{}, err
	}
	i := slices.IndexFunc(groups, func(g gallery.Group) bool { return g.Name == name })
	if i < 0 {
		i = slices.IndexFunc(groups, func(g gallery.Group) bool { return gallery.Key(g.Name) == gallery.Key(name) })
	}
	if i < 0 {
		return gallery.Ref{}, nil
	}
	id, err := strconv.ParseInt(groups[i].Key, 10, 64)
	return gallery.Ref{ID: id, Name: groups[i].Name}, err
}

// Place returns a place with its neighbours; id 0 is the root. Whoever holds a
// token may see the tree. A place that does not exist is [gallery.ErrNotFound].
func (d *Desk) Place(ctx context.Context, v gallery.Visitor, id int64) (gallery.Place, error) {
	if !v.Known() {
		return gallery.Place{}, gallery.ErrForbidden
	}
	if id == 0 {
		id = gallery.RootLocation
	}
	p, err := d.Gate.Place(ctx, id)
	if err == nil && p.ID == 0 {
		return p, gallery.ErrNotFound
	}
	return p, err
}

// Person returns somebody who is on a photo that the visitor may see. Others are
// as if they did not exist: [gallery.ErrNotFound].
func (d *Desk) Person(ctx context.Context, v gallery.Visitor, id int64) (gallery.Person, error) {
	photos, err := d.Photos(ctx, v, gallery.Filter{Person: id, Limit: 1})
	if err != nil {
		return gallery.Person{}, err
	}
	for _, photo := range photos {
		for _, p := range photo.People {
			if p.ID == id {
				return p, nil
			}
		}
	}
	return gallery.Person{}, gallery.ErrNotFound
}

// Hints returns what helps to fill in the form of a photo (0: of an upload). Who
// may see the photo but not write it gets none.
func (d *Desk) Hints(ctx context.Context, v gallery.Visitor, photo int64) (gallery.Hints, error) {
	if !v.Known() {
		return gallery.Hints{}, gallery.ErrForbidden
	}
	if photo != 0 {
		p, err := d.Photo(ctx, v, photo)
		if err != nil {
			return gallery.Hints{}, err
		}
		if !gallery.MayWrite(v, p) {
			return gallery.Hints{}, nil
		}
	}
	writable := v.Writable()
	if len(writable) == 0 {
		return gallery.Hints{}, nil
	}
	return d.Gate.Hints(ctx, gallery.HintRequest{Writable: writable, Photo: photo})
}

// Tags returns the tags that the visitor holds and the free ones on photos that it
// may change, by name; codes only of those whose codes it may see (K2). Who holds
// nothing gets none.
func (d *Desk) Tags(ctx context.Context, v gallery.Visitor) ([]gallery.TagFacts, error) {
	if !v.Known() {
		return nil, nil
	}
	facts, err := d.Gate.Tags(ctx, v)
	if err != nil {
		return nil, err
	}
	var tags []gallery.TagFacts
	for _, t := range facts {
		if v.Level(t.ID) == gallery.None && t.Owned {
			continue // on a photo of the visitor's, but nothing it could use
		}
		if !gallery.MaySeeCodes(v, t) {
			t.Codes = nil
		}
		tags = append(tags, t)
	}
	return tags, nil
}
