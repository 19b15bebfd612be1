package reports

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawHistory draws a day of up to four configurations with gaps between them, and
// results of which some belong to no slot.
func drawHistory(t *rapid.T, from time.Time) CheckLedger {
	l := CheckLedger{
		Check:     "a",
		Locations: map[int16]string{1: "west", 2: "central", 3: "east"},
		Errors:    map[int32]Failure{1: {Class: "status", Message: "got 503"}, 2: {Cause: "late"}, 3: {Cause: "blind"}},
	}
	slots := []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour}
	at := from.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "begin")) * 15 * time.Minute)
	for range rapid.IntRange(1, 4).Draw(t, "revs") {
		rev := Rev{
			Slot:      rapid.SampledFrom(slots).Draw(t, "slot"),
			Locations: rapid.SampledFrom([][]int16{{1}, {1, 2}, {1, 2, 3}, {3}}).Draw(t, "locations"),
			Quorum:    rapid.IntRange(1, 2).Draw(t, "k"),
		}
		rev.From = at.Add(rev.Slot - 1).Truncate(rev.Slot)
		rev.To = rev.From.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "length")) * 5 * time.Minute)
		at = rev.To.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "gap")) * 10 * time.Minute)
		l.Revs = append(l.Revs, rev)
	}
	if rapid.Bool().Draw(t, "open") {
		l.Revs[len(l.Revs)-1].To = time.Time{}
	}
	for slot := from; slot.Before(from.Add(24 * time.Hour)); slot = slot.Add(5 * time.Minute) {
		for loc := int16(1); loc <= 3; loc++ {
			switch rapid.IntRange(0, 9).Draw(t, "result") {
			case 0, 1, 2:
				l.Rows = append(l.Rows, Row{Slot: slot, Location: loc, Outcome: 1, Attempts: rapid.Int16Range(1, 2).Draw(t, "attempts")})
			case 3:
				l.Rows = append(l.Rows, Row{Slot: slot, Location: loc, Outcome: 2, ErrID: 1})
			case 4:
				l.Rows = append(l.Rows, Row{Slot: slot, Location: loc, ErrID: rapid.Int32Range(0, 3).Draw(t, "err")})
			}
		}
	}
	return l
}

// TestFoldInParts: folding between any edges of slots and joining gives the whole, so
// that slots without results, which are folded many at once, are what each would be.
func TestFoldInParts(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		l := drawHistory(t, from)
		now := from.Add(time.Duration(rapid.IntRange(0, 30*60).Draw(t, "now")) * time.Minute)
		to := from.Add(24 * time.Hour)
		want := Fold(l, from, to, now)
		got := Timeline{Check: l.Check}
		for at := from; at.Before(to); at = at.Add(5 * time.Minute) {
			one := Fold(l, at, at.Add(5*time.Minute), now)
			for _, s := range one.Spans {
				got.Spans = AppendSpan(got.Spans, s)
			}
		}
		got.Soft = want.Soft // a slot of an hour is seen twelve times here
		if diff := cmp.Diff(got, want); diff != "" {
			t.Fatalf("in parts (-got +want):\n%s", diff)
		}
	})
}

// TestAtOneLocation: at one location its own results are the verdicts.
func TestAtOneLocation(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	l := CheckLedger{
		Check: "a", Locations: map[int16]string{1: "west", 2: "east"},
		Revs: []Rev{
			{From: from, To: from.Add(time.Hour), Slot: 30 * time.Minute, Locations: []int16{1}, Quorum: 1},
			{From: from.Add(time.Hour), Slot: 30 * time.Minute, Locations: []int16{1, 2}, Quorum: 2},
		},
		Rows: []Row{
			{Slot: from, Location: 1, Outcome: 1},
			{Slot: from, Location: 2, Outcome: 2}, // nobody asked
			{Slot: from.Add(time.Hour), Location: 1, Outcome: 1},
			{Slot: from.Add(time.Hour), Location: 2, Outcome: 2},
		},
	}
	got := Fold(l.At(2), from, from.Add(2*time.Hour), from.Add(24*time.Hour)).Spans
	want := []Span{
		{From: from, To: from.Add(time.Hour), Cause: CauseNotWatched},
		{From: from.Add(time.Hour), To: from.Add(90 * time.Minute), Verdict: Bad, Locations: []string{"east"}},
		{From: from.Add(90 * time.Minute), To: from.Add(2 * time.Hour), Cause: CauseNoResult},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("east (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(l.Places(), []int16{1, 2}); diff != "" {
		t.Errorf("places (-got +want):\n%s", diff)
	}
}
