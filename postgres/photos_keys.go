package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const sqlGrants = `
SELECT t.hash, g.id AS tag_id, g.name AS tag_name, t.level, t.expires
FROM access_token AS t
JOIN tag AS g ON g.id = t.tag_id
WHERE t.hash = ANY(@hashes)
ORDER BY t.id
LIMIT @limit`

type grantRow struct {
	Hash    []byte
	TagID   int64
	TagName string
	Level   int16
	Expires *time.Time
}

func (r grantRow) grant() gallery.Grant {
	return gallery.Grant{
		Token: r.Hash, Tag: gallery.Ref{ID: r.TagID, Name: r.TagName}, Level: levelOf(r.Level), Expires: instant(r.Expires),
	}
}

// levelOf reads a stored level: 4 is what an older site called write.
func levelOf(stored int16) gallery.Level { return min(gallery.Level(stored), gallery.Write) }

// Grants implements [gallery.Keys].
func (p Photos) Grants(ctx context.Context, hashes [][]byte) ([]gallery.Grant, error) {
	found, err := list[grantRow](ctx, p.DB.pool, sqlGrants, pgx.NamedArgs{"hashes": hashes, "limit": len(hashes)})
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	grants := make([]gallery.Grant, len(found))
	for i, r := range found {
		grants[i] = r.grant()
	}
	return grants, nil
}

// One statement counts the use and makes the token: the row lock of the UPDATE
// makes racing callers wait for each other and look at max_uses again.
const sqlRedeem = `
WITH used AS (
    UPDATE access_code
    SET uses = uses + 1
    WHERE code = @code
        AND (max_uses IS NULL OR uses < max_uses)
        AND (expires IS NULL OR expires > @now)
    RETURNING id, tag_id, level, token_seconds
), made AS (
    INSERT INTO access_token (hash, tag_id, level, code_id, created, expires)
    SELECT @hash, tag_id, level, id, @now, @now::timestamptz + token_seconds * interval '1 second'
    FROM used
    RETURNING hash, tag_id, level, expires
)
SELECT made.hash, g.id AS tag_id, g.name AS tag_name, made.level, made.expires
FROM made
JOIN tag AS g ON g.id = made.tag_id`

// Redeem implements [gallery.Keys].
func (p Photos) Redeem(ctx context.Context, r gallery.Redemption) (gallery.Grant, error) {
	args := pgx.NamedArgs{"code": clean(r.Code), "hash": r.Token, "now": r.Now.UTC()}
	found, err := list[grantRow](ctx, p.DB.pool, sqlRedeem, args)
	if err != nil {
		return gallery.Grant{}, fmt.Errorf("redeem a code: %w", err)
	}
	if len(found) == 0 {
		return gallery.Grant{}, gallery.ErrCode
	}
	return found[0].grant(), nil
}

const sqlAddCode = `
INSERT INTO access_code (code, tag_id, level, uses, max_uses, created, expires, token_seconds)
VALUES (@code, @tag, @level, @uses, @max_uses, @now, @expires, @token_seconds)
ON CONFLICT (code) DO NOTHING
RETURNING id`

// addCode stores a code for a locked tag and returns its id, or ErrTaken.
func addCode(ctx context.Context, tx pgx.Tx, c gallery.Code, now time.Time) (int64, error) {
	var limit *int64
	if c.MaxUses > 0 {
		limit = &c.MaxUses
	}
	var life *int64
	if c.TokenLife > 0 {
		seconds := int64(max(c.TokenLife/time.Second, 1))
		life = &seconds
	}
	ids, err := column[int64](ctx, tx, sqlAddCode, pgx.NamedArgs{
		"code": c.Code, "tag": c.Tag, "level": c.Level, "uses": c.Uses, "max_uses": limit, "now": now.UTC(), "expires": stamp(c.Expires),
		"token_seconds": life,
	})
	if err != nil {
		return 0, fmt.Errorf("store a code: %w", err)
	}
	if len(ids) == 0 {
		return 0, gallery.ErrTaken
	}
	return ids[0], nil
}

// Share implements [gallery.Keys].
func (p Photos) Share(ctx context.Context, tag int64, ask gallery.Asking, decide func(gallery.TagFacts) (gallery.Code, error)) (gallery.Code, error) {
	var code gallery.Code
	err := p.again(ctx, func(tx pgx.Tx) error {
		if _, err := lockTags(ctx, tx, []int64{tag}, nil, nil); err != nil {
			return err
		}
		facts, err := tagFacts(ctx, tx, tag, "", ask)
		if err != nil {
			return err
		}
		if code, err = decide(facts); err != nil {
			return err
		}
		code.Tag = tag
		code.ID, err = addCode(ctx, tx, code, ask.Now)
		return err
	})
	if err != nil {
		return gallery.Code{}, err
	}
	return code, nil
}

const sqlTagOfCode = `
SELECT c.tag_id
FROM access_code AS c
WHERE c.code = @code`

const sqlLockCode = `
SELECT c.id, c.code, c.tag_id, c.level, c.uses, c.max_uses, c.expires
FROM access_code AS c
WHERE c.code = @code
FOR UPDATE`

//nolint:gosec // a statement, no credentials
const sqlDeleteTokensOfCode = `
DELETE FROM access_token
WHERE code_id = @id
RETURNING hash`

const sqlDeleteCode = `
DELETE FROM access_code
WHERE id = @id`

// A tag that is on nothing and that nobody holds (T2b).
const sqlDeleteIdleTags = `
DELETE FROM tag AS t
WHERE t.id = ANY(@ids)
    AND NOT EXISTS (SELECT FROM photo_tag AS x WHERE x.tag_id = t.id)
    AND NOT EXISTS (SELECT FROM access_code AS x WHERE x.tag_id = t.id)
    AND NOT EXISTS (SELECT FROM access_token AS x WHERE x.tag_id = t.id)`

// deleteIdleTags ends tags of no use; they must be locked.
func deleteIdleTags(ctx context.Context, tx pgx.Tx, ids []int64) error {
	if _, err := tx.Exec(ctx, sqlDeleteIdleTags, pgx.NamedArgs{"ids": ids}); err != nil {
		return fmt.Errorf("delete idle tags: %w", err)
	}
	return nil
}

// Unshare implements [gallery.Keys].
func (p Photos) Unshare(ctx context.Context, code string, ask gallery.Asking, decide func(gallery.TagFacts, gallery.Code) error) error {
	return p.again(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"code": clean(code)}
		tags, err := column[int64](ctx, tx, sqlTagOfCode, args)
		if err != nil {
			return fmt.Errorf("look up a code: %w", err)
		}
		if len(tags) == 0 {
			return gallery.ErrNotFound
		}
		if _, err := lockTags(ctx, tx, tags, nil, nil); err != nil {
			return err
		}
		// Who redeems the code at this moment has its row: its token is seen below.
		locked, err := list[codeRow](ctx, tx, sqlLockCode, args)
		if err != nil {
			return fmt.Errorf("lock a code: %w", err)
		}
		if len(locked) == 0 {
			return gallery.ErrNotFound
		}
		facts, err := tagFacts(ctx, tx, tags[0], "", ask)
		if err != nil {
			return err
		}
		if err := decide(facts, locked[0].code()); err != nil {
			return err
		}
		return deleteCode(ctx, tx, locked[0])
	})
}

func deleteCode(ctx context.Context, tx pgx.Tx, c codeRow) error {
	args := pgx.NamedArgs{"id": c.ID}
	hashes, err := column[[]byte](ctx, tx, sqlDeleteTokensOfCode, args)
	if err != nil {
		return fmt.Errorf("delete tokens: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlDeleteCode, args); err != nil {
		return fmt.Errorf("delete a code: %w", err)
	}
	if err := deleteIdleTags(ctx, tx, []int64{c.TagID}); err != nil {
		return err
	}
	return announceTokens(ctx, tx, hashes)
}

// MakeCode implements [gallery.Founding].
func (p Photos) MakeCode(ctx context.Context, c gallery.ImportedCode) error {
	c.Tag = clean(c.Tag)
	return p.again(ctx, func(tx pgx.Tx) error {
		tags, err := findOrMakeTags(ctx, tx, []string{c.Tag})
		if err != nil {
			return err
		}
		c.Code.Tag = tags[c.Tag]
		_, err = addCode(ctx, tx, c.Code, c.Now)
		return err
	})
}
