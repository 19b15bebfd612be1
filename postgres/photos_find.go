package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

// Most rows of one list, when nobody says less.
const maxRows = 1000

// asPlanned makes Postgres plan a statement for its very arguments: in these most
// conditions are switched off, and a plan for any arguments would be a slow one.
const asPlanned = pgx.QueryExecModeCacheDescribe

// What visitors may see, what they asked for, and which words they typed. A photo
// fits a text when each word is in its own texts, or in the name of a person on
// it, of a tag that the visitor holds, or of a place at or above its own. Names
// are looked up each time, so a new name is found at once and an old one no more.
const findPhotos = `
WITH RECURSIVE below AS (
    SELECT l.id
    FROM place AS l
    WHERE l.id = @below
    UNION
    SELECT l.id
    FROM below AS b
    JOIN place AS l ON l.parent_id = b.id
), word AS (
    SELECT w.n, w.q::tsquery AS q
    FROM unnest(@words::text[]) WITH ORDINALITY AS w (q, n)
), region AS (
    SELECT w.n, l.id
    FROM word AS w
    JOIN place AS l ON l.words @@ w.q
    UNION
    SELECT b.n, l.id
    FROM region AS b
    JOIN place AS l ON l.parent_id = b.id
), hit AS (
    SELECT w.n, p.id, ts_rank(p.words, w.q) AS score
    FROM word AS w
    JOIN photo AS p ON p.words @@ w.q
    UNION ALL
    SELECT w.n, x.photo_id, 0.5
    FROM word AS w
    JOIN person AS s ON s.words @@ w.q
    JOIN photo_person AS x ON x.person_id = s.id
    UNION ALL
    SELECT b.n, p.id, 0.4
    FROM region AS b
    JOIN photo AS p ON p.place_id = b.id
    UNION ALL
    SELECT w.n, x.photo_id, 0.4
    FROM word AS w
    JOIN tag AS g ON g.words @@ w.q
    JOIN photo_tag AS x ON x.tag_id = g.id
    WHERE g.id = ANY(@tags)
), fit AS (
    SELECT best.id, sum(best.score) AS score
    FROM (SELECT id, n, max(score) AS score FROM hit GROUP BY id, n) AS best
    GROUP BY best.id
    HAVING count(*) = cardinality(@words::text[])
), found AS (
    SELECT p.id, coalesce(p.taken, 'infinity') AS taken, p.wall
    FROM photo AS p
    WHERE (NOT @deleted AND p.deleted IS NULL OR @deleted AND p.deleted IS NOT NULL)
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
        AND (@since::timestamp IS NULL OR p.wall >= @since)
        AND (@until::timestamp IS NULL OR p.wall < @until)
        AND (@location::bigint = 0 OR p.place_id = @location)
        AND (@below::bigint = 0 OR p.place_id IN (SELECT id FROM below))
        AND (@person::bigint = 0 OR EXISTS (SELECT FROM photo_person AS x WHERE x.photo_id = p.id AND x.person_id = @person))
        AND (@tag::bigint = 0 OR EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = @tag))
        AND (@new::boolean IS NULL OR p.is_new = @new)
        AND (NOT @searching OR p.id IN (SELECT id FROM fit))
)`

const sqlFindByTaken = findPhotos + `
SELECT f.id
FROM found AS f
WHERE @after::bigint = 0
    OR (f.taken, f.id) > (SELECT coalesce(a.taken, 'infinity'), a.id FROM photo AS a WHERE a.id = @after)
ORDER BY f.taken, f.id
LIMIT @limit`

const sqlFindNewest = findPhotos + `
SELECT f.id
FROM found AS f
WHERE @after::bigint = 0
    OR (f.wall, f.id) < (SELECT a.wall, a.id FROM photo AS a WHERE a.id = @after)
ORDER BY f.wall DESC, f.id DESC
LIMIT @limit`

const sqlFindBest = findPhotos + `
SELECT f.id
FROM found AS f
LEFT JOIN fit ON fit.id = f.id
WHERE @after::bigint = 0
    OR (coalesce(fit.score, 0), f.wall, f.id) < (
        SELECT coalesce(s.score, 0), a.wall, a.id
        FROM photo AS a
        LEFT JOIN fit AS s ON s.id = a.id
        WHERE a.id = @after
    )
ORDER BY coalesce(fit.score, 0) DESC, f.wall DESC, f.id DESC
LIMIT @limit`

const sqlCountFound = findPhotos + `
SELECT count(*)
FROM found`

// Find implements [gallery.Photos].
func (p Photos) Find(ctx context.Context, f gallery.Filter) ([]gallery.Photo, error) {
	if len(f.Tags) == 0 {
		return nil, nil
	}
	args, err := findArgs(f)
	if err != nil {
		return nil, err
	}
	sql := sqlFindByTaken
	switch f.Order {
	case gallery.ByTaken:
	case gallery.Newest:
		sql = sqlFindNewest
	case gallery.Best:
		sql = sqlFindBest
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
	args, err := findArgs(f)
	if err != nil {
		return 0, err
	}
	counts, err := column[int64](ctx, p.DB.pool, sqlCountFound, asPlanned, args)
	if err != nil {
		return 0, fmt.Errorf("count photos: %w", err)
	}
	return counts[0], nil
}

func findArgs(f gallery.Filter) (pgx.NamedArgs, error) {
	since, until, err := f.Span()
	if err != nil {
		return nil, err
	}
	return pgx.NamedArgs{
		"tags": f.Tags, "since": wall(since), "until": wall(until), "location": f.Location, "below": f.Below,
		"person": f.Person, "tag": f.Tag, "new": f.New, "deleted": f.Deleted,
		"searching": f.Text != "", "words": prefixes(f.Text), "after": f.After, "limit": rowLimit(f.Limit),
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
