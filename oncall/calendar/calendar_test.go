package calendar

import (
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/google/go-cmp/cmp"

	"keepwatch/oncall"
)

func feed(t *testing.T, overrides ...oncall.OverrideConfig) Feed {
	t.Helper()
	c := oncall.RotationConfig{
		Start: oncall.Date{Year: 2026, Month: 1, Day: 5}, People: []oncall.Member{{Person: "ada"}, {Person: "grace"}}, Overrides: overrides,
	}
	from := time.Date(2026, 1, 7, 0, 0, 0, 0, time.UTC)
	return Feed{
		Roster: oncall.Roster{
			People:    map[string]oncall.Person{"ada": {Name: "Ada; B,\nC"}, "grace": {Name: "Grace"}},
			Rotations: map[string]oncall.Rotation{"primary": c.Rotation("primary", nil)},
		},
		Rotations: []string{"primary"}, From: from, To: from.AddDate(0, 0, 14), Now: from,
	}
}

// events reads a feed back as "start end summary" by id.
func events(t *testing.T, f Feed) map[string]string {
	t.Helper()
	var out strings.Builder
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	cal, err := ics.ParseCalendar(strings.NewReader(out.String()))
	if err != nil {
		t.Fatalf("the feed does not read back: %v\n%s", err, out.String())
	}
	all := map[string]string{}
	for _, e := range cal.Events() {
		from, err := e.GetStartAt()
		if err != nil {
			t.Fatal(err)
		}
		to, err := e.GetEndAt()
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[e.Id()]; twice {
			t.Errorf("two events have the id %s", e.Id())
		}
		all[e.Id()] = from.Format(time.RFC3339) + " " + to.Format(time.RFC3339) + " " + e.GetProperty(ics.ComponentPropertySummary).Value
	}
	return all
}

func TestFeed(t *testing.T) {
	t.Parallel()
	got := events(t, feed(t))
	var lines []string
	for _, e := range got {
		lines = append(lines, e)
	}
	want := []string{
		"2026-01-05T09:00:00Z 2026-01-12T09:00:00Z Ada; B,\nC is on call (primary)",
		"2026-01-12T09:00:00Z 2026-01-19T09:00:00Z Grace is on call (primary)",
		"2026-01-19T09:00:00Z 2026-01-26T09:00:00Z Ada; B,\nC is on call (primary)",
	}
	less := cmp.Transformer("sorted", func(in []string) map[string]bool {
		out := map[string]bool{}
		for _, s := range in {
			out[s] = true
		}
		return out
	})
	if diff := cmp.Diff(want, lines, less); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// A day later the same shifts have the same ids.
	later := feed(t)
	later.From, later.Now = later.From.AddDate(0, 0, 1), later.Now.AddDate(0, 0, 1)
	if diff := cmp.Diff(got, events(t, later)); diff != "" {
		t.Errorf("a day later (-first +later):\n%s", diff)
	}
	mine := feed(t)
	mine.Person = "grace"
	if n := len(events(t, mine)); n != 1 {
		t.Errorf("%d shifts of grace, want 1", n)
	}
}

func TestOverridesAreShifts(t *testing.T) {
	t.Parallel()
	at := func(day, hour int) oncall.LocalTime {
		return oncall.LocalTime{Date: oncall.Date{Year: 2026, Month: 1, Day: day}, Hour: hour}
	}
	got := events(t, feed(t, oncall.OverrideConfig{From: at(14, 9), To: at(15, 9), Person: "ada"}))
	if len(got) != 5 {
		t.Errorf("%d events, want 5: a week is cut in three: %v", len(got), got)
	}
}
