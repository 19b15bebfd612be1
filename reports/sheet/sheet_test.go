package sheet

import (
	"strings"
	"testing"
	"time"

	"keepwatch/reports"
	"keepwatch/reports/chart"
	"keepwatch/reports/sample"
)

func of(t *testing.T, r reports.Report) Sheet {
	t.Helper()
	s, err := Of(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestListedOutagesAddUp: the three worst and the rest are the downtime.
func TestListedOutagesAddUp(t *testing.T) {
	t.Parallel()
	v := of(t, sample.Met()).Services[0]
	if len(v.Worst) != 3 || v.Worst[0].Length != "0:41:30" || v.Worst[2].Length != "0:20:00" || v.Rest != "7 more   0:03:30   0.70 %" {
		t.Errorf("got %+v and %q", v.Worst, v.Rest)
	}
	r := sample.Met()
	s := &r.Services[0]
	one := s.Outages[0]
	s.Outages = nil
	for i := range 60 {
		o := one
		o.From = r.From.Add(time.Duration(i) * time.Hour)
		o.Ms = int64(1000 * (i + 1))
		s.Outages = append(s.Outages, o)
	}
	v = of(t, r).Services[0]
	if len(v.Outages) != most || v.More != "10 shorter   0:00:55   0.19 %" || v.Outages[0].Length != "0:00:11" {
		t.Errorf("listed %d, first %s, more %q", len(v.Outages), v.Outages[0].Length, v.More)
	}
}

func TestStrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r              reports.Report
		cells, ticks   int
		bad, unk, excl int
		length         int64
	}{
		{sample.Met(), 169, 7, 11, 1, 0, 169 * 3_600_000},       // clocks go back
		{sample.NoData(), 167, 7, 0, 167, 0, 167 * 3_600_000},   // clocks go forward
		{sample.Missed(), 168, 7, 10, 0, 4, 168 * 3_600_000},    // 3 h planned, 1 h of a correction counted
		{sample.Month(), 30, 10, 1, 0, 0, 30 * 24 * 3_600_000},  // a cell is a day
		{sample.NotProven(), 168, 7, 0, 24, 0, 168 * 3_600_000}, // an unseen day
	} {
		s := of(t, tt.r).Services[0].Strip
		got := map[chart.Ink]int{}
		end := int64(0)
		for _, c := range s.Cells {
			got[c.Ink]++
			if c.From != end {
				t.Errorf("%s: a cell begins at %d, the last ended at %d", tt.r.Title, c.From, end)
			}
			end = c.To
		}
		if len(s.Cells) != tt.cells || got[chart.Bad] != tt.bad || got[chart.Unknown] != tt.unk || got[chart.Excluded] != tt.excl || end != tt.length {
			t.Errorf("%s: %d cells, %v, end %d; want %d, %d bad, %d unknown, %d excluded, %d", tt.r.Title, len(s.Cells), got, end, tt.cells, tt.bad, tt.unk, tt.excl, tt.length)
		}
		if len(s.Ticks) != tt.ticks {
			t.Errorf("%s: %d ticks, want %d", tt.r.Title, len(s.Ticks), tt.ticks)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", " a  b ": "a b", "a\nb\tc": "a b c", "\x1b[31mred": "[31mred", "a\u202eb": "ab", "\xff": "\uFFFD", "a\u2028b": "a b", "": "", " ": "", "张伟": "张伟",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q): got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]int{"abc": 3, "张伟": 4, "e\u0301": 1, "≥ 1": 3, "😀": 2} {
		if got := Columns(in); got != want {
			t.Errorf("Columns(%q): got %d, want %d", in, got, want)
		}
	}
	if got := Shorten("张伟张伟", 5); got != "张伟…" || Columns(got) > 5 {
		t.Errorf("got %q", got)
	}
	for n, want := range map[int64]string{1: "1 line", 0: "0 lines", 999: "999 lines", 1000: "1,000 lines", 1_234_567: "1,234,567 lines", -1000: "-1,000 lines", -100: "-100 lines"} {
		if got := counted(n, "line"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestVerdictFromElsewhere: a word that is none of the three proves nothing.
func TestVerdictFromElsewhere(t *testing.T) {
	t.Parallel()
	r := sample.Met()
	r.Services[0].Verdict = "GREAT <b>"
	if v := of(t, r).Services[0]; v.Verdict != reports.NotProven || v.Tone != ToneUnproven {
		t.Errorf("got %q %q", v.Verdict, v.Tone)
	}
}

func TestManyLocationsStandBelow(t *testing.T) {
	t.Parallel()
	r := sample.Met()
	c := &r.Services[0].CheckFacts[0]
	for l := range strings.FieldsSeq("a b c d") {
		c.Locations = append(c.Locations, reports.LocationFact{Location: l, GoodMs: 1})
	}
	t7 := matrix(&r.Services[0])
	if len(t7.Head) != 3 || len(t7.Rows) != 7+3+3 {
		t.Errorf("%d columns, %d rows", len(t7.Head), len(t7.Rows))
	}
	t3 := matrix(&[]reports.ServiceReport{sample.Met().Services[0]}[0])
	if len(t3.Head) != 4 || len(t3.Rows) != 3 || t3.Rows[0][2] != "0:41:30 bad" {
		t.Errorf("%v", t3)
	}
}

// TestHeadlineIsWhatIsProven: under 99 % coverage the headline is a lower bound, with downtime as without.
func TestHeadlineIsWhatIsProven(t *testing.T) {
	t.Parallel()
	s := reports.ServiceReport{GoodMs: 890, BadMs: 10, UnknownMs: 100, Availability: "98.88", AvailabilityLow: "89.00"}
	if got := s.Headline(); got != "≥ 89.00 %" {
		t.Errorf("got %q", got)
	}
	s.GoodMs, s.UnknownMs = 988, 2
	if got := s.Headline(); got != "98.88 %" {
		t.Errorf("got %q", got)
	}
}
