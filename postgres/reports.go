package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports"
)

// Reports reads what reports are made from and keeps the written ones. It
// implements [reports.Store]. Safe for concurrent use.
type Reports struct {
	DB *DB
}

var _ reports.Store = Reports{}

// errSpoilt means that a stored report is not the one that was written.
var errSpoilt = errors.New("the stored report does not match its checksum")

const sqlReportLoad = `
SELECT w.body, w.sha
FROM weekly_report w
WHERE w.week = @week
AND w.zone = @zone
AND (@revision::int4 = 0 OR w.revision = @revision)
ORDER BY w.revision DESC
LIMIT 1`

// Load implements [reports.Store]. A report that is not byte for byte what was
// saved is an error, not a figure.
func (s Reports) Load(ctx context.Context, week, zone string, revision int) (reports.Report, error) {
	var body string
	var sha []byte
	args := pgx.NamedArgs{"week": week, "zone": zone, "revision": revision}
	err := s.DB.pool.QueryRow(ctx, sqlReportLoad, args).Scan(&body, &sha)
	if errors.Is(err, pgx.ErrNoRows) {
		return reports.Report{}, fmt.Errorf("report of %s in %s: %w", week, zone, reports.ErrNotFound)
	}
	if err != nil {
		return reports.Report{}, translate(fmt.Errorf("read report: %w", err))
	}
	if sum := sha256.Sum256([]byte(body)); string(sum[:]) != string(sha) {
		return reports.Report{}, fmt.Errorf("report of %s in %s: %w", week, zone, errSpoilt)
	}
	var r reports.Report
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return reports.Report{}, fmt.Errorf("decode report of %s in %s: %w", week, zone, err)
	}
	return r, nil
}

const sqlReportList = `
SELECT w.week, w.zone, w.revision, w.written_at, f.finalised_at
FROM weekly_report w
LEFT JOIN weekly_final f ON f.week = w.week AND f.zone = w.zone AND f.revision = w.revision
WHERE (@zone::text = '' OR w.zone = @zone)
ORDER BY w.week DESC, w.zone, w.revision DESC
LIMIT @limit`

// List implements [reports.Store].
func (s Reports) List(ctx context.Context, zone string, limit int) ([]reports.Saved, error) {
	rows, err := s.DB.pool.Query(ctx, sqlReportList, pgx.NamedArgs{"zone": zone, "limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("list reports: %w", err))
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (reports.Saved, error) {
		var v reports.Saved
		var final *time.Time
		err := row.Scan(&v.Week, &v.Zone, &v.Revision, &v.Written, &final)
		v.Final = instant(final)
		return v, err
	})
	if err != nil {
		return nil, translate(fmt.Errorf("list reports: %w", err))
	}
	return found, nil
}
