package pagerduty

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/oncall"
)

func TestClimb(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	level := func(name string, after time.Duration) oncall.Level { return oncall.Level{Page: name, After: after} }
	onCall := func(name string) string {
		switch name {
		case "empty", "gone":
			return ""
		}
		return name
	}
	user := func(person string) string {
		if person == "stranger" {
			return ""
		}
		return "P" + strings.ToUpper(person)
	}
	for _, tt := range []struct {
		name   string
		levels []oncall.Level
		repeat int
		want   string
		notes  int
	}{
		{"two levels", []oncall.Level{level("ada", 0), level("grace", 10*m)}, 0, "PADA for 10 min, then PGRACE for 10 min", 0},
		{"repeated", []oncall.Level{level("ada", 0), level("grace", 5*m)}, 2, "PADA for 5 min, then PGRACE for 5 min, then 2 times more", 0},
		{"repeated too often", []oncall.Level{level("ada", 0)}, 20, "PADA for 10 min, then 9 times more", 1},
		{"one level without a delay", []oncall.Level{level("ada", 0)}, 0, "PADA for 10 min", 0},
		{"a delay before the first level is Keepwatch's own", []oncall.Level{level("ada", 3*m), level("grace", 10*m)}, 0, "PADA for 10 min, then PGRACE for 10 min", 0},
		{"seconds are rounded up", []oncall.Level{level("ada", 0), level("grace", 90*time.Second)}, 0, "PADA for 2 min, then PGRACE for 2 min", 0},
		{"at least a minute", []oncall.Level{level("ada", 0), level("grace", time.Second)}, 0, "PADA for 1 min, then PGRACE for 1 min", 0},
		{"no delay rings together", []oncall.Level{level("ada", 0), level("grace", 0), level("alan", 10*m)}, 0, "PADA+PGRACE for 10 min, then PALAN for 10 min", 0},
		{"nobody twice in one level", []oncall.Level{level("ada", 0), level("ada", 0)}, 0, "PADA for 10 min", 0},
		{"an empty first level", []oncall.Level{level("empty", 0), level("grace", 10*m), level("alan", 5*m)}, 0, "PGRACE for 5 min, then PALAN for 10 min", 0},
		{"an empty level is skipped at once", []oncall.Level{level("ada", 0), level("empty", 10*m), level("alan", 5*m)}, 0, "PADA for 10 min, then PALAN for 10 min", 0},
		{"empty levels at the end", []oncall.Level{level("ada", 0), level("empty", 10*m), level("gone", 5*m)}, 1, "PADA for 20 min, then 1 times more", 0},
		{"all empty", []oncall.Level{level("empty", 0), level("gone", 5*m)}, 1, "nobody, then 1 times more", 0},
		{"whom PagerDuty does not know takes their time", []oncall.Level{level("ada", 0), level("stranger", 10*m), level("alan", 5*m)}, 0, "PADA for 15 min, then PALAN for 10 min", 1},
		{"the first is a stranger", []oncall.Level{level("stranger", 0), level("grace", 10*m)}, 0, "PGRACE for 10 min", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Climb(oncall.Policy{Name: "site", Levels: tt.levels, Repeat: tt.repeat}, onCall, user)
			if diff := cmp.Diff(got.String(), tt.want); diff != "" {
				t.Error(diff)
			}
			if len(got.Notes) != tt.notes {
				t.Errorf("notes %q, want %d", got.Notes, tt.notes)
			}
			if !got.same(got) {
				t.Error("it is not the same as itself")
			}
		})
	}
}

func TestLadderSame(t *testing.T) {
	t.Parallel()
	base := Ladder{Loops: 1, Rungs: []Rung{{Minutes: 10, Users: []string{"PA", "PB"}}, {Minutes: 5, Users: []string{"PC"}}}}
	for _, tt := range []struct {
		name   string
		other  Ladder
		wanted bool
	}{
		{"another order in one level", Ladder{Loops: 1, Rungs: []Rung{{10, []string{"PB", "PA"}}, {5, []string{"PC"}}}}, true},
		{"another order of levels", Ladder{Loops: 1, Rungs: []Rung{{5, []string{"PC"}}, {10, []string{"PA", "PB"}}}}, false},
		{"another delay", Ladder{Loops: 1, Rungs: []Rung{{10, []string{"PA", "PB"}}, {6, []string{"PC"}}}}, false},
		{"another person", Ladder{Loops: 1, Rungs: []Rung{{10, []string{"PA", "PB"}}, {5, []string{"PD"}}}}, false},
		{"more loops", Ladder{Loops: 2, Rungs: base.Rungs}, false},
		{"fewer levels", Ladder{Loops: 1, Rungs: base.Rungs[:1]}, false},
	} {
		if got := base.same(tt.other); got != tt.wanted {
			t.Errorf("%s: same is %v, want %v", tt.name, got, tt.wanted)
		}
	}
}

// TestPolicyBodySaysZeroLoops: left out, PagerDuty would go on repeating.
func TestPolicyBodySaysZeroLoops(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(policyBody{Type: "escalation_policy", Name: "x"})
	if err != nil || !strings.Contains(string(body), `"num_loops":0`) {
		t.Errorf("got %s, %v", body, err)
	}
}
