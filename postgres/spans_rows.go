package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/reports"
)

// asker is a transaction, or the pool.
type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// stretch is slots of a check from a location that are to be read.
type stretch struct {
	check    int32
	loc      int16
	from, to time.Time
}

// One index scan each for check and location; the rows of other locations of a check
// would otherwise be passed over one by one.
const sqlStretchRows = `
SELECT r.check_id, r.slot, r.loc, r.outcome, r.attempts, r.latency_us, COALESCE(r.err_id, 0)
FROM unnest(@checks::int4[], @locs::int2[], @froms::timestamptz[], @tos::timestamptz[]) AS w (check_id, loc, from_at, to_at)
CROSS JOIN LATERAL (
	SELECT p.check_id, p.slot, p.loc, p.outcome, p.attempts, p.latency_us, p.err_id
	FROM probe_result p
	WHERE p.check_id = w.check_id AND p.loc = w.loc AND p.slot >= w.from_at AND p.slot < w.to_at
) r
ORDER BY r.check_id, r.slot, r.loc`

const sqlStretchBlocks = `
SELECT b.check_id, b.loc, b.hour, b.body
FROM unnest(@checks::int4[], @locs::int2[], @froms::timestamptz[], @tos::timestamptz[]) AS w (check_id, loc, from_at, to_at)
CROSS JOIN LATERAL (
	SELECT p.check_id, p.loc, p.hour, p.body
	FROM probe_block p
	WHERE p.check_id = w.check_id AND p.loc = w.loc AND p.hour > w.from_at - interval '1 hour' AND p.hour < w.to_at
) b
ORDER BY b.check_id, b.hour, b.loc`

const sqlArchivedUpTo = `SELECT max(a.day) FROM probe_archive a`

const sqlErrorTexts = `
SELECT e.id, e.cause, e.class, e.message
FROM probe_error e
WHERE e.id = ANY (@ids::int4[])
ORDER BY e.id`

// stretchRows reads results, archived ones too, by check, ordered by slot and location
// and each once: what was archived came first. names are the checks' names.
func stretchRows(ctx context.Context, q asker, stretches []stretch, names map[int32]string) (map[int32][]ledger.Row, error) {
	out := map[int32][]ledger.Row{}
	if len(stretches) == 0 {
		return out, nil
	}
	args, first := stretchArgs(stretches)
	ids := map[int32]struct{}{}
	if err := liveRows(ctx, q, args, names, out, ids); err != nil {
		return nil, err
	}
	var archived *time.Time
	if err := q.QueryRow(ctx, sqlArchivedUpTo).Scan(&archived); err != nil {
		return nil, err
	}
	if archived != nil && first.Before(archived.Add(day)) {
		if err := blockRows(ctx, q, args, stretches, names, out, ids); err != nil {
			return nil, err
		}
	}
	return out, failures(ctx, q, ids, out)
}

// stretchArgs are the parameters of both queries, and the earliest slot asked for.
func stretchArgs(stretches []stretch) (pgx.NamedArgs, time.Time) {
	var checks []int32
	var locs []int16
	var froms, tos []time.Time
	first := stretches[0].from
	for _, s := range stretches {
		checks, locs = append(checks, s.check), append(locs, s.loc)
		froms, tos = append(froms, s.from), append(tos, s.to)
		if s.from.Before(first) {
			first = s.from
		}
	}
	return pgx.NamedArgs{"checks": checks, "locs": locs, "froms": froms, "tos": tos}, first
}

func liveRows(ctx context.Context, q asker, args pgx.NamedArgs, names map[int32]string, out map[int32][]ledger.Row, ids map[int32]struct{}) error {
	rows, err := q.Query(ctx, sqlStretchRows, args)
	if err != nil {
		return err
	}
	var check, us int32
	var row reports.Row
	_, err = pgx.ForEachRow(rows, []any{&check, &row.Slot, &row.Location, &row.Outcome, &row.Attempts, &us, &row.ErrID}, func() error {
		if row.ErrID != 0 {
			ids[row.ErrID] = struct{}{}
		}
		out[check] = append(out[check], ledger.Row{Check: names[check], Row: row, Latency: time.Duration(us) * time.Microsecond})
		return nil
	})
	return err
}

// blockRows adds archived results to those that were found.
func blockRows(ctx context.Context, q asker, args pgx.NamedArgs, stretches []stretch, names map[int32]string,
	out map[int32][]ledger.Row, ids map[int32]struct{},
) error {
	wanted := map[stretch]struct{}{}
	for _, s := range stretches {
		wanted[s] = struct{}{}
	}
	rows, err := q.Query(ctx, sqlStretchBlocks, args)
	if err != nil {
		return err
	}
	blocks := map[int32][]ledger.Row{}
	var check int32
	var loc int16
	var hour time.Time
	var body []byte
	if _, err := pgx.ForEachRow(rows, []any{&check, &loc, &hour, &body}, func() error {
		found, err := ledger.UnpackBlock(hour, body)
		if err != nil {
			return err
		}
		for _, p := range found {
			row := p.Row(names[check], loc)
			if row.ErrID != 0 {
				ids[row.ErrID] = struct{}{}
			}
			blocks[check] = append(blocks[check], row)
		}
		return nil
	}); err != nil {
		return err
	}
	for check, archived := range blocks {
		out[check] = mergeRows(archived, out[check], func(row ledger.Row) bool {
			return slices.ContainsFunc(stretches, func(s stretch) bool {
				return s.check == check && s.loc == row.Location && !row.Slot.Before(s.from) && row.Slot.Before(s.to)
			})
		})
	}
	return nil
}

// mergeRows orders rows by slot and location; of two for one the first list's stays.
func mergeRows(first, second []ledger.Row, wanted func(ledger.Row) bool) []ledger.Row {
	all := slices.DeleteFunc(first, func(row ledger.Row) bool { return !wanted(row) })
	all = append(all, second...)
	order := func(a, b ledger.Row) int { return cmp.Or(a.Slot.Compare(b.Slot), cmp.Compare(a.Location, b.Location)) }
	slices.SortStableFunc(all, order)
	return slices.CompactFunc(all, func(a, b ledger.Row) bool { return order(a, b) == 0 })
}

// failures puts into rows what their error ids mean.
func failures(ctx context.Context, q asker, ids map[int32]struct{}, byCheck map[int32][]ledger.Row) error {
	if len(ids) == 0 {
		return nil
	}
	list := make([]int32, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	rows, err := q.Query(ctx, sqlErrorTexts, pgx.NamedArgs{"ids": list})
	if err != nil {
		return err
	}
	texts := make(map[int32]reports.Failure, len(list))
	var id int32
	var f reports.Failure
	if _, err := pgx.ForEachRow(rows, []any{&id, &f.Cause, &f.Class, &f.Message}, func() error {
		texts[id] = f
		return nil
	}); err != nil {
		return err
	}
	for _, list := range byCheck {
		for i := range list {
			list[i].Failure = texts[list[i].ErrID]
		}
	}
	return nil
}

const sqlRevsSince = `
SELECT v.check_id, v.valid_from, v.valid_to, v.slot_ms, v.locations, v.k
FROM check_rev v
WHERE v.check_id = ANY (@checks::int4[])
AND v.valid_from < @to
AND (v.valid_to IS NULL OR v.valid_to > @from)
ORDER BY v.check_id, v.valid_from, v.rev`

// revsSince reads the configurations of checks that were valid in [from, to).
func revsSince(ctx context.Context, q asker, checks []int32, from, to time.Time) (map[int32][]reports.Rev, error) {
	rows, err := q.Query(ctx, sqlRevsSince, pgx.NamedArgs{"checks": checks, "from": from, "to": to})
	if err != nil {
		return nil, err
	}
	out := map[int32][]reports.Rev{}
	var check, slotMS int32
	var rev reports.Rev
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&check, &rev.From, &until, &slotMS, &rev.Locations, &rev.Quorum}, func() error {
		next := rev
		next.Locations = slices.Clone(rev.Locations)
		next.Slot = time.Duration(slotMS) * time.Millisecond
		next.To = time.Time{}
		if until != nil {
			next.To = *until
		}
		out[check] = append(out[check], next)
		return nil
	})
	return out, err
}

const sqlAllLocations = `
SELECT l.id, l.name
FROM location l
ORDER BY l.id`

func allLocations(ctx context.Context, q asker) (map[int16]string, error) {
	rows, err := q.Query(ctx, sqlAllLocations)
	if err != nil {
		return nil, err
	}
	names := map[int16]string{}
	var id int16
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		names[id] = name
		return nil
	})
	return names, err
}
