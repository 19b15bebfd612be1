package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"keepwatch/reports"
)

const (
	// graceMax and graceMore are how long after its end a slot waits for results that
	// are still to come: a look may take as long as its interval. Later ones are not lost:
	// they make their day be folded anew.
	graceMax  = time.Minute
	graceMore = 15 * time.Second
	// saveEvery is how long a day's facts may stay in memory only. What is not saved
	// is folded by readers from the results.
	saveEvery = time.Minute
)

// Book is the memory of the days that are being folded. It is plain: no loop, no
// lock, no store. Everything is a function of what it was given.
type Book struct {
	heads map[string]*head
	names map[int16]string
}

// head is where the folding of one check stands.
type head struct {
	day    Day
	revs   []reports.Rev
	rows   []Row // of slots from day.Until on, ordered, each once
	saved  time.Time
	stored map[int16]reports.Span // the open spans as they were last written
	fresh  map[int16]bool         // histograms not yet written
}

// Learn remembers names of locations.
func (b *Book) Learn(names map[int16]string) {
	if b.names == nil {
		b.names = map[int16]string{}
	}
	maps.Copy(b.names, names)
}

// Open begins to fold a check on from what is stored of it, on the UTC day that begins
// at today. It returns what must be folded anew because it is older.
func (b *Book) Open(l Loaded, today time.Time) []Mark {
	h := &head{day: Day{Check: l.Check, Start: today, Until: today}, revs: l.Revs}
	var old []Mark
	switch {
	case l.Last.Check == "":
	case l.Last.Start.Before(today):
		if l.Last.Until.Before(today) {
			old = append(old, Mark{Check: l.Check, From: l.Last.Until, To: today})
		}
	case !l.Last.Until.Before(l.Last.End()): // complete: the next one begins
		h.day.Start, h.day.Until = l.Last.End(), l.Last.End()
	default: // today's, or a later one after the clock was set back
		h.day = l.Last
		h.stored = map[int16]reports.Span{}
		for scope, spans := range h.day.Tracks {
			h.stored[scope] = spans[len(spans)-1]
		}
	}
	if len(l.Revs) == 0 && len(l.Rows) == 0 {
		return old
	}
	if b.heads == nil {
		b.heads = map[string]*head{}
	}
	b.heads[l.Check] = h
	for _, row := range l.Rows {
		if !row.Slot.Before(h.day.Until) {
			h.put(row)
		}
	}
	return old
}

// Has reports whether a check is being folded here.
func (b *Book) Has(check string) bool { return b.heads[check] != nil }

// Until is the day that is being folded of a check and the end of what is; false when
// the check is not folded here.
func (b *Book) Until(check string) (start, until time.Time, ok bool) {
	h := b.heads[check]
	if h == nil {
		return time.Time{}, time.Time{}, false
	}
	return h.day.Start, h.day.Until, true
}

// Put takes results that were not stored before. Those that come too late, or of
// checks that are not folded here yet, make marks.
func (b *Book) Put(rows []Row) []Mark {
	var late []Mark
	for _, row := range rows {
		h := b.heads[row.Check]
		if h != nil && !row.Slot.Before(h.day.Until) {
			h.put(row)
			continue
		}
		to := row.Slot.Add(time.Millisecond)
		if n := len(late); n > 0 && late[n-1].Check == row.Check && late[n-1].From.Truncate(day).Equal(row.Slot.Truncate(day)) {
			late[n-1].From = earlier(late[n-1].From, row.Slot)
			late[n-1].To = later(late[n-1].To, to)
			continue
		}
		late = append(late, Mark{Check: row.Check, From: row.Slot, To: to})
	}
	return late
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// put keeps a result in its place; the one that is there already stays.
func (h *head) put(row Row) {
	at, found := slices.BinarySearchFunc(h.rows, row, func(a, b Row) int {
		return cmp.Or(a.Slot.Compare(b.Slot), cmp.Compare(a.Location, b.Location))
	})
	if !found {
		h.rows = slices.Insert(h.rows, at, row)
	}
}

// Configure replaces the configurations of a check, and adds results that other
// processes stored.
func (b *Book) Configure(r Record) {
	h := b.heads[r.Check]
	if h == nil {
		return
	}
	h.revs = r.Revs
	for _, row := range r.Rows {
		if !row.Slot.Before(h.day.Until) {
			h.put(row)
		}
	}
}

// Replace puts a day that was folded anew in the place of the one in memory, when it is
// the one that is being folded.
func (b *Book) Replace(d Day) {
	h := b.heads[d.Check]
	if h == nil || !h.day.Start.Equal(d.Start) || !h.day.Until.Equal(d.Until) {
		return
	}
	h.day, h.fresh = d, nil
	h.stored = map[int16]reports.Span{}
	h.trim()
}

// trim keeps the last span of each track, which may go on.
func (h *head) trim() {
	if h.stored == nil {
		h.stored = map[int16]reports.Span{}
	}
	for scope, spans := range h.day.Tracks {
		last := spans[len(spans)-1]
		h.day.Tracks[scope] = []reports.Span{last}
		h.stored[scope] = last
	}
}

// Advance folds every slot that is settled at clock and returns what is to be written.
// With all set everything that is not saved is written. Should the store not take the
// changes, the book is of no use any more.
func (b *Book) Advance(clock time.Time, all bool) Changes {
	var c Changes
	for check, h := range b.heads {
		for {
			next := h.settled(clock)
			if !next.After(h.day.Until) {
				break
			}
			h.extend(next, b.names)
			if next.Equal(h.day.End()) {
				h.save(&c, clock, true)
				h.turn()
			}
		}
		if h.due(clock, all) {
			h.save(&c, clock, false)
		}
		if h.over() {
			delete(b.heads, check)
		}
	}
	return c
}

// over reports whether nothing is expected from the day's beginning on.
func (h *head) over() bool {
	if !h.day.Until.Equal(h.day.Start) || len(h.rows) > 0 {
		return false
	}
	for _, rev := range h.revs {
		if rev.To.IsZero() || rev.To.After(h.day.Start) {
			return false
		}
	}
	return true
}

// extend folds up to until and lets go of what was folded.
func (h *head) extend(until time.Time, names map[int16]string) {
	before := map[int16]int64{}
	for loc, hist := range h.day.Hists {
		before[loc] = hist.N()
	}
	h.day.Extend(Record{Check: h.day.Check, Revs: h.revs, Rows: h.rows, Names: names}, until)
	for loc, hist := range h.day.Hists {
		if hist.N() == before[loc] {
			continue
		}
		if h.fresh == nil {
			h.fresh = map[int16]bool{}
		}
		h.fresh[loc] = true
	}
	n := 0
	for n < len(h.rows) && h.rows[n].Slot.Before(until) {
		n++
	}
	h.rows = slices.Delete(h.rows, 0, n)
}

// due reports whether something should be written now.
func (h *head) due(clock time.Time, all bool) bool {
	if !h.day.Start.Before(h.day.Until) {
		return false
	}
	if all || clock.Sub(h.saved) >= saveEvery {
		return true
	}
	for scope, spans := range h.day.Tracks {
		if stored, ok := h.stored[scope]; !ok || len(spans) > 1 || !same(stored, spans[0]) {
			return true
		}
	}
	return false
}

// same reports whether a span says what it said when it was stored; it may be longer.
func same(stored, now reports.Span) bool {
	return stored.From.Equal(now.From) && stored.Verdict == now.Verdict && stored.Cause == now.Cause &&
		slices.Equal(stored.Locations, now.Locations)
}

// save adds what changed since the last time. With ended set the day is complete.
func (h *head) save(c *Changes, clock time.Time, ended bool) {
	h.saved = clock
	facts := h.day
	facts.Tracks, facts.Hists = nil, nil
	c.Days = append(c.Days, facts)
	for scope, spans := range h.day.Tracks {
		for i, s := range spans {
			open := i == len(spans)-1 && !ended
			if stored, ok := h.stored[scope]; ok && open && same(stored, s) {
				continue
			}
			c.Spans = append(c.Spans, Span{Check: h.day.Check, Scope: scope, Span: s, Open: open})
		}
	}
	for loc := range h.fresh {
		c.Hists = append(c.Hists, Hist{Check: h.day.Check, Location: loc, Day: h.day.Start, Histogram: h.day.Hists[loc].Clone()})
	}
	h.fresh = nil
	h.trim()
}

// turn begins the next day.
func (h *head) turn() {
	end := h.day.End()
	h.day = Day{Check: h.day.Check, Start: end, Until: end}
	h.stored = nil
	h.revs = slices.DeleteFunc(h.revs, func(r reports.Rev) bool { return !r.To.IsZero() && !r.To.After(end) })
}
