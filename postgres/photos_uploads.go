package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

// One statement, so that a mark set at the same moment is seen: the row is locked
// by the upsert, and RETURNING tells what is in it.
const sqlIntend = `
WITH c AS (
    INSERT INTO upload_content AS o (content)
    VALUES (@content)
    ON CONFLICT (content) DO UPDATE
    SET removing_by = o.removing_by
    RETURNING content, removing_by
)
INSERT INTO upload_intent (content, owner, at)
SELECT c.content, @owner, @now
FROM c
WHERE c.removing_by IS NULL
RETURNING id`

// Intend implements [gallery.Uploads].
func (p Photos) Intend(ctx context.Context, content, owner string, now time.Time) error {
	ids, err := column[int64](ctx, p.DB.pool, sqlIntend, pgx.NamedArgs{"content": content, "owner": owner, "now": now.UTC()})
	if err != nil {
		return fmt.Errorf("note an upload: %w", err)
	}
	if len(ids) == 0 {
		return gallery.ErrBeingRemoved
	}
	return nil
}

const sqlKnown = `
SELECT p.id
FROM photo AS p
WHERE p.content = @content
    AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
ORDER BY p.deleted IS NOT NULL, p.id
LIMIT 1`

// Known implements [gallery.Uploads].
func (p Photos) Known(ctx context.Context, content string, tags []int64) (gallery.Photo, error) {
	ids, err := column[int64](ctx, p.DB.pool, sqlKnown, pgx.NamedArgs{"content": content, "tags": tags})
	if err != nil {
		return gallery.Photo{}, fmt.Errorf("look for a known picture: %w", err)
	}
	if len(ids) == 0 {
		return gallery.Photo{}, gallery.ErrNotFound
	}
	return p.Photo(ctx, ids[0])
}

const sqlLockContents = `
SELECT o.content
FROM upload_content AS o
WHERE o.content = ANY(@contents)
ORDER BY o.content
FOR UPDATE`

const sqlTakeIntent = `
DELETE FROM upload_intent
WHERE id = (
    SELECT i.id
    FROM upload_intent AS i
    WHERE i.content = @content AND i.owner = @owner
    ORDER BY i.id
    LIMIT 1
)
RETURNING id`

// A content that nobody writes or removes needs no row.
const sqlDeleteIdleContents = `
DELETE FROM upload_content AS o
WHERE o.content = ANY(@contents) AND o.removing_by IS NULL
    AND NOT EXISTS (SELECT FROM upload_intent AS i WHERE i.content = o.content)`

// takeIntent ends one upload whose photo is stored in the same transaction. The
// content is locked until then: nobody removes the file in between.
func takeIntent(ctx context.Context, tx pgx.Tx, content, owner string) error {
	args := pgx.NamedArgs{"content": content, "contents": []string{content}, "owner": owner}
	if _, err := tx.Exec(ctx, sqlLockContents, args); err != nil {
		return fmt.Errorf("lock an upload: %w", err)
	}
	taken, err := column[int64](ctx, tx, sqlTakeIntent, args)
	if err != nil {
		return fmt.Errorf("end an upload: %w", err)
	}
	if len(taken) == 0 {
		return gallery.ErrBeingRemoved // the intent was given up, and its file with it
	}
	if _, err := tx.Exec(ctx, sqlDeleteIdleContents, args); err != nil {
		return fmt.Errorf("end an upload: %w", err)
	}
	return nil
}

// Add implements [gallery.Uploads].
func (p Photos) Add(ctx context.Context, n gallery.NewPhoto, ask gallery.Asking, decide func([]gallery.TagFacts) error) (int64, error) {
	var id int64
	err := p.again(ctx, func(tx pgx.Tx) error {
		if err := takeIntent(ctx, tx, n.Photo.Content, n.Owner); err != nil {
			return err
		}
		locked, err := lockTags(ctx, tx, n.Tags, nil, nil)
		if err != nil {
			return err
		}
		if len(locked) < len(n.Tags) {
			return gallery.ErrNotFound
		}
		facts, err := owned(ctx, tx, n.Tags, ask.Now)
		if err != nil {
			return err
		}
		if err := decide(facts); err != nil {
			return err
		}
		photo := n.Photo
		photo.Added = n.Now
		if photo.Location.ID == 0 {
			photo.Location.ID = gallery.RootLocation
		}
		if n.Location != "" {
			if photo.Location.ID, err = placeNear(ctx, tx, photo.Location.ID, n.Location); err != nil {
				return err
			}
		}
		id, err = insertPhoto(ctx, tx, sqlInsertPhoto, photo, n.Tags, nil)
		return err
	})
	return id, err
}

// What no photo names and nobody is about to write is marked, unless somebody else
// has it in hand since less than an hour.
const sqlMarkOrphans = `
UPDATE upload_content AS o
SET removing_by = @owner, removing_since = @now
WHERE o.content = ANY(@contents)
    AND (o.removing_by IS NULL OR o.removing_by = @owner OR o.removing_since < @stale)
    AND NOT EXISTS (SELECT FROM upload_intent AS i WHERE i.content = o.content)
    AND NOT EXISTS (SELECT FROM photo AS p WHERE p.content = o.content)
RETURNING o.content`

// A file that is named again needs no removing any more.
const sqlUnmarkNamed = `
UPDATE upload_content AS o
SET removing_by = NULL, removing_since = NULL
WHERE o.content = ANY(@contents) AND o.removing_by IS NOT NULL
    AND EXISTS (SELECT FROM photo AS p WHERE p.content = o.content)`

// staleMark is the age at which a mark may be taken over.
const staleMark = time.Hour

// markOrphans marks those of locked contents that nobody needs and returns them
// in order; rows of no use go.
func markOrphans(ctx context.Context, tx pgx.Tx, contents []string, owner string, now time.Time) ([]string, error) {
	args := pgx.NamedArgs{"contents": contents, "owner": owner, "now": now.UTC(), "stale": now.Add(-staleMark).UTC()}
	if _, err := tx.Exec(ctx, sqlUnmarkNamed, args); err != nil {
		return nil, fmt.Errorf("keep named contents: %w", err)
	}
	orphans, err := column[string](ctx, tx, sqlMarkOrphans, args)
	if err != nil {
		return nil, fmt.Errorf("mark orphans: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlDeleteIdleContents, args); err != nil {
		return nil, fmt.Errorf("forget contents: %w", err)
	}
	return orphans, nil
}

// Forget implements [gallery.Uploads].
func (p Photos) Forget(ctx context.Context, content, owner string, now time.Time) (bool, error) {
	var orphan bool
	err := p.again(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"content": content, "contents": []string{content}, "owner": owner}
		if _, err := tx.Exec(ctx, sqlLockContents, args); err != nil {
			return fmt.Errorf("lock an upload: %w", err)
		}
		if _, err := tx.Exec(ctx, sqlTakeIntent, args); err != nil {
			return fmt.Errorf("forget an upload: %w", err)
		}
		orphans, err := markOrphans(ctx, tx, []string{content}, owner, now)
		orphan = len(orphans) > 0
		return err
	})
	return orphan, err
}

const sqlRemoved = `
DELETE FROM upload_content
WHERE content = @content AND removing_by = @owner`

// Removed implements [gallery.Uploads] and [gallery.Upkeep].
func (p Photos) Removed(ctx context.Context, content, owner string) error {
	_, err := p.DB.pool.Exec(ctx, sqlRemoved, pgx.NamedArgs{"content": content, "owner": owner})
	if err != nil {
		return translate(fmt.Errorf("end a removal: %w", err))
	}
	return nil
}
