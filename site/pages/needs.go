package pages

import (
	"context"

	"keepwatch/site/gallery"
)

// Album is what the pages show. It shows each visitor only what that visitor may
// see: it sets Filter.Tags and Grouping.Tags itself. What must not be seen and
// what does not exist are both [gallery.ErrForbidden]; a store that cannot be
// asked is [access.ErrAway]. Lists and photos are remembered, so that known
// visitors go on seeing pictures while the store is away. Safe for concurrent use.
type Album interface {
	// Photo returns one photo by A1: deleted ones only to those who may change them.
	Photo(ctx context.Context, v gallery.Visitor, id int64) (gallery.Photo, error)
	// Photos returns what a filter asks for; with New or Deleted only what the visitor may change.
	Photos(ctx context.Context, v gallery.Visitor, f gallery.Filter) ([]gallery.Photo, error)
	// Groups counts visible photos by day, month, place, person or tag.
	Groups(ctx context.Context, v gallery.Visitor, g gallery.Grouping) ([]gallery.Group, error)
	// Count counts what Photos would find without a limit.
	Count(ctx context.Context, v gallery.Visitor, f gallery.Filter) (int64, error)
	// Place returns a place with its neighbours.
	Place(ctx context.Context, v gallery.Visitor, id int64) (gallery.Place, error)
	// Person returns a person.
	Person(ctx context.Context, v gallery.Visitor, id int64) (gallery.Person, error)
}

// Forms is what the forms offer. Its errors are those of [Album].
type Forms interface {
	// Tags returns the tags that the visitor holds and the free ones on photos that it
	// may change, by name; codes only of those whose codes it may see (K2).
	Tags(ctx context.Context, v gallery.Visitor) ([]gallery.TagFacts, error)
	// Hints returns what helps to fill in forms; photo may be 0.
	Hints(ctx context.Context, v gallery.Visitor, photo int64) (gallery.Hints, error)
}
