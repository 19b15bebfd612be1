package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"keepwatch/ledger"
)

// archiveChecks is how many checks are archived in one transaction: of 3 locations at
// 30 s about 430,000 results.
const archiveChecks = 50

const sqlOldDays = `
SELECT to_timestamp(substr(c.relname, 14) || ' 00+00', 'YYYYMMDD HH24TZH')
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'probe_result'::regclass
AND c.relname ~ '^probe_result_\d{8}$'
AND to_timestamp(substr(c.relname, 14) || ' 00+00', 'YYYYMMDD HH24TZH') + interval '24 hours' <= @cutoff
ORDER BY c.relname`

const sqlDropArchived = `SELECT ledger_drop_archived(@day::timestamptz, @archived::int8)`

const sqlNoteArchive = `
INSERT INTO probe_archive (day, results, bytes, at)
SELECT @day, count.results, count.bytes, @now
FROM (
	SELECT COALESCE(sum(b.n), 0) AS results, COALESCE(sum(length(b.body)), 0) AS bytes
	FROM probe_block b
	WHERE b.hour >= @day AND b.hour < @end AND b.check_id = ANY (@checks::int4[])
) count
ON CONFLICT (day) DO UPDATE SET results = EXCLUDED.results, bytes = EXCLUDED.bytes, at = EXCLUDED.at`

// What people look at is gone; the texts stay, because blocks and spans name them.
const sqlDropBodies = `
UPDATE probe_error
SET body = NULL, steps = NULL
WHERE hour < @cutoff AND (body IS NOT NULL OR steps IS NOT NULL)`

// dropBefore archives the days that ended at or before cutoff into blocks and drops
// their partitions. One process at a time does; another's turn is no error.
func (r *Results) dropBefore(ctx context.Context, now, cutoff time.Time) (dropped int, err error) {
	_, release, held, err := r.DB.TryLead(ctx, "archive")
	if err != nil || !held {
		return 0, err
	}
	defer release()
	rows, err := r.DB.pool.Query(ctx, sqlOldDays, pgx.NamedArgs{"cutoff": cutoff})
	if err != nil {
		return 0, err
	}
	days, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return 0, err
	}
	for _, at := range days {
		done, err := r.archiveDay(ctx, at.UTC(), now)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "55P03" {
			r.DB.log.Warn("old results are being read; they are dropped next time", "err", err)
			return dropped, nil
		}
		if err != nil {
			return dropped, fmt.Errorf("archive %s: %w", at.Format(time.DateOnly), err)
		}
		if done {
			dropped++
		}
	}
	if _, err := r.DB.pool.Exec(ctx, sqlDropBodies, pgx.NamedArgs{"cutoff": cutoff}); err != nil {
		return dropped, err
	}
	return dropped, nil
}

const sqlChecksOfAll = `
SELECT c.id
FROM checks c
ORDER BY c.id`

// archiveDay writes the blocks of a day and drops its partition; false when results
// came in between, which the next time will find.
func (r *Results) archiveDay(ctx context.Context, at, now time.Time) (bool, error) {
	rows, err := r.DB.pool.Query(ctx, sqlChecksOfAll)
	if err != nil {
		return false, err
	}
	checks, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return false, err
	}
	archived := int64(0)
	for some := range slices.Chunk(checks, archiveChecks) {
		n, err := r.archiveChecks(ctx, some, at)
		if err != nil {
			return false, err
		}
		archived += n
	}
	done := false
	err = pgx.BeginFunc(ctx, r.DB.pool, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"day": at, "end": at.Add(day), "archived": archived, "now": now, "checks": checks}
		var found int64
		if err := tx.QueryRow(ctx, sqlDropArchived, args).Scan(&found); err != nil {
			return err
		}
		if done = found == archived; !done {
			return nil
		}
		_, err := tx.Exec(ctx, sqlNoteArchive, args)
		return err
	})
	return done, err
}

const sqlDayResults = `
SELECT p.check_id, p.loc, p.slot, p.latency_us, p.outcome, p.attempts, p.code, COALESCE(p.err_id, 0)
FROM probe_result p
WHERE p.slot >= @from
AND p.slot < @to
AND p.check_id = ANY (@checks::int4[])
ORDER BY p.check_id, p.loc, p.slot`

const sqlDayBlocks = `
SELECT b.check_id, b.loc, b.hour, b.body
FROM probe_block b
WHERE b.check_id = ANY (@checks::int4[])
AND b.hour >= @from
AND b.hour < @to
ORDER BY b.check_id, b.loc, b.hour
FOR UPDATE` // an import may be changing them

const sqlWriteBlocks = `
INSERT INTO probe_block (check_id, loc, hour, n, body)
SELECT b.check_id, b.loc, b.hour, b.n, b.body
FROM unnest(@checks::int4[], @locs::int2[], @hours::timestamptz[], @ns::int4[], @bodies::bytea[]) AS b (check_id, loc, hour, n, body)
ON CONFLICT (check_id, loc, hour) DO UPDATE SET n = EXCLUDED.n, body = EXCLUDED.body`

// blockID names a block.
type blockID struct {
	check int32
	loc   int16
	hour  time.Time
}

// archiveChecks writes the blocks of some checks' day and returns how many results of
// the partition are in them. Results of a day that was archived before join their blocks;
// what was archived first stays.
func (r *Results) archiveChecks(ctx context.Context, checks []int32, at time.Time) (n int64, err error) {
	args := pgx.NamedArgs{"checks": checks, "from": at, "to": at.Add(day)}
	err = pgx.BeginFunc(ctx, r.DB.pool, func(tx pgx.Tx) error {
		blocks := map[blockID][]ledger.Packed{}
		if n, err = readDay(ctx, tx, args, blocks); err != nil || n == 0 {
			return err
		}
		if err := joinBlocks(ctx, tx, args, blocks); err != nil {
			return err
		}
		return writeBlocks(ctx, tx, blocks)
	})
	return n, err
}

func readDay(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs, blocks map[blockID][]ledger.Packed) (n int64, err error) {
	rows, err := tx.Query(ctx, sqlDayResults, args)
	if err != nil {
		return 0, err
	}
	var id blockID
	var p ledger.Packed
	_, err = pgx.ForEachRow(rows, []any{&id.check, &id.loc, &p.Slot, &p.LatencyUS, &p.Outcome, &p.Attempts, &p.Code, &p.ErrID}, func() error {
		id.hour = p.Slot.Truncate(time.Hour)
		blocks[id] = append(blocks[id], p)
		n++
		return nil
	})
	return n, err
}

// joinBlocks puts what is archived already in front of the day's results.
func joinBlocks(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs, blocks map[blockID][]ledger.Packed) error {
	rows, err := tx.Query(ctx, sqlDayBlocks, args)
	if err != nil {
		return err
	}
	var id blockID
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id.check, &id.loc, &id.hour, &body}, func() error {
		more, ok := blocks[id]
		if !ok {
			return nil
		}
		first, err := ledger.UnpackBlock(id.hour, body)
		if err != nil {
			return err
		}
		all := append(first, more...)
		slices.SortStableFunc(all, func(a, b ledger.Packed) int { return a.Slot.Compare(b.Slot) })
		blocks[id] = slices.CompactFunc(all, func(a, b ledger.Packed) bool { return a.Slot.Equal(b.Slot) })
		return nil
	})
	return err
}

func writeBlocks(ctx context.Context, tx pgx.Tx, blocks map[blockID][]ledger.Packed) error {
	ids := make([]blockID, 0, len(blocks))
	for id := range blocks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b blockID) int {
		return cmp.Or(cmp.Compare(a.check, b.check), cmp.Compare(a.loc, b.loc), a.hour.Compare(b.hour))
	})
	var checks, ns []int32
	var locs []int16
	var hours []time.Time
	var bodies [][]byte
	for _, id := range ids {
		checks, locs, hours = append(checks, id.check), append(locs, id.loc), append(hours, id.hour)
		ns = append(ns, int32(len(blocks[id]))) //nolint:gosec // results of an hour
		bodies = append(bodies, ledger.PackBlock(id.hour, blocks[id]))
	}
	_, err := tx.Exec(ctx, sqlWriteBlocks, pgx.NamedArgs{"checks": checks, "locs": locs, "hours": hours, "ns": ns, "bodies": bodies})
	return err
}
