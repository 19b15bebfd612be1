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
ORDER BY lower(t.name), t.id
LIMIT @limit`

// Groups implements [gallery.Photos].
func (p Photos) Groups(ctx context.Context, g gallery.Grouping) ([]gallery.Group, error) {
	if len(g.Tags) == 0 {
		return nil, nil
	}
	args := pgx.NamedArgs{"tags": g.Tags, "limit": rowLimit(g.Limit)}
	var sql string
	switch g.By {
	case gallery.ByDay:
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
		return nil, errors.New("group photos: no such grouping: " + strconv.Itoa(int(g.By)))
	}
	rows, err := list[groupRow](ctx, p.DB.pool, sql, asPlanned, args)
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
