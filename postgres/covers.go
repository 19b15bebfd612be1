package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/oncall"
)

// Covers remembers overrides that people make while the daemon runs.
type Covers struct{ DB *DB }

// coverLimit bounds a list of covers; the newest are kept.
const coverLimit = 10_000

const sqlAddCover = `
INSERT INTO oncall_cover (rotation, person, begins, ends, made_by, reason, created)
VALUES (@rotation, @person, @begins, @ends, @made_by, @reason, @created)
RETURNING id`

// Add stores covers, all or none, and returns their ids in the same order.
func (c Covers) Add(ctx context.Context, covers ...oncall.Cover) ([]int64, error) {
	ids := make([]int64, len(covers))
	err := c.DB.tx(ctx, func(tx pgx.Tx) error {
		for i, v := range covers {
			args := pgx.NamedArgs{
				"rotation": v.Rotation, "person": v.Person, "begins": v.From, "ends": v.To,
				"made_by": v.By, "reason": v.Reason, "created": v.Created,
			}
			if err := tx.QueryRow(ctx, sqlAddCover, args).Scan(&ids[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

const sqlCancelCover = `
UPDATE oncall_cover
SET cancelled = @now, cancelled_by = @by
WHERE id = @id
    AND cancelled IS NULL
    AND ends > @now`

// Cancel ends a cover from now on and reports whether there was one that held.
func (c Covers) Cancel(ctx context.Context, id int64, by string, now time.Time) (bool, error) {
	tag, err := c.DB.pool.Exec(ctx, sqlCancelCover, pgx.NamedArgs{"id": id, "by": by, "now": now})
	if err != nil {
		return false, translate(err)
	}
	return tag.RowsAffected() == 1, nil
}

const sqlCovers = `
SELECT id, rotation, person, begins AS "from", ends AS "to", made_by AS by, reason, created,
    coalesce(cancelled, '0001-01-01 00:00:00+00') AS cancelled
FROM oncall_cover
WHERE ends > @since
ORDER BY id DESC
LIMIT @limit`

// List returns the covers that end after an instant, cancelled ones too, newest first.
func (c Covers) List(ctx context.Context, since time.Time) ([]oncall.Cover, error) {
	rows, err := c.DB.pool.Query(ctx, sqlCovers, pgx.NamedArgs{"since": since, "limit": coverLimit})
	if err != nil {
		return nil, translate(err)
	}
	covers, err := pgx.CollectRows(rows, pgx.RowToStructByName[oncall.Cover])
	return covers, translate(err)
}
