package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Notices remembers what people were told once and for all. Safe for concurrent use.
type Notices struct{ DB *DB }

// Notice is one thing that was told. Key says which; a second one of a key is none.
type Notice struct {
	Key    string
	At     time.Time // of what it tells
	MadeAt time.Time
	Detail string
}

const sqlNoticePut = `
INSERT INTO notice (key, at, made_at, detail)
VALUES (@key, @at, @made_at, @detail)
ON CONFLICT (key) DO NOTHING`

// Put notes a notice and reports whether it is the first of its key.
func (n Notices) Put(ctx context.Context, v Notice) (bool, error) {
	tag, err := n.DB.pool.Exec(ctx, sqlNoticePut, pgx.NamedArgs{
		"key": clean(v.Key), "at": v.At.UTC(), "made_at": v.MadeAt.UTC(), "detail": clean(v.Detail),
	})
	if err != nil {
		return false, translate(fmt.Errorf("note notice: %w", err))
	}
	return tag.RowsAffected() == 1, nil
}

const sqlNoticeList = `
SELECT key, at, made_at, detail
FROM notice
WHERE at >= @since
ORDER BY at DESC, key
LIMIT @limit`

// List returns what was told of things since an instant, newest first, at most limit.
func (n Notices) List(ctx context.Context, since time.Time, limit int) ([]Notice, error) {
	rows, err := n.DB.pool.Query(ctx, sqlNoticeList, pgx.NamedArgs{"since": since.UTC(), "limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("read notices: %w", err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Notice])
	if err != nil {
		return nil, translate(fmt.Errorf("read notices: %w", err))
	}
	return found, nil
}
