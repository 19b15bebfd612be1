package reports

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawTimeline draws spans over three weeks around w, without gap or overlap.
func drawTimeline(t *rapid.T, w Week, check string) Timeline {
	line := Timeline{Check: check}
	at, end := w.From.Add(-lookback), w.To
	for at.Before(end) {
		to := at.Add(time.Duration(rapid.Int64Range(1, 40*3600*1000).Draw(t, "ms")) * time.Millisecond)
		if to.After(end) {
			to = end
		}
		v := Verdict(rapid.SampledFrom([]int16{0, 1, 1, 1, 2}).Draw(t, "verdict"))
		s := Span{From: at, To: to, Verdict: v}
		switch v {
		case Unknown:
			s.Cause = rapid.SampledFrom([]string{CauseNoResult, "late"}).Draw(t, "cause")
		case Bad:
			s.Cause, s.Locations = "status: got 503", []string{rapid.SampledFrom([]string{"west", "east"}).Draw(t, "location")}
		case Good, Excluded:
		}
		line.Spans = appendSpan(line.Spans, s)
		at = to
	}
	return line
}

// verdictAt reads spans at an instant the slow way.
func verdictAt(line Timeline, t time.Time) Verdict {
	for _, s := range line.Spans {
		if !t.Before(s.From) && t.Before(s.To) {
			return s.Verdict
		}
	}
	return Unknown
}

// TestSumsOnRandomTimelines: on 10,000 random timelines the listed outages add up to
// the downtime, the listed gaps to the unknown time, and all parts to the week;
// and the service is at random instants what its checks say.
func TestSumsOnRandomTimelines(t *testing.T) {
	t.Parallel()
	w := week(t, "2025-W44", "America/Los_Angeles")
	checks, timelines := []string{"a", "b", "c"}, 0
	for timelines < 10_000 {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(1, 3).Draw(t, "checks")
			in := Input{Week: w, Now: w.To, Timelines: map[string]Timeline{}}
			for _, check := range checks[:n] {
				in.Timelines[check] = drawTimeline(t, w, check)
			}
			in.Services = []Service{{Name: "site", Objective: 950_000, Critical: checks[:n]}}
			var x []Interval
			if rapid.Bool().Draw(t, "maintenance") {
				from := w.From.Add(time.Duration(rapid.IntRange(-10, 160).Draw(t, "hour")) * time.Hour)
				x = []Interval{{from, from.Add(4 * time.Hour)}, {from.Add(2 * time.Hour), from.Add(5 * time.Hour)}}
			}
			in.Excluded = map[string][]Interval{"site": x}
			r := Build(in).Services[0]
			checkSums(t, r, w)
			if x != nil && r.ExcludedMs != overlap(Interval{x[0].From, x[1].To}, w) {
				t.Fatalf("got %d ms excluded of %v", r.ExcludedMs, x)
			}
			at := w.From.Add(time.Duration(rapid.Int64Range(0, w.Length().Milliseconds()-1).Draw(t, "at")) * time.Millisecond)
			want := slowVerdict(in, checks[:n], x, at)
			if want == Excluded { // like good time it is listed nowhere
				want = Good
			}
			if got := reportedAt(r, at); got != want {
				t.Fatalf("at %s: got verdict %d, want %d", at, got, want)
			}
			timelines += n
		})
	}
}

// overlap is how many milliseconds of i lie in w.
func overlap(i Interval, w Week) int64 {
	from, to := max(i.From.UnixMilli(), w.From.UnixMilli()), min(i.To.UnixMilli(), w.To.UnixMilli())
	return max(to-from, 0)
}

func checkSums(t *rapid.T, r ServiceReport, w Week) {
	var bad, unknown int64
	for i, o := range r.Outages {
		bad += o.Ms
		if o.Ms <= 0 || o.Cause == "" || len(o.Checks) == 0 || o.Ms != o.To.Sub(o.From).Milliseconds() {
			t.Fatalf("outage without length, cause or check: %+v", o)
		}
		if i > 0 && !r.Outages[i-1].To.Before(o.From) {
			t.Fatalf("outages touch: %+v then %+v", r.Outages[i-1], o)
		}
	}
	for _, g := range r.Gaps {
		unknown += g.Ms
		if g.Cause == "" {
			t.Fatalf("unknown time without a cause: %+v", g)
		}
	}
	if bad != r.BadMs || unknown != r.UnknownMs {
		t.Fatalf("listed %d and %d ms, counted %d and %d", bad, unknown, r.BadMs, r.UnknownMs)
	}
	if all := r.GoodMs + r.BadMs + r.UnknownMs + r.ExcludedMs; all != w.Length().Milliseconds() {
		t.Fatalf("the parts add up to %d ms, the week has %d", all, w.Length().Milliseconds())
	}
}

// slowVerdict is the AND of the critical checks at one instant.
func slowVerdict(in Input, checks []string, x []Interval, at time.Time) Verdict {
	for _, i := range x {
		if !at.Before(i.From) && at.Before(i.To) {
			return Excluded
		}
	}
	out := Good
	for _, check := range checks {
		switch verdictAt(in.Timelines[check], at) {
		case Bad:
			return Bad
		case Unknown:
			out = Unknown
		case Good, Excluded:
		}
	}
	return out
}

// reportedAt is what the lists of a report say of one instant.
func reportedAt(r ServiceReport, at time.Time) Verdict {
	in := func(from, to time.Time) bool { return !at.Before(from) && at.Before(to) }
	for _, o := range r.Outages {
		if in(o.From, o.To) {
			return Bad
		}
	}
	for _, g := range r.Gaps {
		if in(g.From, g.To) {
			return Unknown
		}
	}
	return Good
}

// TestPrintedFigureAgreesWithVerdict: for all 20,161 weekly counts of 30 s slots and
// all objectives from 90 to 99.99 % on the printed grid, the printed figure reaches the printed
// target exactly when the verdict is MET.
func TestPrintedFigureAgreesWithVerdict(t *testing.T) {
	t.Parallel()
	const slots = 20_160
	pairs := 0
	for bad := int64(0); bad <= slots; bad++ {
		text := FloorPercent(slots-bad, slots, 2)
		printed, err := strconv.ParseInt(strings.Replace(text, ".", "", 1), 10, 64) // hundredths of a percent
		if err != nil {
			t.Fatal(err)
		}
		for target := int64(9_000); target <= 9_999; target++ {
			met := Decide(bad*30_000, 0, slots*30_000, Percent(target*100)) == Met
			if met != (printed >= target) {
				t.Fatalf("%d bad slots print %s against %d.%02d %%, but MET is %v", bad, text, target/100, target%100, met)
			}
			pairs++
		}
	}
	if pairs != 20_161*1_000 {
		t.Fatalf("got %d pairs, want 20,161,000", pairs)
	}
}

// TestRemainingAgreesWithVerdict: what is left is negative exactly when MISSED.
func TestRemainingAgreesWithVerdict(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := ServiceReport{
			GoodMs:    rapid.Int64Range(0, 700_000_000).Draw(t, "good"),
			BadMs:     rapid.Int64Range(0, 50_000_000).Draw(t, "bad"),
			UnknownMs: rapid.SampledFrom([]int64{0, 0, 1, 30_000, 40_000_000}).Draw(t, "unknown"),
		}
		r.judge(Percent(rapid.Int64Range(0, Million).Draw(t, "objective")))
		if (r.RemainingMs < 0) != (r.Verdict == Missed) {
			t.Fatalf("%d ms left and %s", r.RemainingMs, r.Verdict)
		}
		if r.GoodMs+r.BadMs+r.UnknownMs > 0 && (r.WorstRemaining >= 0) != (r.Verdict == Met) {
			t.Fatalf("%d ms left at worst and %s", r.WorstRemaining, r.Verdict)
		}
	})
}

// drawLedger draws a day of three locations with a quorum of one to three.
func drawLedger(t *rapid.T, from time.Time) CheckLedger {
	l := CheckLedger{
		Check:     "a",
		Revs:      []Rev{{From: from, Slot: 15 * time.Minute, Locations: []int16{1, 2, 3}, Quorum: rapid.IntRange(1, 3).Draw(t, "k")}},
		Locations: map[int16]string{1: "west", 2: "central", 3: "east"},
	}
	for slot := from; slot.Before(from.Add(24 * time.Hour)); slot = slot.Add(15 * time.Minute) {
		for loc := int16(1); loc <= 3; loc++ {
			o := rapid.SampledFrom([]int16{0, 1, 1, 1, 2, 9}).Draw(t, "outcome")
			if o != 9 {
				l.Rows = append(l.Rows, Row{Slot: slot, Location: loc, Outcome: o, Attempts: 1})
			}
		}
	}
	return l
}

// TestUnknownNeverFlatters: losing results (a prober that stops) never raises the
// proven availability and never lowers the possible one.
func TestUnknownNeverFlatters(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	rapid.Check(t, func(t *rapid.T) {
		l := drawLedger(t, w.From)
		before := built(w, nil, l)
		from := rapid.IntRange(0, 95).Draw(t, "from")
		to := rapid.IntRange(from, 96).Draw(t, "to")
		dead := rapid.Int16Range(1, 4).Draw(t, "location") // 4: all of them
		l.Rows = slices.DeleteFunc(slices.Clone(l.Rows), func(r Row) bool {
			slot := int(r.Slot.Sub(w.From) / (15 * time.Minute))
			return slot >= from && slot < to && (dead == 4 || r.Location == dead)
		})
		after := built(w, nil, l)
		if after.GoodMs > before.GoodMs || after.GoodMs+after.UnknownMs < before.GoodMs+before.UnknownMs {
			t.Fatalf("good %d..%d ms became %d..%d", before.GoodMs, before.GoodMs+before.UnknownMs, after.GoodMs, after.GoodMs+after.UnknownMs)
		}
		if before.Verdict == NotProven && after.Verdict != NotProven {
			t.Fatalf("fewer results proved %s", after.Verdict)
		}
	})
}

// TestReplayChangesNothing: every row three times is every row once.
func TestReplayChangesNothing(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	rapid.Check(t, func(t *rapid.T) {
		l := drawLedger(t, w.From)
		want := Fold(l, w.From, w.To, w.To)
		once := l.Rows
		l.Rows = nil
		for _, row := range once {
			l.Rows = append(l.Rows, row, row, row)
		}
		if diff := cmp.Diff(Fold(l, w.From, w.To, w.To), want); diff != "" {
			t.Fatalf("three times (-got +want):\n%s", diff)
		}
	})
}

// BenchmarkFoldWeek folds one check of three locations at 30 s.
func BenchmarkFoldWeek(b *testing.B) {
	w := week(b, "2026-W47", "UTC")
	l := benchLedger(w)
	b.ReportMetric(float64(len(l.Rows)), "rows")
	for b.Loop() {
		if line := Fold(l, w.From, w.To, w.To); len(line.Spans) == 0 {
			b.Fatal("no spans")
		}
	}
}

func benchLedger(w Week) CheckLedger {
	l := recorded("a", w.From, w.To, func(slot time.Time) int16 {
		if slot.Unix()/30%997 < 3 {
			return 2
		}
		return 1
	})
	l.Revs[0].Locations, l.Revs[0].Quorum = []int16{1, 2, 3}, 2
	rows := l.Rows
	l.Rows = make([]Row, 0, 3*len(rows))
	for _, row := range rows {
		for loc := int16(1); loc <= 3; loc++ {
			row.Location = loc
			l.Rows = append(l.Rows, row)
		}
	}
	return l
}

// BenchmarkBuildFromSpans makes the report of 1,000 services of one check each from
// folded timelines (goal: 50 ms).
func BenchmarkBuildFromSpans(b *testing.B) {
	w := week(b, "2026-W47", "UTC")
	line := Fold(benchLedger(w), w.From.Add(-lookback), w.To, w.To)
	in := Input{Week: w, Now: w.To, Timelines: map[string]Timeline{}}
	for i := range 1000 {
		name := "check-" + strconv.Itoa(i)
		in.Timelines[name] = line
		in.Services = append(in.Services, Service{Name: name, Objective: 950_000, Critical: []string{name}})
	}
	b.ReportMetric(float64(len(line.Spans)), "spans/check")
	for b.Loop() {
		if r := Build(in); len(r.Services) != 1000 {
			b.Fatal("services are missing")
		}
	}
}
