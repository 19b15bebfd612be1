package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Audit remembers every change that a person made. Safe for concurrent use.
type Audit struct{ DB *DB }

// AuditEntry is one change: who did what to which object, and when. Who and What
// must not be empty. Texts that are too long are cut, so that a long note cannot
// keep its own trace from being written.
type AuditEntry struct {
	ID     int64 // given by the database
	At     time.Time
	Who    string // an OS user, a token's name, or who held a signed link
	What   string // one word: ack, resolve, note, silence, override, swap, page, correction …
	Object string // what it was done to: an incident, a rotation, a week
	Detail string
}

const auditDetailMax = 2000 // bytes, about a page of text

const sqlAuditAdd = `
INSERT INTO audit (at, who, what, object, detail)
SELECT n.at, n.who, n.what, n.object, n.detail
FROM (VALUES (@at::timestamptz, @who::text, @what::text, @object::text, @detail::text)) AS n (at, who, what, object, detail)
WHERE NOT EXISTS (
	SELECT FROM audit a
	WHERE (a.at, a.who, a.what, a.object, a.detail) = (n.at, n.who, n.what, n.object, n.detail))`

// Add stores entries, all or none. An entry that is there already, to the microsecond,
// is not stored again: a daemon that was killed may bring it twice.
func (a Audit) Add(ctx context.Context, entries ...AuditEntry) error {
	err := a.DB.tx(ctx, func(tx pgx.Tx) error {
		for _, e := range entries {
			if _, err := tx.Exec(ctx, sqlAuditAdd, pgx.NamedArgs{
				"at": e.At.UTC(), "who": clean(shorten(e.Who, 200)), "what": clean(shorten(e.What, 100)),
				"object": clean(shorten(e.Object, 300)), "detail": clean(shorten(e.Detail, auditDetailMax)),
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}

// shorten cuts a text to n bytes, never inside a character (clean mends the last one).
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

const sqlAuditList = `
SELECT id, at, who, what, object, detail
FROM audit
WHERE at >= @since
    AND (@object::text = '' OR object = @object)
ORDER BY at DESC, id DESC
LIMIT @limit`

// List returns the changes since an instant, newest first, at most limit; object
// "" means all objects.
func (a Audit) List(ctx context.Context, object string, since time.Time, limit int) ([]AuditEntry, error) {
	rows, err := a.DB.pool.Query(ctx, sqlAuditList, pgx.NamedArgs{"object": object, "since": since.UTC(), "limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("read audit: %w", err))
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByName[AuditEntry])
	if err != nil {
		return nil, translate(fmt.Errorf("read audit: %w", err))
	}
	return entries, nil
}
