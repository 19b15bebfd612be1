package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

// lockTags and what follows must be statements of their own: each sees what was
// committed before the lock was there.
const sqlLockTags = `
SELECT t.id, t.name
FROM tag AS t
WHERE t.id = ANY(@ids::bigint[]) OR t.name = ANY(@names::text[]) OR t.key = ANY(@keys::text[])
ORDER BY t.id
FOR NO KEY UPDATE`

type nameRow struct {
	ID   int64
	Name string
}

// lockTags locks the tags that exist of these, in the order of their ids.
func lockTags(ctx context.Context, tx pgx.Tx, ids []int64, names, keys []string) ([]nameRow, error) {
	if len(ids)+len(names)+len(keys) == 0 {
		return nil, nil
	}
	found, err := list[nameRow](ctx, tx, sqlLockTags, pgx.NamedArgs{"ids": ids, "names": names, "keys": keys})
	if err != nil {
		return nil, fmt.Errorf("lock tags: %w", err)
	}
	return found, nil
}

// Somebody owns a tag who can write by a token, or could by a code that still works.
const ownedTag = `(
        EXISTS (
            SELECT
            FROM access_token AS o
            WHERE o.tag_id = t.id AND o.level >= 3 AND (o.expires IS NULL OR o.expires > @now)
        ) OR EXISTS (
            SELECT
            FROM access_code AS o
            WHERE o.tag_id = t.id AND o.level >= 3
                AND (o.expires IS NULL OR o.expires > @now) AND (o.max_uses IS NULL OR o.uses < o.max_uses)
        )
    ) AS owned`

const sqlOwned = `
SELECT t.id, t.name, t.description, 0::bigint AS photos, 0::bigint AS every, 0::bigint AS foreign_photos,
    ` + ownedTag + `
FROM tag AS t
WHERE t.id = ANY(@ids)
ORDER BY t.id`

// Photos on the tag that somebody else alone may write are those without any of
// the visitor's tags; on a tag of its own there are none.
const sqlTagFacts = `
SELECT
    t.id, t.name, t.description, c.n - g.n AS photos, c.n AS every,
    CASE WHEN t.id = ANY(@writable::bigint[]) THEN 0 ELSE (
        SELECT count(*)
        FROM photo_tag AS x
        WHERE x.tag_id = t.id
            AND NOT EXISTS (SELECT FROM photo_tag AS y WHERE y.photo_id = x.photo_id AND y.tag_id = ANY(@writable::bigint[]))
    ) END AS foreign_photos,
    ` + ownedTag + `
FROM tag AS t
CROSS JOIN LATERAL (SELECT count(*) AS n FROM photo_tag AS x WHERE x.tag_id = t.id) AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS n
    FROM photo AS p
    JOIN photo_tag AS x ON x.photo_id = p.id AND x.tag_id = t.id
    WHERE p.deleted IS NOT NULL
) AS g
WHERE t.id = @id
    OR (@id = 0 AND t.id = (
        SELECT n.id
        FROM tag AS n
        WHERE n.name = @name OR n.key = @key
        ORDER BY n.name = @name DESC, n.id
        LIMIT 1
    ))`

type factRow struct {
	ID            int64
	Name          string
	Description   string
	Photos        int64
	Every         int64
	ForeignPhotos int64
	Owned         bool
}

func (r factRow) facts() gallery.TagFacts {
	return gallery.TagFacts{
		Ref: gallery.Ref{ID: r.ID, Name: r.Name}, Description: r.Description,
		Photos: r.Photos, All: r.Every, Foreign: r.ForeignPhotos, Owned: r.Owned,
	}
}

// owned gathers what T1 needs to know of tags.
func owned(ctx context.Context, tx pgx.Tx, ids []int64, now time.Time) ([]gallery.TagFacts, error) {
	found, err := list[factRow](ctx, tx, sqlOwned, pgx.NamedArgs{"ids": ids, "now": now.UTC()})
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	out := make([]gallery.TagFacts, len(found))
	for i, r := range found {
		out[i] = r.facts()
	}
	return out, nil
}

const sqlCodes = `
SELECT c.id, c.code, c.tag_id, c.level, c.uses, c.max_uses, c.expires
FROM access_code AS c
WHERE c.tag_id = ANY(@tags)
ORDER BY c.id
LIMIT 10000`

type codeRow struct {
	ID      int64
	Code    string
	TagID   int64
	Level   int16
	Uses    int64
	MaxUses *int64
	Expires *time.Time
}

func (r codeRow) code() gallery.Code {
	c := gallery.Code{
		ID: r.ID, Code: r.Code, Tag: r.TagID, Level: levelOf(r.Level), Uses: r.Uses, Expires: instant(r.Expires),
	}
	if r.MaxUses != nil {
		c.MaxUses = *r.MaxUses
	}
	return c
}

// codesOf returns the codes of tags by tag.
func codesOf(ctx context.Context, q querier, tags []int64) (map[int64][]gallery.Code, error) {
	found, err := list[codeRow](ctx, q, sqlCodes, pgx.NamedArgs{"tags": tags})
	if err != nil {
		return nil, fmt.Errorf("read codes: %w", err)
	}
	out := map[int64][]gallery.Code{}
	for _, r := range found {
		out[r.TagID] = append(out[r.TagID], r.code())
	}
	return out, nil
}

// tagFacts gathers all that is known of one tag.
func tagFacts(ctx context.Context, q querier, id int64, name string, ask gallery.Asking) (gallery.TagFacts, error) {
	args := pgx.NamedArgs{"id": id, "name": clean(name), "key": nameKey(name), "writable": ask.Writable, "now": ask.Now.UTC()}
	found, err := list[factRow](ctx, q, sqlTagFacts, asPlanned, args)
	if err != nil {
		return gallery.TagFacts{}, fmt.Errorf("read a tag: %w", err)
	}
	if len(found) == 0 {
		return gallery.TagFacts{}, gallery.ErrNotFound
	}
	facts := found[0].facts()
	codes, err := codesOf(ctx, q, []int64{facts.ID})
	facts.Codes = codes[facts.ID]
	return facts, err
}

// Tag implements [gallery.Keys].
func (p Photos) Tag(ctx context.Context, id int64, name string, ask gallery.Asking) (gallery.TagFacts, error) {
	return tagFacts(ctx, p.DB.pool, id, name, ask)
}

// On a tag of the visitor's own every photo may be written; of the others those
// that also carry one of its own.
const sqlTags = `
WITH shared AS (
    SELECT x.tag_id, count(*) AS n
    FROM photo_tag AS x
    WHERE NOT x.tag_id = ANY(@writable::bigint[])
        AND EXISTS (SELECT FROM photo_tag AS y WHERE y.photo_id = x.photo_id AND y.tag_id = ANY(@writable::bigint[]))
    GROUP BY x.tag_id
), every AS (
    SELECT x.tag_id, count(*) AS n
    FROM photo_tag AS x
    WHERE x.tag_id = ANY(@held::bigint[]) OR x.tag_id = ANY(@writable::bigint[]) OR x.tag_id IN (SELECT s.tag_id FROM shared AS s)
    GROUP BY x.tag_id
), gone AS (
    SELECT x.tag_id, count(*) AS n
    FROM photo AS p
    JOIN photo_tag AS x ON x.photo_id = p.id
    WHERE p.deleted IS NOT NULL
    GROUP BY x.tag_id
)
SELECT
    t.id, t.name, t.description,
    coalesce(e.n, 0) - coalesce(g.n, 0) AS photos, coalesce(e.n, 0) AS every,
    CASE WHEN t.id = ANY(@writable::bigint[]) THEN 0 ELSE coalesce(e.n, 0) - coalesce(s.n, 0) END AS foreign_photos,
    ` + ownedTag + `
FROM tag AS t
LEFT JOIN every AS e ON e.tag_id = t.id
LEFT JOIN shared AS s ON s.tag_id = t.id
LEFT JOIN gone AS g ON g.tag_id = t.id
WHERE t.id = ANY(@held::bigint[]) OR t.id = ANY(@writable::bigint[]) OR s.n > 0
ORDER BY t.key, t.name, t.id
LIMIT 10000`

// Tags implements [gallery.Keys].
func (p Photos) Tags(ctx context.Context, ask gallery.Asking) ([]gallery.TagFacts, error) {
	args := pgx.NamedArgs{"writable": ask.Writable, "held": ask.Held, "now": ask.Now.UTC()}
	found, err := list[factRow](ctx, p.DB.pool, sqlTags, asPlanned, args)
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	out := make([]gallery.TagFacts, len(found))
	ids := make([]int64, len(found))
	for i, r := range found {
		out[i], ids[i] = r.facts(), r.ID
	}
	codes, err := codesOf(ctx, p.DB.pool, ids)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Codes = codes[out[i].ID]
	}
	return out, nil
}
