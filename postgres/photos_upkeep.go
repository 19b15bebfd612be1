package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

// What another upkeep has in hand is passed over.
const sqlStaleContents = `
SELECT o.content
FROM upload_content AS o
WHERE EXISTS (
        SELECT
        FROM upload_intent AS i
        WHERE i.content = o.content AND ((i.owner = @owner AND @owner <> '') OR i.at < @before)
    )
    OR (o.removing_by = @owner AND @owner <> '')
    OR o.removing_since < @stale
ORDER BY o.content
LIMIT @limit
FOR UPDATE SKIP LOCKED`

const sqlDropStaleIntents = `
DELETE FROM upload_intent
WHERE content = ANY(@contents) AND ((owner = @owner AND @owner <> '') OR at < @before)`

// Stale implements [gallery.Upkeep].
func (p Photos) Stale(ctx context.Context, owner string, before, now time.Time, limit int) ([]string, error) {
	var orphans []string
	err := p.again(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"owner": owner, "before": before.UTC(), "stale": now.Add(-staleMark).UTC(), "limit": rowLimit(limit)}
		contents, err := column[string](ctx, tx, sqlStaleContents, args)
		if err != nil {
			return fmt.Errorf("look for stale uploads: %w", err)
		}
		args["contents"] = contents
		if _, err := tx.Exec(ctx, sqlDropStaleIntents, args); err != nil {
			return fmt.Errorf("forget stale uploads: %w", err)
		}
		orphans, err = markOrphans(ctx, tx, contents, owner, now)
		return err
	})
	return orphans, err
}

// The upsert locks every row: whoever wants to write one of these files now waits
// until it is decided.
const sqlKeepContents = `
INSERT INTO upload_content AS o (content)
SELECT n.content
FROM unnest(@contents::text[]) AS n (content)
ORDER BY n.content
ON CONFLICT (content) DO UPDATE
SET removing_by = o.removing_by`

// Unnamed implements [gallery.Upkeep].
func (p Photos) Unnamed(ctx context.Context, contents []string, owner string, now time.Time) ([]string, error) {
	contents = slices.Compact(slices.Sorted(slices.Values(contents)))
	var orphans []string
	err := p.again(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlKeepContents, pgx.NamedArgs{"contents": contents}); err != nil {
			return fmt.Errorf("lock contents: %w", err)
		}
		var err error
		orphans, err = markOrphans(ctx, tx, contents, owner, now)
		return err
	})
	return orphans, err
}

const sqlPurgeable = `
SELECT p.id, p.content AS name
FROM photo AS p
WHERE p.deleted < @before
ORDER BY p.id
LIMIT @limit
FOR UPDATE SKIP LOCKED`

const sqlTagsOfPhotos = `
SELECT DISTINCT x.tag_id
FROM photo_tag AS x
WHERE x.photo_id = ANY(@ids)
ORDER BY x.tag_id`

const sqlPurgeTags = `
DELETE FROM photo_tag
WHERE photo_id = ANY(@ids)`

const sqlPurgePeople = `
DELETE FROM photo_person
WHERE photo_id = ANY(@ids)`

const sqlPurgePhotos = `
DELETE FROM photo
WHERE id = ANY(@ids)`

// Purge implements [gallery.Upkeep].
func (p Photos) Purge(ctx context.Context, before, now time.Time, owner string, limit int) (int64, []string, error) {
	return p.purge(ctx, sqlPurgeable, pgx.NamedArgs{"before": before.UTC(), "limit": rowLimit(limit)}, owner, now)
}

const sqlPurgeableOfTag = `
SELECT p.id, p.content AS name
FROM tag AS t
JOIN photo_tag AS x ON x.tag_id = t.id
JOIN photo AS p ON p.id = x.photo_id
WHERE t.name = @tag
    AND p.deleted < @before
    AND NOT EXISTS (SELECT FROM photo_tag AS y WHERE y.photo_id = p.id AND y.tag_id <> t.id)
ORDER BY p.id
LIMIT @limit
FOR UPDATE OF p SKIP LOCKED`

// PurgeTag is Purge for the deleted photos that carry one tag, by name, and no other.
func (p Photos) PurgeTag(ctx context.Context, tag string, before, now time.Time, owner string, limit int) (int64, []string, error) {
	args := pgx.NamedArgs{"tag": tag, "before": before.UTC(), "limit": rowLimit(limit)}
	return p.purge(ctx, sqlPurgeableOfTag, args, owner, now)
}

//nolint:gosec // a statement, no credentials
const sqlDropTokens = `
DELETE FROM access_token
WHERE expires < @before`

// DropTokens forgets tokens that ended before a time and returns how many.
func (p Photos) DropTokens(ctx context.Context, before time.Time) (int64, error) {
	tag, err := p.DB.pool.Exec(ctx, sqlDropTokens, pgx.NamedArgs{"before": before.UTC()})
	if err != nil {
		return 0, translate(fmt.Errorf("forget ended tokens: %w", err))
	}
	return tag.RowsAffected(), nil
}

// purge removes the photos that a statement finds, all in one transaction.
func (p Photos) purge(ctx context.Context, sql string, args pgx.NamedArgs, owner string, now time.Time) (int64, []string, error) {
	var photos int64
	var orphans []string
	err := p.again(ctx, func(tx pgx.Tx) error {
		found, err := list[nameRow](ctx, tx, sql, args)
		if err != nil {
			return fmt.Errorf("look for deleted photos: %w", err)
		}
		photos, orphans = int64(len(found)), nil
		if len(found) == 0 {
			return nil
		}
		ids := make([]int64, len(found))
		contents := make([]string, len(found))
		for i, f := range found {
			ids[i], contents[i] = f.ID, f.Name
		}
		contents = slices.Compact(slices.Sorted(slices.Values(contents)))
		if _, err := tx.Exec(ctx, sqlKeepContents, pgx.NamedArgs{"contents": contents}); err != nil {
			return fmt.Errorf("lock contents: %w", err)
		}
		if err := purgePhotos(ctx, tx, ids); err != nil {
			return err
		}
		orphans, err = markOrphans(ctx, tx, contents, owner, now)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return photos, orphans, nil
}

// purgePhotos deletes locked photos and the tags that are of no use without them.
func purgePhotos(ctx context.Context, tx pgx.Tx, ids []int64) error {
	args := pgx.NamedArgs{"ids": ids}
	tags, err := column[int64](ctx, tx, sqlTagsOfPhotos, args)
	if err != nil {
		return fmt.Errorf("read tags: %w", err)
	}
	if _, err := lockTags(ctx, tx, tags, nil, nil); err != nil {
		return err
	}
	for _, sql := range []string{sqlPurgeTags, sqlPurgePeople, sqlPurgePhotos} {
		if _, err := tx.Exec(ctx, sql, args); err != nil {
			return fmt.Errorf("remove photos: %w", err)
		}
	}
	if err := deleteIdleTags(ctx, tx, tags); err != nil {
		return err
	}
	return announcePhotos(ctx, tx, ids)
}

const sqlSurveyUnnamed = `
SELECT n.content
FROM unnest(@contents::text[]) AS n (content)
WHERE NOT EXISTS (SELECT FROM photo AS p WHERE p.content = n.content)
    AND NOT EXISTS (SELECT FROM upload_intent AS i WHERE i.content = n.content)
ORDER BY n.content`

const sqlSurvey = `
SELECT
    (SELECT count(*) FROM upload_intent AS i WHERE i.at < @stale) AS stale,
    (SELECT count(*) FROM photo AS p WHERE p.deleted < @purge) AS purge,
    count(*) AS purge_files, coalesce(sum(f.bytes), 0)::bigint AS purge_bytes
FROM (
    SELECT p.content, max(p.bytes) AS bytes
    FROM photo AS p
    WHERE p.deleted < @purge
        AND NOT EXISTS (
            SELECT
            FROM photo AS o
            WHERE o.content = p.content AND (o.deleted IS NULL OR o.deleted >= @purge)
        )
    GROUP BY p.content
) AS f`

// Survey implements [gallery.Upkeep].
func (p Photos) Survey(ctx context.Context, s gallery.Survey) (gallery.Surveyed, error) {
	contents, err := column[string](ctx, p.DB.pool, sqlSurveyUnnamed, pgx.NamedArgs{"contents": s.Contents})
	if err != nil {
		return gallery.Surveyed{}, fmt.Errorf("survey contents: %w", err)
	}
	type row struct{ Stale, Purge, PurgeFiles, PurgeBytes int64 }
	// A time that is NULL is before nothing.
	found, err := list[row](ctx, p.DB.pool, sqlSurvey, pgx.NamedArgs{"stale": stamp(s.StaleBefore), "purge": stamp(s.PurgeBefore)})
	if err != nil {
		return gallery.Surveyed{}, fmt.Errorf("survey photos: %w", err)
	}
	f := found[0]
	return gallery.Surveyed{Unnamed: contents, Stale: f.Stale, Purge: f.Purge, PurgeFiles: f.PurgeFiles, PurgeBytes: f.PurgeBytes}, nil
}
