package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const sqlPlaces = `
SELECT
    l.id, l.name, l.parent_id, coalesce(u.name, '') AS parent_name,
    ARRAY(SELECT c.id FROM place AS c WHERE c.parent_id = l.id ORDER BY c.key, c.id LIMIT 1000) AS children,
    ARRAY(SELECT c.name FROM place AS c WHERE c.parent_id = l.id ORDER BY c.key, c.id LIMIT 1000) AS child_names,
    ARRAY(
        SELECT c.id
        FROM place AS c
        WHERE c.parent_id = l.parent_id AND c.id <> l.id
        ORDER BY c.key, c.id
        LIMIT 1000
    ) AS siblings,
    ARRAY(
        SELECT c.name
        FROM place AS c
        WHERE c.parent_id = l.parent_id AND c.id <> l.id
        ORDER BY c.key, c.id
        LIMIT 1000
    ) AS sibling_names
FROM place AS l
LEFT JOIN place AS u ON u.id = l.parent_id
WHERE l.id = ANY(@ids)
ORDER BY l.id`

type placeRow struct {
	ID           int64
	Name         string
	ParentID     *int64
	ParentName   string
	Children     []int64
	ChildNames   []string
	Siblings     []int64
	SiblingNames []string
}

func (r placeRow) place() gallery.Place {
	p := gallery.Place{Ref: gallery.Ref{ID: r.ID, Name: r.Name}, Children: refs(r.Children, r.ChildNames)}
	if r.ParentID != nil {
		p.Parent = &gallery.Ref{ID: *r.ParentID, Name: r.ParentName}
	}
	return p
}

// Place implements [gallery.Places].
func (p Photos) Place(ctx context.Context, id int64) (gallery.Place, error) {
	found, err := list[placeRow](ctx, p.DB.pool, sqlPlaces, pgx.NamedArgs{"ids": []int64{id}})
	if err != nil {
		return gallery.Place{}, fmt.Errorf("read place: %w", err)
	}
	if len(found) == 0 {
		return gallery.Place{}, gallery.ErrNotFound
	}
	return found[0].place(), nil
}

const sqlPeople = `
SELECT s.id, s.first_name AS first, s.last_name AS last
FROM person AS s
WHERE s.id = ANY(@ids::bigint[]) OR s.key = ANY(@keys::text[])
ORDER BY s.id`

// Person implements [gallery.Places].
func (p Photos) Person(ctx context.Context, id int64) (gallery.Person, error) {
	args := pgx.NamedArgs{"ids": []int64{id}, "keys": []string{}}
	found, err := list[gallery.Person](ctx, p.DB.pool, sqlPeople, args)
	if err != nil {
		return gallery.Person{}, fmt.Errorf("read person: %w", err)
	}
	if len(found) == 0 {
		return gallery.Person{}, gallery.ErrNotFound
	}
	return found[0], nil
}

// A place of this name at the base, below it or beside it, in this order.
const sqlPlaceNear = `
SELECT l.id
FROM place AS l
WHERE l.key = @key
    AND (l.id = @base OR l.parent_id = @base OR l.parent_id = (SELECT b.parent_id FROM place AS b WHERE b.id = @base))
ORDER BY l.id = @base DESC, l.parent_id = @base DESC NULLS LAST
LIMIT 1`

const sqlMakePlace = `
INSERT INTO place (parent_id, name, key, words)
VALUES (@parent, @name, @key, @words::text::tsvector)
ON CONFLICT (parent_id, key) DO NOTHING`

const sqlPlaceBelow = `
SELECT l.id
FROM place AS l
WHERE l.parent_id = @parent AND l.key = @key`

// makePlace makes a place below parent unless there is one of that name, and
// returns its id. Places are never deleted.
func makePlace(ctx context.Context, tx pgx.Tx, parent int64, name string) (int64, error) {
	args := pgx.NamedArgs{"parent": parent, "name": clean(name), "key": nameKey(name), "words": vector(part{text: name})}
	if _, err := tx.Exec(ctx, sqlMakePlace, args); err != nil {
		return 0, fmt.Errorf("make place: %w", err)
	}
	// A statement of its own: it also sees what another transaction made meanwhile.
	ids, err := column[int64](ctx, tx, sqlPlaceBelow, args)
	if err != nil {
		return 0, fmt.Errorf("make place: %w", err)
	}
	if len(ids) == 0 {
		return 0, fmt.Errorf("make place: %w", gallery.ErrNotFound)
	}
	return ids[0], nil
}

// placeNear finds a place by the rules of [gallery.NewPhoto], or makes it.
func placeNear(ctx context.Context, tx pgx.Tx, base int64, name string) (int64, error) {
	found, err := column[int64](ctx, tx, sqlPlaceNear, pgx.NamedArgs{"base": base, "key": nameKey(name)})
	if err != nil {
		return 0, fmt.Errorf("look for a place: %w", err)
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return makePlace(ctx, tx, base, name)
}
