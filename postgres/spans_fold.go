package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/reports"
)

// A holder whose clock is a minute ahead would never seem to be gone. A row that is
// locked right now has a holder who lives.
const sqlTakeFold = `
UPDATE fold_lease
SET holder = @agent, epoch = epoch + 1, renewed = @now
WHERE one = (
	SELECT f.one
	FROM fold_lease f
	WHERE f.holder IN ('', @agent) OR f.renewed < @expired OR f.renewed > @ahead
	FOR UPDATE SKIP LOCKED
)
RETURNING epoch`

// Take implements [ledger.Store].
func (r *Results) Take(ctx context.Context, l ledger.Lease, patience time.Duration) (int64, error) {
	var epoch int64
	err := r.DB.pool.QueryRow(ctx, sqlTakeFold, pgx.NamedArgs{
		"agent": l.Agent, "now": l.Now, "expired": l.Now.Add(-patience), "ahead": l.Now.Add(time.Minute),
	}).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, translate(fmt.Errorf("take the ledger: %w", err))
	}
	return epoch, nil
}

const sqlFoldable = `
SELECT c.name, c.id
FROM checks c
WHERE EXISTS (SELECT FROM check_rev v WHERE v.check_id = c.id AND (v.valid_to IS NULL OR v.valid_to > @today))
OR EXISTS (SELECT FROM span s WHERE s.check_id = c.id AND s.dur_ms IS NULL)
ORDER BY c.name`

const sqlLastDays = `
SELECT d.check_id, d.day, d.until, d.good_ms, d.bad_ms, d.unknown_ms, d.probes, d.good_probes, d.softs
FROM unnest(@checks::int4[]) AS w (id)
CROSS JOIN LATERAL (
	SELECT s.check_id, s.day, s.until, s.good_ms, s.bad_ms, s.unknown_ms, s.probes, s.good_probes, s.softs
	FROM slo_day s
	WHERE s.check_id = w.id
	ORDER BY s.day DESC
	LIMIT 1
) d
ORDER BY d.check_id`

const sqlOpenSpans = `
SELECT s.check_id, s.scope, s.starts, s.state, COALESCE(s.cause, ''), COALESCE(s.locations, '')
FROM span s
WHERE s.check_id = ANY (@checks::int4[])
AND s.dur_ms IS NULL
AND s.starts >= @from
ORDER BY s.check_id, s.scope, s.starts`

const sqlHistsSince = `
SELECT h.check_id, h.day, h.loc, h.hist
FROM latency_hist h
WHERE h.check_id = ANY (@checks::int4[])
AND h.day >= @from
ORDER BY h.check_id, h.day, h.loc`

// Load implements [ledger.Store].
func (r *Results) Load(ctx context.Context, checks []string, today time.Time) (out []ledger.Loaded, names map[int16]string, err error) {
	err = r.DB.tx(ctx, func(tx pgx.Tx) error {
		if names, err = allLocations(ctx, tx); err != nil {
			return err
		}
		if checks == nil {
			out, err = r.foldable(ctx, tx, today)
			return err
		}
		out, err = r.load(ctx, tx, checks, today)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("load the ledger: %w", err)
	}
	return out, names, nil
}

func (r *Results) foldable(ctx context.Context, tx pgx.Tx, today time.Time) ([]ledger.Loaded, error) {
	rows, err := tx.Query(ctx, sqlFoldable, pgx.NamedArgs{"today": today})
	if err != nil {
		return nil, err
	}
	var out []ledger.Loaded
	ids := map[string]int32{}
	var name string
	var id int32
	_, err = pgx.ForEachRow(rows, []any{&name, &id}, func() error {
		ids[name] = id
		out = append(out, ledger.Loaded{Check: name})
		return nil
	})
	r.mu.Lock()
	r.checks = merged(r.checks, ids)
	r.mu.Unlock()
	return out, err
}

// load reads in a few statements what is known of many checks.
func (r *Results) load(ctx context.Context, tx pgx.Tx, checks []string, today time.Time) ([]ledger.Loaded, error) {
	if err := r.learn(ctx, checks, nil); err != nil {
		return nil, err
	}
	ids := make([]int32, len(checks))
	names := map[int32]string{}
	for i, check := range checks {
		ids[i] = r.checkID(check)
		names[ids[i]] = check
	}
	last, err := lastDays(ctx, tx, ids, names)
	if err != nil {
		return nil, err
	}
	if err := openParts(ctx, tx, ids, last, today); err != nil {
		return nil, err
	}
	revs, err := revsSince(ctx, tx, ids, today, endOfTime())
	if err != nil {
		return nil, err
	}
	var stretches []stretch
	for _, id := range ids {
		from := today
		if d := last[id]; d != nil {
			from = later(from, d.Until)
		}
		stretches = append(stretches, stretchesOf(id, revs[id], from, endOfTime())...)
	}
	rows, err := stretchRows(ctx, tx, stretches, names)
	if err != nil {
		return nil, err
	}
	out := make([]ledger.Loaded, len(ids))
	for i, id := range ids {
		out[i] = ledger.Loaded{Check: checks[i], Revs: revs[id], Rows: rows[id]}
		if d := last[id]; d != nil {
			out[i].Last = *d
		}
	}
	return out, nil
}

func endOfTime() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// stretchesOf is what the locations of configurations recorded in [from, to).
func stretchesOf(check int32, revs []reports.Rev, from, to time.Time) []stretch {
	var out []stretch
	for _, loc := range (reports.CheckLedger{Revs: revs}).Places() {
		out = append(out, stretch{check, loc, from, to})
	}
	return out
}

func lastDays(ctx context.Context, q asker, ids []int32, names map[int32]string) (map[int32]*ledger.Day, error) {
	rows, err := q.Query(ctx, sqlLastDays, pgx.NamedArgs{"checks": ids})
	if err != nil {
		return nil, err
	}
	out := map[int32]*ledger.Day{}
	var id int32
	var d ledger.Day
	var softs []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &d.Start, &d.Until, &d.GoodMs, &d.BadMs, &d.UnknownMs, &d.Probes, &d.GoodProbes, &softs}, func() error {
		one := d
		one.Check, one.Soft = names[id], softTimes(d.Start, softs)
		one.Tracks, one.Hists = map[int16][]reports.Span{}, map[int16]*reports.Histogram{}
		out[id] = &one
		return nil
	})
	return out, err
}

// openParts adds the open spans and the latencies of days that began today or later.
func openParts(ctx context.Context, q asker, ids []int32, days map[int32]*ledger.Day, today time.Time) error {
	rows, err := q.Query(ctx, sqlOpenSpans, pgx.NamedArgs{"checks": ids, "from": today})
	if err != nil {
		return err
	}
	var id int32
	var scope int16
	var s reports.Span
	var locations string
	if _, err := pgx.ForEachRow(rows, []any{&id, &scope, &s.From, &s.Verdict, &s.Cause, &locations}, func() error {
		if d := days[id]; d != nil && !s.From.Before(d.Start) {
			one := s
			one.To, one.Locations = d.Until, splitLocations(locations)
			d.Tracks[scope] = []reports.Span{one}
		}
		return nil
	}); err != nil {
		return err
	}
	rows, err = q.Query(ctx, sqlHistsSince, pgx.NamedArgs{"checks": ids, "from": today})
	if err != nil {
		return err
	}
	var at time.Time
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &scope, &body}, func() error {
		if d := days[id]; d != nil && at.Equal(d.Start) {
			h := &reports.Histogram{}
			d.Hists[scope] = h
			return h.UnmarshalBinary(body)
		}
		return nil
	})
	return err
}

func splitLocations(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

const sqlMarks = `
SELECT m.id, c.name AS "check", m.from_at AS "from", m.to_at AS "to"
FROM fold_mark m JOIN checks c ON c.id = m.check_id
ORDER BY (m.to_at - m.from_at > interval '2 days'), m.id
LIMIT @limit`

// Marks implements [ledger.Store].
func (r *Results) Marks(ctx context.Context, limit int) ([]ledger.Mark, error) {
	rows, err := r.DB.pool.Query(ctx, sqlMarks, pgx.NamedArgs{"limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("read marks: %w", err))
	}
	marks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Mark])
	if err != nil {
		return nil, translate(fmt.Errorf("read marks: %w", err))
	}
	return marks, nil
}

// Tail implements [ledger.Store].
func (r *Results) Tail(ctx context.Context, checks []string, from, to time.Time) (out []ledger.Record, err error) {
	err = r.DB.tx(ctx, func(tx pgx.Tx) error {
		out, err = r.records(ctx, tx, checks, from, to)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return out, nil
}

// records reads what is stored of checks for slots in [from, to), with all their
// configurations since from.
func (r *Results) records(ctx context.Context, q asker, checks []string, from, to time.Time) ([]ledger.Record, error) {
	if err := r.learn(ctx, checks, nil); err != nil {
		return nil, err
	}
	names := map[int32]string{}
	ids := make([]int32, len(checks))
	for i, check := range checks {
		ids[i] = r.checkID(check)
		names[ids[i]] = check
	}
	places, err := allLocations(ctx, q)
	if err != nil {
		return nil, err
	}
	revs, err := revsSince(ctx, q, ids, from, endOfTime())
	if err != nil {
		return nil, err
	}
	var stretches []stretch
	for _, id := range ids {
		stretches = append(stretches, stretchesOf(id, revs[id], from, to)...)
	}
	rows, err := stretchRows(ctx, q, stretches, names)
	if err != nil {
		return nil, err
	}
	out := make([]ledger.Record, 0, len(ids))
	for _, id := range ids {
		out = append(out, ledger.Record{Check: names[id], Revs: revs[id], Rows: rows[id], Names: places})
	}
	return out, nil
}

const sqlDropSpans = `
DELETE FROM span
WHERE check_id = @check AND starts >= @from AND starts < @to`

const sqlDropHists = `
DELETE FROM latency_hist
WHERE check_id = @check AND day = @from`

const sqlShrinkMarks = `
UPDATE fold_mark
SET from_at = GREATEST(from_at, @to)
WHERE id = ANY (@ids::int8[])`

const sqlDropMarks = `
DELETE FROM fold_mark
WHERE id = ANY (@ids::int8[])`

// Refold implements [ledger.Store].
func (r *Results) Refold(ctx context.Context, l ledger.Lease, f ledger.Refold, fold func(ledger.Record) ledger.Day) error {
	lost := false
	err := r.DB.tx(ctx, func(tx pgx.Tx) error {
		var held int64
		if err := tx.QueryRow(ctx, sqlFence, leaseArgs(l)).Scan(&held); err != nil {
			return err
		}
		if lost = held == 0; lost {
			return nil
		}
		if !f.Day.IsZero() {
			if err := r.refold(ctx, tx, f, fold); err != nil {
				return err
			}
		}
		args := pgx.NamedArgs{"ids": f.Marks, "to": f.Day.Add(day)}
		if f.Done {
			_, err := tx.Exec(ctx, sqlDropMarks, args)
			return err
		}
		_, err := tx.Exec(ctx, sqlShrinkMarks, args)
		return err
	})
	if err != nil {
		return fmt.Errorf("fold %s of %s anew: %w", f.Day.Format(time.DateOnly), f.Check, err)
	}
	if lost {
		return ledger.ErrNotHolder
	}
	return nil
}

func (r *Results) refold(ctx context.Context, tx pgx.Tx, f ledger.Refold, fold func(ledger.Record) ledger.Day) error {
	records, err := r.records(ctx, tx, []string{f.Check}, f.Day, f.Until)
	if err != nil {
		return err
	}
	rec := records[0]
	rec.Revs = slices.DeleteFunc(rec.Revs, func(v reports.Rev) bool { return !v.From.Before(f.Until) })
	d := fold(rec)
	args := pgx.NamedArgs{"check": r.checkID(f.Check), "from": f.Day, "to": f.Day.Add(day)}
	if _, err := tx.Exec(ctx, sqlDropSpans, args); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlDropHists, args); err != nil {
		return err
	}
	return r.writeChanges(ctx, tx, d.Whole())
}
