package reports

import (
	"context"
	"slices"
	"time"
)

// Places returns the locations that some configuration in the ledger asked, ascending.
func (l CheckLedger) Places() []int16 {
	var out []int16
	for _, rev := range l.Revs {
		for _, loc := range rev.Locations {
			if !slices.Contains(out, loc) {
				out = append(out, loc)
			}
		}
	}
	slices.Sort(out)
	return out
}

// At returns the ledger as one location sees it: its own word decides each slot, and
// time in which it was not asked was not watched. Folding it gives what the check
// looked like from there.
func (l CheckLedger) At(loc int16) CheckLedger {
	own := l
	own.Revs, own.Rows = nil, make([]Row, 0, len(l.Rows)/max(len(l.Locations), 1))
	for _, rev := range l.Revs {
		if slices.Contains(rev.Locations, loc) {
			rev.Locations, rev.Quorum = []int16{loc}, 1
			own.Revs = append(own.Revs, rev)
		}
	}
	for _, row := range l.Rows {
		if row.Location == loc {
			own.Rows = append(own.Rows, row)
		}
	}
	return own
}

// History is what checks were, as the ledger folded it: many checks in one question,
// exact at any moment. Safe for concurrent use.
type History interface {
	// Timelines returns what each check was over [from, to), seen at now.
	Timelines(ctx context.Context, checks []string, from, to, now time.Time) (map[string]Timeline, error)
	// LocationSpans returns the same of each location that a check was asked from,
	// by check and name of the location.
	LocationSpans(ctx context.Context, checks []string, from, to, now time.Time) (map[string]map[string]Timeline, error)
	// Histograms returns the latencies of good looks by check and name of the
	// location, over the UTC days that begin in [from, to).
	Histograms(ctx context.Context, checks []string, from, to time.Time) (map[string]map[string]*Histogram, error)
}

// AppendSpan appends s to spans as [Fold] does: an equal verdict that touches it
// grows instead. Unknown spans stay apart where their causes differ; bad ones keep the
// first cause and collect locations. So parts of a timeline, each folded for itself,
// join to what folding the whole gives.
func AppendSpan(spans []Span, s Span) []Span { return appendSpan(spans, s) }
