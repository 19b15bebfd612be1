package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

// Most rows of one list, when nobody says less.
const maxRows = 1000

// asPlanned makes Postgres plan a statement for its very arguments: in these most
// conditions are switched off, and a plan for any arguments would be a slow one.
const asPlanned = pgx.QueryExecModeCacheDescribe

// What a visitor may see and has asked for, of whatever photos come before it.
const visible = `
        AND (NOT @deleted AND p.deleted IS NULL OR @deleted AND p.deleted IS NOT NULL)
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
        AND (@since::timestamp IS NULL OR p.wall >= @since)
        AND (@until::timestamp IS NULL OR p.wall < @until)
        AND (@location::bigint = 0 OR p.place_id = @location)
        AND (@below::bigint[] IS NULL OR p.place_id = ANY(@below))
        AND (@tag::bigint = 0 OR EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = @tag))
        AND (@new::boolean IS NULL OR p.is_new = @new)
)`

const allPhotos = `
WITH found AS (
    SELECT p.id, coalesce(p.taken, 'infinity') AS taken, p.wall
    FROM photo AS p
    WHERE true` + visible

const photosOfPerson = `
WITH found AS (
    SELECT p.id, coalesce(p.taken, 'infinity') AS taken, p.wall
    FROM photo_person AS s
    JOIN photo AS p ON p.id = s.photo_id
    WHERE s.person_id = @person` + visible

// A photo fits a text when each word is in its own texts, or in the name of a
// person on it, of a tag that the visitor holds, or of a place at or above its own.
// Names are looked up each time, so a new name is found at once and an old one no
// more. OFFSET keeps the planner to its index: it cannot guess how few places fit.
const photosWithText = `
WITH RECURSIVE word AS (
    SELECT w.n::int, w.q::tsquery AS q
    FROM unnest(@words::text[]) WITH ORDINALITY AS w (q, n)
), region AS (
    SELECT w.n, l.id
    FROM word AS w
    JOIN place AS l ON l.words @@ w.q
    UNION
    SELECT r.n, l.id
    FROM region AS r
    JOIN place AS l ON l.parent_id = r.id
), hit AS (
    SELECT w.n, p.id, 0.0 AS score
    FROM word AS w
    JOIN photo AS p ON p.words @@ w.q
    UNION ALL
    SELECT w.n, x.photo_id, 0.5
    FROM word AS w
    JOIN person AS s ON s.words @@ w.q
    JOIN photo_person AS x ON x.person_id = s.id
    UNION ALL
    SELECT r.n, h.id, 0.4
    FROM region AS r
    CROSS JOIN LATERAL (SELECT p.id FROM photo AS p WHERE p.place_id = r.id OFFSET 0) AS h
    UNION ALL
    SELECT w.n, x.photo_id, 0.4
    FROM word AS w
    JOIN tag AS g ON g.words @@ w.q
    JOIN photo_tag AS x ON x.tag_id = g.id
    WHERE g.id = ANY(@tags)
), fit AS (
    SELECT h.id, sum(h.score)::float8 AS score
    FROM hit AS h
    GROUP BY h.id
    HAVING bit_or(1 << (h.n - 1)) = (1 << cardinality(@words::text[])) - 1
), found AS (
    SELECT p.id, coalesce(p.taken, 'infinity') AS taken, p.wall, f.score + ts_rank(p.words, @any::text::tsquery) AS score
    FROM fit AS f
    JOIN photo AS p ON p.id = f.id
    WHERE (@person::bigint = 0 OR EXISTS (SELECT FROM photo_person AS x WHERE x.photo_id = p.id AND x.person_id = @person))` + visible

const orderByTaken = `
SELECT f.id
FROM found AS f
WHERE @after::bigint = 0
    OR (f.taken, f.id) > (SELECT coalesce(a.taken, 'infinity'), a.id FROM photo AS a WHERE a.id = @after)
ORDER BY f.taken, f.id
LIMIT @limit`

const orderNewest = `
SELECT f.id
FROM found AS f
WHERE @after::bigint = 0
    OR (f.wall, f.id) < (SELECT a.wall, a.id FROM photo AS a WHERE a.id = @after)
ORDER BY f.wall DESC, f.id DESC
LIMIT @limit`

const orderBest = `
SELECT f.id
FROM found AS f
WHERE @after::bigint = 0
    OR (f.score, f.wall, f.id) < (SELECT a.score, a.wall, a.id FROM found AS a WHERE a.id = @after)
ORDER BY f.score DESC, f.wall DESC, f.id DESC
LIMIT @limit`

const countFound = `
SELECT count(*)
FROM found`

const (
	sqlAllByTaken    = allPhotos + orderByTaken
	sqlAllNewest     = allPhotos + orderNewest
	sqlAllCount      = allPhotos + countFound
	sqlPersonByTaken = photosOfPerson + orderByTaken
	sqlPersonNewest  = photosOfPerson + orderNewest
	sqlPersonCount   = photosOfPerson + countFound
	sqlTextByTaken   = photosWithText + orderByTaken
	sqlTextNewest    = photosWithText + orderNewest
	sqlTextBest      = photosWithText + orderBest
	sqlTextCount     = photosWithText + countFound
)

// finder is the statements of one way to look for photos.
type finder struct{ byTaken, newest, best, count string }

func finderOf(f gallery.Filter) finder {
	switch {
	case f.Text != "":
		return finder{sqlTextByTaken, sqlTextNewest, sqlTextBest, sqlTextCount}
	case f.Person != 0: // without a text all match alike
		return finder{sqlPersonByTaken, sqlPersonNewest, sqlPersonNewest, sqlPersonCount}
	default:
		return finder{sqlAllByTaken, sqlAllNewest, sqlAllNewest, sqlAllCount}
	}
}

// Find implements [gallery.Photos].
func (p Photos) Find(ctx context.Context, f gallery.Filter) ([]gallery.Photo, error) {
	if len(f.Tags) == 0 {
		return nil, nil
	}
	args, err := p.findArgs(ctx, f)
	if err != nil {
		return nil, err
	}
	sql := finderOf(f).byTaken
	switch f.Order {
	case gallery.ByTaken:
	case gallery.Newest:
		sql = finderOf(f).newest
	case gallery.Best:
		sql = finderOf(f).best
	}
	ids, err := column[int64](ctx, p.DB.pool, sql, asPlanned, args)
	if err != nil {
		return nil, fmt.Errorf("find photos: %w", err)
	}
	if len(ids) == 0 {
		if f.After != 0 { // the last page, or a photo that was removed for good
			_, err = p.Photo(ctx, f.After)
		}
		return nil, err
	}
	return photosByID(ctx, p.DB.pool, ids)
}

// Count implements [gallery.Photos].
func (p Photos) Count(ctx context.Context, f gallery.Filter) (int64, error) {
	if len(f.Tags) == 0 {
		return 0, nil
	}
	args, err := p.findArgs(ctx, f)
	if err != nil {
		return 0, err
	}
	counts, err := column[int64](ctx, p.DB.pool, finderOf(f).count, asPlanned, args)
	if err != nil {
		return 0, fmt.Errorf("count photos: %w", err)
	}
	return counts[0], nil
}

const sqlPlacesBelow = `
WITH RECURSIVE below AS (
    SELECT l.id
    FROM place AS l
    WHERE l.id = @place
    UNION
    SELECT l.id
    FROM below AS b
    JOIN place AS l ON l.parent_id = b.id
)
SELECT b.id
FROM below AS b
ORDER BY b.id`

func (p Photos) findArgs(ctx context.Context, f gallery.Filter) (pgx.NamedArgs, error) {
	since, until, err := f.Span()
	if err != nil {
		return nil, err
	}
	if f.Tag != 0 && f.Text == "" && slices.Contains(f.Tags, f.Tag) { // then the photos on that tag are those asked for
		f.Tags, f.Tag = []int64{f.Tag}, 0
	}
	var below []int64
	if f.Below != 0 {
		if below, err = column[int64](ctx, p.DB.pool, sqlPlacesBelow, pgx.NamedArgs{"place": f.Below}); err != nil {
			return nil, fmt.Errorf("read places: %w", err)
		}
	}
	words := prefixes(f.Text)
	return pgx.NamedArgs{
		"tags": f.Tags, "since": wall(since), "until": wall(until), "location": f.Location, "below": below,
		"person": f.Person, "tag": f.Tag, "new": f.New, "deleted": f.Deleted,
		"words": words, "any": strings.Join(words, " | "), "after": f.After, "limit": rowLimit(f.Limit),
	}, nil
}

func rowLimit(n int) int {
	if n <= 0 || n > maxRows {
		return maxRows
	}
	return n
}

// wall is a time without a zone for Postgres; NULL for the zero time.
func wall(t time.Time) *time.Time { return stamp(t) }

// maxWords of a search are looked at.
const maxWords = 16

// prefixes is the words of a search as tsquery: each finds what begins with it.
// Words are letters and digits only, so nothing needs to be escaped.
func prefixes(text string) []string {
	out := []string{}
	for _, w := range gallery.Words(text, maxWords) {
		out = append(out, "'"+w+"':*")
	}
	return out
}
