package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports"
)

// foldedDays is how far the UTC days of a view are folded, by check and by position of
// the day: a map of all days would cost more than reading them.
type foldedDays struct {
	from time.Time
	n    int // days of the view
	of   map[int32][]dayRow
}

// dayRow is how far a day is folded; the zero one is not.
type dayRow struct {
	until        time.Time
	bad, unknown int32 // ms
	softs        []byte
}

// at returns the day that begins at start; nil when it is not folded, or does not count.
func (f *foldedDays) at(check int32, start time.Time) *dayRow {
	days, i := f.of[check], f.place(start)
	if i < 0 || i >= len(days) || days[i].until.IsZero() {
		return nil
	}
	return &days[i]
}

func (f *foldedDays) place(at time.Time) int { return int(at.Sub(f.from) / day) }

// In no order: each day has its place here.
const sqlFoldedDays = `
SELECT d.check_id, d.day, d.until, d.bad_ms, d.unknown_ms, d.softs
FROM slo_day d
WHERE d.check_id = ANY (@checks::int4[])
AND d.day >= @from
AND d.day < @to`

// There may be many while nobody folds.
const sqlMarksOf = `
SELECT m.check_id, min(m.from_at), max(m.to_at)
FROM fold_mark m
WHERE m.check_id = ANY (@checks::int4[])
AND m.from_at < @to
AND m.to_at > @from
GROUP BY m.check_id, date_trunc('day', m.from_at, 'UTC'), date_trunc('day', m.to_at, 'UTC')
ORDER BY m.check_id, 2`

// readDays reads how far days are folded; those that are marked are not.
func readDays(ctx context.Context, q asker, v *view) (foldedDays, error) {
	f := foldedDays{from: v.from, n: int(v.to.Sub(v.from) / day), of: make(map[int32][]dayRow, len(v.names))}
	rows, err := q.Query(ctx, sqlFoldedDays, v.args())
	if err != nil {
		return f, err
	}
	shelf := make([]dayRow, len(v.names)*f.n)
	for id := range v.names {
		f.of[id], shelf = shelf[:f.n:f.n], shelf[f.n:]
	}
	var check int32
	var at, from, to time.Time
	var d dayRow
	found, err := pgx.ForEachRow(rows, []any{&check, &at, &d.until, &d.bad, &d.unknown, &d.softs}, func() error {
		f.of[check][f.place(at)] = d
		return nil
	})
	if err != nil || found.RowsAffected() == 0 {
		return f, err
	}
	if rows, err = q.Query(ctx, sqlMarksOf, v.args()); err != nil {
		return f, err
	}
	_, err = pgx.ForEachRow(rows, []any{&check, &from, &to}, func() error {
		for at := later(from.Truncate(day), v.from); at.Before(sooner(to, v.to)); at = at.Add(day) {
			if d := f.at(check, at); d != nil && from.Before(d.until) {
				*d = dayRow{}
			}
		}
		return nil
	})
	return f, err
}

// prove compares the verdict's spans of each day with its facts: a span that got lost
// must not turn into good time. A day whose parts do not add up is folded from the
// results.
func (f *foldedDays) prove(check int32, spans []spanRow) {
	days := f.of[check]
	for i := range days {
		d, end := &days[i], f.from.Add(time.Duration(i+1)*day)
		var bad, unknown int64 // ms
		for ; len(spans) > 0 && spans[0].starts.Before(end); spans = spans[1:] {
			s := spans[0]
			ms := int64(s.dur)
			if s.dur < 0 {
				ms = d.until.Sub(s.starts).Milliseconds()
			}
			if reports.Verdict(s.state) == reports.Bad {
				bad += ms
			} else {
				unknown += ms
			}
		}
		if int64(d.bad) != bad || int64(d.unknown) != unknown {
			*d = dayRow{}
		}
	}
}
