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

const sqlReportRevs = `
SELECT v.check_id, v.valid_from, v.valid_to, v.slot_ms, v.locations, v.k
FROM check_rev v JOIN checks c ON c.id = v.check_id
WHERE c.name = @check
AND v.valid_from < @to
AND (v.valid_to IS NULL OR v.valid_to > @from)
ORDER BY v.valid_from, v.rev`

// The rows of one check in a window: about 20,000 a location and week.
const sqlReportRows = `
SELECT r.slot, r.loc, r.outcome, r.attempts, COALESCE(r.err_id, 0)
FROM probe_result r
WHERE r.check_id = @check_id
AND r.slot >= @from
AND r.slot < @to
ORDER BY r.slot, r.loc`

const sqlReportErrors = `
SELECT e.id, e.cause, e.class, e.message
FROM probe_error e
WHERE e.id = ANY(@ids::int4[])
ORDER BY e.id`

const sqlReportLocations = `
SELECT l.id, l.name
FROM location l
ORDER BY l.id`

// Ledger implements [reports.Store].
func (s Reports) Ledger(ctx context.Context, check string, from, to time.Time) (reports.CheckLedger, error) {
	l := reports.CheckLedger{Check: check}
	id, err := s.revs(ctx, &l, from, to)
	if err != nil {
		return reports.CheckLedger{}, translate(fmt.Errorf("read revisions: %w", err))
	}
	if len(l.Revs) == 0 {
		return l, nil // nothing was expected, so nothing can have been recorded
	}
	ids, err := s.rows(ctx, &l, id, from, to)
	if err != nil {
		return reports.CheckLedger{}, translate(fmt.Errorf("read results: %w", err))
	}
	if err := s.texts(ctx, &l, ids); err != nil {
		return reports.CheckLedger{}, translate(fmt.Errorf("read errors and locations: %w", err))
	}
	return l, nil
}

// revs fills the configurations that were valid in the window and returns the check's id.
func (s Reports) revs(ctx context.Context, l *reports.CheckLedger, from, to time.Time) (int32, error) {
	rows, err := s.DB.pool.Query(ctx, sqlReportRevs, pgx.NamedArgs{"check": l.Check, "from": from, "to": to})
	if err != nil {
		return 0, err
	}
	var id, slotMS int32
	var rev reports.Rev
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &rev.From, &until, &slotMS, &rev.Locations, &rev.Quorum}, func() error {
		next := rev
		next.Locations = append([]int16(nil), rev.Locations...)
		next.Slot = time.Duration(slotMS) * time.Millisecond
		if until != nil {
			next.To = *until
		}
		l.Revs = append(l.Revs, next)
		return nil
	})
	return id, err
}

// rows fills the results and returns the ids of the errors they name.
func (s Reports) rows(ctx context.Context, l *reports.CheckLedger, id int32, from, to time.Time) ([]int32, error) {
	rows, err := s.DB.pool.Query(ctx, sqlReportRows, pgx.NamedArgs{"check_id": id, "from": from, "to": to})
	if err != nil {
		return nil, err
	}
	l.Rows = make([]reports.Row, 0, expectedRows(l.Revs, from, to))
	seen := map[int32]struct{}{}
	var ids []int32
	var row reports.Row
	_, err = pgx.ForEachRow(rows, []any{&row.Slot, &row.Location, &row.Outcome, &row.Attempts, &row.ErrID}, func() error {
		l.Rows = append(l.Rows, row)
		if _, known := seen[row.ErrID]; !known && row.ErrID != 0 {
			seen[row.ErrID] = struct{}{}
			ids = append(ids, row.ErrID)
		}
		return nil
	})
	return ids, err
}

// expectedRows is how many results a window should have, so that the rows of a
// week need no regrowing; at most a million.
func expectedRows(revs []reports.Rev, from, to time.Time) int {
	n := 0
	for _, rev := range revs {
		start, stop := later(from, rev.From), to
		if !rev.To.IsZero() && rev.To.Before(to) {
			stop = rev.To
		}
		n += (int(stop.Sub(start)/rev.Slot) + 1) * len(rev.Locations)
	}
	return min(n, 1_000_000)
}

// texts fills what error ids mean and the names of locations.
func (s Reports) texts(ctx context.Context, l *reports.CheckLedger, ids []int32) error {
	l.Errors, l.Locations = map[int32]reports.Failure{}, map[int16]string{}
	if len(ids) > 0 {
		rows, err := s.DB.pool.Query(ctx, sqlReportErrors, pgx.NamedArgs{"ids": ids})
		if err != nil {
			return err
		}
		var id int32
		var f reports.Failure
		if _, err := pgx.ForEachRow(rows, []any{&id, &f.Cause, &f.Class, &f.Message}, func() error {
			l.Errors[id] = f
			return nil
		}); err != nil {
			return err
		}
	}
	rows, err := s.DB.pool.Query(ctx, sqlReportLocations)
	if err != nil {
		return err
	}
	var id int16
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		l.Locations[id] = name
		return nil
	})
	return err
}

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
