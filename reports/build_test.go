package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine

	"github.com/google/go-cmp/cmp"
)

// TestWorkedCases are those of slo-spec 1.3 that concern one week of slots. Amounts
// in seconds.
func TestWorkedCases(t *testing.T) {
	t.Parallel()
	utc := week(t, "2026-W47", "UTC")
	winter, summer := week(t, "2025-W44", "America/Los_Angeles"), week(t, "2025-W10", "America/Los_Angeles")
	day := utc.From.Add(24 * time.Hour)
	both := func(slot time.Time) int16 { // down 3 h inside the window of 4 h, and 8 h outside
		if during(day, 3*time.Hour, 2)(slot) == 2 {
			return 2
		}
		return during(day.Add(48*time.Hour), 8*time.Hour, 2)(slot)
	}
	planned := []Interval{{day, day.Add(4 * time.Hour)}}
	secs := func(n int) time.Duration { return time.Duration(n) * time.Second }

	tests := []struct {
		name                    string
		w                       Week
		x                       []Interval
		outcome                 func(time.Time) int16
		avail, cover, low, high string
		spent, left, worst      int64
		verdict                 Decision
		headline, experienced   string
	}{
		{"1 all good", utc, nil, during(day, 0, 2), "100.00", "100.00", "100.00", "100.00", 0, 30240, 30240, Met, "100.00 %", "100.00"},
		{"2 exactly the budget", utc, nil, during(day, secs(30240), 2), "95.00", "100.00", "95.00", "95.00", 30240, 0, 0, Met, "95.00 %", "95.00"},
		{"3 one slot more", utc, nil, during(day, secs(30270), 2), "94.99", "100.00", "94.99", "94.99", 30270, -30, -30, Missed, "94.99 %", "94.99"},
		{"5 monitor down all week", utc, nil, during(utc.From.Add(-lookback), 9*lookback, 9), "no data", "0.00", "0.00", "100.00", 0, 30240, -574560, NotProven, "no data", "no data"},
		{"6 monitor down 24 h", utc, nil, during(day, 24*time.Hour, 9), "100.00", "85.71", "85.71", "100.00", 0, 30240, -56160, NotProven, "≥ 85.71 %", "100.00"},
		{"7 monitor down 6 h", utc, nil, during(day, 6*time.Hour, 9), "100.00", "96.42", "96.42", "100.00", 0, 30240, 8640, Met, "≥ 96.42 %", "100.00"},
		{"9 planned maintenance", utc, planned, both, "95.12", "100.00", "95.12", "95.12", 28800, 720, 720, Met, "95.12 %", "93.45"},
		{"10 declared too late", utc, nil, both, "93.45", "100.00", "93.45", "93.45", 39600, -9360, -9360, Missed, "93.45 %", "93.45"},
		{"12 a week of 167 h", summer, nil, during(summer.From, secs(30240), 2), "94.97", "100.00", "94.97", "94.97", 30240, -180, -180, Missed, "94.97 %", "94.97"},
		{"13 a week of 169 h", winter, nil, during(winter.From, secs(30240), 2), "95.02", "100.00", "95.02", "95.02", 30240, 180, 180, Met, "95.02 %", "95.02"},
		{"22 206 slots", utc, nil, during(day, secs(206*30), 2), "98.97", "100.00", "98.97", "98.97", 6180, 24060, 24060, Met, "98.97 %", "98.97"},
		{"a late slot is unknown, never bad", utc, nil, during(day, secs(30), 0), "100.00", "99.99", "99.99", "100.00", 0, 30240, 30210, Met, "≥ 99.99 %", "100.00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := built(tt.w, tt.x, recorded("front-page", tt.w.From.Add(-lookback), tt.w.To, tt.outcome))
			figures := func(r ServiceReport) []any {
				return []any{
					r.Availability, r.Coverage, r.AvailabilityLow, r.AvailabilityHigh,
					r.SpentMs, r.RemainingMs, r.WorstRemaining, r.Verdict, r.Headline(), r.Experienced,
				}
			}
			want := []any{
				tt.avail, tt.cover, tt.low, tt.high,
				tt.spent * 1000, tt.left * 1000, tt.worst * 1000, tt.verdict, tt.headline, tt.experienced,
			}
			if diff := cmp.Diff(figures(got), want); diff != "" {
				t.Errorf("figures (-got +want):\n%s", diff)
			}
			if all := got.GoodMs + got.BadMs + got.UnknownMs + got.ExcludedMs; all != tt.w.Length().Milliseconds() {
				t.Errorf("the parts add up to %d ms, the week has %d", all, tt.w.Length().Milliseconds())
			}
		})
	}
}

func TestBudgetShares(t *testing.T) {
	t.Parallel()
	tests := []struct {
		spent, budget int64
		want          string
	}{
		{0, 30_240_000, "0.00 %"},
		{30_240_000, 30_240_000, "100.00 %"},
		{6_180_000, 30_240_000, "20.44 %"}, // 20.4365…: what is spent is rounded up
		{1, 30_240_000, "0.01 %"},
		{1, 0, "no budget"},
	}
	for _, tt := range tests {
		if got := Share(tt.spent, tt.budget); got != tt.want {
			t.Errorf("Share(%d, %d): got %q, want %q", tt.spent, tt.budget, got, tt.want)
		}
	}
}

// TestRequestRatios is case 4 of slo-spec 1.3.
func TestRequestRatios(t *testing.T) {
	t.Parallel()
	for good, want := range map[int64]string{949_960: "94.99", 999_960: "99.99", 1_000_000: "100.00"} {
		if got := FloorPercent(good, 1_000_000, 2); got != want {
			t.Errorf("%d of a million: got %s, want %s", good, got, want)
		}
	}
	if got := Decide(1_000_000-949_960, 0, 1_000_000, 950_000); got != Missed {
		t.Errorf("94.996 %%: got %s, want %s", got, Missed)
	}
}

// TestOutageOverTheWeekEnd is case 16: time is split, the event counts once.
func TestOutageOverTheWeekEnd(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "Europe/Berlin")
	next := w.Next()
	start := w.To.Add(-10 * time.Minute)
	l := recorded("front-page", w.From.Add(-lookback), next.To, during(start, 35*time.Minute, 2))
	fact := IncidentFact{
		ID: "kw-site-1", Started: start, Opened: start.Add(30 * time.Second), Acknowledged: start.Add(90 * time.Second),
		Resolved: start.Add(35 * time.Minute), AckBy: "grace", Pages: 1,
	}
	report := func(w Week) ServiceReport {
		in := Input{
			Week: w, Now: w.To.Add(closeAfter), Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front-page"}}},
			Timelines: map[string]Timeline{"front-page": Fold(l, w.From.Add(-lookback), w.To, w.To)},
			Incidents: map[string][]IncidentFact{"site": {fact}},
		}
		return Build(in).Services[0]
	}
	first, second := report(w), report(next)
	if first.BadMs != 600_000 || second.BadMs != 1_500_000 {
		t.Errorf("got %d and %d ms down, want 600000 and 1500000", first.BadMs, second.BadMs)
	}
	if first.Incidents != 1 || first.Carried != 0 || second.Incidents != 0 || second.Carried != 1 {
		t.Errorf("got %d (+%d) and %d (+%d) incidents, want 1 (+0) and 0 (+1)", first.Incidents, first.Carried, second.Incidents, second.Carried)
	}
	if first.MTTA == nil || *first.MTTA != 60 || second.MTTA != nil {
		t.Errorf("got MTTA %v and %v, want 60 and none", first.MTTA, second.MTTA)
	}
	want := []Outage{{
		From: w.To, To: w.To.Add(25 * time.Minute), Ms: 1_500_000, Checks: []string{"front-page"}, Locations: []string{"west"},
		Cause: "front-page: status: got 503, want 200", Incident: "kw-site-1", ContinuesFrom: "2026-W47", AckBy: "grace", AckS: new(int64(60)),
		ResolvedAt: new(fact.Resolved),
	}}
	if diff := cmp.Diff(second.Outages, want); diff != "" {
		t.Errorf("outages of the second week (-got +want):\n%s", diff)
	}
	if len(first.Outages) != 1 || first.Outages[0].ContinuesFrom != "" {
		t.Errorf("got outages %+v in the first week, want one that begins there", first.Outages)
	}
}

// TestRetries is case 17.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	l := recorded("front-page", w.From.Add(-lookback), w.To, during(w.From, 0, 2))
	for i := range 10 {
		l.Rows[len(l.Rows)-1-i*100].Attempts = 2
	}
	l.Rows[0].Attempts = 2 // before the week
	got := built(w, nil, l)
	if got.Availability != "100.00" || got.SoftFailures != 10 || got.BadMs != 0 {
		t.Errorf("got %s, %d soft failures, %d ms bad; want 100.00, 10, 0", got.Availability, got.SoftFailures, got.BadMs)
	}
}

// TestOutageStartsAtTheFirstBadSlot is case 18.
func TestOutageStartsAtTheFirstBadSlot(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	noon := w.From.Add(12 * time.Hour)
	got := built(w, nil, recorded("front-page", w.From.Add(-lookback), w.To, during(noon, 2*time.Minute, 2)))
	if len(got.Outages) != 1 || !got.Outages[0].From.Equal(noon) || got.Outages[0].Ms != 120_000 || got.BadMs != 120_000 {
		t.Errorf("got %+v and %d ms, want one outage of 120 s from noon", got.Outages, got.BadMs)
	}
	if got.Outages[0].Incident != "" {
		t.Errorf("got incident %q where none was opened", got.Outages[0].Incident)
	}
}

// TestCriticalPath is case 20: overlapping outages count once.
func TestCriticalPath(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	ten := w.From.Add(10 * time.Hour)
	start := w.From.Add(-lookback)
	got := built(w, nil,
		recorded("a", start, w.To, during(ten, time.Hour, 2)),
		recorded("b", start, w.To, during(ten.Add(30*time.Minute), 90*time.Minute, 2)),
		recorded("c", start, w.To, during(ten, 0, 2)))
	if got.BadMs != 7_200_000 || got.Availability != "98.80" {
		t.Errorf("got %d ms and %s, want 7200000 and 98.80", got.BadMs, got.Availability)
	}
	if len(got.Outages) != 1 || !slices.Equal(got.Outages[0].Checks, []string{"a", "b"}) {
		t.Errorf("got outages %+v, want one of a and b", got.Outages)
	}
}

// TestPeople is the first part of case 22.
func TestPeople(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	var facts []IncidentFact
	for i, ack := range []time.Duration{2 * time.Minute, 4 * time.Minute, 30 * time.Minute, 0} {
		opened := w.From.Add(time.Duration(i+1) * 5 * time.Hour)
		f := IncidentFact{ID: fmt.Sprintf("kw-site-%d", i), Opened: opened, Resolved: opened.Add(time.Hour), Pages: 2}
		if ack > 0 {
			f.Acknowledged = opened.Add(ack)
		}
		facts = append(facts, f)
	}
	in := Input{Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000}}, Incidents: map[string][]IncidentFact{"site": facts}}
	got := Build(in).Services[0]
	if got.MTTA == nil || *got.MTTA != 720 || got.Acked != 3 || got.Unacked != 1 || got.Pages != 8 || got.Incidents != 4 {
		t.Errorf("got MTTA %v of %d, %d unacked, %d pages, %d incidents; want 720 of 3, 1, 8, 4", got.MTTA, got.Acked, got.Unacked, got.Pages, got.Incidents)
	}
	if got.Verdict != NotProven || got.Availability != NoData {
		t.Errorf("a service without checks: got %s, %s; want %s, %s", got.Verdict, got.Availability, NotProven, NoData)
	}
}

func TestStrangeObjectives(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		b, u, v int64
		t       Percent
		want    Decision
	}{
		{"100 % kept", 0, 0, 1000, Million, Met},
		{"100 % broken", 1, 0, 1000, Million, Missed},
		{"100 % not seen", 0, 1, 1000, Million, NotProven},
		{"0 % is always met", 1000, 0, 1000, 0, Met},
		{"nothing eligible", 0, 0, 0, 950_000, NotProven},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Decide(tt.b, tt.u, tt.v, tt.t); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestQuorum(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pass, fail, n, k int
		want             Verdict
	}{
		{3, 0, 3, 2, Good},
		{2, 0, 3, 2, Good},
		{1, 0, 3, 2, Unknown},
		{2, 1, 3, 2, Good},
		{1, 1, 3, 2, Unknown},
		{0, 2, 3, 2, Bad},
		{1, 2, 3, 2, Bad},
		{0, 0, 3, 2, Unknown},
		{1, 0, 1, 1, Good},
		{0, 1, 1, 1, Bad},
		{2, 0, 2, 1, Good},
		{1, 0, 2, 1, Unknown},
		{0, 0, 1, 2, Unknown}, // more must fail than there are: nothing can be told
		{0, 0, 0, 0, Unknown},
	}
	for _, tt := range tests {
		if got := Quorum(tt.pass, tt.fail, tt.n, tt.k); got != tt.want {
			t.Errorf("Quorum(%d, %d, %d, %d): got %d, want %d", tt.pass, tt.fail, tt.n, tt.k, got, tt.want)
		}
	}
}

func TestFoldChanges(t *testing.T) {
	t.Parallel()
	t0 := instant(t, "2026-11-18T12:00:00Z")
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	row := func(s int, loc, outcome int16) Row {
		return Row{Slot: at(s), Location: loc, Outcome: outcome, Attempts: 1}
	}
	rev := func(from, to int, slot time.Duration, k int, locs ...int16) Rev {
		r := Rev{From: at(from), Slot: slot, Locations: locs, Quorum: k}
		if to >= 0 {
			r.To = at(to)
		}
		return r
	}
	names := map[int16]string{1: "west", 2: "central", 3: "east"}
	late := map[int32]Failure{7: {Cause: "late"}}
	tests := []struct {
		name     string
		revs     []Rev
		rows     []Row
		from, to int
		now      int
		want     string
	}{
		{"nothing known", nil, nil, 0, 60, 100, "0-60 unknown not watched"},
		{"expected but missing", []Rev{rev(0, -1, 30*time.Second, 1, 1)}, []Row{row(30, 1, 1)}, 0, 60, 100, "0-30 unknown no result|30-60 good"},
		{"began in the window", []Rev{rev(30, -1, 30*time.Second, 1, 1)}, []Row{row(30, 1, 1)}, 0, 60, 100, "0-30 unknown not watched|30-60 good"},
		{"removed and back", []Rev{rev(0, 30, 30*time.Second, 1, 1), rev(90, -1, 30*time.Second, 1, 1)}, []Row{row(0, 1, 1), row(30, 1, 1), row(90, 1, 1)}, 0, 120, 200, "0-30 good|30-90 unknown not watched|90-120 good"},
		{"slower from 60 on", []Rev{rev(0, 60, 30*time.Second, 1, 1), rev(60, -1, 60*time.Second, 1, 1)}, []Row{row(0, 1, 1), row(30, 1, 2), row(60, 1, 2)}, 0, 120, 200, "0-30 good|30-120 bad west"},
		{"last slot cut short", []Rev{rev(0, 70, 30*time.Second, 1, 1), rev(70, -1, 10*time.Second, 1, 1)}, []Row{row(0, 1, 1), row(30, 1, 1), row(60, 1, 2), row(70, 1, 1), row(80, 1, 1)}, 0, 90, 200, "0-60 good|60-70 bad west|70-90 good"},
		{"a slot of another configuration proves nothing", []Rev{rev(45, -1, 30*time.Second, 1, 1)}, []Row{row(30, 1, 1), row(60, 1, 1)}, 30, 90, 200, "30-60 unknown not watched|60-90 good"},
		{"locations added", []Rev{rev(0, 30, 30*time.Second, 1, 1), rev(30, -1, 30*time.Second, 2, 1, 2, 3)}, []Row{row(0, 1, 1), row(0, 2, 2), row(30, 1, 2), row(30, 2, 1)}, 0, 60, 100, "0-30 good|30-60 unknown no result from east"},
		{"straddles the window", []Rev{rev(0, -1, 30*time.Second, 1, 1)}, []Row{row(0, 1, 2), row(30, 1, 1), row(60, 1, 2)}, 10, 70, 100, "10-30 bad west|30-60 good|60-70 bad west"},
		{"late", []Rev{rev(0, -1, 30*time.Second, 1, 1)}, []Row{{Slot: at(0), Location: 1, ErrID: 7, Attempts: 1}, row(30, 1, 1)}, 0, 60, 100, "0-30 unknown late|30-60 good"},
		{"not yet", []Rev{rev(0, -1, 30*time.Second, 1, 1)}, []Row{row(0, 1, 1)}, 0, 120, 70, "0-30 good|30-60 unknown no result|60-120 unknown not yet"},
		{"written three times", []Rev{rev(0, -1, 30*time.Second, 2, 1, 2)}, []Row{row(0, 1, 2), row(0, 1, 2), row(0, 1, 2)}, 0, 30, 100, "0-30 unknown no result from central"},
		{"two of three failed", []Rev{rev(0, -1, 30*time.Second, 2, 1, 2, 3)}, []Row{row(0, 1, 2), row(0, 3, 2), row(30, 1, 2), row(30, 2, 2), row(30, 3, 1)}, 0, 60, 100, "0-60 bad central,east,west"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			line := Fold(CheckLedger{Check: "c", Revs: tt.revs, Rows: tt.rows, Errors: late, Locations: names}, at(tt.from), at(tt.to), at(tt.now))
			var got []string
			for _, s := range line.Spans {
				word := map[Verdict]string{Good: "good", Bad: "bad", Unknown: "unknown"}[s.Verdict]
				detail := " " + s.Cause
				if s.Verdict == Bad {
					detail = " " + strings.Join(s.Locations, ",")
				}
				got = append(got, strings.TrimSpace(fmt.Sprintf("%d-%d %s%s", int(s.From.Sub(t0).Seconds()), int(s.To.Sub(t0).Seconds()), word, detail)))
			}
			if diff := cmp.Diff(strings.Join(got, "|"), tt.want); diff != "" {
				t.Errorf("spans (-got +want):\n%s", diff)
			}
		})
	}
}
