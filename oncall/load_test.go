package oncall

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func rosterOf(t *testing.T, rotations map[string]RotationConfig, zones map[string]string) Roster {
	t.Helper()
	r := Roster{People: map[string]Person{}, Rotations: map[string]Rotation{}}
	for name, c := range rotations {
		c.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
		r.Rotations[name] = c.Rotation(name, nil)
	}
	for person, where := range zones {
		r.People[person] = Person{Name: person, TimeZone: zone(t, where)}
	}
	return r
}

func TestGaps(t *testing.T) {
	t.Parallel()
	office := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada"), Hours: []Hours{{Days: [7]bool{false, true, true, true, true, true, false}, From: 540, To: 1020}}}
	covered := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada", "grace")}
	empty := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada", "")}
	r := rosterOf(t, map[string]RotationConfig{"office": office, "covered": covered, "empty": empty}, nil)
	from := instant(t, "2026-01-09T12:00:00Z")
	got := r.Gaps(from, from.AddDate(0, 0, 4))
	want := []Shift{
		{Rotation: "empty", From: instant(t, "2026-01-12T09:00:00Z"), To: instant(t, "2026-01-13T12:00:00Z"), Source: FromNobody},
		{Rotation: "office", From: instant(t, "2026-01-09T17:00:00Z"), To: instant(t, "2026-01-12T09:00:00Z"), Source: FromNobody},
		{Rotation: "office", From: instant(t, "2026-01-12T17:00:00Z"), To: instant(t, "2026-01-13T09:00:00Z"), Source: FromNobody},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	old := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada", "grace")}
	swapped := old
	swapped.Overrides = []OverrideConfig{{From: LocalTime{Date{2026, 1, 14}, 9, 0}, To: LocalTime{Date{2026, 1, 15}, 9, 0}, Person: "ada"}}
	from := instant(t, "2026-01-05T09:00:00Z")
	a := rosterOf(t, map[string]RotationConfig{"primary": old}, nil)
	b := rosterOf(t, map[string]RotationConfig{"primary": swapped, "new": {Start: Date{2026, 1, 12}, People: members("alan")}}, nil)
	got := Differences(a, b, from, from.AddDate(0, 0, 14))
	want := []Difference{
		{"new", instant(t, "2026-01-12T09:00:00Z"), instant(t, "2026-01-19T09:00:00Z"), "", "alan"},
		{"primary", instant(t, "2026-01-14T09:00:00Z"), instant(t, "2026-01-15T09:00:00Z"), "grace", "ada"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if got := Differences(a, a, from, from.AddDate(1, 0, 0)); got != nil {
		t.Errorf("the same roster differs from itself: %+v", got)
	}
}

func TestLoads(t *testing.T) {
	t.Parallel()
	c := RotationConfig{Start: Date{2026, 3, 2}, Handoff: Handoff{Daily: true, Hour: 0, Set: true}, Every: Turn{7}, People: members("ada", "grace"), TimeZone: zone(t, "America/New_York")}
	r := rosterOf(t, map[string]RotationConfig{"primary": c}, map[string]string{"ada": "America/New_York", "grace": "Europe/Berlin"})
	// Ada's week, Monday to Monday, has the night of 8 March that is an hour short.
	from, to := c.Start, Date{2026, 3, 16}
	begin, end := LocalTime{Date: from}.In(c.TimeZone), LocalTime{Date: to}.In(c.TimeZone)
	got := r.Loads([]string{"primary"}, begin, end, []Holiday{{Date{2026, 3, 4}, "A day"}})
	want := []Load{
		{Person: "ada", Shifts: 1, Total: 167 * time.Hour, Night: 55 * time.Hour, Weekend: 47 * time.Hour, Holiday: 24 * time.Hour},
		// In Berlin it begins on Monday at 05:00 (an hour early: Europe changes later) and ends so.
		{Person: "grace", Shifts: 1, Total: 168 * time.Hour, Night: 56 * time.Hour, Weekend: 48 * time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("loads (-want +got):\n%s", diff)
	}
	if got := r.Due("primary", begin, end); got != "ada" {
		t.Errorf("due is %q, want ada, who had an hour less", got)
	}
}

// Whatever the clock does, nothing is counted twice or lost.
func TestLoadsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		from := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 30*366*24*60).Draw(t, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(1, 30*24*60).Draw(t, "long")) * time.Minute)
		var got, want Load
		got.add(from, to, zone, nil)
		for at := from; at.Before(to); at = at.Add(time.Minute) {
			want.Total += time.Minute
			local := at.In(zone)
			if h := local.Hour(); h >= nightBegins || h < nightEnds {
				want.Night += time.Minute
			}
			if w := local.Weekday(); w == time.Saturday || w == time.Sunday {
				want.Weekend += time.Minute
			}
		}
		// A clock that goes back over a border shows the same local times twice; the
		// second time counts as what the first one ended with.
		if d := (got.Night - want.Night).Abs(); got.Total != want.Total || d > 2*time.Hour || (got.Weekend-want.Weekend).Abs() > 2*time.Hour {
			t.Fatalf("%s from %s to %s: got %+v, want %+v", zone, from, to, got, want)
		}
	})
}
