package ledger

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"keepwatch/probe"
	"keepwatch/reports"
)

// world is a shelf, two daemons that share it, and a clock that only the test moves.
type world struct {
	*testing.T
	*dice
	failure string
	sent    []probe.Result
	shelf   *shelf
	keepers [2]*Keeper
	every   map[string]time.Duration
}

func (w *world) start(i int) {
	w.keepers[i] = &Keeper{Store: w.shelf, Agent: fmt.Sprint("daemon-", i), Keep: func() time.Duration { return 35 * day }, Log: slog.New(slog.DiscardHandler)}
}

func (w *world) configure(check string) {
	slot := pick(w.dice, 30*time.Second, time.Minute, 5*time.Minute)
	from := time.Now().UTC().Add(slot - 1).Truncate(slot)
	revs := w.shelf.revs[check]
	if n := len(revs); n > 0 {
		from = later(from, revs[n-1].From.Add(slot).Truncate(slot))
		if revs[n-1].To.IsZero() {
			revs[n-1].To = from
		} else {
			from = later(from, revs[n-1].To.Add(slot-1).Truncate(slot))
		}
	}
	defer func() { w.shelf.mark(Mark{Check: check, From: from, To: never}) }() // as the trigger does
	w.every[check] = slot
	if w.n(6) == 0 {
		return
	}
	w.shelf.revs[check] = append(revs, reports.Rev{
		From: from, Slot: slot,
		Locations: pick(w.dice, []int16{1}, []int16{1, 2}, []int16{1, 2, 3}),
		Quorum:    1 + w.n(2),
	})
}

// results draws results of slots that began up to back ago.
func (w *world) results(back time.Duration) []probe.Result {
	var rs []probe.Result
	now := time.Now().UTC()
	for _, check := range []string{"a", "b"} {
		slot := w.every[check]
		n := int(min(back/slot, 12))
		begin := now.Add(-back + back*time.Duration(w.n(16))/16).Truncate(slot)
		for i := range n + 1 {
			for _, loc := range []int16{3, 1, 2} {
				at := begin.Add(time.Duration(i) * slot)
				kind := w.n(8)
				if kind == 0 || at.After(now) {
					continue
				}
				r := probe.Result{Check: check, Location: places[loc], Slot: at, Started: at, Attempts: 1 + kind%2, Outcome: probe.Good}
				r.Look.Latency = time.Duration(1+w.n(50)) * time.Millisecond
				switch kind {
				case 1:
					r.Outcome, r.Look.Fault = probe.Bad, probe.Fault{Class: "status", Message: fmt.Sprint("got ", 500+kind*i%3)}
				case 2:
					r.Outcome, r.Cause = probe.Unknown, pick(w.dice, "late", "blind", "shutdown")
				}
				rs = append(rs, r)
			}
		}
	}
	for i := range rs { // in any order
		if j := w.n(4); w.n(2) == 0 {
			k := max(i-j, 0)
			rs[i], rs[k] = rs[k], rs[i]
		}
	}
	return rs
}

func (w *world) insert(k *Keeper, rs []probe.Result) {
	if err := k.Insert(w.Context(), rs); err != nil {
		w.fatalf("insert: %v", err)
	}
}

// agrees is the invariant of every moment: a stored day is what its results say, or it
// is marked.
func (w *world) agrees() {
	for key, d := range w.shelf.days {
		if touches(w.shelf.marks, d.Start, d.Until) && markedOf(w.shelf.marks, key.check, d) {
			continue
		}
		got, _ := w.shelf.stored(key.check, d.Start)
		want := FoldDay(w.shelf.record(key.check, d.Start, d.End()), d.Start, d.Until)
		if diff := Differences(got, want); len(diff) > 0 {
			w.fatalf("%s, %s up to %s: %v\nrevs %v", key.check, d.Start.Format(time.DateOnly), d.Until.Format(time.TimeOnly), diff, w.shelf.revs[key.check])
		}
	}
}

func markedOf(marks []Mark, check string, d Day) bool {
	for _, m := range marks {
		if m.Check == check && m.From.Before(d.Until) && m.To.After(d.Start) {
			return true
		}
	}
	return false
}

// dice are what rapid drew, used up by the story; rapid itself may not run in a bubble.
type dice struct{ drawn []byte }

// n is a number below limit.
func (d *dice) n(limit int) int {
	if len(d.drawn) == 0 {
		return 0
	}
	b := d.drawn[0]
	d.drawn = d.drawn[1:]
	return int(b) % limit
}

func pick[T any](d *dice, of ...T) T { return of[d.n(len(of))] }

// TestLedgerAgreesWithResults drives two daemons through random results in any order,
// replays, late ones, changes of configuration, crashes and commits that fail before or after
// they were made. At every moment each stored day is what [reports.Fold] makes of the
// stored results, or is marked; in the end nothing is marked.
func TestLedgerAgreesWithResults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		drawn := rapid.SliceOfN(rapid.Byte(), 40, 2500).Draw(rt, "dice")
		w := &world{dice: &dice{drawn}, shelf: newShelf(), every: map[string]time.Duration{}}
		synctest.Test(t, func(t *testing.T) {
			w.T = t
			w.story()
		})
		if w.failure != "" {
			rt.Fatal(w.failure)
		}
	})
}

// story is one history; it ends at the first failure.
func (w *world) story() {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case broken:
			w.failure = string(r)
		default:
			panic(r)
		}
	}()
	time.Sleep(time.Until(time.Now().Truncate(day).Add(day + 23*time.Hour + 30*time.Minute)))
	w.start(0)
	w.start(1)
	w.configure("a")
	w.configure("b")
	for len(w.drawn) > 0 {
		w.step()
		w.agrees()
		for _, k := range w.keepers {
			_ = k.Tick(w.Context())
			w.agrees()
		}
	}
	for range 100 {
		time.Sleep(2 * time.Minute)
		for _, k := range w.keepers {
			_ = k.Tick(w.Context())
			w.agrees()
		}
	}
	w.finished()
}

// broken is a failed assertion of a story.
type broken string

func (w *world) fatalf(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

// step does one random thing.
func (w *world) step() {
	k := w.keepers[pick(w.dice, 0, 0, 0, 1)]
	switch w.n(13) {
	case 0, 1, 2, 3:
		rs := w.results(2 * time.Minute)
		w.sent = append(w.sent, rs...)
		w.insert(k, rs)
	case 4:
		w.insert(k, w.results(26*time.Hour)) // late
	case 5:
		for range 3 {
			w.insert(k, w.sent)
		}
	case 6:
		w.configure("a")
	case 7:
		w.start(w.n(2)) // the one before was killed
	case 8:
		w.shelf.fail = pick(w.dice, "before", "after")
	case 9:
		time.Sleep(time.Duration(1+w.n(60)) * time.Minute)
	default:
		time.Sleep(time.Duration(1+w.n(90)) * time.Second)
	}
}

// finished: after some hours nothing is marked and all is folded up to a while ago.
func (w *world) finished() {
	if len(w.shelf.marks) > 0 {
		w.fatalf("still marked: %v", w.shelf.marks)
	}
	today := time.Now().UTC().Truncate(day)
	for check, revs := range w.shelf.revs {
		if len(revs) == 0 || !revs[len(revs)-1].To.IsZero() {
			continue
		}
		d, ok := w.shelf.stored(check, today)
		if !ok || time.Since(d.Until) > 15*time.Minute {
			w.fatalf("%s is folded up to %v only", check, d.Until)
		}
	}
}
