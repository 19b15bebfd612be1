package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

// Photos remembers what the image site must know. It implements the interfaces of package gallery.
type Photos struct{ DB *DB }

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
	g := gallery.Grant{Token: r.Hash, Tag: gallery.Ref{ID: r.TagID, Name: r.TagName}, Level: levelOf(r.Level)}
	if r.Expires != nil {
		g.Expires = *r.Expires
	}
	return g
}

// levelOf reads a stored level: 4 is what an older site called write.
func levelOf(stored int16) gallery.Level { return min(gallery.Level(stored), gallery.Write) }

// Grants implements the interfaces of package gallery.
func (p Photos) Grants(ctx context.Context, hashes [][]byte) ([]gallery.Grant, error) {
	rows, err := p.DB.pool.Query(ctx, sqlGrants, pgx.NamedArgs{"hashes": hashes, "limit": len(hashes)})
	if err != nil {
		return nil, translate(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[grantRow])
	if err != nil {
		return nil, translate(err)
	}
	grants := make([]gallery.Grant, len(found))
	for i, r := range found {
		grants[i] = r.grant()
	}
	return grants, nil
}

const sqlPhoto = `
SELECT
    p.id, p.content, p.file_name, p.bytes, p.width, p.height, p.title, p.caption, p.taken, p.added, p.deleted,
    ARRAY(SELECT x.tag_id FROM photo_tag AS x WHERE x.photo_id = p.id ORDER BY x.tag_id) AS tags,
    ARRAY(
        SELECT g.name
        FROM photo_tag AS x
        JOIN tag AS g ON g.id = x.tag_id
        WHERE x.photo_id = p.id
        ORDER BY x.tag_id
    ) AS tag_names
FROM photo AS p
WHERE p.id = @id`

type photoRow struct {
	ID       int64
	Content  string
	FileName string
	Bytes    int64
	Width    int
	Height   int
	Title    string
	Caption  string
	Taken    *time.Time
	Added    time.Time
	Deleted  *time.Time
	Tags     []int64
	TagNames []string
}

func (r photoRow) photo() gallery.Photo {
	photo := gallery.Photo{
		ID: r.ID, Content: r.Content, FileName: r.FileName, Bytes: r.Bytes, Width: r.Width, Height: r.Height,
		Title: r.Title, Caption: r.Caption, Added: r.Added,
	}
	if r.Deleted != nil {
		photo.Deleted = *r.Deleted
	}
	for i, id := range r.Tags {
		photo.Tags = append(photo.Tags, gallery.Ref{ID: id, Name: r.TagNames[i]})
	}
	if r.Taken != nil {
		photo.Taken = *r.Taken
	}
	return photo
}

// Photo implements the interfaces of package gallery.
func (p Photos) Photo(ctx context.Context, id int64) (gallery.Photo, error) {
	rows, err := p.DB.pool.Query(ctx, sqlPhoto, pgx.NamedArgs{"id": id})
	if err != nil {
		return gallery.Photo{}, translate(err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[photoRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return gallery.Photo{}, gallery.ErrNotFound
	}
	if err != nil {
		return gallery.Photo{}, translate(err)
	}
	return row.photo(), nil
}

const sqlPhotos = `
SELECT
    p.id, p.content, p.file_name, p.bytes, p.width, p.height, p.title, p.caption, p.taken, p.added, p.deleted,
    ARRAY(SELECT x.tag_id FROM photo_tag AS x WHERE x.photo_id = p.id ORDER BY x.tag_id) AS tags,
    ARRAY(
        SELECT g.name
        FROM photo_tag AS x
        JOIN tag AS g ON g.id = x.tag_id
        WHERE x.photo_id = p.id
        ORDER BY x.tag_id
    ) AS tag_names
FROM photo AS p
WHERE p.deleted IS NULL
    AND EXISTS (SELECT FROM photo_tag AS x WHERE x.photo_id = p.id AND x.tag_id = ANY(@tags))
ORDER BY p.id DESC
LIMIT @limit`

// Photos implements the interfaces of package gallery.
func (p Photos) Find(ctx context.Context, f gallery.Filter) ([]gallery.Photo, error) {
	rows, err := p.DB.pool.Query(ctx, sqlPhotos, pgx.NamedArgs{"tags": f.Tags, "limit": f.Limit})
	if err != nil {
		return nil, translate(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[photoRow])
	if err != nil {
		return nil, translate(err)
	}
	photos := make([]gallery.Photo, len(found))
	for i, r := range found {
		photos[i] = r.photo()
	}
	return photos, nil
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
    RETURNING id, tag_id, level
), made AS (
    INSERT INTO access_token (hash, tag_id, level, code_id, created)
    SELECT @hash, tag_id, level, id, @now
    FROM used
    RETURNING hash, tag_id, level, expires
)
SELECT made.hash, g.id AS tag_id, g.name AS tag_name, made.level, made.expires
FROM made
JOIN tag AS g ON g.id = made.tag_id`

// Redeem implements the interfaces of package gallery.
func (p Photos) Redeem(ctx context.Context, r gallery.Redemption) (gallery.Grant, error) {
	rows, err := p.DB.pool.Query(ctx, sqlRedeem, pgx.NamedArgs{"code": r.Code, "hash": r.Token, "now": r.Now})
	if err != nil {
		return gallery.Grant{}, translate(err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[grantRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return gallery.Grant{}, gallery.ErrCode
	}
	if err != nil {
		return gallery.Grant{}, translate(err)
	}
	return row.grant(), nil
}

const sqlWelcome = `
SELECT
    NOT EXISTS (SELECT FROM photo) AND NOT EXISTS (SELECT FROM tag) AS empty,
    coalesce((
        SELECT CASE WHEN c.uses = 0 THEN c.code ELSE '' END
        FROM access_code AS c
        ORDER BY c.id
        LIMIT 1
    ), '') AS code`

// Welcome implements the interfaces of package gallery.
func (p Photos) Welcome(ctx context.Context) (gallery.Welcome, error) {
	rows, err := p.DB.pool.Query(ctx, sqlWelcome)
	if err != nil {
		return gallery.Welcome{}, translate(err)
	}
	w, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[gallery.Welcome])
	return w, translate(err)
}

const sqlSeedTag = `
INSERT INTO tag (name)
VALUES (@name)
ON CONFLICT (name) DO NOTHING
RETURNING id`

const sqlSeedCode = `
INSERT INTO access_code (code, tag_id, level, created)
VALUES (@code, @tag, @level, @now)`

const sqlSeedPhoto = `
WITH made AS (
    INSERT INTO photo (content, file_name, bytes, width, height, title, caption, taken, added)
    VALUES (@content, @file_name, @bytes, @width, @height, @title, @caption, @taken, @now)
    RETURNING id
)
INSERT INTO photo_tag (photo_id, tag_id)
SELECT id, @tag
FROM made`

// Seed implements the interfaces of package gallery. Of two that seed at once the second waits at the
// tag's unique name and then stores nothing.
func (p Photos) Seed(ctx context.Context, s gallery.Seed) error {
	return p.DB.tx(ctx, func(tx pgx.Tx) error {
		var tag int64
		err := tx.QueryRow(ctx, sqlSeedTag, pgx.NamedArgs{"name": s.Tag}).Scan(&tag)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		code := pgx.NamedArgs{"code": s.Code, "tag": tag, "level": s.Level, "now": s.Now}
		if _, err := tx.Exec(ctx, sqlSeedCode, code); err != nil {
			return err
		}
		for _, photo := range s.Photos {
			if _, err := tx.Exec(ctx, sqlSeedPhoto, seedArgs(photo, tag, s.Now)); err != nil {
				return err
			}
		}
		return nil
	})
}

func seedArgs(p gallery.Photo, tag int64, now time.Time) pgx.NamedArgs {
	var taken *time.Time
	if !p.Taken.IsZero() {
		taken = &p.Taken
	}
	return pgx.NamedArgs{
		"content": p.Content, "file_name": p.FileName, "bytes": p.Bytes, "width": p.Width, "height": p.Height,
		"title": p.Title, "caption": p.Caption, "taken": taken, "now": now, "tag": tag,
	}
}
