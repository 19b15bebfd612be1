package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"keepwatch/probe"
	"keepwatch/reports"
)

var errAway = errors.New("the store is away")

type rowKey struct {
	check string
	loc   int16
	slot  int64
}

type spanKey struct {
	check  string
	scope  int16
	starts int64
}

type dayKey struct {
	check string
	day   int64
}

type histKey struct {
	dayKey
	loc int16
}

// shelf is a Store in memory that can fail before or after a commit.
type shelf struct {
	rows   map[rowKey]Row
	revs   map[string][]reports.Rev
	days   map[dayKey]Day
	spans  map[spanKey]Span
	hists  map[histKey]*reports.Histogram
	marks  []Mark
	lastID int64

	holder  string
	epoch   int64
	renewed time.Time

	fail string // "before" or "after": the next commit with a fold, or Refold
}

var places = map[int16]string{1: "west", 2: "central", 3: "east"}

func placeID(name string) int16 {
	for id, n := range places {
		if n == name {
			return id
		}
	}
	panic(name)
}

func newShelf() *shelf {
	return &shelf{
		rows: map[rowKey]Row{}, revs: map[string][]reports.Rev{}, days: map[dayKey]Day{},
		spans: map[spanKey]Span{}, hists: map[histKey]*reports.Histogram{},
	}
}

func (s *shelf) fence(l Lease) bool {
	if l.Epoch == 0 || l.Epoch != s.epoch || s.holder != l.Agent {
		return false
	}
	s.renewed = l.Now
	return true
}

func (s *shelf) mark(m Mark) {
	s.lastID++
	m.ID = s.lastID
	s.marks = append(s.marks, m)
}

func (s *shelf) Commit(_ context.Context, l Lease, rs []probe.Result, fold func([]Row, map[int16]string) Changes) error {
	fail := ""
	if fold != nil {
		fail, s.fail = s.fail, ""
	}
	held := fold != nil && s.fence(l)
	var fresh []Row
	undo := maps.Clone(s.rows)
	for _, r := range rs {
		row := Row{Check: r.Check, Row: reports.Row{Slot: r.Slot, Location: placeID(r.Location), Outcome: int16(r.Outcome), Attempts: int16(r.Attempts)}, Latency: r.Look.Latency}
		row.Failure = reports.Failure{Cause: r.Cause, Class: string(r.Look.Fault.Class), Message: r.Look.Fault.Message}
		key := rowKey{r.Check, row.Location, r.Slot.UnixNano()}
		if _, ok := s.rows[key]; !ok {
			s.rows[key] = row
			fresh = append(fresh, row)
		}
	}
	if held {
		c := fold(fresh, places)
		if fail == "before" {
			s.rows = undo
			return errAway
		}
		s.write(c)
		if fail == "after" {
			return errAway
		}
		return nil
	}
	for _, row := range fresh {
		s.mark(Mark{Check: row.Check, From: row.Slot, To: row.Slot.Add(time.Millisecond)})
	}
	if fold != nil {
		return ErrNotHolder
	}
	return nil
}

func (s *shelf) write(c Changes) {
	for _, d := range c.Days {
		d.Soft = slices.Clone(d.Soft)
		s.days[dayKey{d.Check, d.Start.Unix()}] = d
	}
	for _, sp := range c.Spans {
		s.spans[spanKey{sp.Check, sp.Scope, sp.From.UnixNano()}] = sp
	}
	for _, h := range c.Hists {
		s.hists[histKey{dayKey{h.Check, h.Day.Unix()}, h.Location}] = h.Clone()
	}
	for _, m := range c.Marks {
		s.mark(m)
	}
}

func (s *shelf) Take(_ context.Context, l Lease, patience time.Duration) (int64, error) {
	if s.holder != "" && s.holder != l.Agent && l.Now.Sub(s.renewed) < patience {
		return 0, nil
	}
	s.holder, s.renewed = l.Agent, l.Now
	s.epoch++
	return s.epoch, nil
}

func (s *shelf) record(check string, from, to time.Time) Record {
	r := Record{Check: check, Names: places}
	for _, rev := range s.revs[check] {
		if rev.From.Before(to) && (rev.To.IsZero() || rev.To.After(from)) {
			r.Revs = append(r.Revs, rev)
		}
	}
	for _, row := range s.rows {
		if row.Check == check && !row.Slot.Before(from) && row.Slot.Before(to) {
			r.Rows = append(r.Rows, row)
		}
	}
	slices.SortFunc(r.Rows, func(a, b Row) int { return cmp.Or(a.Slot.Compare(b.Slot), cmp.Compare(a.Location, b.Location)) })
	return r
}

// stored is a day as it can be read back.
func (s *shelf) stored(check string, start time.Time) (Day, bool) {
	d, ok := s.days[dayKey{check, start.Unix()}]
	if !ok {
		return Day{}, false
	}
	d.Tracks, d.Hists = map[int16][]reports.Span{}, map[int16]*reports.Histogram{}
	var keys []spanKey
	for k := range s.spans {
		if k.check == check && k.starts >= start.UnixNano() && k.starts < d.End().UnixNano() {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b spanKey) int { return cmp.Compare(a.starts, b.starts) })
	for _, k := range keys {
		sp := s.spans[k]
		if sp.Open {
			sp.To = d.Until
		}
		d.Tracks[k.scope] = append(d.Tracks[k.scope], sp.Span)
	}
	for k, h := range s.hists {
		if k.dayKey == (dayKey{check, start.Unix()}) {
			d.Hists[k.loc] = h.Clone()
		}
	}
	return d, true
}

func (s *shelf) Load(_ context.Context, checks []string, today time.Time) ([]Loaded, map[int16]string, error) {
	var out []Loaded
	if checks == nil {
		for check := range s.revs {
			out = append(out, Loaded{Check: check})
		}
		return out, places, nil
	}
	for _, check := range checks {
		l := Loaded{Check: check}
		var newest time.Time
		for k, d := range s.days {
			if k.check == check && (newest.IsZero() || d.Start.After(newest)) {
				newest = d.Start
			}
		}
		if !newest.IsZero() {
			l.Last, _ = s.stored(check, newest)
			for scope, spans := range l.Last.Tracks {
				l.Last.Tracks[scope] = spans[len(spans)-1:]
			}
		}
		r := s.record(check, later(today, l.Last.Start), never)
		l.Revs, l.Rows = r.Revs, r.Rows
		out = append(out, l)
	}
	return out, places, nil
}

func (s *shelf) Marks(_ context.Context, limit int) ([]Mark, error) {
	return slices.Clone(s.marks[:min(limit, len(s.marks))]), nil
}

func (s *shelf) Refold(_ context.Context, l Lease, r Refold, fold func(Record) Day) error {
	fail := s.fail
	s.fail = ""
	if fail == "before" {
		return errAway
	}
	if !s.fence(l) {
		return ErrNotHolder
	}
	if !r.Day.IsZero() {
		d := fold(s.record(r.Check, r.Day, r.Until))
		maps.DeleteFunc(s.spans, func(k spanKey, _ Span) bool {
			return k.check == r.Check && k.starts >= r.Day.UnixNano() && k.starts < r.Day.Add(day).UnixNano()
		})
		maps.DeleteFunc(s.hists, func(k histKey, _ *reports.Histogram) bool { return k.dayKey == dayKey{r.Check, r.Day.Unix()} })
		s.write(d.Whole())
	}
	s.marks = slices.DeleteFunc(s.marks, func(m Mark) bool { return r.Done && slices.Contains(r.Marks, m.ID) })
	for i := range s.marks {
		if slices.Contains(r.Marks, s.marks[i].ID) {
			s.marks[i].From = later(s.marks[i].From, r.Day.Add(day))
		}
	}
	if fail == "after" {
		return errAway
	}
	return nil
}

func (s *shelf) Tail(_ context.Context, checks []string, from, to time.Time) ([]Record, error) {
	var out []Record
	for _, check := range checks {
		r := s.record(check, from, never)
		r.Rows = slices.DeleteFunc(r.Rows, func(row Row) bool { return !row.Slot.Before(to) })
		out = append(out, r)
	}
	return out, nil
}
