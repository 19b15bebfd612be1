package reports

import (
	_ "embed"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

//go:embed testdata/zones.txt
var zonesText string

func TestWeeks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, zone, from, to string
		hours                      float64
	}{
		{"Los Angeles in spring", "2025-W10", "America/Los_Angeles", "2025-03-03T08:00:00Z", "2025-03-10T07:00:00Z", 167},
		{"Los Angeles in autumn", "2025-W44", "America/Los_Angeles", "2025-10-27T07:00:00Z", "2025-11-03T08:00:00Z", 169},
		{"Berlin in spring", "2025-W13", "Europe/Berlin", "2025-03-23T23:00:00Z", "2025-03-30T22:00:00Z", 167},
		{"Berlin in autumn", "2025-W43", "Europe/Berlin", "2025-10-19T22:00:00Z", "2025-10-26T23:00:00Z", 169},
		{"Lord Howe in autumn", "2025-W14", "Australia/Lord_Howe", "2025-03-30T13:00:00Z", "2025-04-06T13:30:00Z", 168.5},
		{"Lord Howe in spring", "2025-W40", "Australia/Lord_Howe", "2025-09-28T13:30:00Z", "2025-10-05T13:00:00Z", 167.5},
		{"Apia without 30 December", "2011-W52", "Pacific/Apia", "2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z", 144},
		{"Beirut has no midnight, a Sunday", "2025-W13", "Asia/Beirut", "2025-03-23T22:00:00Z", "2025-03-30T21:00:00Z", 167},
		{"53 weeks", "2026-W53", "UTC", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z", 168},
		{"week 1 begins in the old year", "2025-W01", "UTC", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z", 168},
		{"2020 had 53", "2020-W53", "UTC", "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z", 168},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := week(t, tt.text, tt.zone)
			if !w.From.Equal(instant(t, tt.from)) || !w.To.Equal(instant(t, tt.to)) || w.Length().Hours() != tt.hours {
				t.Errorf("got %s to %s, %v h; want %s to %s, %v h", w.From, w.To, w.Length().Hours(), tt.from, tt.to, tt.hours)
			}
			for _, at := range []time.Time{w.From, w.To.Add(-time.Nanosecond)} {
				if got := WeekOf(at, w.Zone); got != w {
					t.Errorf("WeekOf(%s): got %s from %s, want %s", at, got, got.From, w)
				}
			}
			if got := WeekBefore(w.To, w.Zone); got != w {
				t.Errorf("WeekBefore at its end: got %s, want %s", got, w)
			}
		})
	}
}

// TestFirstInstant: time.Date gets each of these wrong.
func TestFirstInstant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, zone  string
		y           int
		m           time.Month
		d, hour, mi int
		want        string
	}{
		{"Santiago jumps over midnight", "America/Santiago", 2025, 9, 7, 0, 0, "2025-09-07T04:00:00Z"},
		{"Apia skips the day", "Pacific/Apia", 2011, 12, 30, 9, 0, "2011-12-30T10:00:00Z"},
		{"Havana doubles midnight", "America/Havana", 2025, 11, 2, 0, 30, "2025-11-02T04:30:00Z"},
		{"New York in its gap", "America/New_York", 2026, 3, 8, 2, 30, "2026-03-08T07:00:00Z"},
		{"last day of a leap year", "America/Santiago", 2028, 12, 31, 12, 0, "2028-12-31T15:00:00Z"},
		{"far beyond the tables", "America/New_York", 2096, 12, 31, 12, 0, "2096-12-31T17:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := firstInstant(dayNumber(tt.y, tt.m, tt.d), tt.hour, tt.mi, zone(t, tt.zone)); !got.Equal(instant(t, tt.want)) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// backOverMidnight is a zone in which clocks go back from 00:30 to 23:30 at change:
// no real zone has done that to a Monday, but one may.
func backOverMidnight(t *testing.T, change time.Time) *time.Location {
	t.Helper()
	b := append([]byte("TZif"), make([]byte, 16)...)
	for _, count := range []uint32{0, 0, 0, 1, 2, 4} { // one change between two offsets, four letters
		b = binary.BigEndian.AppendUint32(b, count)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(change.Unix()))
	b = append(b, 1, 0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 'A', 'B', 'C', 0) // +1 h, then 0
	z, err := time.LoadLocationFromTZData("Test/Midnight", b)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestWeekWhereMondayBeginsTwice(t *testing.T) {
	t.Parallel()
	change := instant(t, "2026-11-15T23:30:00Z")
	z := backOverMidnight(t, change)
	for name, at := range map[string]time.Time{
		"first half hour of Monday": change.Add(-time.Minute),
		"Sunday again":              change.Add(time.Minute),
		"Monday again":              change.Add(31 * time.Minute),
	} {
		if w := WeekOf(at, z); w.String() != "2026-W47" || !w.From.Equal(instant(t, "2026-11-15T23:00:00Z")) {
			t.Errorf("%s: got %s from %s, want 2026-W47 from 23:00Z", name, w, w.From)
		}
	}
	if w := WeekOf(change.Add(-31*time.Minute), z); w.String() != "2026-W46" || !w.To.Equal(instant(t, "2026-11-15T23:00:00Z")) {
		t.Errorf("Sunday: got %s to %s, want 2026-W46 to 23:00Z", w, w.To)
	}
}

func TestParseWeekRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "2026-47", "2026-W54", "2025-W53", "2026-W00", "2026-w47", "26-W47", "2026-W4", "2026-W+7", "+026-W07", "2026-W471"} {
		if w, err := ParseWeek(text, time.UTC); err == nil {
			t.Errorf("ParseWeek(%q): got %s, want an error", text, w)
		}
	}
}

// TestEveryWeekOfEveryZone walks all weeks from 2000 to 2035 of all zones. The start
// of each week is checked with nothing but the wall clock: it shows Monday there and
// Sunday a moment before, save where the Monday was skipped.
func TestEveryWeekOfEveryZone(t *testing.T) {
	t.Parallel()
	zones := strings.Fields(zonesText)
	weeks := 0
	for _, name := range zones {
		z := zone(t, name)
		w := WeekOf(instant(t, "2000-01-05T12:00:00Z"), z)
		for w.Year <= 2035 {
			year, number := w.From.In(z).ISOWeek()
			before := w.From.Add(-time.Millisecond).In(z)
			switch skipped := w.From.In(z).Weekday() != time.Monday; {
			case skipped && w.From.In(z).Weekday() != time.Tuesday, year != w.Year, number != w.Number:
				t.Fatalf("%s %s begins at %s", name, w, w.From.In(z))
			case before.Weekday() != time.Sunday && !skipped:
				t.Fatalf("%s %s: a millisecond before its start it is %s", name, w, before)
			}
			if h := w.Length().Hours(); h != 168 && (h < 143 || h > 192) {
				t.Fatalf("%s %s is %v h long", name, w, h)
			}
			next := w.Next()
			if !next.From.Equal(w.To) || next.Previous() != w {
				t.Fatalf("%s %s: the next one is %s from %s", name, w, next, next.From)
			}
			if parsed, err := ParseWeek(w.String(), z); err != nil || parsed != w {
				t.Fatalf("%s %s parses as %v, %v", name, w, parsed, err)
			}
			w = next
			weeks++
		}
	}
	if want := len(zones) * 1870; weeks < want {
		t.Fatalf("got %d weeks, want at least %d", weeks, want)
	}
	t.Logf("%d weeks", weeks)
}

// TestWeekOfHoldsItsInstant: every instant lies in exactly the week that is named.
func TestWeekOfHoldsItsInstant(t *testing.T) {
	t.Parallel()
	zones := strings.Fields(zonesText)
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "at"), 0).UTC()
		w := WeekOf(at, z)
		if at.Before(w.From) || !at.Before(w.To) {
			t.Fatalf("%s is not in %s, %s to %s", at, w, w.From, w.To)
		}
	})
}

func FuzzParseWeek(f *testing.F) {
	for _, seed := range []string{"2026-W47", "2026-W53", "2025-W53", "0000-W01", "9999-W52", "", "2026-W\x00\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWeek(text, time.UTC)
		if err == nil && (w.String() != text || w.Length() != 168*time.Hour) {
			t.Errorf("%q gives %s of %s", text, w, w.Length())
		}
	})
}

func FuzzPercent(f *testing.F) {
	for _, seed := range []string{"95%", "99.9%", "99.95 %", "100%", "0%", "101%", "95", "%", ".5%", "1e2%", "99.99999%", "-1%", "95.%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p, again Percent
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if p < 0 || p > Million {
			t.Errorf("%q gives %d ppm", text, p)
		}
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
			t.Errorf("%q prints as %s, which reads as %d: %v", text, p, again, err)
		}
	})
}

func TestScalars(t *testing.T) {
	t.Parallel()
	type scalar interface {
		UnmarshalText(text []byte) error
		String() string
	}
	tests := []struct {
		text, want string // want "" means refused
		v          scalar
	}{
		{"95%", "95%", new(Percent)},
		{"95 %", "95%", new(Percent)},
		{"99.9%", "99.9%", new(Percent)},
		{"99.9999%", "99.9999%", new(Percent)},
		{"095.50%", "95.5%", new(Percent)},
		{"100%", "100%", new(Percent)},
		{"0.5%", "0.5%", new(Percent)},
		{"0%", "0%", new(Percent)},
		{"95", "", new(Percent)},
		{"0.95", "", new(Percent)},
		{"101%", "", new(Percent)},
		{"99.99999%", "", new(Percent)},
		{"-1%", "", new(Percent)},
		{".5%", "", new(Percent)},
		{"95.%", "", new(Percent)},
		{"٩٥%", "", new(Percent)},
		{"Monday 09:00", "Monday 09:00", &SendTime{}},
		{"tue 7:05", "Tuesday 07:05", &SendTime{}},
		{"daily 09:00", "", &SendTime{}},
		{"Monday", "", &SendTime{}},
		{"Monday 24:00", "", &SendTime{}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			err := tt.v.UnmarshalText([]byte(tt.text))
			if (err == nil) != (tt.want != "") {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			if got := tt.v.String(); err == nil && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), "write it like") {
				t.Errorf("the error %q does not say what would be right", err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	var c Config
	c.SetDefaults()
	if c.TimeZone != time.UTC || c.Send.String() != "Monday 09:00" {
		t.Errorf("got defaults %s, %s; want UTC, Monday 09:00", c.TimeZone, c.Send)
	}
	var got []string
	c.To = []string{"team@example.com", "nobody", "Ada <ada@example.com>"}
	c.Validate(func(path, _ string) { got = append(got, path) })
	if strings.Join(got, " ") != "to[1] to[2]" {
		t.Errorf("got mistakes at %v, want to[1] and to[2]", got)
	}
}
