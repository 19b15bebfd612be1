package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports"
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

// DrillKey begins the keys of the notices about the drill that is due at an instant:
// [DrillBegun] or [DrillEnd] follows.
func DrillKey(at time.Time) string { return fmt.Sprintf("drill/%d/", at.Unix()) }

// How the key of a notice about a drill ends.
const (
	DrillBegun = "begun"  // it paged somebody
	DrillEnd   = "result" // the detail begins with its result, as [DrillResult] writes it
)

// DrillResult is the detail of a drill's end.
func DrillResult(result, detail string) string { return result + ": " + detail }

const sqlDrills = `
SELECT n.key, n.at, n.made_at, n.detail
FROM notice n
WHERE n.key LIKE 'drill/%'
AND n.at >= @from
AND n.at < @to
ORDER BY n.at, n.key`

// Drills implements [reports.Records].
func (s Reports) Drills(ctx context.Context, from, to time.Time) ([]reports.Drill, error) {
	rows, err := s.DB.pool.Query(ctx, sqlDrills, pgx.NamedArgs{"from": from.UTC(), "to": to.UTC()})
	if err != nil {
		return nil, translate(fmt.Errorf("read drills: %w", err))
	}
	notices, err := pgx.CollectRows(rows, pgx.RowToStructByName[Notice])
	if err != nil {
		return nil, translate(fmt.Errorf("read drills: %w", err))
	}
	var out []reports.Drill
	for _, n := range notices { // of one drill "begun" is before "result"
		d := reports.Drill{At: n.At.UTC(), Result: reports.DrillOpen, Detail: "no result is known"}
		switch {
		case strings.HasSuffix(n.Key, "/"+DrillEnd):
			d.Result, d.Detail, _ = strings.Cut(n.Detail, ": ")
		case !strings.HasSuffix(n.Key, "/"+DrillBegun):
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].At.Equal(d.At) {
			out = out[:last]
		}
		out = append(out, d)
	}
	return out, nil
}
