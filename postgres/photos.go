package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"keepwatch/site/gallery"
)

// Photos remembers what the image site must know. It implements the interfaces of
// package gallery; the files photos_*.go hold a few of them each.
//
// Locks are always taken in this order, each kind by ascending id (contents by
// name), so that no two transactions wait for each other: photos, contents, tags,
// codes, then what is made new: tags, people, places. Whoever hangs something on a
// tag locks the tag first, so that a tag is not deleted at the same moment.
type Photos struct{ DB *DB }

var (
	_ gallery.Keys     = Photos{}
	_ gallery.Photos   = Photos{}
	_ gallery.Places   = Photos{}
	_ gallery.Uploads  = Photos{}
	_ gallery.Upkeep   = Photos{}
	_ gallery.Importer = Photos{}
	_ gallery.Founding = Photos{}
	_ gallery.Views    = Photos{}
	_ gallery.Watcher  = Photos{}
)

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// errAgain ends a transaction that found something in its way that its next try
// will see: a tag of the same name, made at the same moment.
var errAgain = errors.New("somebody was faster")

// tries is how often a transaction is begun that others are in the way of.
const tries = 6

// again runs fn in a transaction, anew while others are in its way.
func (p Photos) again(ctx context.Context, fn func(pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := p.DB.tx(ctx, fn)
		if err == nil || !inTheWay(err) {
			return err
		}
		if try == tries {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Duration(try) * 10 * time.Millisecond)):
		}
	}
}

func inTheWay(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "40P01" // a deadlock after all
}

const sqlPhotosByID = `
SELECT
    p.id, p.content, p.file_name, p.bytes, p.width, p.height, p.orientation, p.rotation, p.title, p.caption,
    p.taken, p.zone, p.camera, p.aperture, p.shutter, p.exposure, p.metering, p.film, p.process, p.focal_length,
    p.flash, p.lat, p.lon, p.alt, p.watermark, p.is_new, p.added, p.deleted,
    l.id AS place_id, l.name AS place_name,
    t.ids AS tags, t.names AS tag_names, s.ids AS people, s.firsts AS first_names, s.lasts AS last_names
FROM unnest(@ids::bigint[]) WITH ORDINALITY AS want (id, nth)
JOIN photo AS p ON p.id = want.id
JOIN place AS l ON l.id = p.place_id
LEFT JOIN LATERAL (
    SELECT array_agg(g.id ORDER BY g.id) AS ids, array_agg(g.name ORDER BY g.id) AS names
    FROM photo_tag AS x
    JOIN tag AS g ON g.id = x.tag_id
    WHERE x.photo_id = p.id
) AS t ON true
LEFT JOIN LATERAL (
    SELECT
        array_agg(g.id ORDER BY g.id) AS ids, array_agg(g.first_name ORDER BY g.id) AS firsts,
        array_agg(g.last_name ORDER BY g.id) AS lasts
    FROM photo_person AS x
    JOIN person AS g ON g.id = x.person_id
    WHERE x.photo_id = p.id
) AS s ON true
ORDER BY want.nth`

type photoRow struct {
	ID          int64
	Content     string
	FileName    string
	Bytes       int64
	Width       int
	Height      int
	Orientation int
	Rotation    int
	Title       string
	Caption     string
	Taken       *time.Time
	Zone        string
	Camera      string
	Aperture    string
	Shutter     string
	Exposure    string
	Metering    string
	Film        string
	Process     string
	FocalLength string
	Flash       *bool
	Lat         *float64
	Lon         *float64
	Alt         *float64
	Watermark   string
	IsNew       bool
	Added       time.Time
	Deleted     *time.Time
	PlaceID     int64
	PlaceName   string
	Tags        []int64
	TagNames    []string
	People      []int64
	FirstNames  []string
	LastNames   []string
}

func (r photoRow) photo() gallery.Photo {
	p := gallery.Photo{
		ID: r.ID, Content: r.Content, FileName: r.FileName, Bytes: r.Bytes, Width: r.Width, Height: r.Height,
		Orientation: r.Orientation, Rotation: r.Rotation, Title: r.Title, Caption: r.Caption,
		Taken: instant(r.Taken), Zone: r.Zone,
		Shot: gallery.Shot{
			Camera: r.Camera, Aperture: r.Aperture, Shutter: r.Shutter, Exposure: r.Exposure, Metering: r.Metering,
			Film: r.Film, Process: r.Process, FocalLength: r.FocalLength, Flash: r.Flash,
		},
		Position:  gallery.Position{Lat: r.Lat, Lon: r.Lon, Alt: r.Alt},
		Watermark: r.Watermark, Location: gallery.Ref{ID: r.PlaceID, Name: r.PlaceName},
		New: r.IsNew, Added: r.Added, Deleted: instant(r.Deleted),
		Tags: refs(r.Tags, r.TagNames),
	}
	for i, id := range r.People {
		p.People = append(p.People, gallery.Person{ID: id, First: r.FirstNames[i], Last: r.LastNames[i]})
	}
	return p
}

// refs pairs ids with names; none is nil.
func refs(ids []int64, names []string) []gallery.Ref {
	var out []gallery.Ref
	for i, id := range ids {
		out = append(out, gallery.Ref{ID: id, Name: names[i]})
	}
	return out
}

// photosByID returns photos in the order of ids; those that do not exist are left out.
func photosByID(ctx context.Context, q querier, ids []int64) ([]gallery.Photo, error) {
	found, err := list[photoRow](ctx, q, sqlPhotosByID, pgx.NamedArgs{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("read photos: %w", err)
	}
	photos := make([]gallery.Photo, len(found))
	for i, r := range found {
		photos[i] = r.photo()
	}
	return photos, nil
}

// list collects rows by name; no row is an empty list. Errors are translated.
func list[T any](ctx context.Context, q querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, translate(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	return found, translate(err)
}

// column collects rows of one value.
func column[T any](ctx context.Context, q querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, translate(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[T])
	return found, translate(err)
}

// Photo implements [gallery.Photos].
func (p Photos) Photo(ctx context.Context, id int64) (gallery.Photo, error) {
	found, err := photosByID(ctx, p.DB.pool, []int64{id})
	if err != nil {
		return gallery.Photo{}, err
	}
	if len(found) == 0 {
		return gallery.Photo{}, gallery.ErrNotFound
	}
	return found[0], nil
}
