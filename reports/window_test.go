package reports

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWindows(t *testing.T) {
	t.Parallel()
	now := "2026-11-22T18:00:00Z"
	tests := []struct {
		name, kind, text, zone, title, from, to string
		hours                                   float64
	}{
		{"a day", KindDay, "2026-11-21", "UTC", "Saturday 21 November 2026", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", 24},
		{"Santiago has no midnight", KindDay, "2025-09-07", "America/Santiago", "Sunday 7 September 2025", "2025-09-07T04:00:00Z", "2025-09-08T03:00:00Z", 23},
		{"Lord Howe gains half an hour", KindDay, "2025-04-06", "Australia/Lord_Howe", "Sunday 6 April 2025", "2025-04-05T13:00:00Z", "2025-04-06T13:30:00Z", 24.5},
		{"Los Angeles in autumn", KindDay, "2025-11-02", "America/Los_Angeles", "Sunday 2 November 2025", "2025-11-02T07:00:00Z", "2025-11-03T08:00:00Z", 25},
		{"a month with a change", KindMonth, "2025-10", "Europe/Berlin", "October 2025", "2025-09-30T22:00:00Z", "2025-10-31T23:00:00Z", 745},
		{"Apia's short month", KindMonth, "2011-12", "Pacific/Apia", "December 2011", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z", 720},
		{"February", KindMonth, "2024-02", "UTC", "February 2024", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", 696},
		{"a quarter over the new year", KindQuarter, "2026-Q4", "UTC", "quarter 4 of 2026", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z", 2208},
		{"a quarter of an odd length", KindQuarter, "2025-Q1", "America/New_York", "quarter 1 of 2025", "2025-01-01T05:00:00Z", "2025-04-01T04:00:00Z", 2159},
		{"seven days", KindRolling, "7d", "UTC", "7 days to Saturday 21 November 2026", "2026-11-15T00:00:00Z", "2026-11-22T00:00:00Z", 168},
		{"28 days over a change", KindRolling, "28d", "America/Los_Angeles", "28 days to Saturday 21 November 2026", "2026-10-25T07:00:00Z", "2026-11-22T08:00:00Z", 673},
		{"custom dates", KindCustom, "2026-11-20|2026-11-22", "Europe/Berlin", "Fri 20 Nov 2026 00:00 – Sun 22 Nov 2026 00:00", "2026-11-19T23:00:00Z", "2026-11-21T23:00:00Z", 48},
		{"custom times", KindCustom, "2026-11-20 09:30|2026-11-20T12:00:00Z", "Europe/Berlin", "Fri 20 Nov 2026 09:30 – Fri 20 Nov 2026 13:00", "2026-11-20T08:30:00Z", "2026-11-20T12:00:00Z", 3.5},
		{"custom begin in a gap", KindCustom, "2025-03-09 02:30|2025-03-09 04:00", "America/New_York", "Sun 9 Mar 2025 03:00 – Sun 9 Mar 2025 04:00", "2025-03-09T07:00:00Z", "2025-03-09T08:00:00Z", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, err := readWindow(tt.kind, tt.text, instant(t, now), zone(t, tt.zone))
			if err != nil {
				t.Fatal(err)
			}
			if w.Kind != tt.kind || w.Title != tt.title || !w.From.Equal(instant(t, tt.from)) || !w.To.Equal(instant(t, tt.to)) {
				t.Errorf("got %s %q %s to %s, want %s %q %s to %s", w.Kind, w.Title, w.From, w.To, tt.kind, tt.title, tt.from, tt.to)
			}
			if got := w.To.Sub(w.From).Hours(); got != tt.hours {
				t.Errorf("got %v h, want %v", got, tt.hours)
			}
		})
	}
}

func readWindow(kind, text string, now time.Time, zone *time.Location) (Window, error) {
	switch kind {
	case KindDay:
		return ParseDay(text, zone)
	case KindMonth:
		return ParseMonth(text, zone)
	case KindQuarter:
		return ParseQuarter(text, zone)
	case KindRolling:
		return Rolling(map[string]int{"7d": 7, "28d": 28, "30d": 30, "9d": 9}[text], now, zone)
	}
	from, to, _ := strings.Cut(text, "|")
	return Custom(from, to, zone)
}

func TestWindowsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range [][3]string{
		{KindDay, "2026-02-30", "is not a day"},
		{KindDay, "2011-12-30", "did not exist in Pacific/Apia"},
		{KindMonth, "2026-13", "is not a month"},
		{KindQuarter, "2026-Q5", "is not a quarter"},
		{KindQuarter, "2026-Q+1", "is not a quarter"},
		{KindRolling, "9d", "is not a rolling window"},
		{KindCustom, "2026-11-20|2026-11-20", "is not before"},
		{KindCustom, "2024-11-20|2026-11-20", "longer than 400 days"},
		{KindCustom, "yesterday|2026-11-20", "is not a time"},
	} {
		w, err := readWindow(tt[0], tt[1], instant(t, "2026-11-22T18:00:00Z"), zone(t, "Pacific/Apia"))
		if err == nil || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%s %q: got %+v, %v; want %q", tt[0], tt[1], w, err, tt[2])
		}
	}
}

// TestDaysTile: the days of any zone follow each other without gap or overlap, and
// add up to the month; each shows its own date at its first instant unless clocks
// skipped that.
func TestDaysTile(t *testing.T) {
	t.Parallel()
	zones := strings.Fields(zonesText)
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		first := time.Date(rapid.IntRange(2000, 2035).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), 1, 0, 0, 0, 0, time.UTC)
		m, err := ParseMonth(first.Format("2006-01"), z)
		if err != nil {
			t.Fatal(err)
		}
		at := m.From
		for day := first; day.Month() == first.Month(); day = day.AddDate(0, 0, 1) {
			w, err := ParseDay(day.Format(time.DateOnly), z)
			if err != nil { // skipped
				if next := day.AddDate(0, 0, 1); at.In(z).Format(time.DateOnly) != next.Format(time.DateOnly) {
					t.Fatalf("%s in %s: %v", day.Format(time.DateOnly), z, err)
				}
				continue
			}
			if !w.From.Equal(at) {
				t.Fatalf("%s in %s begins %s, the day before ended %s", day.Format(time.DateOnly), z, w.From, at)
			}
			if got := w.From.In(z).Format(time.DateOnly); got != day.Format(time.DateOnly) {
				t.Fatalf("%s in %s begins on %s", day.Format(time.DateOnly), z, got)
			}
			if before := w.From.Add(-time.Second).In(z).Format(time.DateOnly); before >= day.Format(time.DateOnly) {
				t.Fatalf("%s in %s: a second before its begin it is %s", day.Format(time.DateOnly), z, before)
			}
			at = w.To
		}
		if !at.Equal(m.To) {
			t.Fatalf("the days of %s end %s, the month %s", m.Title, at, m.To)
		}
	})
}

// TestRollingWhereADateComesTwice: St. John's clocks went from 00:01 back to 23:01 of
// the day before; Sunday had begun.
func TestRollingWhereADateComesTwice(t *testing.T) {
	t.Parallel()
	w, err := Rolling(7, instant(t, "2010-11-07T02:45:00Z"), zone(t, "America/St_Johns"))
	if err != nil || w.Title != "7 days to Saturday 6 November 2010" || !w.To.Equal(instant(t, "2010-11-07T02:30:00Z")) {
		t.Errorf("got %q to %s, %v; want Saturday to be the last", w.Title, w.To, err)
	}
}

// TestFingerprint: equal rules have equal prints, others have not.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{"UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Pacific/Apia"} {
		f := Fingerprint(zone(t, name))
		if other := seen[f]; other != "" || len(f) != 8 {
			t.Errorf("%s has the fingerprint %s of %s", name, f, other)
		}
		seen[f] = name
	}
	if got, want := Fingerprint(zone(t, "US/Pacific")), Fingerprint(zone(t, "America/Los_Angeles")); got != want {
		t.Errorf("US/Pacific: got %s, want %s: it is another name of Los Angeles", got, want)
	}
}
