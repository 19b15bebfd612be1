package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const defaultHints = 20

// The latest 5000 photos tell enough of what people are used to.
const sqlUsedWatermarks = `
SELECT r.watermark
FROM (
    SELECT p.id, p.watermark
    FROM photo AS p
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@writable))
    ORDER BY p.id DESC
    LIMIT 5000
) AS r
WHERE r.watermark <> ''
GROUP BY r.watermark
ORDER BY max(r.id) DESC
LIMIT @limit`

const sqlUsedZones = `
SELECT r.zone
FROM (
    SELECT p.id, p.zone
    FROM photo AS p
    WHERE p.deleted IS NULL
        AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@writable))
    ORDER BY p.id DESC
    LIMIT 5000
) AS r
WHERE r.zone <> ''
GROUP BY r.zone
ORDER BY max(r.id) DESC
LIMIT @limit`

// The photos that share the first writable tag of a photo, within 30 days of it.
// OFFSET keeps the planner to the index on time.
const nearPhotos = `
WITH near AS (
    SELECT o.id, o.wall, o.place_id
    FROM photo AS p
    CROSS JOIN LATERAL (
        SELECT n.id, n.wall, n.place_id
        FROM photo AS n
        WHERE n.deleted IS NULL AND n.wall BETWEEN p.wall - interval '30 days' AND p.wall + interval '30 days'
        OFFSET 0
    ) AS o
    WHERE p.id = @photo AND o.id <> p.id
        AND EXISTS (
            SELECT
            FROM photo_tag AS x
            WHERE x.photo_id = o.id AND x.tag_id = (
                SELECT min(y.tag_id)
                FROM photo_tag AS y
                WHERE y.photo_id = @photo AND y.tag_id = ANY(@writable)
            )
        )
)`

const sqlNearTags = nearPhotos + `
SELECT t.id, t.name
FROM near AS n
JOIN photo_tag AS x ON x.photo_id = n.id
JOIN tag AS t ON t.id = x.tag_id
WHERE t.id = ANY(@writable)
    AND NOT EXISTS (SELECT FROM photo_tag AS y WHERE y.photo_id = @photo AND y.tag_id = t.id)
GROUP BY t.id, t.name
ORDER BY max(n.wall) DESC, t.id
LIMIT @limit`

const sqlNearPeople = nearPhotos + `
SELECT s.id, s.first_name AS first, s.last_name AS last
FROM near AS n
JOIN photo_person AS x ON x.photo_id = n.id
JOIN person AS s ON s.id = x.person_id
WHERE NOT EXISTS (SELECT FROM photo_person AS y WHERE y.photo_id = @photo AND y.person_id = s.id)
GROUP BY s.id, s.first_name, s.last_name
ORDER BY max(n.wall) DESC, s.id
LIMIT @limit`

const sqlNearPlaces = nearPhotos + `
SELECT l.id, l.name
FROM near AS n
JOIN place AS l ON l.id = n.place_id
WHERE l.id <> (SELECT p.place_id FROM photo AS p WHERE p.id = @photo)
GROUP BY l.id, l.name
ORDER BY max(n.wall) DESC, l.id
LIMIT @limit`

// Hints implements [gallery.Photos].
func (p Photos) Hints(ctx context.Context, h gallery.HintRequest) (gallery.Hints, error) {
	var out gallery.Hints
	if len(h.Writable) == 0 {
		return out, nil
	}
	args := pgx.NamedArgs{"writable": h.Writable, "photo": h.Photo, "limit": defaultHints}
	if h.Limit > 0 {
		args["limit"] = rowLimit(h.Limit)
	}
	var err error
	if out.Watermarks, err = column[string](ctx, p.DB.pool, sqlUsedWatermarks, asPlanned, args); err != nil {
		return out, fmt.Errorf("read watermarks: %w", err)
	}
	if out.Zones, err = column[string](ctx, p.DB.pool, sqlUsedZones, asPlanned, args); err != nil {
		return out, fmt.Errorf("read zones: %w", err)
	}
	if h.Photo == 0 {
		return out, nil
	}
	if out.Tags, err = list[gallery.Ref](ctx, p.DB.pool, sqlNearTags, asPlanned, args); err != nil {
		return out, fmt.Errorf("suggest tags: %w", err)
	}
	if out.People, err = list[gallery.Person](ctx, p.DB.pool, sqlNearPeople, asPlanned, args); err != nil {
		return out, fmt.Errorf("suggest people: %w", err)
	}
	if out.Places, err = list[gallery.Ref](ctx, p.DB.pool, sqlNearPlaces, asPlanned, args); err != nil {
		return out, fmt.Errorf("suggest places: %w", err)
	}
	return out, nil
}
