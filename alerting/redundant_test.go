package alerting

import (
	"strings"
	"testing"
	"time"

	"keepwatch/probe"
)

// TestRedundantGroups: a critical check and two that stand in for each other.
// Letters say what each check was in its last looks: g good, b bad, u unknown.
func TestRedundantGroups(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name             string
		need             int
		front, one, two  string
		failing, outcome string
	}{
		{"all well", 1, "ggg", "ggg", "ggg", "", "good"},
		{"one of two is enough", 1, "ggg", "bbb", "ggg", "", "good"},
		{"none is left", 1, "ggg", "bbb", "bbb", "one two", "bad"},
		{"two are needed", 2, "ggg", "bbb", "ggg", "one", "bad"},
		{"the critical one fails", 1, "bbb", "ggg", "bbb", "front", "bad"},
		{"one bad and one unknown", 1, "ggg", "bbb", "uuu", "", "unknown"},
		{"one good and one unknown", 1, "ggg", "ggg", "uuu", "", "good"},
		{"both needed, one unknown", 2, "ggg", "ggg", "uuu", "", "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := Rule{Service: "shop", Confirm: 2, Recover: 2, Redundant: []Redundancy{{Need: tt.need, Of: []string{"one", "two"}}}}
			s := Situation{Recent: map[string][]Verdict{}}
			last := map[string]probe.Outcome{}
			for check, looks := range map[string]string{"front": tt.front, "one": tt.one, "two": tt.two} {
				rule.Checks = append(rule.Checks, CheckRule{Name: check, Every: 30 * time.Second, Quorum: 1, Locations: []string{"here"}})
				for i, look := range looks {
					at := now.Add(time.Duration(i-len(looks)) * 30 * time.Second)
					o := map[rune]probe.Outcome{'g': probe.Good, 'b': probe.Bad, 'u': probe.Unknown}[look]
					s.Recent[check] = append(s.Recent[check], Verdict{Check: check, At: at, Slot: at, Outcome: o})
					last[check] = o
				}
			}
			s.Rule = rule
			failing, since := s.failing(now)
			if got := strings.Join(failing, " "); got != tt.failing || since.IsZero() != (tt.failing == "") {
				t.Errorf("got failing %q since %v, want %q", got, since, tt.failing)
			}
			svc := &service{rule: rule}
			want := map[string]probe.Outcome{"good": probe.Good, "bad": probe.Bad, "unknown": probe.Unknown}[tt.outcome]
			if got := svc.view(last).Outcome; got != want {
				t.Errorf("got outcome %v, want %v", got, want)
			}
		})
	}
}

// TestRedundantRecovers: of two that failed, one that is back is enough.
func TestRedundantRecovers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(check string, outcomes ...probe.Outcome) (out []Verdict) {
		for i, o := range outcomes {
			when := now.Add(time.Duration(i-len(outcomes)) * 30 * time.Second)
			out = append(out, Verdict{Check: check, At: when, Slot: when, Outcome: o})
		}
		return out
	}
	s := Situation{
		Rule: Rule{
			Service: "shop", Confirm: 2, Recover: 2, Redundant: []Redundancy{{Need: 1, Of: []string{"one", "two"}}},
			Checks: []CheckRule{{Name: "one", Every: 30 * time.Second}, {Name: "two", Every: 30 * time.Second}},
		},
		Open: &Incident{Checks: []string{"one", "two"}},
	}
	s.Recent = map[string][]Verdict{"one": at("one", probe.Bad, probe.Good, probe.Good), "two": at("two", probe.Bad, probe.Bad, probe.Bad)}
	if !s.recovered(now) {
		t.Error("one of two is good again and one is needed: the service has recovered")
	}
	s.Rule.Redundant[0].Need = 2
	if s.recovered(now) {
		t.Error("both are needed and one still fails: the service has not recovered")
	}
}

// TestGoodNews: a recovery says of each check that failed what became of it.
func TestGoodNews(t *testing.T) {
	t.Parallel()
	var s Situation
	s.Rule = Rule{
		Service: "shop", Redundant: []Redundancy{{Need: 1, Of: []string{"one", "two", "three"}}},
		Checks: []CheckRule{{Name: "front"}, {Name: "one"}, {Name: "two"}, {Name: "three"}},
	}
	s.Recent = map[string][]Verdict{
		"front": {{Outcome: probe.Bad}, {Outcome: probe.Good}},
		"one":   {{Outcome: probe.Good}, {Outcome: probe.Unknown}},
		"two":   {{Outcome: probe.Good}, {Outcome: probe.Bad}},
		"three": {{Outcome: probe.Unknown}},
		"gone":  {{Outcome: probe.Bad}},
	}
	for want, failed := range map[string][]string{
		"front good again":      {"front"},
		"front, one good again": {"front", "one"},
		"one good again; two still failing, but enough others of the group are good": {"one", "two"},
		"front good again; gone no longer needed by the service":                     {"front", "gone"},
		"gone, old no longer needed by the service":                                  {"gone", "old"},
		"front good again; two still failing, but enough others of the group are good; three not seen of late, but enough others of the group are good": {"front", "three", "two"},
	} {
		s.Open = &Incident{Checks: failed}
		if got := s.goodNews(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	s.blind, s.Open = true, &Incident{Checks: []string{"front"}}
	if got := s.goodNews(); got != "monitoring sees front again" {
		t.Errorf("got %q", got)
	}
}
