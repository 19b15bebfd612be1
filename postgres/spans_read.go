package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/reports"
)

var _ reports.History = Reports{}

// Timelines returns what each check was over [from, to), seen at now. The answer is
// exact at any moment: days that are not folded yet, or are to be folded anew, are
// folded from the results on the fly. A span that reaches out of the window is cut; its
// cause and its locations are those of its part within the window's UTC days. A check
// that was never configured was not watched.
func (s Reports) Timelines(ctx context.Context, checks []string, from, to, now time.Time) (map[string]reports.Timeline, error) {
	lines := make(map[string]reports.Timeline, len(checks))
	err := s.look(ctx, checks, from, to, now, func(ctx context.Context, q asker, v *view) error {
		if err := v.readSpans(ctx, q, sqlVerdictSpans); err != nil {
			return err
		}
		if err := v.readRest(ctx, q); err != nil {
			return err
		}
		for _, check := range v.checks {
			id := v.ids[check]
			line := v.line(id, ledger.Verdict, reports.CheckLedger{Check: check, Revs: v.revs[id], Locations: v.places})
			line.Spans = reports.Explain(line.Spans, v.lives, v.placeNames(id))
			lines[check] = clipLine(line, from, to)
		}
		return nil
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read timelines: %w", err))
	}
	for _, check := range checks {
		if _, ok := lines[check]; !ok {
			lines[check] = reports.Fold(reports.CheckLedger{Check: check}, from, to, now)
		}
	}
	return lines, nil
}

// LocationSpans returns what each check looked like from each of its locations over
// [from, to), by check and name of the location; exact as [Reports.Timelines] is.
func (s Reports) LocationSpans(ctx context.Context, checks []string, from, to, now time.Time) (map[string]map[string]reports.Timeline, error) {
	lines := make(map[string]map[string]reports.Timeline, len(checks))
	err := s.look(ctx, checks, from, to, now, func(ctx context.Context, q asker, v *view) error {
		if err := v.readSpans(ctx, q, sqlLocationSpans); err != nil {
			return err
		}
		if err := v.readRest(ctx, q); err != nil {
			return err
		}
		for _, check := range v.checks {
			id := v.ids[check]
			lines[check] = map[string]reports.Timeline{}
			whole := reports.CheckLedger{Check: check, Revs: v.revs[id], Locations: v.places}
			for _, loc := range whole.Places() {
				line := v.line(id, loc, whole.At(loc))
				line.Spans = reports.Explain(line.Spans, v.lives, []string{v.places[loc]})
				lines[check][v.places[loc]] = clipLine(line, from, to)
			}
		}
		return nil
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read spans of locations: %w", err))
	}
	return lines, nil
}

// clipLine cuts a timeline to [from, to).
func clipLine(line reports.Timeline, from, to time.Time) reports.Timeline {
	spans := line.Spans[:0]
	for _, s := range line.Spans {
		s.From, s.To = later(s.From, from), sooner(s.To, to)
		if s.From.Before(s.To) {
			spans = append(spans, s)
		}
	}
	line.Spans = spans
	line.Soft = slices.DeleteFunc(line.Soft, func(at time.Time) bool { return at.Before(from) || !at.Before(to) })
	return line
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

const sqlHistsBetween = `
SELECT h.check_id, h.day, h.loc, h.hist
FROM latency_hist h
WHERE h.check_id = ANY (@checks::int4[])
AND h.day >= @from
AND h.day < @to
ORDER BY h.check_id, h.loc, h.day`

// Histograms returns the latencies of each check's good looks by name of the
// location, over the UTC days that begin in [from, to), so that each day belongs to one
// week. It is exact as [Reports.Timelines] is.
func (s Reports) Histograms(ctx context.Context, checks []string, from, to time.Time) (map[string]map[string]*reports.Histogram, error) {
	first, last := from.UTC().Add(day-1).Truncate(day), to.UTC().Add(day-1).Truncate(day)
	out := make(map[string]map[string]*reports.Histogram, len(checks))
	err := s.look(ctx, checks, first, last, last, func(ctx context.Context, q asker, v *view) error {
		if err := v.readRest(ctx, q); err != nil {
			return err
		}
		add := func(id int32, loc int16, h *reports.Histogram) {
			check, place := v.names[id], v.places[loc]
			if out[check] == nil {
				out[check] = map[string]*reports.Histogram{}
			}
			if out[check][place] == nil {
				out[check][place] = &reports.Histogram{}
			}
			out[check][place].Merge(h)
		}
		v.restHists(add)
		return v.storedHists(ctx, q, add)
	})
	if err != nil {
		return nil, translate(fmt.Errorf("read latencies: %w", err))
	}
	return out, nil
}

// storedHists adds what is folded.
func (v *view) storedHists(ctx context.Context, q asker, add func(int32, int16, *reports.Histogram)) error {
	rows, err := q.Query(ctx, sqlHistsBetween, v.args())
	if err != nil {
		return err
	}
	var id int32
	var loc int16
	var at time.Time
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &loc, &body}, func() error {
		if v.days.at(id, at) == nil {
			return nil // marked: it was folded from the results
		}
		var one reports.Histogram
		if err := one.UnmarshalBinary(body); err != nil {
			return err
		}
		add(id, loc, &one)
		return nil
	})
	return err
}

// restHists adds what is not folded.
func (v *view) restHists(add func(int32, int16, *reports.Histogram)) {
	for id, rows := range v.rows {
		rec := ledger.Record{Revs: v.revs[id], Names: v.places, Rows: rows}
		for at := v.from; at.Before(v.to); at = at.Add(day) {
			d := ledger.Day{Start: at, Until: at}
			if known := v.days.at(id, at); known != nil {
				d.Until = known.until
			}
			d.Extend(rec, at.Add(day))
			for loc, h := range d.Hists {
				add(id, loc, h)
			}
		}
	}
}
