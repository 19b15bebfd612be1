package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const sqlContentOfPhoto = `
SELECT p.content
FROM photo AS p
WHERE p.id = @id`

// The numbers that the site gives itself begin behind those that it imported. New
// photos wait meanwhile, or one might get a number in between.
const sqlLockNumbers = `LOCK TABLE photo IN SHARE ROW EXCLUSIVE MODE`

const sqlSkipNumbers = `
SELECT setval('photo_id_seq', @id)
FROM photo_id_seq AS s
WHERE s.last_value < @id`

const sqlLastNumber = `
SELECT s.last_value
FROM photo_id_seq AS s`

// ImportPhoto implements [gallery.Importer].
func (p Photos) ImportPhoto(ctx context.Context, in gallery.ImportedPhoto) (bool, error) {
	if err := p.skipNumbers(ctx, in.Photo.ID); err != nil {
		return false, err
	}
	var stored bool
	err := p.again(ctx, func(tx pgx.Tx) error {
		stored = false
		have, err := column[string](ctx, tx, sqlContentOfPhoto, pgx.NamedArgs{"id": in.Photo.ID})
		if err != nil {
			return fmt.Errorf("look for an imported photo: %w", err)
		}
		if len(have) > 0 && have[0] != in.Photo.Content {
			return gallery.ErrOccupied
		}
		if in.Owner != "" {
			err := takeIntent(ctx, tx, in.Photo.Content, in.Owner)
			if err != nil && (len(have) == 0 || !errors.Is(err, gallery.ErrBeingRemoved)) {
				return err
			}
		}
		if len(have) > 0 {
			return nil
		}
		if err := importPhoto(ctx, tx, in); err != nil {
			return err
		}
		stored = true
		return nil
	})
	return stored, err
}

// importPhoto stores a photo whose number is free.
func importPhoto(ctx context.Context, tx pgx.Tx, in gallery.ImportedPhoto) error {
	names := make([]string, len(in.Tags))
	for i, name := range in.Tags {
		names[i] = clean(name)
	}
	tags, err := findOrMakeTags(ctx, tx, names)
	if err != nil {
		return err
	}
	people, err := findOrMakePeople(ctx, tx, in.People)
	if err != nil {
		return err
	}
	photo := in.Photo
	if photo.Added.IsZero() {
		photo.Added = in.Now
	}
	photo.Location.ID = gallery.RootLocation
	for _, name := range in.Places {
		if photo.Location.ID, err = makePlace(ctx, tx, photo.Location.ID, name); err != nil {
			return err
		}
	}
	id, err := insertPhoto(ctx, tx, sqlImportPhoto, photo, values(tags), values(people))
	if err == nil && id == 0 {
		return errAgain // somebody imports the same at this moment: look again what is there
	}
	return err
}

func values(m map[string]int64) []int64 {
	var out []int64
	for _, key := range sortedKeys(m) {
		out = append(out, m[key])
	}
	return out
}

// skipNumbers sees to it that the site never gives a number up to id itself.
func (p Photos) skipNumbers(ctx context.Context, id int64) error {
	last, err := column[int64](ctx, p.DB.pool, sqlLastNumber)
	if err != nil {
		return fmt.Errorf("read the last number: %w", err)
	}
	if last[0] >= id {
		return nil
	}
	return p.again(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockNumbers); err != nil {
			return fmt.Errorf("lock the numbers: %w", err)
		}
		if _, err := tx.Exec(ctx, sqlSkipNumbers, pgx.NamedArgs{"id": id}); err != nil {
			return fmt.Errorf("skip numbers: %w", err)
		}
		return nil
	})
}

const sqlCodeIsFor = `
SELECT t.name
FROM access_code AS c
JOIN tag AS t ON t.id = c.tag_id
WHERE c.code = @code`

// ImportCode implements [gallery.Importer].
func (p Photos) ImportCode(ctx context.Context, c gallery.ImportedCode) (bool, error) {
	err := p.MakeCode(ctx, c)
	if !errors.Is(err, gallery.ErrTaken) {
		return err == nil, err
	}
	names, lookErr := column[string](ctx, p.DB.pool, sqlCodeIsFor, pgx.NamedArgs{"code": clean(c.Code.Code)})
	if lookErr != nil {
		return false, fmt.Errorf("look up an imported code: %w", lookErr)
	}
	if len(names) > 0 && names[0] == clean(c.Tag) {
		return false, nil
	}
	return false, err
}
