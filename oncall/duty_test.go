package oncall

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plan builds a roster from rotations as the file writes them.
func plan(t *testing.T, rotations map[string]RotationConfig) Roster {
	t.Helper()
	r := Roster{
		People: map[string]Person{
			"ada": {Name: "Ada", TimeZone: zone(t, "America/Los_Angeles")}, "grace": {Name: "Grace"}, "alan": {Name: "Alan"},
		},
		Rotations: map[string]Rotation{},
	}
	for name, c := range rotations {
		c.SetDefaults()
		c.Validate(func(path, msg string) { t.Errorf("%s.%s: %s", name, path, msg) })
		r.Rotations[name] = c.Rotation(name, nil)
	}
	return r
}

var monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func TestHandovers(t *testing.T) {
	t.Parallel()
	weekly := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada", "grace", "alan")}
	r := plan(t, map[string]RotationConfig{"primary": weekly})
	covered := r.With([]Cover{
		{ID: 1, Rotation: "primary", Person: "alan", From: monday.AddDate(0, 0, 2), To: monday.AddDate(0, 0, 3)},
		{ID: 2, Rotation: "primary", Person: "grace", From: monday.AddDate(0, 0, 7), To: monday.AddDate(0, 0, 9)}, // in her own turn: no change
	}, time.Time{})
	at := func(days int) time.Time { return monday.AddDate(0, 0, days) }
	for name, tt := range map[string]struct {
		roster   Roster
		from, to time.Time
		want     []Handover
	}{
		"at the very beginning": {r, at(7), at(7).Add(time.Minute), []Handover{{"primary", at(7), "ada", "grace", at(14)}}},
		"the end is not in it":  {r, at(6), at(7), nil},
		"two weeks":             {r, at(1), at(15), []Handover{{"primary", at(7), "ada", "grace", at(14)}, {"primary", at(14), "grace", "alan", at(21)}}},
		"a cover is two":        {covered, at(1), at(5), []Handover{{"primary", at(2), "ada", "alan", at(3)}, {"primary", at(3), "alan", "ada", at(7)}}},
		"a cover by the same person is none, and her turn ends as a whole": {
			covered, at(6), at(8), []Handover{{"primary", at(7), "ada", "grace", at(14)}},
		},
	} {
		if diff := cmp.Diff(tt.roster.Handovers(tt.from, tt.to), tt.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

// TestHandoversInSlicesAreThoseOfTheWhole is what makes a notice come once: however
// the daemon's looks cut the time, each hand-over is in exactly one of them.
func TestHandoversInSlicesAreThoseOfTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := RotationConfig{
			TimeZone: zone(t, rapid.SampledFrom([]string{"America/New_York", "Australia/Lord_Howe", "UTC"}).Draw(rt, "zone")),
			Start:    Date{2026, 1, 5}, People: members("ada", "", "grace"), Handoff: Handoff{Daily: true, Hour: 2, Minute: 30, Set: true},
		}
		r := plan(t, map[string]RotationConfig{"primary": c})
		from := time.Date(2026, 3, rapid.IntRange(1, 20).Draw(rt, "day"), 0, 0, 0, 0, time.UTC)
		to := from.AddDate(0, 0, 12)
		var slices []Handover
		for at := from; at.Before(to); {
			end := at.Add(time.Duration(rapid.IntRange(1, 5000).Draw(rt, "minutes")) * time.Minute)
			if end.After(to) {
				end = to
			}
			slices = append(slices, r.Handovers(at, end)...)
			at = end
		}
		if diff := cmp.Diff(slices, r.Handovers(from, to)); diff != "" {
			rt.Fatalf("cut into slices (-got +want):\n%s", diff)
		}
	})
}

func TestHoles(t *testing.T) {
	t.Parallel()
	office := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada"), Hours: []Hours{hours(t, "Mon-Fri 09:00-17:00")}}
	always := RotationConfig{Start: Date{2026, 1, 5}, People: members("grace")}
	torn := RotationConfig{Start: Date{2026, 1, 5}, People: members("ada", "", "grace")} // nobody from the 12th on
	r := plan(t, map[string]RotationConfig{"office": office, "always": always, "torn": torn, "empty": {Start: Date{2026, 1, 5}, People: members("")}})
	policy := func(name string, pages ...string) Policy {
		p := Policy{Name: name}
		for _, page := range pages {
			p.Levels = append(p.Levels, Level{Page: page})
		}
		return p
	}
	planned := func(rotation string) bool { return rotation == "office" }
	at := func(days, hours int) time.Time {
		return monday.AddDate(0, 0, days).Add(time.Duration(hours) * time.Hour)
	}
	for name, tt := range map[string]struct {
		policies []Policy
		from, to time.Time
		want     []Hole
	}{
		"none": {[]Policy{policy("p", "always")}, monday, at(14, 0), nil},
		"an empty turn that the next level covers": {
			[]Policy{policy("p", "torn", "always")}, monday, at(20, 0), []Hole{{"torn", "p", at(7, 0), at(14, 0), false}},
		},
		"an empty turn with nobody behind it": {
			[]Policy{policy("p", "torn")}, monday, at(20, 0), []Hole{{"torn", "p", at(7, 0), at(14, 0), true}},
		},
		"one policy has somebody behind it and the other has not": {
			[]Policy{policy("p", "torn", "always"), policy("q", "torn")}, monday, at(20, 0), []Hole{{"torn", "p", at(7, 0), at(14, 0), true}},
		},
		"a person is always there": {[]Policy{policy("p", "office", "alan")}, monday, at(2, 0), nil},
		"nights that the plan leaves to the next level are no hole": {
			[]Policy{policy("p", "office", "always")}, monday, at(7, 0), nil,
		},
		"nights that nobody has are": {
			[]Policy{policy("p", "office")}, monday, at(1, 0), []Hole{{"", "p", at(0, 8), at(1, 0), true}},
		},
		"a rotation that never has anybody has no ends": {
			[]Policy{policy("p", "empty"), policy("q", "empty", "always")}, monday, at(1, 0), []Hole{{Rotation: "empty", Policy: "p", Bare: true}},
		},
		"a hole keeps its own beginning while the window moves on": {
			[]Policy{policy("p", "torn")}, at(9, 0), at(20, 0), []Hole{{"torn", "p", at(7, 0), at(14, 0), true}},
		},
		"a rotation that no policy uses is nobody's trouble": {[]Policy{policy("p", "always")}, monday, at(20, 0), nil},
		"a policy without levels":                            {[]Policy{policy("p")}, monday, at(20, 0), nil},
	} {
		if diff := cmp.Diff(r.Holes(tt.policies, planned, tt.from, tt.to), tt.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	mended := r.With([]Cover{{ID: 1, Rotation: "torn", Person: "alan", From: at(7, 0), To: at(14, 0)}}, at(1, 0))
	if got := mended.Holes([]Policy{policy("p", "torn")}, planned, monday, at(20, 0)); len(got) != 0 {
		t.Errorf("with a cover: got %v, want no hole", got)
	}
}

func hours(t *testing.T, text string) Hours {
	t.Helper()
	var h Hours
	if err := h.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestInterruptions(t *testing.T) {
	t.Parallel()
	r := plan(t, nil)
	night := time.Date(2026, 11, 22, 11, 12, 0, 0, time.UTC) // 03:12 in Los Angeles
	ring := func(person, incident string, after time.Duration) Ring {
		return Ring{person, incident, night.Add(after)}
	}
	got := r.Interruptions([]Ring{
		ring("ada", "a", 61*time.Second), // a minute after the first one: a second interruption
		ring("ada", "a", 0), ring("ada", "a", 59*time.Second),
		ring("ada", "b", time.Second),  // another incident
		ring("ada", "b", 10*time.Hour), // 13:12 there
		ring("grace", "a", 0),          // 11:12 in UTC
		ring("", "a", 0),               // whoever is on call: nobody's name
	})
	want := []Interruptions{{Person: "ada", Pages: 5, Times: 4, Asleep: 3}, {Person: "grace", Pages: 1, Times: 1, Asleep: 0}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("interruptions (-got +want):\n%s", diff)
	}
	for clock, want := range map[string]bool{"21:59": false, "22:00": true, "06:59": true, "07:00": false, "12:00": false} {
		at, err := time.ParseInLocation("2006-01-02 15:04", "2026-11-22 "+clock, zone(t, "America/Los_Angeles"))
		if err != nil {
			t.Fatal(err)
		}
		if got := asleep(at, zone(t, "America/Los_Angeles")); got != want {
			t.Errorf("asleep at %s: got %v, want %v", clock, got, want)
		}
	}
}

func TestMonthly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"first Monday 11:00": "2026-11-02 11:00", "fourth sun 03:30": "2026-11-22 03:30", "last Monday 23:59": "2026-11-30 23:59",
	} {
		var m Monthly
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := m.In(2026, time.November, nil).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%s in November 2026: got %s, want %s", text, got, want)
		}
		var again Monthly
		if err := again.UnmarshalText([]byte(m.String())); err != nil || again != m {
			t.Errorf("%s does not survive being written: %v, %v", text, again, err)
		}
	}
	for _, text := range []string{"", "first", "fifth Monday 11:00", "first daily 11:00", "first Monday", "first Monday 25:00"} {
		var m Monthly
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, m)
		}
	}
	first := Monthly{Nth: 1, Weekday: time.Monday, Hour: 11, Set: true}
	la := zone(t, "America/Los_Angeles")
	for at, want := range map[string]string{
		"2026-11-02 19:00": "2026-11-02 19:00", // 11:00 there
		"2026-11-02 18:59": "2026-10-05 18:00", // the month before, in summer time
		"2027-01-01 00:00": "2026-12-07 19:00",
	} {
		now, err := time.Parse("2006-01-02 15:04", at)
		if err != nil {
			t.Fatal(err)
		}
		if got := first.Last(now, la).Format("2006-01-02 15:04"); got != want {
			t.Errorf("the last one at %s: got %s, want %s", at, got, want)
		}
	}
}

func TestLastHandoffTime(t *testing.T) {
	t.Parallel()
	friday := Handoff{Weekday: time.Friday, Hour: 15, Set: true}
	for at, want := range map[string]string{
		"2026-11-20 15:00": "2026-11-20 15:00", "2026-11-20 14:59": "2026-11-13 15:00", "2026-11-22 00:00": "2026-11-20 15:00",
	} {
		now, err := time.Parse("2006-01-02 15:04", at)
		if err != nil {
			t.Fatal(err)
		}
		if got := friday.Last(now, nil).Format("2006-01-02 15:04"); got != want {
			t.Errorf("at %s: got %s, want %s", at, got, want)
		}
	}
	if got := (Handoff{}).Last(monday, nil); !got.IsZero() {
		t.Errorf("not set: got %v, want zero", got)
	}
}

func ExampleMonthly() {
	var m Monthly
	fmt.Println(m.UnmarshalText([]byte("first monday 11:00")), m)
	// Output: <nil> first Monday 11:00
}
