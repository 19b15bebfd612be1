package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Series is what one check looked like from one location.
type Series struct{ Check, Location string }

// Stretch is what a log holds of one series.
type Stretch struct {
	First, Last time.Time
	Entries     int
	// Disorder is how much older than an entry before it an entry was at most: so
	// long a slot must be kept open.
	Disorder time.Duration
	newest   time.Time
}

// Survey is what logs hold, found without keeping their lines.
type Survey map[Series]*Stretch

// Add takes one entry, in the order in which a [Folder] will get them.
func (s Survey) Add(e Entry) {
	key := Series{e.Check, e.Location}
	x := s[key]
	if x == nil {
		x = &Stretch{First: e.Time, Last: e.Time, newest: e.Time}
		s[Series{strings.Clone(e.Check), strings.Clone(e.Location)}] = x
	}
	x.Entries++
	if e.Time.Before(x.First) {
		x.First = e.Time
	}
	if e.Time.After(x.Last) {
		x.Last = e.Time
	}
	x.Disorder = max(x.Disorder, x.newest.Sub(e.Time))
	if e.Time.After(x.newest) {
		x.newest = e.Time
	}
}

// Slot is what one location saw of a check in one slot.
type Slot struct {
	Start time.Time
	// Attempts is 1 when every attempt was good, else their number: so it is above
	// 1 for a good slot exactly when it was good only after a retry.
	Attempts int
	Last     Entry // the last attempt: it decides. Its Line is of no use
	end      time.Time
	all      int
	failed   bool
}

// Folder turns entries into slots. One goroutine.
type Folder struct {
	// Survey is that of the same entries in the same order.
	Survey Survey
	// Plan holds the configurations of each check, in order of time.
	Plan map[string][]Period
	// Outside counts the entries for which no slot was expected.
	Outside int

	open map[Series]*series
}

// series is one series in progress.
type series struct {
	slots  map[int64]*Slot // by start, unix milliseconds
	newest time.Time
	period int // of the entry before
}

// Add takes one entry.
func (f *Folder) Add(e Entry) {
	key := Series{e.Check, e.Location}
	if f.open == nil {
		f.open = map[Series]*series{}
	}
	s := f.open[key]
	if s == nil {
		s = &series{slots: map[int64]*Slot{}}
		f.open[Series{strings.Clone(e.Check), strings.Clone(e.Location)}] = s
	}
	start, end, ok := s.slot(f.Plan[e.Check], e.Time)
	if e.Time.After(s.newest) {
		s.newest = e.Time
	}
	if !ok {
		f.Outside++
		return
	}
	slot := s.slots[start.UnixMilli()]
	if slot == nil {
		slot = &Slot{Start: start, end: end}
		s.slots[start.UnixMilli()] = slot
	}
	slot.all++
	slot.failed = slot.failed || e.Outcome != Good
	if slot.all == 1 || !e.Time.Before(slot.Last.Time) {
		slot.Last = e
		slot.Last.Check, slot.Last.Location = "", "" // of the line, which need not be kept
		slot.Last.Message = strings.Clone(e.Message)
	}
}

// slot finds the slot that holds t.
func (s *series) slot(plan []Period, t time.Time) (start, end time.Time, ok bool) {
	if s.period >= len(plan) || !plan[s.period].holds(t) {
		s.period = slices.IndexFunc(plan, func(p Period) bool { return p.holds(t) })
		if s.period < 0 {
			s.period = 0
			return start, end, false
		}
	}
	p := plan[s.period]
	start = floor(t, p.Slot)
	end = start.Add(p.Slot)
	if !p.To.IsZero() && p.To.Before(end) {
		end = p.To
	}
	return start, end, !start.Before(p.From) // else it began under another configuration
}

// Ready gives out, in order of series and time, the slots that can get no more
// entries; all gives out the rest.
func (f *Folder) Ready(all bool, give func(Series, Slot) error) error {
	keys := slices.SortedFunc(maps.Keys(f.open), func(a, b Series) int {
		return cmp.Or(strings.Compare(a.Check, b.Check), strings.Compare(a.Location, b.Location))
	})
	for _, key := range keys {
		s := f.open[key]
		var final time.Time
		if x := f.Survey[key]; x != nil {
			final = s.newest.Add(-x.Disorder)
		}
		for _, at := range slices.Sorted(maps.Keys(s.slots)) {
			slot := s.slots[at]
			if !all && slot.end.After(final) {
				break
			}
			slot.Attempts = 1
			if slot.failed {
				slot.Attempts = slot.all
			}
			if err := give(key, *slot); err != nil {
				return err
			}
			delete(s.slots, at)
		}
	}
	return nil
}

// Open is how many slots are kept open.
func (f *Folder) Open() int {
	n := 0
	for _, s := range f.open {
		n += len(s.slots)
	}
	return n
}
