package reports

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine
)

const slotLen = 30 * time.Second

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func week(tb testing.TB, text, where string) Week {
	tb.Helper()
	w, err := ParseWeek(text, zone(tb, where))
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func instant(tb testing.TB, text string) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}
	return at.UTC()
}

// recorded is a ledger of one location with 30 s slots over [from, to); outcome
// says what each slot was, and 9 leaves it out.
func recorded(check string, from, to time.Time, outcome func(slot time.Time) int16) CheckLedger {
	l := CheckLedger{
		Check:     check,
		Revs:      []Rev{{From: from, Slot: slotLen, Locations: []int16{1}, Quorum: 1}},
		Errors:    map[int32]Failure{1: {Class: "status", Message: "got 503, want 200"}, 2: {Cause: "late"}},
		Locations: map[int16]string{1: "west", 2: "central", 3: "east"},
	}
	for slot := from; slot.Before(to); slot = slot.Add(slotLen) {
		row := Row{Slot: slot, Location: 1, Outcome: outcome(slot), Attempts: 1}
		switch row.Outcome {
		case 9:
			continue
		case 2:
			row.ErrID = 1
		case 0:
			row.ErrID = 2
		}
		l.Rows = append(l.Rows, row)
	}
	return l
}

// during returns an outcome function: what in [from, from+d), good otherwise.
func during(from time.Time, d time.Duration, what int16) func(time.Time) int16 {
	return func(slot time.Time) int16 {
		if !slot.Before(from) && slot.Before(from.Add(d)) {
			return what
		}
		return 1
	}
}

func built(w Week, x []Interval, ledgers ...CheckLedger) ServiceReport {
	in := Input{Week: w, Now: w.To.Add(closeAfter), Timelines: map[string]Timeline{}, Excluded: map[string][]Interval{"site": x}}
	s := Service{Name: "site", Objective: 950_000}
	for _, l := range ledgers {
		s.Critical = append(s.Critical, l.Check)
		in.Timelines[l.Check] = Fold(l, w.From.Add(-lookback), w.To, in.Now)
	}
	in.Services = []Service{s}
	return Build(in).Services[0]
}
