package reports

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestExclusionLaw: hours from the beginning of the week; cap 4 h.
func TestExclusionLaw(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "Europe/Berlin")
	at := func(h float64) time.Time { return w.From.Add(time.Duration(h * float64(time.Hour))) }
	planned := func(from, to, declared float64) Exclusion {
		return Exclusion{Service: "site", Kind: Planned, From: at(from), To: at(to), DeclaredAt: at(declared), Author: "ada", Reason: "r"}
	}
	correction := func(from, to float64, approver string) Exclusion {
		return Exclusion{Service: "site", Kind: Correction, From: at(from), To: at(to), DeclaredAt: at(200), Author: "ada", Approver: approver, Reason: "r"}
	}
	cancelled := func(x Exclusion, h float64) Exclusion {
		x.Cancelled = at(h)
		return x
	}
	tests := []struct {
		name  string
		all   []Exclusion
		hours []float64 // counted, of each
		notes []string
	}{
		{"declared before", []Exclusion{planned(10, 13, 9)}, []float64{3}, []string{""}},
		{"declared at its beginning", []Exclusion{planned(10, 13, 10)}, []float64{3}, []string{""}},
		{"declared a moment after its beginning", []Exclusion{planned(10, 13, 10.001)}, []float64{0}, []string{noteLate}},
		{"longer than the ceiling", []Exclusion{planned(10, 16, 1)}, []float64{4}, []string{noteCap}},
		{"exactly the ceiling", []Exclusion{planned(10, 14, 1)}, []float64{4}, []string{""}},
		{"together beyond it, the first ones count", []Exclusion{planned(30, 32, 1), planned(10, 13, 1)}, []float64{3, 1}, []string{"", noteCap}},
		{"overlapping ones use it once", []Exclusion{planned(10, 12, 1), planned(11, 14, 1)}, []float64{2, 2}, []string{"", ""}},
		{"over the week's end each week has its own", []Exclusion{planned(165, 172, 1)}, []float64{3}, []string{""}},
		{"begun in the week before", []Exclusion{planned(-5, 3, -9)}, []float64{3}, []string{noteCap}},
		{"cancelled before", []Exclusion{cancelled(planned(10, 13, 1), 5)}, []float64{0}, []string{noteCancelled}},
		{"cancelled meanwhile", []Exclusion{cancelled(planned(10, 13, 1), 11)}, []float64{1}, []string{noteCancelled}},
		{"cancelled afterwards is not unsaid", []Exclusion{cancelled(planned(10, 13, 1), 20)}, []float64{3}, []string{""}},
		{"a correction has no ceiling", []Exclusion{correction(10, 20, "grace")}, []float64{10}, []string{""}},
		{"a correction of one's own", []Exclusion{correction(10, 20, "ada")}, []float64{0}, []string{noteUnapproved}},
		{"a correction without approver", []Exclusion{correction(10, 20, "")}, []float64{0}, []string{noteUnapproved}},
		{"a correction taken back", []Exclusion{cancelled(correction(10, 20, "grace"), 300)}, []float64{0}, []string{noteCancelled}},
		{"a correction of what the ceiling left", []Exclusion{correction(10, 16, "grace"), planned(10, 16, 1)}, []float64{4, 2}, []string{noteCap, ""}},
		{"a correction of what is excluded", []Exclusion{correction(11, 12, "grace"), planned(10, 13, 1)}, []float64{3, 0}, []string{"", noteCovered}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			intervals, notes := exclude(tt.all, w.Window(), 4*time.Hour)
			var hours []float64
			var words []string
			sum := int64(0)
			for _, x := range notes {
				hours = append(hours, float64(x.CountedMs)/3_600_000)
				words = append(words, x.Note)
				sum += x.CountedMs
			}
			if diff := cmp.Diff(hours, tt.hours); diff != "" {
				t.Errorf("hours (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(words, tt.notes); diff != "" {
				t.Errorf("notes (-got +want):\n%s", diff)
			}
			r := built(w, intervals, recorded("front", w.From.Add(-lookback), w.To, during(at(0), 0, 2)))
			if r.ExcludedMs != sum {
				t.Errorf("the report leaves out %d ms, the footnotes say %d", r.ExcludedMs, sum)
			}
		})
	}
}

// TestPlannedCases are 9 and 10 of slo-spec 1.3, by what was declared.
func TestPlannedCases(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	day := w.From.Add(24 * time.Hour)
	l := recorded("front", w.From.Add(-lookback), w.To, func(slot time.Time) int16 {
		return max(during(day, 3*time.Hour, 2)(slot), during(day.Add(48*time.Hour), 8*time.Hour, 2)(slot))
	})
	for declared, want := range map[time.Duration][]string{
		-time.Hour:  {"95.12", "93.45", "MET"},
		time.Minute: {"93.45", "93.45", "MISSED"},
	} {
		in := Input{
			Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front"}, Cap: 4 * time.Hour}},
			Timelines: map[string]Timeline{"front": Fold(l, w.From.Add(-lookback), w.To, w.To)},
			Exclusions: []Exclusion{
				{ID: 7, Service: "site", Kind: Planned, From: day, To: day.Add(4 * time.Hour), DeclaredAt: day.Add(declared), Author: "ada", Reason: "router"},
				{ID: 8, Service: "other", Kind: Planned, From: w.From, To: w.To, DeclaredAt: w.From.Add(-time.Hour), Author: "ada", Reason: "not ours"},
			},
		}
		r := Build(in).Services[0]
		if diff := cmp.Diff([]string{r.Availability, r.Experienced, string(r.Verdict)}, want); diff != "" {
			t.Errorf("declared %s from its beginning (-got +want):\n%s", declared, diff)
		}
		if len(r.Exclusions) != 1 || r.Exclusions[0].ID != 7 {
			t.Errorf("got footnotes %+v, want one", r.Exclusions)
		}
	}
}

// TestExclusionsAddUp: whatever is declared, the footnotes add up to the excluded
// time, no more planned time than the ceiling is left out of any week, and outages
// still add up to the downtime.
func TestExclusionsAddUp(t *testing.T) {
	t.Parallel()
	w := week(t, "2025-W44", "America/Los_Angeles")
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Week: w, Now: w.To, Timelines: map[string]Timeline{"a": drawTimeline(t, w, "a")}}
		ceiling := time.Duration(rapid.IntRange(0, 10).Draw(t, "cap")) * time.Hour
		in.Services = []Service{{Name: "site", Objective: 950_000, Critical: []string{"a"}, Cap: ceiling}}
		for i := range rapid.IntRange(0, 6).Draw(t, "exclusions") {
			from := w.From.Add(time.Duration(rapid.IntRange(-30, 190).Draw(t, "from")) * time.Hour)
			x := Exclusion{
				ID: int64(i), Service: "site", Kind: rapid.SampledFrom([]string{Planned, Correction}).Draw(t, "kind"),
				From: from, To: from.Add(time.Duration(rapid.IntRange(1, 500).Draw(t, "minutes")) * time.Minute),
				DeclaredAt: from.Add(time.Duration(rapid.IntRange(-60, 20).Draw(t, "declared")) * time.Minute), Author: "ada",
				Approver: rapid.SampledFrom([]string{"grace", "ada"}).Draw(t, "approver"),
			}
			if rapid.Bool().Draw(t, "cancel") {
				x.Cancelled = from.Add(time.Duration(rapid.IntRange(-60, 600).Draw(t, "cancelled")) * time.Minute)
			}
			in.Exclusions = append(in.Exclusions, x)
		}
		r := Build(in).Services[0]
		checkSums(t, r, w)
		var all, plannedMs int64
		for _, x := range r.Exclusions {
			all += x.CountedMs
			if x.Kind == Planned {
				plannedMs += x.CountedMs
			}
		}
		if all != r.ExcludedMs || plannedMs > ceiling.Milliseconds() {
			t.Fatalf("footnotes say %d ms, %d of it planned of %s; excluded are %d", all, plannedMs, ceiling, r.ExcludedMs)
		}
	})
}
