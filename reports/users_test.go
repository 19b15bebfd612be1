package reports

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCompareUsers puts every kind of minute into its cell.
func TestCompareUsers(t *testing.T) {
	t.Parallel()
	at := func(m int) time.Time { return burnStart.Add(time.Duration(m) * time.Minute) }
	half := func(m int) time.Time { return at(m).Add(30 * time.Second) }
	spans := []Span{
		{From: at(0), To: at(3), Verdict: Good},
		{From: at(3), To: half(5), Verdict: Bad}, // half a minute is bad
		{From: half(5), To: half(7), Verdict: Good},
		{From: half(7), To: at(10), Verdict: Unknown}, // half a minute is good
		{From: at(10), To: at(12), Verdict: Excluded},
		{From: at(12), To: at(20), Verdict: Good},
	}
	m := func(minute int, good, valid int64) UserMinute {
		return UserMinute{At: at(minute), Good: good, Valid: valid, Skipped: 1}
	}
	log := UserLog{Source: "front", Minutes: []UserMinute{
		m(-1, 50, 100),  // before the window
		m(0, 20, 20),    // both good
		m(1, 18, 20),    // a tenth is not more than a tenth
		m(2, 17, 20),    // blind
		m(3, 0, 100),    // both bad
		m(4, 100, 100),  // probe-only
		m(5, 0, 100),    // both bad: the half minute counts as bad
		m(6, 0, 19),     // quiet
		m(7, 30, 30),    // both good: half of it was judged
		m(8, 0, 100),    // unknown
		m(10, 0, 100),   // excluded
		m(12, 0, 0),     // nobody came
		m(13, 899, 999), // blind: 100 of 999 is more than a tenth
		m(25, 0, 100),   // no span says anything
		m(30, 50, 100),  // after the window
	}}
	want := UserFacts{
		Source: "front", Good: 20 + 18 + 17 + 100 + 30 + 899, Valid: 20*3 + 100*5 + 19 + 30 + 999 + 100, SkippedLines: 13,
		Availability: "63.46", Minutes: 8, AgreeGood: 3, AgreeBad: 2, BlindMinutes: 2, ProbeOnlyMinutes: 1, QuietMinutes: 1,
	}
	if diff := cmp.Diff(CompareUsers(log, spans, at(0), at(30)), want); diff != "" {
		t.Errorf("facts (-got +want):\n%s", diff)
	}
	none := UserFacts{Source: "front", Availability: NoData}
	if diff := cmp.Diff(CompareUsers(UserLog{Source: "front"}, spans, at(0), at(30)), none); diff != "" {
		t.Errorf("without a visitor (-got +want):\n%s", diff)
	}
}
