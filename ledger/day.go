package ledger

import (
	"slices"
	"time"

	"keepwatch/reports"
)

// Day is what a check was from the beginning of a UTC day up to Until. The zero value
// with Check, Start and an equal Until is a day of which nothing is folded.
type Day struct {
	Check string
	Start time.Time
	Until time.Time

	GoodMs, BadMs, UnknownMs int64
	Probes, GoodProbes       int
	Soft                     []time.Time // starts of slots, one for each result that was good only after a retry
	Hists                    map[int16]*reports.Histogram
	// Tracks are the spans by scope, without gap or overlap over [Start, Until); of the
	// day that is being folded only the last ones.
	Tracks map[int16][]reports.Span
}

// FoldDay folds a whole day up to until.
func FoldDay(r Record, start, until time.Time) Day {
	d := Day{Check: r.Check, Start: start, Until: start}
	d.Extend(r, until)
	return d
}

// End is the end of the day.
func (d *Day) End() time.Time { return d.Start.Add(day) }

// Extend folds [Until, until) too. The record must hold everything of that time, and
// both ends must be ends of slots, of configurations or of the day.
func (d *Day) Extend(r Record, until time.Time) {
	from := d.Until
	if !from.Before(until) {
		return
	}
	r = r.within(from, until)
	l := r.ledger()
	line := reports.Fold(l, from, until, never)
	d.Soft = append(d.Soft, line.Soft...)
	for _, s := range line.Spans {
		switch s.Verdict {
		case reports.Good:
			d.GoodMs += s.Ms()
		case reports.Bad:
			d.BadMs += s.Ms()
		case reports.Unknown, reports.Excluded:
			d.UnknownMs += s.Ms()
		}
	}
	if d.Tracks == nil {
		d.Tracks = map[int16][]reports.Span{}
	}
	d.append(Verdict, line.Spans)
	for _, loc := range d.places(l) {
		if len(d.Tracks[loc]) == 0 && d.Start.Before(from) { // it joins in the middle of the day
			d.append(loc, reports.Fold(reports.CheckLedger{}, d.Start, from, never).Spans)
		}
		d.append(loc, reports.Fold(l.At(loc), from, until, never).Spans)
	}
	d.count(r)
	d.Until = until
}

// never is a moment by which every slot has ended: what is folded here is settled.
//
//nolint:gochecknoglobals // a constant that the language cannot write
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// places are the locations that the day has seen and those that the ledger asks.
func (d *Day) places(l reports.CheckLedger) []int16 {
	out := l.Places()
	for scope := range d.Tracks {
		if scope != Verdict && !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}

func (d *Day) append(scope int16, spans []reports.Span) {
	for _, s := range spans {
		d.Tracks[scope] = reports.AppendSpan(d.Tracks[scope], s)
	}
}

// count adds the results that a slot asked for, each once.
func (d *Day) count(r Record) {
	for i, row := range r.Rows {
		if i > 0 && row.Location == r.Rows[i-1].Location && row.Slot.Equal(r.Rows[i-1].Slot) || !asked(r.Revs, row) {
			continue
		}
		d.Probes++
		if reports.Verdict(row.Outcome) != reports.Good {
			continue
		}
		d.GoodProbes++
		if d.Hists == nil {
			d.Hists = map[int16]*reports.Histogram{}
		}
		h := d.Hists[row.Location]
		if h == nil {
			h = &reports.Histogram{}
			d.Hists[row.Location] = h
		}
		h.Add(row.Latency)
	}
}

// asked reports whether a configuration asked for this result.
func asked(revs []reports.Rev, row Row) bool {
	for _, rev := range revs {
		if !row.Slot.Before(rev.From) && (rev.To.IsZero() || row.Slot.Before(rev.To)) {
			return rev.Slot >= time.Millisecond && row.Slot.UnixMilli()%rev.Slot.Milliseconds() == 0 &&
				slices.Contains(rev.Locations, row.Location)
		}
	}
	return false
}

// within is the part of a record that [from, to) is folded from.
func (r Record) within(from, to time.Time) Record {
	out := Record{Check: r.Check, Names: r.Names}
	for _, rev := range r.Revs {
		if rev.From.Before(to) && (rev.To.IsZero() || rev.To.After(from)) {
			out.Revs = append(out.Revs, rev)
		}
	}
	first, _ := slices.BinarySearchFunc(r.Rows, from, func(row Row, t time.Time) int { return row.Slot.Compare(t) })
	last, _ := slices.BinarySearchFunc(r.Rows, to, func(row Row, t time.Time) int { return row.Slot.Compare(t) })
	out.Rows = r.Rows[first:last]
	return out
}

// ledger is the record as [reports.Fold] takes it.
func (r Record) ledger() reports.CheckLedger {
	l := reports.CheckLedger{
		Check: r.Check, Revs: r.Revs, Locations: r.Names,
		Rows: make([]reports.Row, len(r.Rows)), Errors: map[int32]reports.Failure{},
	}
	ids := map[reports.Failure]int32{}
	for i, row := range r.Rows {
		l.Rows[i] = row.Row
		l.Rows[i].ErrID = 0
		if row.Failure == (reports.Failure{}) {
			continue
		}
		id := ids[row.Failure]
		if id == 0 {
			id = int32(len(ids) + 1) //nolint:gosec // rows of a day
			ids[row.Failure], l.Errors[id] = id, row.Failure
		}
		l.Rows[i].ErrID = id
	}
	return l
}

// Whole is a day that replaces what is stored of it.
func (d *Day) Whole() Changes {
	facts := *d
	facts.Tracks, facts.Hists = nil, nil
	c := Changes{Days: []Day{facts}}
	for scope, spans := range d.Tracks {
		for i, s := range spans {
			open := i == len(spans)-1 && d.Until.Before(d.End())
			c.Spans = append(c.Spans, Span{Check: d.Check, Scope: scope, Span: s, Open: open})
		}
	}
	for loc, h := range d.Hists {
		c.Hists = append(c.Hists, Hist{Check: d.Check, Location: loc, Day: d.Start, Histogram: h.Clone()})
	}
	return c
}

// Timeline folds a stretch of a record as it is seen at now.
func (r Record) Timeline(from, to, now time.Time) reports.Timeline {
	return reports.Fold(r.within(from, to).ledger(), from, to, now)
}
