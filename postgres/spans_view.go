package postgres

import (
	"context"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/reports"
)

// view is what several queries of one snapshot know of checks over whole UTC days.
type view struct {
	from, to time.Time // days
	now      time.Time
	checks   []string // that exist, sorted
	ids      map[string]int32
	names    map[int32]string
	places   map[int16]string
	revs     map[int32][]reports.Rev
	days     foldedDays
	spans    map[trackID][]spanRow
	rows     map[int32][]ledger.Row // of what is not folded
	lives    []reports.Life
}

// trackID is the spans of a scope, all days.
type trackID struct {
	check int32
	scope int16
}

// spanRow is a stored span that is not good.
type spanRow struct {
	starts time.Time
	dur    int32 // ms; -1 open
	state  int16
	cause  string
	where  string
}

const sqlKnownChecks = `
SELECT c.name, c.id
FROM checks c
WHERE c.name = ANY (@names::text[])
ORDER BY c.name`

const sqlLives = `
SELECT l.name, a.starts, a.ends, a.why = 'shutdown', CASE WHEN a.why IN ('running', 'shutdown') THEN '' ELSE a.why END
FROM agent_span a JOIN location l ON l.id = a.loc
WHERE a.starts < @to
AND a.ends > @from
ORDER BY a.starts, l.name`

// livesBefore is how long before a window probers are looked for, to know that one ran
// at all.
const livesBefore = 35 * day

// look reads what all questions need, and lets use read the rest, in one snapshot.
func (s Reports) look(ctx context.Context, checks []string, from, to, now time.Time, use func(context.Context, asker, *view) error) error {
	v := &view{from: from.UTC().Truncate(day), to: to.UTC().Add(day - 1).Truncate(day), now: now, ids: map[string]int32{}, names: map[int32]string{}}
	return pgx.BeginTxFunc(ctx, s.DB.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlKnownChecks, pgx.NamedArgs{"names": checks})
		if err != nil {
			return err
		}
		var name string
		var id int32
		if _, err := pgx.ForEachRow(rows, []any{&name, &id}, func() error {
			v.checks, v.ids[name], v.names[id] = append(v.checks, name), id, name
			return nil
		}); err != nil {
			return err
		}
		if v.places, err = allLocations(ctx, tx); err != nil {
			return err
		}
		if v.revs, err = revsSince(ctx, tx, v.idList(), v.from, v.to); err != nil {
			return err
		}
		if v.days, err = readDays(ctx, tx, v); err != nil {
			return err
		}
		if err := v.readLives(ctx, tx); err != nil {
			return err
		}
		return use(ctx, tx, v)
	})
}

func (v *view) idList() []int32 { return slices.Sorted(maps.Keys(v.names)) }

func (v *view) args() pgx.NamedArgs {
	return pgx.NamedArgs{"checks": v.idList(), "from": v.from, "to": v.to}
}

func (v *view) readLives(ctx context.Context, q asker) error {
	args := v.args()
	args["from"] = v.from.Add(-livesBefore)
	rows, err := q.Query(ctx, sqlLives, args)
	if err != nil {
		return err
	}
	v.lives, err = pgx.CollectRows(rows, pgx.RowToStructByPos[reports.Life])
	return err
}

// In the order of the partitions and their index, so that nothing is sorted; each track
// is put together here.
const sqlVerdictSpans = `
SELECT s.check_id, s.scope, s.starts, COALESCE(s.dur_ms, -1), s.state, COALESCE(s.cause, ''), COALESCE(s.locations, '')
FROM span s
WHERE s.scope = 0
AND s.state <> 1
AND s.starts >= @from
AND s.starts < @to
AND s.check_id = ANY (@checks::int4[])
ORDER BY s.starts`

const sqlLocationSpans = `
SELECT s.check_id, s.scope, s.starts, COALESCE(s.dur_ms, -1), s.state, COALESCE(s.cause, ''), COALESCE(s.locations, '')
FROM span s
WHERE s.scope > 0
AND s.state <> 1
AND s.starts >= @from
AND s.starts < @to
AND s.check_id = ANY (@checks::int4[])
ORDER BY s.starts`

// readSpans reads the spans that are not good: what they leave of a folded day is good.
func (v *view) readSpans(ctx context.Context, q asker, sql string) error {
	rows, err := q.Query(ctx, sql, v.args())
	if err != nil {
		return err
	}
	type row struct {
		id trackID
		spanRow
	}
	all := make([]row, 0, 16*len(v.names)) // of a week; growing copies all
	var r row
	counts := map[trackID]int{}
	cause, where := oneOfFew{known: map[string]string{}}, oneOfFew{known: map[string]string{}}
	_, err = pgx.ForEachRow(rows, []any{&r.id.check, &r.id.scope, &r.starts, &r.dur, &r.state, &cause, &where}, func() error {
		r.cause, r.where = cause.text, where.text
		all = append(all, r)
		counts[r.id]++
		return nil
	})
	if err != nil {
		return err
	}
	v.spans = make(map[trackID][]spanRow, len(counts))
	shelf := make([]spanRow, len(all)) // of all tracks, one after the other
	for id, n := range counts {
		v.spans[id], shelf = shelf[:0:n], shelf[n:]
	}
	for _, r := range all {
		v.spans[r.id] = append(v.spans[r.id], r.spanRow)
	}
	if sql == sqlVerdictSpans {
		for id := range v.names {
			v.days.prove(id, v.spans[trackID{id, ledger.Verdict}])
		}
	}
	return nil
}

// readRest reads the results of all that is not folded.
func (v *view) readRest(ctx context.Context, q asker) (err error) {
	ahead := v.now.Add(time.Hour) // nothing is recorded of what is to come
	var stretches []stretch
	for _, id := range v.idList() {
		for at := v.from; at.Before(sooner(v.to, ahead)); at = at.Add(day) {
			from, end := at, at.Add(day)
			if d := v.days.at(id, at); d != nil {
				from = d.until
			}
			if from.Before(sooner(end, ahead)) {
				stretches = append(stretches, stretchesOf(id, overlapping(v.revs[id], from, end), from, end)...)
			}
		}
	}
	v.rows, err = stretchRows(ctx, q, stretches, v.names)
	return err
}

// overlapping are the configurations that were valid at some time of [from, to).
func overlapping(revs []reports.Rev, from, to time.Time) []reports.Rev {
	var out []reports.Rev
	for _, r := range revs {
		if overlaps(r, from, to) {
			out = append(out, r)
		}
	}
	return out
}

func overlaps(r reports.Rev, from, to time.Time) bool {
	return r.From.Before(to) && (r.To.IsZero() || r.To.After(from))
}

func (v *view) placeNames(id int32) []string {
	var names []string
	for _, loc := range (reports.CheckLedger{Revs: v.revs[id]}).Places() {
		names = append(names, v.places[loc])
	}
	return names
}

// line puts a timeline together: of each day what is folded, then what is not. asked is
// the check as the scope sees it, without rows.
func (v *view) line(id int32, scope int16, asked reports.CheckLedger) reports.Timeline {
	spans := v.spans[trackID{id, scope}]
	out := reports.Timeline{Check: asked.Check, Spans: make([]reports.Span, 0, 2*len(spans)+2)}
	rest := ledger.Record{Check: asked.Check, Revs: asked.Revs, Names: v.places, Rows: v.rows[id]}
	for at := v.from; at.Before(v.to); at = at.Add(day) {
		n := sort.Search(len(spans), func(i int) bool { return !spans[i].starts.Before(at.Add(day)) })
		from := at
		if d := v.days.at(id, at); d != nil {
			watched := slices.ContainsFunc(asked.Revs, func(r reports.Rev) bool { return overlaps(r, at, d.until) })
			out.Spans = v.folded(out.Spans, spans[:n], at, d.until, watched)
			if scope == ledger.Verdict {
				out.Soft = append(out.Soft, softTimes(at, d.softs)...)
			}
			from = d.until
		}
		spans = spans[n:]
		if !from.Before(at.Add(day)) {
			continue
		}
		tail := rest.Timeline(from, at.Add(day), v.now)
		for _, s := range tail.Spans {
			out.Spans = reports.AppendSpan(out.Spans, s)
		}
		out.Soft = append(out.Soft, tail.Soft...)
	}
	return out
}

// folded adds [from, until) of a folded day: its spans, and good time between them. A
// location that was not asked was not watched.
func (v *view) folded(out []reports.Span, spans []spanRow, from, until time.Time, asked bool) []reports.Span {
	if !asked {
		return reports.AppendSpan(out, reports.Span{From: from, To: until, Cause: reports.CauseNotWatched})
	}
	for _, s := range spans {
		to := until
		if s.dur >= 0 {
			to = s.starts.Add(time.Duration(s.dur) * time.Millisecond)
		}
		out = reports.AppendSpan(out, reports.Span{From: from, To: s.starts, Verdict: reports.Good})
		out = reports.AppendSpan(out, reports.Span{
			From: s.starts, To: to, Verdict: reports.Verdict(s.state), Cause: s.cause, Locations: splitLocations(s.where),
		})
		from = to
	}
	return reports.AppendSpan(out, reports.Span{From: from, To: until, Verdict: reports.Good})
}
