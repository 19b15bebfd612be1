package oncall

import (
	_ "embed"
	"strings"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine

	"pgregory.net/rapid"
)

//go:embed testdata/zones.txt
var zonesText string

// oddZones change their clocks in unusual ways; half of all drawn configurations use one.
var oddZones = []string{
	"America/Los_Angeles", "America/New_York", "Europe/Berlin", "Europe/Dublin", // negative DST in winter
	"Australia/Lord_Howe",  // 30 minutes
	"Pacific/Apia",         // no 30 December 2011
	"Africa/Casablanca",    // twice a year around Ramadan
	"America/Santiago",     // gap at midnight
	"America/Sao_Paulo",    // gap at midnight until 2018
	"Africa/Cairo",         // gap at midnight
	"Asia/Beirut",          // gap at midnight
	"America/Havana",       // gap at midnight, overlap at 01:00
	"Asia/Gaza",            // changes by decree
	"Antarctica/Troll",     // two hours
	"Asia/Kathmandu",       // 5:45
	"Pacific/Chatham",      // 12:45
	"America/Scoresbysund", // changed offset and rule in one night
	"Asia/Pyongyang",       // 30 minutes there and back
	"America/Caracas", "Europe/Istanbul", "Pacific/Kiritimati", "Pacific/Kwajalein", "America/Nuuk", "UTC",
}

func allZones() []string { return strings.Fields(zonesText) }

type rapidOrT interface {
	Fatalf(format string, args ...any)
}

func drawZone(t *rapid.T) *time.Location {
	names := oddZones
	if rapid.Bool().Draw(t, "any zone") {
		names = allZones()
	}
	zone, err := time.LoadLocation(rapid.SampledFrom(names).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// drawStart prefers dates just before the clocks change, where the mistakes live.
func drawStart(t *rapid.T, zone *time.Location) Date {
	day := time.Date(1994, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 45*365).Draw(t, "start"))
	if rapid.IntRange(0, 3).Draw(t, "near") > 0 {
		if _, end := day.In(zone).ZoneBounds(); !end.IsZero() && end.Year() < 2040 {
			day = end.AddDate(0, 0, -rapid.IntRange(0, 20).Draw(t, "before"))
		}
	}
	return dateOf(day)
}

func drawLocal(t *rapid.T, start Date, label string) LocalTime {
	d := time.Date(start.Year, start.Month, start.Day, 0, 0, 0, 0, time.UTC).
		Add(time.Duration(rapid.IntRange(-2*24*4, 40*24*4).Draw(t, label)) * 15 * time.Minute)
	return LocalTime{Date: dateOf(d), Hour: d.Hour(), Minute: d.Minute()}
}

func drawConfig(t *rapid.T) RotationConfig {
	c := RotationConfig{TimeZone: drawZone(t)}
	c.Start = drawStart(t, c.TimeZone)
	c.Handoff = Handoff{
		Daily:   rapid.Bool().Draw(t, "daily"),
		Weekday: time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday")),
		Hour:    rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 2, 3, 9, 17, 23}).Draw(t, "hour"),
		Minute:  rapid.SampledFrom([]int{0, 0, 15, 30, 59}).Draw(t, "minute"),
		Set:     true,
	}
	c.Every.Days = 7 * rapid.IntRange(1, 3).Draw(t, "weeks")
	if c.Handoff.Daily {
		c.Every.Days = rapid.IntRange(1, 9).Draw(t, "days")
	}
	c.People = drawMembers(t, c.Start, 0)
	c.Fallback = rapid.SampledFrom([]string{"", "barbara", "ada"}).Draw(t, "fallback")
	for range rapid.IntRange(0, 4).Draw(t, "overrides") {
		ov := OverrideConfig{
			From: drawLocal(t, c.Start, "from"), To: drawLocal(t, c.Start, "to"),
			Person: rapid.SampledFrom([]string{"ada", "grace", "kurt", ""}).Draw(t, "cover"),
		}
		if wallOf(ov.From) < wallOf(ov.To) {
			c.Overrides = append(c.Overrides, ov)
		}
	}
	return c
}

func drawMembers(t *rapid.T, start Date, least int) []Member {
	dated := rapid.IntRange(0, 2).Draw(t, "dated") == 2
	var out []Member
	for range rapid.IntRange(least, 5).Draw(t, "people") {
		m := Member{Person: rapid.SampledFrom([]string{"ada", "grace", "alan", "edsger", ""}).Draw(t, "person")}
		if dated && rapid.Bool().Draw(t, "joins") {
			m.From = drawLocal(t, start, "joined").Date
		}
		if dated && rapid.Bool().Draw(t, "leaves") {
			m.Until = drawLocal(t, start, "left").Date
		}
		if !m.From.IsZero() && !m.Until.IsZero() && wallOf(LocalTime{Date: m.Until}) <= wallOf(LocalTime{Date: m.From}) {
			m.Until = Date{}
		}
		out = append(out, m)
	}
	return out
}

func drawHours(t *rapid.T) []Hours {
	var out []Hours
	for range rapid.IntRange(0, 3).Draw(t, "hours") {
		h := Hours{
			From: rapid.SampledFrom([]int{0, 0, 60, 90, 120, 150, 540, 1020, 1380}).Draw(t, "opens"),
			To:   rapid.SampledFrom([]int{0, 30, 120, 150, 180, 540, 1020, 1440}).Draw(t, "closes"),
		}
		for d := range h.Days {
			h.Days[d] = rapid.IntRange(0, 2).Draw(t, "weekday") > 0
		}
		if h.Days != [7]bool{} {
			out = append(out, h)
		}
	}
	return out
}

func drawLayer(t *rapid.T, c RotationConfig) LayerConfig {
	l := LayerConfig{TimeZone: c.TimeZone, Start: c.Start, Handoff: c.Handoff, Every: c.Every}
	if rapid.Bool().Draw(t, "own zone") {
		l.TimeZone = drawZone(t)
	}
	l.People, l.Hours = drawMembers(t, c.Start, 1), drawHours(t)
	l.Holidays = rapid.SampledFrom([]string{"", "few"}).Draw(t, "calendar")
	if l.Handoff.Daily && rapid.Bool().Draw(t, "worked") {
		l.Count = CountWorked
	}
	return l
}

// drawLayered draws a configuration that needs layers.
func drawLayered(t *rapid.T) (RotationConfig, Holidays) {
	c := drawConfig(t)
	few := Holidays{}
	for range rapid.IntRange(0, 6).Draw(t, "holidays") {
		few["few"] = append(few["few"], Holiday{Date: drawLocal(t, c.Start, "holiday").Date})
	}
	base := drawLayer(t, c)
	c.Hours, c.Holidays, c.Count = base.Hours, base.Holidays, base.Count
	for range rapid.IntRange(0, 2).Draw(t, "layers") {
		c.Layers = append(c.Layers, drawLayer(t, c))
	}
	return c, few
}
