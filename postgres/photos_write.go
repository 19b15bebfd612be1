package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const sqlUpdatePhoto = `
UPDATE photo
SET file_name = @file_name, orientation = @orientation, rotation = @rotation, title = @title, caption = @caption,
    taken = @taken, zone = @zone, camera = @camera, aperture = @aperture, shutter = @shutter, exposure = @exposure,
    metering = @metering, film = @film, process = @process, focal_length = @focal_length, flash = @flash,
    lat = @lat, lon = @lon, alt = @alt, watermark = @watermark, place_id = @location, is_new = @new,
    deleted = @deleted, words = @words::text::tsvector
WHERE id = @id`

const sqlInsertPhoto = `
INSERT INTO photo (
    content, file_name, bytes, width, height, orientation, rotation, title, caption,
    taken, zone, camera, aperture, shutter, exposure, metering, film, process, focal_length,
    flash, lat, lon, alt, watermark, place_id, is_new, added, deleted, words
)
VALUES (
    @content, @file_name, @bytes, @width, @height, @orientation, @rotation, @title, @caption,
    @taken, @zone, @camera, @aperture, @shutter, @exposure, @metering, @film, @process, @focal_length,
    @flash, @lat, @lon, @alt, @watermark, @location, @new, @added, @deleted, @words::text::tsvector
)
RETURNING id`

// The number of an imported photo is that of the other site.
const sqlImportPhoto = `
INSERT INTO photo (
    id, content, file_name, bytes, width, height, orientation, rotation, title, caption,
    taken, zone, camera, aperture, shutter, exposure, metering, film, process, focal_length,
    flash, lat, lon, alt, watermark, place_id, is_new, added, deleted, words
)
OVERRIDING SYSTEM VALUE
VALUES (
    @id, @content, @file_name, @bytes, @width, @height, @orientation, @rotation, @title, @caption,
    @taken, @zone, @camera, @aperture, @shutter, @exposure, @metering, @film, @process, @focal_length,
    @flash, @lat, @lon, @alt, @watermark, @location, @new, @added, @deleted, @words::text::tsvector
)
ON CONFLICT (id) DO NOTHING
RETURNING id`

// photoArgs is a photo's row. Orientation 0 and location 0 mean upright and the root.
func photoArgs(p gallery.Photo) pgx.NamedArgs {
	if p.Location.ID == 0 {
		p.Location.ID = gallery.RootLocation
	}
	return pgx.NamedArgs{
		"id": p.ID, "content": p.Content, "file_name": clean(p.FileName), "bytes": p.Bytes, "width": p.Width, "height": p.Height,
		"orientation": max(p.Orientation, 1), "rotation": p.Rotation, "title": clean(p.Title), "caption": clean(p.Caption),
		"taken": wall(p.Taken), "zone": clean(p.Zone), "camera": clean(p.Shot.Camera), "aperture": clean(p.Shot.Aperture),
		"shutter": clean(p.Shot.Shutter), "exposure": clean(p.Shot.Exposure), "metering": clean(p.Shot.Metering),
		"film": clean(p.Shot.Film), "process": clean(p.Shot.Process), "focal_length": clean(p.Shot.FocalLength),
		"flash": p.Shot.Flash, "lat": p.Position.Lat, "lon": p.Position.Lon, "alt": p.Position.Alt,
		"watermark": clean(p.Watermark), "location": p.Location.ID, "new": p.New, "added": p.Added.UTC(),
		"deleted": stamp(p.Deleted), "words": photoWords(p),
	}
}

// insertPhoto runs sql, one of those above, and hangs tags and people on the photo,
// whose tags are locked. The id is 0 when there is a photo of this number already.
func insertPhoto(ctx context.Context, tx pgx.Tx, sql string, p gallery.Photo, tags, people []int64) (int64, error) {
	ids, err := column[int64](ctx, tx, sql, photoArgs(p))
	if err != nil {
		return 0, fmt.Errorf("store a photo: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	var tagged, shown links
	tagged.add(ids[0], tags...)
	shown.add(ids[0], people...)
	if _, err := tx.Exec(ctx, sqlLinkTags, tagged.args()); err != nil {
		return 0, fmt.Errorf("tag a photo: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlLinkPeople, shown.args()); err != nil {
		return 0, fmt.Errorf("name the people of a photo: %w", err)
	}
	return ids[0], announcePhotos(ctx, tx, ids)
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

// Welcome implements [gallery.Founding].
func (p Photos) Welcome(ctx context.Context) (gallery.Welcome, error) {
	found, err := list[gallery.Welcome](ctx, p.DB.pool, sqlWelcome)
	if err != nil {
		return gallery.Welcome{}, fmt.Errorf("look at the site: %w", err)
	}
	return found[0], nil
}

// Seed implements [gallery.Founding]. Of two that seed at once the second waits at
// the tag's unique name and then stores nothing.
func (p Photos) Seed(ctx context.Context, s gallery.Seed) error {
	return p.DB.tx(ctx, func(tx pgx.Tx) error {
		tags, err := column[int64](ctx, tx, sqlMakeTag, tagArgs(s.Tag))
		if err != nil || len(tags) == 0 {
			return err
		}
		if _, err := addCode(ctx, tx, gallery.Code{Code: s.Code, Tag: tags[0], Level: s.Level}, s.Now); err != nil {
			return err
		}
		for _, photo := range s.Photos {
			if err := seedPhoto(ctx, tx, s, photo, tags); err != nil {
				return err
			}
		}
		return nil
	})
}

func seedPhoto(ctx context.Context, tx pgx.Tx, s gallery.Seed, photo gallery.Photo, tags []int64) error {
	if s.Owner != "" {
		if err := takeIntent(ctx, tx, photo.Content, s.Owner); err != nil {
			return err
		}
	}
	if photo.Added.IsZero() {
		photo.Added = s.Now
	}
	people, err := findOrMakePeople(ctx, tx, photo.People)
	if err != nil {
		return err
	}
	if photo.Location.Name != "" {
		if photo.Location.ID, err = makePlace(ctx, tx, gallery.RootLocation, photo.Location.Name); err != nil {
			return err
		}
	}
	_, err = insertPhoto(ctx, tx, sqlInsertPhoto, photo, tags, values(people))
	return err
}
