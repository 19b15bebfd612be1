package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/reports"
)

// Verified is what [Reports.Verify] found.
type Verified struct {
	Days    int // check-days that were compared
	Waiting int // that are marked or were never folded: readers fold them from the results
	// Differences are sentences, one each, with check and day.
	Differences []string
}

const sqlWholeDays = `
SELECT d.check_id, d.day, d.until, d.good_ms, d.bad_ms, d.unknown_ms, d.probes, d.good_probes, d.soft_fail, d.softs
FROM slo_day d
WHERE d.check_id = ANY (@checks::int4[])
AND d.day >= @from
AND d.day < @to
ORDER BY d.check_id, d.day`

const sqlWholeSpans = `
SELECT s.scope, s.starts, COALESCE(s.dur_ms, -1), s.state, COALESCE(s.cause, ''), COALESCE(s.locations, '')
FROM span s
WHERE s.check_id = ANY (@checks::int4[])
AND s.starts >= @from
AND s.starts < @to
ORDER BY s.scope, s.starts`

// Verify folds every UTC day that [from, to) touches from its results, or from their
// blocks, and compares the outcome with what is stored: spans of all scopes, facts and
// histograms. Days are compared in a snapshot each, so a daemon may run beside it.
func (s Reports) Verify(ctx context.Context, checks []string, from, to time.Time) (Verified, error) {
	var out Verified
	for _, check := range checks {
		for at := from.UTC().Truncate(day); at.Before(to); at = at.Add(day) {
			if err := s.verifyDay(ctx, check, at, &out); err != nil {
				return out, translate(fmt.Errorf("verify %s of %s: %w", at.Format(time.DateOnly), check, err))
			}
		}
	}
	return out, nil
}

func (s Reports) verifyDay(ctx context.Context, check string, at time.Time, out *Verified) error {
	return s.look(ctx, []string{check}, at, at.Add(day), at.Add(day), func(ctx context.Context, q asker, v *view) error {
		id, known := v.ids[check]
		if !known || len(v.revs[id]) == 0 {
			return nil
		}
		stored, ok, err := v.stored(ctx, q, id)
		if err != nil {
			return err
		}
		if !ok || v.days.at(id, at) == nil {
			out.Waiting++
			return nil
		}
		rows, err := stretchRows(ctx, q, stretchesOf(id, v.revs[id], at, at.Add(day)), v.names)
		if err != nil {
			return err
		}
		want := ledger.FoldDay(ledger.Record{Check: check, Revs: v.revs[id], Rows: rows[id], Names: v.places}, at, stored.Until)
		for _, d := range ledger.Differences(stored, want) {
			out.Differences = append(out.Differences, fmt.Sprintf("%s %s: %s", at.Format(time.DateOnly), check, d))
		}
		out.Days++
		return nil
	})
}

// stored reads all that is stored of the one check and day of the view.
func (v *view) stored(ctx context.Context, q asker, id int32) (d ledger.Day, ok bool, err error) {
	var softs []byte
	var soft int
	rows, err := q.Query(ctx, sqlWholeDays, v.args())
	if err != nil {
		return d, false, err
	}
	if _, err := pgx.ForEachRow(rows, []any{&id, &d.Start, &d.Until, &d.GoodMs, &d.BadMs, &d.UnknownMs, &d.Probes, &d.GoodProbes, &soft, &softs}, func() error {
		ok = true
		return nil
	}); err != nil || !ok {
		return d, false, err
	}
	d.Check, d.Soft = v.names[id], softTimes(d.Start, softs)
	d.Tracks, d.Hists = map[int16][]reports.Span{}, map[int16]*reports.Histogram{}
	if soft != len(d.Soft) {
		d.Soft = make([]time.Time, soft) // the count is wrong: it cannot agree
	}
	if rows, err = q.Query(ctx, sqlWholeSpans, v.args()); err != nil {
		return d, false, err
	}
	var scope int16
	var s spanRow
	if _, err := pgx.ForEachRow(rows, []any{&scope, &s.starts, &s.dur, &s.state, &s.cause, &s.where}, func() error {
		to := d.Until
		if s.dur >= 0 {
			to = s.starts.Add(time.Duration(s.dur) * time.Millisecond)
		}
		d.Tracks[scope] = append(d.Tracks[scope], reports.Span{
			From: s.starts, To: to, Verdict: reports.Verdict(s.state), Cause: s.cause, Locations: splitLocations(s.where),
		})
		return nil
	}); err != nil {
		return d, false, err
	}
	if rows, err = q.Query(ctx, sqlHistsBetween, v.args()); err != nil {
		return d, false, err
	}
	var at time.Time
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &scope, &body}, func() error {
		h := &reports.Histogram{}
		d.Hists[scope] = h
		return h.UnmarshalBinary(body)
	})
	return d, true, err
}
