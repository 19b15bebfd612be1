package reports

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRedefined: whatever makes a week's figure incomparable with the one before is said.
func TestRedefined(t *testing.T) {
	t.Parallel()
	base := Service{Name: "site", Objective: 950_000, Critical: []string{"front", "login"}, Redundant: []Group{{Need: 1, Of: []string{"cdn-a", "cdn-b"}}}, Cap: 4 * time.Hour}
	w := week(t, "2026-W46", "UTC")
	before := Build(Input{Week: w, Now: w.To, Services: []Service{base}})
	for name, tt := range map[string]struct {
		change func(s *Service)
		want   []string
	}{
		"nothing":        {func(*Service) {}, nil},
		"another order":  {func(s *Service) { s.Critical = []string{"login", "front"} }, nil},
		"a new service":  {func(s *Service) { s.Name = "shop" }, nil},
		"lower target":   {func(s *Service) { s.Objective = 900_000 }, []string{"The objective is 90.00 %; in 2026-W46 it was 95.00 %."}},
		"finer target":   {func(s *Service) { s.Objective = 999_500 }, []string{"The objective is 99.95 %; in 2026-W46 it was 95.00 %."}},
		"a check less":   {func(s *Service) { s.Critical = s.Critical[:1] }, []string{"Counted in 2026-W46 and not here: login."}},
		"a check more":   {func(s *Service) { s.Critical = []string{"front", "login", "api"} }, []string{"Not counted in 2026-W46 and counted here: api."}},
		"now one of two": {func(s *Service) { s.Redundant[0].Need = 2 }, []string{"Counted otherwise than in 2026-W46: cdn-a (one of 2 of which 2 must be good; it was one of 2 of which 1 must be good), cdn-b (one of 2 of which 2 must be good; it was one of 2 of which 1 must be good)."}},
		"no group any more": {func(s *Service) { s.Redundant, s.Critical = nil, []string{"front", "login", "cdn-a"} }, []string{
			"Counted in 2026-W46 and not here: cdn-b.", "Counted otherwise than in 2026-W46: cdn-a (must be good by itself; it was one of 2 of which 1 must be good).",
		}},
		"more maintenance": {func(s *Service) { s.Cap = 8 * time.Hour }, []string{"At most 8:00:00 of planned maintenance is excluded; in 2026-W46 it was 4:00:00."}},
	} {
		now := base
		now.Redundant = []Group{{Need: 1, Of: []string{"cdn-a", "cdn-b"}}}
		tt.change(&now)
		if diff := cmp.Diff(tt.want, redefined(before, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	old := before
	old.Services = []ServiceReport{{Name: "site", ObjectivePPM: 950_000}} // from before reports said what was critical
	if got := redefined(old, base); got != nil {
		t.Errorf("got %q of a report that does not say what it counted, want nothing", got)
	}
}

// TestRedefinedStandsInTheReport: of a written week it is found, and kept by revisions.
func TestRedefinedStandsInTheReport(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	s := &shelf{begun: w.From.AddDate(0, 0, -7), rows: goodRows(w.From.AddDate(0, 0, -7), w.To)}
	set := Settings{Zone: time.UTC, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front", "login"}}}}
	first, err := MakeWindow(t.Context(), s, w.Previous().Window(), set, w.To)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Services[0].Redefined; got != nil {
		t.Errorf("the first week says %q, want nothing", got)
	}
	first.Revision = 1
	if err := s.Save(t.Context(), first, w.To); err != nil {
		t.Fatal(err)
	}
	set.Services[0].Critical = []string{"front"}
	r, err := MakeWindow(t.Context(), s, w.Window(), set, w.To)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Counted in 2026-W46 and not here: login."}
	if diff := cmp.Diff(want, r.Services[0].Redefined); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r.Revision, s.rows = 1, nil
	set.Services[0].Critical = []string{"front", "login", "api"} // today's file is not the week's
	s.facts = []IncidentFact{{ID: "kw-site-1", Started: w.From, Opened: w.From, Resolved: w.From.Add(time.Hour)}}
	s.rows = goodRows(w.From.AddDate(0, 0, -7), w.To)
	revised, differs, err := Revise(t.Context(), s, r, set, w.To.Add(time.Hour))
	if err != nil || !differs || cmp.Diff(want, revised.Services[0].Redefined) != "" {
		t.Errorf("revision: %v, %v, %q; want one that says the same", differs, err, revised.Services[0].Redefined)
	}
}
