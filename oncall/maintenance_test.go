package oncall

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMaintenance(t *testing.T) {
	t.Parallel()
	weekly := func(text string) []Hours {
		var h Hours
		setText(t, &h, text)
		return []Hours{h}
	}
	local := func(text string) (l LocalTime) {
		setText(t, &l, text)
		return l
	}
	utc := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	york := zone(t, "America/New_York")
	for _, tt := range []struct {
		name     string
		c        MaintenanceConfig
		from, to string
		want     []string
	}{
		{
			"each Sunday",
			MaintenanceConfig{Weekly: weekly("Sun 02:00-04:00")},
			"2026-11-01T03:00:00Z", "2026-11-15T02:00:00Z",
			[]string{"2026-11-01T02:00:00Z 2h0m0s", "2026-11-08T02:00:00Z 2h0m0s"},
		},
		{
			"the hour that the clock leaves out ends it early",
			MaintenanceConfig{TimeZone: york, Weekly: weekly("Sun 01:30-02:30")},
			"2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z",
			[]string{"2026-03-08T06:30:00Z 30m0s"},
		},
		{
			"the hour that comes twice begins it with the first",
			MaintenanceConfig{TimeZone: york, Weekly: weekly("Sun 01:30-02:30")},
			"2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z",
			[]string{"2026-11-01T05:30:00Z 2h0m0s"},
		},
		{
			"over midnight, begun the day before",
			MaintenanceConfig{Weekly: weekly("Sat 23:00-01:00")},
			"2026-11-22T00:30:00Z", "2026-11-22T00:31:00Z",
			[]string{"2026-11-21T23:00:00Z 2h0m0s"},
		},
		{
			"dates",
			MaintenanceConfig{TimeZone: york, From: local("2026-12-05 22:00"), To: local("2026-12-06 02:00")},
			"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z",
			[]string{"2026-12-06T03:00:00Z 4h0m0s"},
		},
		{
			"dates that are over",
			MaintenanceConfig{From: local("2026-12-05 22:00"), To: local("2026-12-06 02:00")},
			"2026-12-06T02:00:00Z", "2027-01-01T00:00:00Z", nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, s := range tt.c.Stretches(utc(tt.from), utc(tt.to)) {
				got = append(got, fmt.Sprint(s.From.Format(time.RFC3339), " ", s.To.Sub(s.From)))
			}
			if strings.Join(got, "; ") != strings.Join(tt.want, "; ") {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			tt.c.Reason = "upgrade"
			checkReports(t, tt.c.Validate, nil)
		})
	}
	checkReports(t, MaintenanceConfig{}.Validate, []string{"reason: missing", "weekly: missing"})
	both := MaintenanceConfig{Reason: "x", Weekly: weekly("Sun 02:00-04:00"), From: local("2026-12-05 22:00")}
	checkReports(t, both.Validate, []string{"weekly: cannot stand beside"})
	long := MaintenanceConfig{Reason: "x", From: local("2026-12-05 22:00"), To: local("2027-02-05 22:00")}
	checkReports(t, long.Validate, []string{"to: more than 31 days"})
}

func TestWorkHours(t *testing.T) {
	t.Parallel()
	w := WorkHours{Zone: "America/New_York", Hours: []string{"Mon-Fri 09:00-17:00"}, Holidays: []string{"2026-12-25"}}
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		name, at string
		open     bool
		until    string
	}{
		{"at noon", "2026-11-23T17:00:00Z", true, "2026-11-23T22:00:00Z"},
		{"on Sunday", "2026-11-22T17:00:00Z", false, "2026-11-23T14:00:00Z"},
		{"a long weekend with a holiday", "2026-12-24T22:00:00Z", false, "2026-12-28T14:00:00Z"},
		{"the clock goes forward over the weekend", "2026-03-07T12:00:00Z", false, "2026-03-09T13:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			open, until, err := w.At(at(tt.at))
			if err != nil || open != tt.open || !until.Equal(at(tt.until)) {
				t.Errorf("got %v until %v, %v; want %v until %s", open, until, err, tt.open, tt.until)
			}
		})
	}
	if open, until, err := (WorkHours{}).At(at("2026-11-22T17:00:00Z")); !open || !until.IsZero() || err != nil {
		t.Errorf("no hours: got %v %v %v, want always", open, until, err)
	}
	if _, _, err := (WorkHours{Zone: "Mars/Base"}).At(time.Now()); err == nil {
		t.Error("a zone that is not known was taken")
	}
}
