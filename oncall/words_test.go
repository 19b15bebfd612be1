package oncall

import (
	"strings"
	"testing"
)

func TestMemberText(t *testing.T) {
	t.Parallel()
	good := map[string]Member{
		"ada":                                {Person: "ada"},
		"":                                   {},
		"ada from 2026-03-02":                {Person: "ada", From: Date{2026, 3, 2}},
		" ada  until  2026-06-01 ":           {Person: "ada", Until: Date{2026, 6, 1}},
		"a until 2026-6-1":                   {},
		"a from 2026-03-02 until 2026-06-01": {Person: "a", From: Date{2026, 3, 2}, Until: Date{2026, 6, 1}},
	}
	delete(good, "a until 2026-6-1") // below, among the bad
	for in, want := range good {
		var got Member
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", in, got, err, want)
		}
		var again Member
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q reads back as %+v, %v", got.String(), again, err)
		}
	}
	for in, want := range map[string]string{
		"a until 2026-6-1":                     "is not a date",
		"ada since 2026-03-02":                 "is no place in a rotation",
		"ada from":                             "is no place in a rotation",
		"ada from 2026-03-02 from 2026-03-03":  "is no place in a rotation",
		"ada from 2026-03-02 until 2026-03-02": "is never there",
	} {
		var m Member
		if err := m.UnmarshalText([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func TestHoursText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Mon-Fri 09:00-17:00":    "Mon-Fri 09:00-17:00",
		"sat 10:00-14:00":        "Sat 10:00-14:00",
		"daily 17:00-9:00":       "daily 17:00-09:00",
		"Sat-Sun 00:00-24:00":    "Sat-Sun 00:00-24:00",
		"Fri-Mon 08:00-12:00":    "Mon,Fri-Sun 08:00-12:00",
		"Monday,Wed 08:00-12:00": "Mon,Wed 08:00-12:00",
		"Mon-Sun 00:00-00:00":    "daily 00:00-00:00",
	} {
		var got Hours
		if err := got.UnmarshalText([]byte(in)); err != nil || got.String() != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
		var again Hours
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q reads back as %+v, %v", got.String(), again, err)
		}
	}
	for _, in := range []string{
		"", "Mon", "Mon 09:00", "Mon 9-17", "Mon 09:00-25:00", "Mon 24:00-25:00", "Mon 09:60-10:00", "Noday 09:00-10:00",
		"Mon- 09:00-10:00", "Mon 9:0-10:00", "Mon 09:00-24:01", "Mon, 09:00-10:00",
	} {
		var h Hours
		if err := h.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %q", in, h)
		}
	}
}

func TestHolidayText(t *testing.T) {
	t.Parallel()
	var h Holiday
	if err := h.UnmarshalText([]byte("2026-12-25 Christmas Day")); err != nil || h != (Holiday{Date{2026, 12, 25}, "Christmas Day"}) {
		t.Errorf("got %+v, %v", h, err)
	}
	if h.String() != "2026-12-25 Christmas Day" {
		t.Errorf("text %q", h)
	}
	if err := h.UnmarshalText([]byte("Christmas")); err == nil {
		t.Error("a name without a date was read")
	}
}

func FuzzHours(f *testing.F) {
	f.Add("Mon-Fri 09:00-17:00")
	f.Add("daily 17:00-09:00")
	f.Fuzz(func(t *testing.T, in string) {
		var h, again Hours
		if h.UnmarshalText([]byte(in)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(h.String())); err != nil || again != h {
			t.Errorf("%q became %q, which reads as %+v, %v", in, h, again, err)
		}
	})
}

// The stories people tell of rotations, with a reader's calendar beside.
func TestLayerStories(t *testing.T) {
	t.Parallel()
	hours := func(text ...string) []Hours {
		var out []Hours
		for _, s := range text {
			var h Hours
			if err := h.UnmarshalText([]byte(s)); err != nil {
				t.Fatal(err)
			}
			out = append(out, h)
		}
		return out
	}
	daily := Handoff{Daily: true, Hour: 9, Set: true}
	monday := Date{2026, 1, 5}
	free := Holidays{"us": {{Date{2026, 1, 19}, "Martin Luther King Day"}}}
	tests := []struct {
		name string
		c    RotationConfig
		at   map[string]string
	}{
		{
			name: "a day each, weekends use up nobody's turn",
			c: RotationConfig{
				Start: monday, Handoff: daily, People: members("ada", "grace", "alan"),
				Hours: hours("Mon-Fri 09:00-17:00"), Count: CountWorked, Holidays: "us", Fallback: "kurt",
			},
			at: map[string]string{
				"2026-01-05T10:00Z": "ada", "2026-01-06T10:00Z": "grace", "2026-01-07T10:00Z": "alan", "2026-01-08T10:00Z": "ada",
				"2026-01-09T10:00Z": "grace", "2026-01-10T10:00Z": "kurt", "2026-01-12T10:00Z": "alan", "2026-01-12T17:00Z": "kurt",
				"2026-01-16T10:00Z": "ada", "2026-01-19T10:00Z": "kurt", "2026-01-20T10:00Z": "grace",
			},
		},
		{
			name: "follow the sun in three zones, with a hand at night",
			c: RotationConfig{
				Start: monday, Handoff: daily, People: members("kurt"), Layers: []LayerConfig{
					{TimeZone: zone(t, "Europe/London"), People: members("alan"), Hours: hours("Mon-Fri 09:00-17:00")},
					{TimeZone: zone(t, "America/Los_Angeles"), People: members("ada"), Hours: hours("Mon-Fri 09:00-17:00")},
				},
			},
			at: map[string]string{
				"2026-01-06T08:59Z": "kurt", "2026-01-05T09:00Z": "alan", "2026-01-05T16:59Z": "alan", "2026-01-05T17:00Z": "ada",
				"2026-01-06T00:59Z": "ada", "2026-01-06T01:00Z": "kurt", "2026-01-10T12:00Z": "kurt",
			},
		},
		{
			name: "somebody joins, somebody leaves in the middle of a turn",
			c: RotationConfig{
				Start: monday, Handoff: Handoff{Weekday: 1, Hour: 9, Set: true},
				People: []Member{{Person: "ada"}, {Person: "grace", Until: Date{2026, 1, 15}}, {Person: "alan"}, {Person: "barbara", From: Date{2026, 1, 20}}},
			},
			at: map[string]string{
				"2026-01-06T10:00Z": "ada", "2026-01-14T23:59Z": "grace", "2026-01-15T00:00Z": "alan", "2026-01-20T10:00Z": "alan",
				"2026-01-26T10:00Z": "barbara", "2026-02-02T10:00Z": "ada", "2026-02-09T10:00Z": "alan",
			},
		},
		{
			name: "all have left: the next one who comes is on call at once, not from the next hand-off",
			c: RotationConfig{
				Start: monday, Handoff: Handoff{Weekday: 1, Hour: 9, Set: true},
				People: []Member{{Person: "ada", Until: Date{2026, 1, 10}}, {Person: "grace", From: Date{2026, 1, 15}}},
			},
			at: map[string]string{
				"2026-01-09T23:59Z": "ada", "2026-01-10T00:00Z": "", "2026-01-14T23:59Z": "", "2026-01-15T00:00Z": "grace",
				"2026-01-19T10:00Z": "grace",
			},
		},
		{
			name: "nobody had come by the first hand-off",
			c: RotationConfig{
				Start: monday, Handoff: Handoff{Weekday: 1, Hour: 9, Set: true},
				People: []Member{{Person: "ada", From: Date{2026, 1, 8}}},
			},
			at: map[string]string{"2026-01-07T23:59Z": "", "2026-01-08T00:00Z": "ada", "2026-01-12T10:00Z": "ada"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
			r := tt.c.Rotation("r", free)
			for at, want := range tt.at {
				if got := r.At(instant(t, at[:len(at)-1]+":00Z")); got.Person != want {
					t.Errorf("at %s: got %q, want %q", at, got.Person, want)
				}
			}
		})
	}
}
