package reports

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestCase22 is the second part of case 22: median, and G 160 h with 4 outages.
func TestCase22(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	var facts []IncidentFact
	for i, ack := range []time.Duration{30 * time.Minute, 2 * time.Minute, 4 * time.Minute, 0} {
		opened := w.From.Add(time.Duration(i+1)*30*time.Hour + 90*time.Second)
		f := IncidentFact{
			ID: fmt.Sprintf("kw-site-%d", i), Started: opened.Add(-90 * time.Second), Opened: opened, Resolved: opened.Add(2 * time.Hour),
			Paged: []PageFact{{At: opened.Add(1500 * time.Millisecond), Person: "ada", Channel: "pagerduty"}}, Pages: 1,
		}
		if ack > 0 {
			f.Acknowledged = opened.Add(ack)
		}
		facts = append(facts, f)
	}
	l := recorded("front", w.From.Add(-lookback), w.To, func(slot time.Time) int16 {
		for i := range 4 {
			if during(w.From.Add(time.Duration(i+1)*30*time.Hour), 2*time.Hour, 2)(slot) == 2 {
				return 2
			}
		}
		return 1
	})
	in := Input{
		Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front"}}},
		Timelines: map[string]Timeline{"front": Fold(l, w.From.Add(-lookback), w.To, w.To)}, Incidents: map[string][]IncidentFact{"site": facts},
	}
	r := Build(in).Services[0]
	seconds := []int64{*r.MTTA, *r.MTTAMedian, *r.MTBF, *r.MTTD}
	if diff := cmp.Diff(seconds, []int64{720, 240, 40 * 3600, 92}); diff != "" {
		t.Errorf("MTTA, median, MTBF, MTTD in seconds (-got +want):\n%s", diff)
	}
	if r.Acked != 3 || r.Unacked != 1 || len(r.Noise) != 0 {
		t.Errorf("got %d acked, %d unacked, noise %v; want 3, 1, none", r.Acked, r.Unacked, r.Noise)
	}
	if o := r.Outages[0]; o.DetectS == nil || *o.DetectS != 92 || o.ResolvedAt == nil {
		t.Errorf("got outage %+v, want it detected after 92 s and resolved", o)
	}
}

// TestHeldPagesAreNobodysDelay: maintenance held the page of the first for hours, the
// second was seen on the status page before it rang, the third asked nobody.
func TestHeldPagesAreNobodysDelay(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	opened := w.From.Add(time.Hour)
	r := Build(Input{
		Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000}},
		Incidents: map[string][]IncidentFact{"site": {
			{ID: "held", Opened: opened, Rung: opened.Add(4 * time.Hour), Acknowledged: opened.Add(4*time.Hour + 2*time.Minute)},
			{ID: "early", Opened: opened, Rung: opened.Add(20 * time.Minute), Acknowledged: opened.Add(4 * time.Minute)},
			{ID: "ticket", Opened: opened, Quiet: true},
		}},
	}).Services[0]
	if *r.MTTA != 180 || r.Acked != 2 || r.Unacked != 0 {
		t.Errorf("got an MTTA of %d s, %d acknowledged, %d not; want 180 s (2 and 4 minutes), 2, 0", *r.MTTA, r.Acked, r.Unacked)
	}
}

// TestPeopleLoad: interruptions by each person's own clock.
func TestPeopleLoad(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC") // Monday 16 November
	at := func(day, hour, minute, second int) time.Time {
		return w.From.AddDate(0, 0, day).Add(time.Duration(hour*3600+minute*60+second) * time.Second)
	}
	page := func(when time.Time, person, channel string) PageFact {
		return PageFact{At: when, Person: person, Channel: channel}
	}
	in := Input{
		Week: w, Now: w.To,
		Services: []Service{{Name: "site"}, {Name: "shop"}},
		People:   []Human{{"ada", "Ada", zone(t, "America/Los_Angeles")}, {"grace", "Grace", zone(t, "Europe/Berlin")}, {"alan", "Alan", nil}},
		Quiet:    []string{"mail"},
		Incidents: map[string][]IncidentFact{
			"site": {
				{ID: "1", Opened: at(1, 18, 0, 0), Acknowledged: at(1, 18, 1, 30), AckBy: "ada", Paged: []PageFact{
					page(at(1, 18, 0, 0), "ada", "pagerduty"),   // Tuesday 10:00 in Los Angeles
					page(at(1, 18, 0, 30), "ada", "ntfy"),       // the same interruption
					page(at(1, 18, 0, 59), "ada", "mail"),       // rings nobody
					page(at(1, 18, 1, 0), "ada", "pagerduty"),   // 60 s later: another
					page(at(1, 18, 0, 0), "grace", "pagerduty"), // Tuesday 19:00 in Berlin: out of hours
				}},
				{ID: "2", Opened: at(3, 2, 0, 0), Paged: []PageFact{
					page(at(3, 2, 0, 0), "grace", "pagerduty"), // Thursday 03:00 in Berlin: asleep
					page(at(3, 2, 0, 0), "ada", "pagerduty"),   // Wednesday 18:00 in Los Angeles: just out of hours
					page(at(3, 2, 0, 0), "ghost", "pagerduty"), // nobody of ours any more
				}},
				{ID: "3", Opened: at(-1, 20, 0, 0), Acknowledged: at(0, 1, 0, 0), AckBy: "Grace", Paged: []PageFact{
					page(at(0, 0, 30, 0), "grace", "pagerduty"), // begun in the week before, still ringing
				}},
			},
			"shop": {
				{ID: "5", Opened: at(4, 7, 0, 0), Acknowledged: at(4, 7, 1, 0), AckBy: "somebody at PagerDuty", Paged: []PageFact{
					page(at(4, 7, 0, 0), "alan", "pagerduty"),    // up since this second, and not at work
					page(at(4, 8, 0, 0), "alan", "pagerduty"),    // at work
					page(at(4, 21, 59, 59), "alan", "pagerduty"), // up until the next
				}},
				{ID: "4", Opened: at(5, 12, 0, 0), Acknowledged: at(5, 12, 0, 1), AckBy: "Grace", Paged: []PageFact{page(at(5, 12, 0, 0), "grace", "pagerduty")}},
				{ID: "4", Opened: at(5, 12, 0, 0), Acknowledged: at(5, 12, 0, 1), AckBy: "Grace", Paged: []PageFact{page(at(5, 12, 0, 0), "grace", "pagerduty")}},
			},
		},
		Duties: []Duty{
			{"ada", w.From.Add(-time.Hour), w.From.Add(10 * time.Hour)},
			{"ada", w.From.Add(8 * time.Hour), w.From.Add(12 * time.Hour)}, // secondary at the same time
			{"alan", w.To.Add(-time.Hour), w.To.Add(time.Hour)},
			{"", w.From, w.To},
		},
	}
	hour := int64(3_600_000)
	want := []PersonLoad{
		{Person: "grace", Name: "Grace", Pages: 4, OutOfHours: 4, Sleep: 2, Acked: 1, Unacked: 1, MTTA: new(int64(1))},
		{Person: "ada", Name: "Ada", Pages: 3, OutOfHours: 1, Acked: 1, Unacked: 1, MTTA: new(int64(90)), OnCallMs: 12 * hour},
		{Person: "alan", Name: "Alan", Pages: 3, OutOfHours: 2, OnCallMs: hour},
		{Person: "ghost", Name: "ghost", Pages: 1, OutOfHours: 1, Sleep: 1, Unacked: 1},
	}
	if diff := cmp.Diff(Build(in).People, want); diff != "" {
		t.Errorf("people (-got +want):\n%s", diff)
	}
}

// TestMedianIsTheNearestRank: of an even number the lower one.
func TestMedianIsTheNearestRank(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	var facts []IncidentFact
	for i, ack := range []time.Duration{4 * time.Minute, 2 * time.Minute, 10 * time.Minute, time.Minute} {
		opened := w.From.Add(time.Duration(i) * time.Hour)
		facts = append(facts, IncidentFact{ID: strconv.Itoa(i), Opened: opened, Acknowledged: opened.Add(ack)})
	}
	var r ServiceReport
	r.people(w.Window(), facts)
	if r.MTTAMedian == nil || *r.MTTAMedian != 120 || *r.MTTA != 255 {
		t.Errorf("got median %v and mean %v, want 120 and 255", r.MTTAMedian, r.MTTA)
	}
}

// TestAttribution explains downtime and takes none of it away.
func TestAttribution(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	start, noon := w.From.Add(-lookback), w.From.Add(12*time.Hour)
	lines := map[string]Timeline{}
	for name, outcome := range map[string]func(time.Time) int16{
		"front": func(slot time.Time) int16 {
			return max(during(noon, time.Hour, 2)(slot), during(noon.Add(5*time.Hour), 10*time.Minute, 2)(slot))
		},
		"db": during(noon.Add(-time.Hour), 90*time.Minute, 2),
	} {
		lines[name] = Fold(recorded(name, start, w.To, outcome), start, w.To, w.To)
	}
	in := Input{
		Week: w, Now: w.To, Timelines: lines,
		Services: []Service{
			{Name: "site", Objective: 950_000, Critical: []string{"front"}, DependsOn: []string{"database", "gone"}},
			{Name: "database", Objective: 990_000, Critical: []string{"db"}},
		},
		// The database's outage is excluded; what it did to the site is not.
		Excluded: map[string][]Interval{"database": {{noon.Add(-2 * time.Hour), noon.Add(2 * time.Hour)}}},
	}
	r := Build(in).Services[0]
	if r.BadMs != 70*60_000 {
		t.Errorf("got %d ms bad, want 70 min: attribution takes nothing away", r.BadMs)
	}
	if diff := cmp.Diff(r.Attributed, []Attribution{{"database", 30 * 60_000}}); diff != "" {
		t.Errorf("attributed (-got +want):\n%s", diff)
	}
	because := [][]string{r.Outages[0].BecauseOf, r.Outages[1].BecauseOf}
	if diff := cmp.Diff(because, [][]string{{"database"}, nil}); diff != "" {
		t.Errorf("because of (-got +want):\n%s", diff)
	}
}

// TestNoise: a page with no bad slot behind it is listed, an alarm is not.
func TestNoise(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	start, noon := w.From.Add(-lookback), w.From.Add(12*time.Hour)
	fact := func(id string, from time.Time, alarm, paged bool) IncidentFact {
		f := IncidentFact{ID: id, Started: from, Opened: from, Resolved: from.Add(10 * time.Minute), Summary: id, Alarm: alarm}
		if paged {
			f.Paged = []PageFact{{At: from.Add(time.Second), Person: "ada"}}
		}
		return f
	}
	in := Input{
		Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front"}}},
		Timelines: map[string]Timeline{"front": Fold(recorded("front", start, w.To, during(noon, time.Minute, 2)), start, w.To, w.To)},
		Incidents: map[string][]IncidentFact{"site": {
			fact("carried", w.From.Add(-time.Hour), false, true), fact("real", noon, false, true),
			fact("nothing", noon.Add(time.Hour), false, true), fact("alarm", noon.Add(2*time.Hour), true, true), fact("silent", noon.Add(3*time.Hour), false, false),
		}},
	}
	r := Build(in).Services[0]
	if len(r.Noise) != 1 || r.Noise[0].Incident != "nothing" {
		t.Errorf("got noise %+v, want that of nothing", r.Noise)
	}
	if r.Outages[0].Incident != "real" || r.Carried != 1 || r.Incidents != 4 {
		t.Errorf("got outage of %q, %d carried, %d incidents; want real, 1, 4", r.Outages[0].Incident, r.Carried, r.Incidents)
	}
}

// TestGroups: any mix of critical checks and redundant groups is Kleene's answer at
// every instant, and the sums hold.
func TestGroups(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W13", "Europe/Berlin") // 167 h
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Week: w, Now: w.To, Timelines: map[string]Timeline{}}
		s := Service{Name: "site", Objective: 950_000, Critical: []string{"a"}, Redundant: []Group{
			{Need: rapid.IntRange(1, 3).Draw(t, "need"), Of: []string{"b", "c", "d"}},
		}}
		for _, check := range s.Checks() {
			in.Timelines[check] = drawTimeline(t, w, check)
		}
		in.Services = []Service{s}
		r := Build(in).Services[0]
		checkSums(t, r, w)
		at := w.From.Add(time.Duration(rapid.Int64Range(0, w.Length().Milliseconds()-1).Draw(t, "at")) * time.Millisecond)
		good, bad := 0, 0
		for _, check := range s.Redundant[0].Of {
			switch verdictAt(in.Timelines[check], at) {
			case Good:
				good++
			case Bad:
				bad++
			case Unknown, Excluded:
			}
		}
		group, critical := Unknown, verdictAt(in.Timelines["a"], at)
		if good >= s.Redundant[0].Need {
			group = Good
		} else if 3-bad < s.Redundant[0].Need {
			group = Bad
		}
		want := Unknown
		switch {
		case group == Bad || critical == Bad:
			want = Bad
		case group == Good && critical == Good:
			want = Good
		}
		if got := reportedAt(r, at); got != want {
			t.Fatalf("at %s: got %d, want %d (%d good and %d bad of 3, need %d; critical %d)", at, got, want, good, bad, s.Redundant[0].Need, critical)
		}
	})
}

// TestStoppedProbersNeverHelp: whatever is not looked at, the lower bound does not
// rise, and with less than 95 % seen a week is not MET at 95 %.
func TestStoppedProbersNeverHelp(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	day := Window{Kind: KindDay, From: w.From, To: w.From.Add(24 * time.Hour)}
	rapid.Check(t, func(t *rapid.T) {
		l := drawLedger(t, day.From)
		build := func(l CheckLedger) ServiceReport {
			return Build(Input{
				Window: day, Now: day.To, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"a"}}},
				Timelines: map[string]Timeline{"a": Fold(l, day.From, day.To, day.To)},
			}).Services[0]
		}
		before := build(l)
		from := day.From.Add(time.Duration(rapid.IntRange(0, 1440).Draw(t, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(1, 1440).Draw(t, "minutes")) * time.Minute)
		stopped := l
		stopped.Rows = nil
		for _, row := range l.Rows {
			if row.Slot.Before(from) || !row.Slot.Before(to) {
				stopped.Rows = append(stopped.Rows, row)
			}
		}
		after := build(stopped)
		if after.GoodMs > before.GoodMs || after.BadMs > before.BadMs || after.UnknownMs < before.UnknownMs {
			t.Fatalf("looking less told more: %d, %d, %d then %d, %d, %d", before.GoodMs, before.BadMs, before.UnknownMs, after.GoodMs, after.BadMs, after.UnknownMs)
		}
		seen := after.GoodMs + after.BadMs
		if after.Verdict == Met && seen*100 < (seen+after.UnknownMs)*95 {
			t.Fatalf("MET with %s %% seen", after.Coverage)
		}
		if hundred := after.Headline() == "100.00 %"; hundred != (after.BadMs == 0 && after.UnknownMs == 0) {
			t.Fatalf("the headline is %q with %d ms bad and %d unknown", after.Headline(), after.BadMs, after.UnknownMs)
		}
	})
}
