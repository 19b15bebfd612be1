package simulate

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/probe"
	"keepwatch/reports"
)

func event(week int, at time.Weekday, hour, minute int, long time.Duration) Event {
	return Event{Week: week, At: reports.SendTime{Weekday: at, Hour: hour, Minute: minute, Set: true}, For: long}
}

func world(t *testing.T, zone string, events ...Event) *World {
	t.Helper()
	s := Scenario{Config: "keepwatch.yaml", First: "2025-W43", Events: events}
	s.SetDefaults()
	s.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
	where, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(s, 3, where)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestEventsStandAtLocalTimes(t *testing.T) {
	t.Parallel()
	night := event(1, time.Sunday, 2, 30, 24*time.Hour) // doubled in Berlin on 2025-10-26: the first of the two
	night.Monitor = "down"
	w := world(t, "Europe/Berlin", night)
	got := w.Blind()
	want := []Stretch{{at(t, "2025-10-26T00:30:00Z"), at(t, "2025-10-27T00:30:00Z")}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := w.Weeks()[0].Length(); n != 169*time.Hour {
		t.Errorf("got a week of %s, want the one of 169 hours", n)
	}
}

func TestBlindStretchesDoNotOverlap(t *testing.T) {
	t.Parallel()
	a, b, c := event(2, time.Tuesday, 10, 0, 2*time.Hour), event(2, time.Tuesday, 11, 0, 3*time.Hour), event(1, time.Friday, 0, 0, time.Hour)
	a.Monitor, b.Monitor, c.Monitor = "down", "down", "down"
	got := world(t, "UTC", a, b, c).Blind()
	want := []Stretch{
		{at(t, "2025-10-24T00:00:00Z"), at(t, "2025-10-24T01:00:00Z")},
		{at(t, "2025-10-28T10:00:00Z"), at(t, "2025-10-28T14:00:00Z")},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDeclarationsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	planned, late := event(1, time.Monday, 12, 0, time.Hour), event(1, time.Wednesday, 12, 0, time.Hour)
	planned.Maintenance, late.Maintenance = "shop", "shop"
	late.Corrected = 2 * time.Hour
	got := world(t, "UTC", late, planned).Declarations()
	if len(got) != 2 || !got[0].At.Equal(at(t, "2025-10-19T12:00:00Z")) || got[0].Approver != "" ||
		!got[1].At.Equal(at(t, "2025-10-22T15:00:00Z")) || got[1].Approver == "" {
		t.Errorf("got %+v, want one declared a day before, and one corrected 2 h after its end with an approver", got)
	}
}

func TestCheckersSeeTheirOwnWorld(t *testing.T) {
	t.Parallel()
	fails := event(1, time.Monday, 12, 0, time.Hour)
	fails.Check, fails.From, fails.Says = "login", []string{"west"}, "got 500, want 200"
	dark := event(1, time.Monday, 12, 0, time.Hour)
	dark.Location = "east"
	soft := event(1, time.Monday, 14, 0, time.Hour)
	soft.Check, soft.Soft = "login", true
	w := world(t, "UTC", fails, dark, soft)
	synctest.Test(t, func(t *testing.T) {
		look := func(check, location, when string) probe.Look {
			time.Sleep(time.Until(at(t, when)))
			return w.Checker(check, location).Check(t.Context())
		}
		if got := look("login", "west", "2025-10-20T11:59:59Z"); !got.OK || got.Latency != 80*time.Millisecond {
			t.Errorf("got %+v before, want a good look of 80 ms", got)
		}
		if got := look("login", "west", "2025-10-20T12:30:00Z"); got.OK || got.Fault.Message != "got 500, want 200" {
			t.Errorf("got %+v, want the failure", got)
		}
		if got := look("login", "central", "2025-10-20T12:30:01Z"); !got.OK {
			t.Errorf("got %+v from central, want good", got)
		}
		if got := look("front", "west", "2025-10-20T12:30:02Z"); !got.OK {
			t.Errorf("got %+v of another check, want good", got)
		}
		if got := look("front", "east", "2025-10-20T12:30:03Z"); !got.Blind {
			t.Errorf("got %+v from a location that is dark, want blind", got)
		}
		if got := look("login", "west", "2025-10-20T13:00:00Z"); !got.OK {
			t.Errorf("got %+v at the end, want good: the end is not part of it", got)
		}
		c := w.Checker("login", "west")
		time.Sleep(time.Until(at(t, "2025-10-20T14:10:00Z")))
		if first, second := c.Check(t.Context()), c.Check(t.Context()); first.OK || !second.OK {
			t.Errorf("got %t and %t softly, want a bad and a good attempt", first.OK, second.OK)
		}
		time.Sleep(5 * time.Minute)
		if again := c.Check(t.Context()); again.OK {
			t.Error("got a good first attempt in the next slot, want a bad one")
		}
	})
}

func TestMistakesOfAScenario(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Scenario)
		path   string
	}{
		"no configuration":    {func(s *Scenario) { s.Config = "" }, "config"},
		"no week":             {func(s *Scenario) { s.First = "2025-44" }, "first"},
		"an endless look":     {func(s *Scenario) { s.Latency = time.Hour }, "latency"},
		"an ack in the past":  {func(s *Scenario) { s.AckAfter = -1 }, "ack_after"},
		"a week that is none": {func(s *Scenario) { s.Events[0].Week = 0 }, "events[0].week"},
		"no time":             {func(s *Scenario) { s.Events[0].At = reports.SendTime{} }, "events[0].at"},
		"no length":           {func(s *Scenario) { s.Events[0].For = 0 }, "events[0].for"},
		"two subjects":        {func(s *Scenario) { s.Events[0].Location = "west" }, "events[0].check"},
		"a corrected check":   {func(s *Scenario) { s.Events[0].Corrected = time.Hour }, "events[0].corrected"},
		"a word for down":     {func(s *Scenario) { s.Events[0].Check, s.Events[0].Monitor = "", "off" }, "events[0].monitor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := event(1, time.Monday, 1, 0, time.Hour)
			e.Check = "login"
			s := Scenario{Config: "k.yaml", First: "2025-W44", Events: []Event{e}}
			tt.change(&s)
			s.SetDefaults()
			var got []string
			s.Validate(func(path, _ string) { got = append(got, path) })
			if !slices.Equal(got, []string{tt.path}) {
				t.Errorf("got mistakes at %v, want %s", got, tt.path)
			}
		})
	}
}
