package reports

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDrillsMakeRevisions: how a drill ended is a fact of its week. One that is known
// only after the report was written makes a revision that says so.
func TestDrillsMakeRevisions(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	late := w.To.Add(-time.Minute)
	open := Drill{At: late, Result: DrillOpen, Detail: "no result is known"}
	passed := Drill{At: late, Result: DrillPassed, Detail: "ada acknowledged after 41s"}
	set := Settings{Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front"}}}}
	for name, tt := range map[string]struct {
		before, now []Drill
		want        []string // nil: no revision
	}{
		"none":             {nil, nil, nil},
		"the same":         {[]Drill{passed}, []Drill{passed}, nil},
		"another wording":  {[]Drill{passed}, []Drill{{At: late, Result: DrillPassed, Detail: "Ada, after 41s"}}, nil},
		"a result at last": {[]Drill{open}, []Drill{passed}, []string{"The drill of 2026-11-22 23:59 UTC: open → passed."}},
		"one that was not known": {
			nil, []Drill{{At: w.From, Result: DrillLeftOut}}, []string{"The drill of 2026-11-16 00:00 UTC is new in this revision: left out."},
		},
		"one that is gone": {[]Drill{passed}, nil, []string{"The drill of 2026-11-22 23:59 UTC is no longer in the report."}},
	} {
		s := &shelf{begun: w.From, rows: goodRows(w.From, w.To), drills: tt.before}
		written, err := MakeWindow(t.Context(), s, w.Window(), set, w.To)
		if err != nil {
			t.Fatal(err)
		}
		written.Revision = 1
		s.drills = tt.now
		r, differs, err := Revise(t.Context(), s, written, set, w.To.Add(time.Hour))
		if err != nil || differs != (tt.want != nil) || differs && !slices.Equal(r.Changes, tt.want) {
			t.Errorf("%s: got %v, %v, changes %q; want %q", name, differs, err, r.Changes, tt.want)
		}
	}
}

// TestReportsWithoutDrillsAreAsTheyWere: JSON and sum of weeks that had none.
func TestReportsWithoutDrillsAreAsTheyWere(t *testing.T) {
	t.Parallel()
	r := mondayReport(t)
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const sum = "a69475375c04031e15b422f9ec9d1ba8aa9cd3706f8e0d204df015156c1dab70" // as it was before reports had drills
	if strings.Contains(string(body), "drills") || r.Hash != sum {
		t.Errorf("got sum %s, want %s, and no drills in the JSON", r.Hash, sum)
	}
}
