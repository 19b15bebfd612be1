package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

type groupRow struct {
	Key   string
	Name  string
	Count int64
	Photo int64 // of the newest one
}

// The front page asks for the latest days only: they are mostly among the latest
// photos, and then nobody has to count all of them.
const sqlGroupByLatestDay = `
WITH latest AS (
    SELECT p.id, p.wall
    FROM photo AS p
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    ORDER BY p.wall DESC, p.id DESC
    LIMIT @walk
), g AS (
    SELECT l.wall::date AS day, count(*) AS n, max(l.wall) AS newest
    FROM latest AS l
    GROUP BY l.wall::date
    ORDER BY day DESC
    LIMIT @limit::int + 1
)
SELECT
    to_char(g.day, 'YYYY-MM-DD') AS key, '' AS name, g.n AS count,
    (SELECT max(l.id) FROM latest AS l WHERE l.wall = g.newest) AS photo,
    (SELECT count(*) FROM latest AS l) AS walked
FROM g
ORDER BY g.day DESC`

// latestWalk is how many photos are looked at for the latest days.
const latestWalk = 2000

// latestDays returns the groups of the latest days, or false when they are not all
// among the latest photos.
func (p Photos) latestDays(ctx context.Context, tags []int64, limit int) ([]groupRow, bool, error) {
	type row struct {
		groupRow

		Walked int
	}
	found, err := list[row](ctx, p.DB.pool, sqlGroupByLatestDay, asPlanned, pgx.NamedArgs{"tags": tags, "limit": limit, "walk": latestWalk})
	if err != nil {
		return nil, false, err
	}
	whole := len(found) > limit // then those before the last one are complete
	var out []groupRow
	for i, r := range found {
		whole = whole || r.Walked < latestWalk
		if i < limit {
			out = append(out, r.groupRow)
		}
	}
	return out, whole || len(found) == 0, nil
}

// In each of these the newest wall time of a group is found while counting, and
// only for the groups that are returned the photo of that time.
const sqlGroupByDay = `
WITH g AS (
    SELECT p.wall::date AS day, count(*) AS n, max(p.wall) AS newest
    FROM photo AS p
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    GROUP BY p.wall::date
    ORDER BY day DESC
    LIMIT @limit
)
SELECT
    to_char(g.day, 'YYYY-MM-DD') AS key, '' AS name, g.n AS count,
    (
        SELECT max(p.id)
        FROM photo AS p
        WHERE p.wall = g.newest AND p.deleted IS NULL
            AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    ) AS photo
FROM g
ORDER BY g.day DESC`

const sqlGroupByMonth = `
WITH g AS (
    SELECT date_trunc('month', p.wall) AS month, count(*) AS n, max(p.wall) AS newest
    FROM photo AS p
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    GROUP BY date_trunc('month', p.wall)
    ORDER BY month DESC
    LIMIT @limit
)
SELECT
    to_char(g.month, 'YYYY-MM') AS key, '' AS name, g.n AS count,
    (
        SELECT max(p.id)
        FROM photo AS p
        WHERE p.wall = g.newest AND p.deleted IS NULL
            AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    ) AS photo
FROM g
ORDER BY g.month DESC`

const sqlGroupByPlace = `
WITH RECURSIVE tree AS (
    SELECT l.id AS child, l.id
    FROM place AS l
    WHERE l.parent_id = @parent
    UNION
    SELECT t.child, l.id
    FROM tree AS t
    JOIN place AS l ON l.parent_id = t.id
), g AS (
    SELECT t.child, count(*) AS n, max(p.wall) AS newest
    FROM tree AS t
    JOIN photo AS p ON p.place_id = t.id
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    GROUP BY t.child
)
SELECT
    l.id::text AS key, l.name, g.n AS count,
    (
        SELECT max(p.id)
        FROM photo AS p
        JOIN tree AS t ON t.id = p.place_id AND t.child = g.child
        WHERE p.wall = g.newest AND p.deleted IS NULL
            AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    ) AS photo
FROM g
JOIN place AS l ON l.id = g.child
ORDER BY l.key, l.id
LIMIT @limit`

const sqlGroupByPerson = `
WITH g AS (
    SELECT y.person_id, count(*) AS n, max(p.wall) AS newest
    FROM photo_person AS y
    JOIN photo AS p ON p.id = y.photo_id
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    GROUP BY y.person_id
)
SELECT
    s.id::text AS key, ltrim(s.first_name || ' ' || s.last_name) AS name, g.n AS count,
    (
        SELECT max(p.id)
        FROM photo AS p
        JOIN photo_person AS y ON y.photo_id = p.id AND y.person_id = g.person_id
        WHERE p.wall = g.newest AND p.deleted IS NULL
            AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
    ) AS photo
FROM g
JOIN person AS s ON s.id = g.person_id
ORDER BY lower(s.last_name), lower(s.first_name), s.id
LIMIT @limit`

const sqlGroupByTag = `
WITH g AS (
    SELECT x.tag_id, count(*) AS n, max(p.wall) AS newest
    FROM photo_tag AS x
    JOIN photo AS p ON p.id = x.photo_id
    WHERE p.deleted IS NULL AND x.tag_id = ANY(@tags)
    GROUP BY x.tag_id
)
SELECT
    t.id::text AS key, t.name, g.n AS count,
    (
        SELECT max(p.id)
        FROM photo AS p
        JOIN photo_tag AS x ON x.photo_id = p.id AND x.tag_id = g.tag_id
        WHERE p.wall = g.newest AND p.deleted IS NULL
    ) AS photo
FROM g
JOIN tag AS t ON t.id = g.tag_id
ORDER BY t.key, t.name, t.id
LIMIT @limit`

// Groups implements [gallery.Photos].
func (p Photos) Groups(ctx context.Context, g gallery.Grouping) ([]gallery.Group, error) {
	if len(g.Tags) == 0 {
		return nil, nil
	}
	rows, err := p.groupRows(ctx, g)
	if err != nil {
		return nil, fmt.Errorf("group photos: %w", err)
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.Photo
	}
	photos, err := photosByID(ctx, p.DB.pool, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]gallery.Photo, len(photos))
	for _, photo := range photos {
		byID[photo.ID] = photo
	}
	var out []gallery.Group
	for _, r := range rows {
		if photo, ok := byID[r.Photo]; ok { // else it was removed for good a moment ago
			out = append(out, gallery.Group{Key: r.Key, Name: r.Name, Count: r.Count, Photo: photo})
		}
	}
	return out, nil
}

func (p Photos) groupRows(ctx context.Context, g gallery.Grouping) ([]groupRow, error) {
	args := pgx.NamedArgs{"tags": g.Tags, "limit": rowLimit(g.Limit)}
	var sql string
	switch g.By {
	case gallery.ByDay:
		if rows, whole, err := p.latestDays(ctx, g.Tags, rowLimit(g.Limit)); err != nil || whole {
			return rows, err
		}
		sql = sqlGroupByDay
	case gallery.ByMonth:
		sql = sqlGroupByMonth
	case gallery.ByPlace:
		sql, args["parent"] = sqlGroupByPlace, g.Parent
	case gallery.ByPerson:
		sql = sqlGroupByPerson
	case gallery.ByTag:
		sql = sqlGroupByTag
	default:
		return nil, errors.New("no such grouping: " + strconv.Itoa(int(g.By)))
	}
	return list[groupRow](ctx, p.DB.pool, sql, asPlanned, args)
}
