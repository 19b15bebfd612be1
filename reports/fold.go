package reports

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// The causes of unknown time that are found here; others come with the results.
const (
	CauseNotWatched = "not watched" // no configuration of the check was valid
	CauseNoResult   = "no result"   // a look was expected and none was recorded
	CauseNotYet     = "not yet"     // the slot has not ended
)

// Span is a run of equal verdicts over [From, To), UTC, whole milliseconds. An
// unknown span has one cause; a bad one has the first error seen in it and all
// checks and locations that failed, sorted.
type Span struct {
	From, To  time.Time
	Verdict   Verdict
	Cause     string
	Checks    []string // of a service's span: the checks that made it so
	Locations []string
}

// Ms is the span's length in milliseconds.
func (s Span) Ms() int64 { return s.To.Sub(s.From).Milliseconds() }

// Timeline is what a check was over a window: spans without gap or overlap.
type Timeline struct {
	Check string
	Spans []Span
	// Soft are the starts of slots in which a location was good only after a retry,
	// one entry a result, in order.
	Soft []time.Time
}

// Quorum is Kleene's k of n: of n locations pass said good and fail said bad; k
// must fail for the slot to be bad. Whatever the silent ones would have said, a
// verdict other than Unknown stands. A k that cannot be is Unknown.
func Quorum(pass, fail, n, k int) Verdict {
	switch {
	case k < 1 || k > n:
		return Unknown
	case fail >= k:
		return Bad
	case pass >= n-k+1:
		return Good
	}
	return Unknown
}

// Fold turns a check's ledger into its timeline over [from, to), seen at now. A
// slot belongs to the configuration that was valid at its start; its verdict
// holds for the slot, cut where the configuration or the window ends. Time for which
// nobody was asked to look, and slots without enough results, are Unknown.
func Fold(l CheckLedger, from, to, now time.Time) Timeline {
	f := folder{ledger: l, now: now.UnixMilli()}
	f.line.Check = l.Check
	at, end := from.UnixMilli(), to.UnixMilli()
	for _, rev := range l.Revs {
		start, stop := max(at, rev.From.UnixMilli()), end
		if !rev.To.IsZero() {
			stop = min(stop, rev.To.UnixMilli())
		}
		if start >= stop || rev.Slot < time.Millisecond {
			continue
		}
		f.unwatched(at, start)
		f.rev(rev, start, stop)
		at = stop
	}
	f.unwatched(at, end)
	return f.line
}

// folder holds what one Fold needs; times are unix milliseconds.
type folder struct {
	ledger CheckLedger
	now    int64
	line   Timeline
}

// unwatched adds time in which no configuration was valid.
func (f *folder) unwatched(from, to int64) {
	if past := min(to, max(from, f.now)); from < past {
		f.add(from, past, opinion{verdict: Unknown, cause: CauseNotWatched})
		from = past
	}
	if from < to {
		f.add(from, to, opinion{verdict: Unknown, cause: CauseNotYet})
	}
}

// rev adds the slots of one configuration over [from, to).
func (f *folder) rev(rev Rev, from, to int64) {
	length := rev.Slot.Milliseconds()
	slot := from - from%length
	if slot < rev.From.UnixMilli() { // began under another configuration
		first := min(slot+length, to)
		f.unwatched(from, first)
		from, slot = first, slot+length
	}
	rows := f.ledger.Rows
	rows = rows[sort.Search(len(rows), func(i int) bool { return rows[i].Slot.UnixMilli() >= slot }):]
	for ; slot < to; slot += length {
		n := 0
		for n < len(rows) && rows[n].Slot.UnixMilli() < slot { // of another grid
			n++
		}
		rows, n = rows[n:], 0
		for n < len(rows) && rows[n].Slot.UnixMilli() == slot {
			n++
		}
		if n == 0 {
			slot = f.silent(rev, slot, from, to, rows)
			continue
		}
		f.add(max(slot, from), min(slot+length, to), f.judge(rev, slot+length, rows[:n]))
		rows = rows[n:]
	}
}

// silent adds the slots from slot on that have no result, up to the next row's, and
// returns the start of the last of them: all that have ended are alike, and so are
// all that have not.
func (f *folder) silent(rev Rev, slot, from, to int64, rows []Row) int64 {
	length := rev.Slot.Milliseconds()
	last := to - 1 - (to-1-slot)%length
	if len(rows) > 0 {
		next := rows[0].Slot.UnixMilli()
		last = min(last, next-1-(next-1-slot)%length) // that row may be of another grid
	}
	ended := slot - length // the last one that has ended
	if f.now >= slot+length {
		ended = min(last, slot+(f.now-slot-length)/length*length)
	}
	if ended >= slot {
		f.add(max(slot, from), min(ended+length, to), f.judge(rev, ended+length, nil))
	}
	if first := ended + length; first <= last {
		f.add(max(first, from), min(last+length, to), f.judge(rev, last+length, nil))
	}
	return last
}

// opinion is the verdict of one slot.
type opinion struct {
	verdict   Verdict
	cause     string
	locations []string
}

// judge decides a slot that ends at end from its results.
func (f *folder) judge(rev Rev, end int64, rows []Row) opinion {
	var pass, fail int
	seen, bad := make([]int16, 0, 8), []int16(nil) // eight stay on the stack
	var why, blind string
	for _, row := range rows {
		if !slices.Contains(rev.Locations, row.Location) || slices.Contains(seen, row.Location) {
			continue
		}
		seen = append(seen, row.Location)
		switch Verdict(row.Outcome) {
		case Good:
			pass++
			if row.Attempts > 1 {
				f.line.Soft = append(f.line.Soft, row.Slot)
			}
		case Bad:
			fail++
			bad = append(bad, row.Location)
			if why == "" {
				why = f.ledger.Errors[row.ErrID].String()
			}
		default:
			if blind == "" {
				blind = f.ledger.Errors[row.ErrID].Cause
			}
		}
	}
	o := opinion{verdict: Quorum(pass, fail, len(rev.Locations), rev.Quorum)}
	switch {
	case o.verdict == Good:
	case o.verdict == Bad:
		o.cause, o.locations = why, f.names(bad)
	case end > f.now:
		o.cause = CauseNotYet
	case blind != "":
		o.cause = blind
	case len(seen) == 0 || len(seen) == len(rev.Locations):
		o.cause = CauseNoResult
	default:
		o.cause = CauseNoResult + " from " + strings.Join(f.names(missing(rev.Locations, seen)), ", ")
	}
	return o
}

func missing(all, seen []int16) []int16 {
	var out []int16
	for _, id := range all {
		if !slices.Contains(seen, id) {
			out = append(out, id)
		}
	}
	return out
}

// names returns the sorted names of locations; one that has none keeps its place as "?".
func (f *folder) names(ids []int16) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		name := f.ledger.Locations[id]
		if name == "" {
			name = "?"
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// add appends [from, to), merging it into the span before where both say the same.
func (f *folder) add(from, to int64, o opinion) {
	f.line.Spans = appendSpan(f.line.Spans, Span{
		From: time.UnixMilli(from).UTC(), To: time.UnixMilli(to).UTC(),
		Verdict: o.verdict, Cause: o.cause, Locations: o.locations,
	})
}

// appendSpan appends s; an equal verdict that touches it grows instead. Unknown
// spans stay apart where their causes differ; bad ones keep the first cause.
func appendSpan(spans []Span, s Span) []Span {
	if !s.From.Before(s.To) {
		return spans
	}
	n := len(spans)
	if n == 0 || spans[n-1].Verdict != s.Verdict || !spans[n-1].To.Equal(s.From) ||
		(s.Verdict == Unknown && spans[n-1].Cause != s.Cause) {
		return append(spans, s)
	}
	last := &spans[n-1]
	last.To = s.To
	if last.Cause == "" {
		last.Cause = s.Cause
	}
	last.Checks = union(last.Checks, s.Checks)
	last.Locations = union(last.Locations, s.Locations)
	return spans
}

// union returns the sorted names of a and b; a is returned as it is when it holds all of b.
func union(a, b []string) []string {
	for _, name := range b {
		if !slices.Contains(a, name) {
			a = append(slices.Clone(a), name)
			slices.Sort(a)
		}
	}
	return a
}
