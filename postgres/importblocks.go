package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
)

// The blocks of hours that are archived already; until the end nobody else changes them.
const sqlStagedBlocks = `
SELECT b.check_id, b.loc, b.hour, b.body
FROM probe_block b
WHERE (b.check_id, b.loc, b.hour) IN (
	SELECT s.check_id, s.loc, date_trunc('hour', s.slot, 'UTC')
	FROM import_stage s)
ORDER BY b.check_id, b.loc, b.hour
FOR UPDATE`

// A result that came after its hour was archived, and waits to join it, is compared in
// the table.
const sqlStagedForBlocks = `
SELECT s.check_id, s.loc, s.slot, s.latency_us, s.outcome, s.attempts, s.code, COALESCE(e.id, 0)
FROM import_stage s
JOIN probe_block b ON b.check_id = s.check_id AND b.loc = s.loc AND b.hour = date_trunc('hour', s.slot, 'UTC')
LEFT JOIN probe_error e ON e.sha = s.sha
WHERE NOT EXISTS (
	SELECT FROM probe_result r
	WHERE r.check_id = s.check_id AND r.loc = s.loc AND r.slot = s.slot)
ORDER BY s.check_id, s.loc, s.slot`

const sqlUnstage = `
DELETE FROM import_stage s
USING unnest(@checks::int4[], @locs::int2[], @slots::timestamptz[]) AS u (check_id, loc, slot)
WHERE s.check_id = u.check_id
AND s.loc = u.loc
AND s.slot = u.slot`

const sqlMarkBlocks = `
INSERT INTO fold_mark (check_id, from_at, to_at)
SELECT m.check_id, min(m.slot), max(m.slot) + interval '1 millisecond'
FROM unnest(@checks::int4[], @slots::timestamptz[]) AS m (check_id, slot)
GROUP BY m.check_id, date_trunc('day', m.slot, 'UTC')`

const sqlRecountArchive = `
UPDATE probe_archive a
SET results = c.results, bytes = c.bytes
FROM (
	SELECT date_trunc('day', b.hour, 'UTC') AS day, sum(b.n) AS results, sum(length(b.body)) AS bytes
	FROM probe_block b
	JOIN (
		SELECT DISTINCT date_trunc('day', d.slot, 'UTC') AS day
		FROM unnest(@slots::timestamptz[]) AS d (slot)) days
		ON b.hour >= days.day AND b.hour < days.day + interval '24 hours'
	GROUP BY 1) c
WHERE a.day = c.day`

// slotList names slots as columns.
type slotList struct {
	checks []int32
	locs   []int16
	slots  []time.Time
}

func (l *slotList) add(id blockID, slot time.Time) {
	l.checks, l.locs, l.slots = append(l.checks, id.check), append(l.locs, id.loc), append(l.slots, slot)
}

func (l *slotList) args() pgx.NamedArgs {
	return pgx.NamedArgs{"checks": l.checks, "locs": l.locs, "slots": l.slots}
}

// stageBlocks takes over what is new of staged results whose hours are archived: their
// blocks are unpacked, joined and packed again, and their days marked to be folded anew.
// Those results are staged no more.
func stageBlocks(ctx context.Context, tx pgx.Tx) (done Imported, err error) {
	blocks, err := stagedBlocks(ctx, tx)
	if err != nil || len(blocks) == 0 {
		return done, err
	}
	rows, err := tx.Query(ctx, sqlStagedForBlocks)
	if err != nil {
		return done, err
	}
	var id blockID
	var p ledger.Packed
	var seen, changed slotList
	touched := map[blockID][]ledger.Packed{}
	if _, err := pgx.ForEachRow(rows, []any{&id.check, &id.loc, &p.Slot, &p.LatencyUS, &p.Outcome, &p.Attempts, &p.Code, &p.ErrID}, func() error {
		id.hour = p.Slot.Truncate(time.Hour)
		if _, ok := blocks[id]; !ok {
			return errNewBlock
		}
		seen.add(id, p.Slot)
		var one Imported
		blocks[id], one = joinPacked(blocks[id], p)
		done = done.Add(one)
		if one.New+one.Learned > 0 {
			changed.add(id, p.Slot)
			touched[id] = blocks[id]
		}
		return nil
	}); err != nil {
		return done, err
	}
	if _, err := tx.Exec(ctx, sqlUnstage, seen.args()); err != nil || len(touched) == 0 {
		return done, err
	}
	for id := range touched {
		touched[id] = blocks[id]
	}
	if err := writeBlocks(ctx, tx, touched); err != nil {
		return done, err
	}
	for _, sql := range []string{sqlMarkBlocks, sqlRecountArchive} {
		if _, err := tx.Exec(ctx, sql, changed.args()); err != nil {
			return done, err
		}
	}
	return done, nil
}

// errNewBlock means that an hour was archived between two statements: then all is
// tried again.
var errNewBlock = errors.New("an hour was archived meanwhile")

func stagedBlocks(ctx context.Context, tx pgx.Tx) (map[blockID][]ledger.Packed, error) {
	rows, err := tx.Query(ctx, sqlStagedBlocks)
	if err != nil {
		return nil, err
	}
	blocks := map[blockID][]ledger.Packed{}
	var id blockID
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id.check, &id.loc, &id.hour, &body}, func() (err error) {
		blocks[id], err = ledger.UnpackBlock(id.hour, body)
		return err
	})
	return blocks, err
}

// joinPacked puts a result in its place among those of its hour, ordered by slot. What
// was seen stays; only what nobody could tell is learned.
func joinPacked(hour []ledger.Packed, p ledger.Packed) ([]ledger.Packed, Imported) {
	at, found := slices.BinarySearchFunc(hour, p, func(a, b ledger.Packed) int { return a.Slot.Compare(b.Slot) })
	switch {
	case !found:
		return slices.Insert(hour, at, p), Imported{New: 1}
	case hour[at].Outcome == 0 && p.Outcome != 0:
		hour[at] = p
		return hour, Imported{Learned: 1}
	case hour[at].Outcome != p.Outcome && hour[at].Outcome != 0:
		return hour, Imported{Known: 1, Differ: 1}
	}
	return hour, Imported{Known: 1}
}
