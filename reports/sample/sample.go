// Package sample makes reports by hand, for the tests and benchmarks of formats:
// one of each verdict, one without data, one of a week with a clock change, one
// with names that try to be markup, and one without services. They are as a
// store would hold them, and no clock is asked.
package sample

import (
	"fmt"
	"strings"
	"time"

	"keepwatch/reports"
)

// Named is a report and the name of its golden files.
type Named struct {
	Name   string
	Report reports.Report
}

// All returns every sample.
func All() []Named {
	return []Named{
		{"met", Met()},
		{"missed", Missed()},
		{"unproven", NotProven()},
		{"nodata", NoData()},
		{"hostile", Hostile()},
		{"empty", Empty()},
		{"month", Month()},
	}
}

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

// report is a week of a zone; the zone must be known.
func report(week, zone string, from, to time.Time) reports.Report {
	return reports.Report{
		Schema: reports.Schema, Week: week, Zone: zone, From: from, To: to, Revision: 1,
		MadeAt: to.Add(15 * time.Minute), Services: []reports.ServiceReport{},
		Kind: reports.KindWeek, Title: "week " + week, Engine: "1", TZData: "2025b",
		Hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
}

// judge fills what follows from the amounts of time, as the real report does.
func judge(s *reports.ServiceReport) {
	seen, all := s.GoodMs+s.BadMs, s.GoodMs+s.BadMs+s.UnknownMs
	s.Availability = reports.FloorPercent(s.GoodMs, seen, 2)
	s.Coverage = reports.FloorPercent(seen, all, 2)
	s.AvailabilityLow = reports.FloorPercent(s.GoodMs, all, 2)
	s.AvailabilityHigh = reports.FloorPercent(s.GoodMs+s.UnknownMs, all, 2)
	if s.Experienced == "" {
		s.Experienced = s.Availability
	}
	s.BudgetMs = all * (reports.Million - s.ObjectivePPM) / reports.Million
	s.SpentMs, s.RemainingMs, s.WorstRemaining = s.BadMs, s.BudgetMs-s.BadMs, s.BudgetMs-s.BadMs-s.UnknownMs
	s.Verdict = reports.Decide(s.BadMs, s.UnknownMs, all, reports.Percent(s.ObjectivePPM))
}

// past is a week before, of 168 hours seen but for unknown.
func past(week string, bad, unknown int64) reports.TrendWeek {
	s := reports.ServiceReport{ObjectivePPM: 950_000, GoodMs: 168*hour - bad - unknown, BadMs: bad, UnknownMs: unknown}
	judge(&s)
	return reports.TrendWeek{
		Week: week, Availability: s.Availability, Coverage: s.Coverage, Verdict: s.Verdict, ObjectivePPM: s.ObjectivePPM,
		GoodMs: s.GoodMs, BadMs: s.BadMs, UnknownMs: s.UnknownMs, Revision: 1,
	}
}

// Met is the week of 169 hours whose head slo-spec prints: three outages and seven
// single slots, 40 unknown minutes, four weeks before it.
func Met() reports.Report {
	from := time.Date(2025, 10, 27, 7, 0, 0, 0, time.UTC)
	r := report("2025-W44", "America/Los_Angeles", from, time.Date(2025, 11, 3, 8, 0, 0, 0, time.UTC))
	r.Final, r.Revision = true, 2
	r.Changes = []string{"7 results of east arrived late: unknown time fell from 0:43:30 to 0:40:00."}
	r.Note = "The login outage is understood: see **postmortem 12**.\n\n- pool size doubled\n- alert on pool waits added"
	at := func(h, m int) time.Time { return from.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute) }
	long := []reports.Outage{
		outage(at(50, 11), 2490*second, "login: status: got 503, want 200", []string{"login", "front-page"}, []string{"west", "central", "east"}, "ana", 130),
		outage(at(91, 40), 2280*second, "img: latency: p95 2.4 s above 2 s", []string{"img"}, []string{"west", "east"}, "li", 65),
		outage(at(156, 2), 1200*second, "front-page: dial: connection refused", []string{"front-page"}, []string{"west", "central", "east"}, "ana", 40),
	}
	long[0].Note, long[0].Rule = "connection pool exhausted, doubled", "two bad looks in a row"
	long[2].Note = "deploy 41c2, rolled back"
	for i := range 7 {
		o := outage(at(20+3*i, 7), 30*second, "img: timeout after 5s", []string{"img"}, []string{"central", "east"}, "", 0)
		o.Incident, o.AckS, o.DetectS, o.ResolvedAt = "", nil, nil, nil
		long = append(long, o)
	}
	s := reports.ServiceReport{
		Name: "fakeflickr", ObjectivePPM: 950_000, BadMs: 6180 * second, UnknownMs: 2400 * second,
		Outages: inOrder(long), SoftFailures: 31,
		Gaps:      []reports.Gap{{From: at(53, 0), To: at(53, 40), Ms: 2400 * second, Cause: "agent central unreachable with east in maintenance"}},
		Incidents: 3, Acked: 2, Unacked: 1, Pages: 9, MTTA: new(int64(78)), MTTAMedian: new(int64(66)), MTTD: new(int64(62)), MTBF: new(int64(60_000)),
		Trend:      []reports.TrendWeek{past("2025-W40", 88*minute, 0), past("2025-W41", 161*minute, 0), past("2025-W42", 321*minute, 10*minute), past("2025-W43", 30_270*second, 0)},
		CheckFacts: checkFacts(),
		Users: []reports.UserFacts{{
			Source: "nginx", Good: 998_120, Valid: 1_000_000, Availability: "99.81", Minutes: 9_800, AgreeGood: 9_700, AgreeBad: 93,
			BlindMinutes: 2, ProbeOnlyMinutes: 5, QuietMinutes: 340,
		}},
		Noise: []reports.Noise{{Incident: "kw-fakeflickr-1761900000", At: at(99, 20), Summary: "front-page looked slow once"}},
	}
	s.GoodMs = 169*hour - s.BadMs - s.UnknownMs
	judge(&s)
	r.Services = append(r.Services, s)
	r.People = []reports.PersonLoad{
		{Person: "ana", Name: "Ana", Pages: 6, OutOfHours: 3, Sleep: 2, Acked: 5, Unacked: 1, MTTA: new(int64(85)), OnCallMs: 97 * hour},
		{Person: "li", Name: "Li", Pages: 3, OutOfHours: 1, Acked: 3, MTTA: new(int64(65)), OnCallMs: 72 * hour},
	}
	return r
}

func outage(from time.Time, ms int64, cause string, checks, locations []string, by string, ack int64) reports.Outage {
	to := from.Add(time.Duration(ms) * time.Millisecond)
	resolved := to.Add(time.Minute)
	return reports.Outage{
		From: from, To: to, Ms: ms, Checks: checks, Locations: locations, Cause: cause,
		Incident: fmt.Sprintf("kw-fakeflickr-%d", from.Unix()), AckBy: by, AckS: new(ack), DetectS: new(int64(62)), ResolvedAt: &resolved,
	}
}

// inOrder puts outages into the order of time, as reports have them.
func inOrder(all []reports.Outage) []reports.Outage {
	for i := range all {
		for j := i; j > 0 && all[j].From.Before(all[j-1].From); j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

func checkFacts() []reports.CheckFacts {
	fact := func(name string, spent, bad int64, p50 int64) reports.CheckFacts {
		f := reports.CheckFacts{
			Name: name, BadMs: bad, SpentMs: spent, GoodMs: 169*hour - bad - 2400*second, UnknownMs: 2400 * second, SoftFailures: int(p50/9_000) % 20,
			Latency:  reports.Latency{N: 20_000, P50: p50, P95: 3 * p50, P99: 9*p50 + 7},
			LastWeek: reports.Latency{N: 19_998, P50: p50 - 800, P95: 3*p50 + 1100, P99: 8 * p50},
		}
		for i, l := range []string{"west", "central", "east"} {
			lf := reports.LocationFact{Location: l, BadMs: bad, GoodMs: 169*hour - bad}
			if i == 1 {
				lf.UnknownMs, lf.SuspectMs = 2400*second, 90*second
			}
			f.Locations = append(f.Locations, lf)
		}
		return f
	}
	return []reports.CheckFacts{fact("login", 2490*second, 2490*second, 120_400), fact("img", 2490*second, 2490*second, 45_300), fact("front-page", 1200*second, 3690*second, 8_700)}
}

// Missed is a week that missed its objective by one slot, with planned maintenance
// and a correction, and an outage that began the week before.
func Missed() reports.Report {
	from := time.Date(2025, 10, 20, 0, 0, 0, 0, time.UTC)
	r := report("2025-W43", "UTC", from, from.AddDate(0, 0, 7))
	x := 4 * hour
	v := 168*hour - x
	budget := v / 20
	s := reports.ServiceReport{
		Name: "image-site", ObjectivePPM: 950_000, ExcludedMs: x, BadMs: budget + 30*second, Experienced: "93.45",
		Gaps: []reports.Gap{}, Incidents: 1, Carried: 1, Acked: 0, Unacked: 1, Pages: 2,
	}
	first := reports.Outage{
		From: from, To: from.Add(10 * time.Minute), Ms: 10 * minute, Checks: []string{"front-page"}, Locations: []string{"here"},
		Cause: "front-page: status: got 500, want 200", Incident: "kw-image-site-1760917800", ContinuesFrom: "2025-W42",
	}
	rest := s.BadMs - first.Ms
	start := from.Add(70 * time.Hour)
	second := reports.Outage{
		From: start, To: start.Add(time.Duration(rest) * time.Millisecond), Ms: rest, Checks: []string{"front-page", "photo-journey"}, Locations: []string{"here"},
		Cause: "front-page: dial: connection refused", Incident: "kw-image-site-1761170400", BecauseOf: []string{"database"},
	}
	s.Outages = []reports.Outage{first, second}
	s.GoodMs = v - s.BadMs
	s.Attributed = []reports.Attribution{{Service: "database", Ms: rest}}
	s.Redefined = []string{"The objective is 95.00 %; in 2025-W42 it was 99.00 %.", "Counted in 2025-W42 and not here: upload-journey."}
	s.Exclusions = []reports.Exclusion{
		{ID: 3, Service: s.Name, Kind: reports.Planned, From: from.Add(26 * time.Hour), To: from.Add(29 * time.Hour), DeclaredAt: from.Add(-time.Hour), Author: "ada", Reason: "new disks.", CountedMs: 3 * hour},
		{ID: 4, Service: s.Name, Kind: reports.Correction, From: from.Add(100 * time.Hour), To: from.Add(102 * time.Hour), DeclaredAt: from.Add(180 * time.Hour), Author: "ada", Approver: "grace", Reason: "the probe host was moved", CountedMs: hour, Note: "no more than 4:00:00 a week are excluded"},
	}
	judge(&s)
	r.Services = append(r.Services, s)
	r.Drills = []reports.Drill{
		{At: from.Add(11 * time.Hour), Result: reports.DrillFailed, Detail: "nobody acknowledged within 15m (kw-drill-20251020-1100-1760958000)"},
		{At: from.Add(131 * time.Hour), Result: reports.DrillPassed, Detail: "ada acknowledged after 41s (kw-drill-20251025-1100-1761390000)"},
	}
	return r
}

// NotProven is a week of which 24 hours were not seen, and nothing was seen down.
func NotProven() reports.Report {
	from := time.Date(2025, 3, 2, 23, 0, 0, 0, time.UTC)
	r := report("2025-W10", "Europe/Berlin", from, from.AddDate(0, 0, 7))
	at := from.Add(100 * time.Hour)
	s := reports.ServiceReport{
		Name: "shop", ObjectivePPM: 950_000, GoodMs: 144 * hour, UnknownMs: 24 * hour, Outages: []reports.Outage{},
		Gaps: []reports.Gap{{From: at, To: at.Add(24 * time.Hour), Ms: 24 * hour, Cause: "monitor down"}},
	}
	judge(&s)
	r.Services = append(r.Services, s)
	return r
}

// NoData is a week of 167 hours that nobody looked at, before it was written, and a
// service whose whole week was excluded.
func NoData() reports.Report {
	from := time.Date(2025, 3, 24, 23, 0, 0, 0, time.UTC).AddDate(0, 0, -1)
	to := time.Date(2025, 3, 30, 22, 0, 0, 0, time.UTC)
	r := report("2025-W13", "Europe/Berlin", from, to)
	r.Revision, r.Hash, r.MadeAt = 0, "", from.Add(20*time.Hour)
	blind := reports.ServiceReport{
		Name: "upload", ObjectivePPM: 999_500, UnknownMs: 167 * hour, Outages: []reports.Outage{},
		Gaps: []reports.Gap{{From: from, To: to, Ms: 167 * hour, Cause: "upload-journey: not watched"}},
	}
	judge(&blind)
	none := reports.ServiceReport{Name: "moved", ObjectivePPM: 950_000, ExcludedMs: 167 * hour, Outages: []reports.Outage{}, Gaps: []reports.Gap{}, Experienced: reports.NoData}
	judge(&none)
	r.Services = append(r.Services, blind, none)
	return r
}

// Hostile is a week in which every text tries to be more than text.
func Hostile() reports.Report {
	r := Met()
	bad := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `=HYPERLINK("http://evil.example","x")`, `[click](javascript:alert(1))`,
		"a|b\n# heading\n- item", "\x1b[31mred\x1b[0m\u202eright to left", `) Tj ET /JS (app.alert) <</S/JavaScript>>`, `@SUM(1+1)*cmd|' /C calc'!A0`,
		"https://evil.example and www.evil.example", "张伟 Ærøskøbing Ελλάδα Ўзбек 😀 \xff", strings.Repeat("überlang ", 60), strings.Repeat("x", 300), "{{.}} ${HOME} %s %!d", "--></style><svg onload=alert(1)>", `&lt;b&gt; *b* _i_ ~~s~~ ` + "`c`",
	}
	i := 0
	next := func() string { i++; return bad[i%len(bad)] }
	r.Note = strings.Join(bad, "\n\n") + "\n\n![track](http://evil.example/p.png)\n\n<b>raw</b>\n"
	r.Changes, r.Engine, r.TZData, r.Hash = bad[:3], next(), next(), next()
	s := &r.Services[0]
	s.Name = strings.Join(bad, " ")
	for k := range s.Outages {
		o := &s.Outages[k]
		o.Cause, o.Checks, o.Locations, o.Incident, o.AckBy, o.Note, o.Rule = next(), []string{next(), next()}, []string{next()}, next(), next(), next(), next()
		o.BecauseOf, o.ContinuesFrom = []string{next()}, next()
	}
	for k := range s.Gaps {
		s.Gaps[k].Cause = next()
	}
	for k := range s.CheckFacts {
		s.CheckFacts[k].Name = next()
		for j := range s.CheckFacts[k].Locations {
			s.CheckFacts[k].Locations[j].Location = bad[j]
		}
	}
	s.Trend[0].Week = next()
	s.Users[0].Source, s.Noise[0].Summary, s.Noise[0].Incident = next(), next(), next()
	s.Exclusions = []reports.Exclusion{{Kind: next(), From: r.From, To: r.To, Author: next(), Reason: next(), Note: next(), Approver: next()}}
	s.Attributed = []reports.Attribution{{Service: next(), Ms: 1}}
	s.Redefined = []string{next()}
	for k := range r.People {
		r.People[k].Name = next()
	}
	r.Drills = []reports.Drill{{At: r.From, Result: next(), Detail: next()}}
	more := r.Services[0]
	more.Name = "=1+1"
	r.Services = append(r.Services, more)
	return r
}

// Empty is a week without services.
func Empty() reports.Report {
	from := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	return report("2026-W47", "UTC", from, from.AddDate(0, 0, 7))
}

// Month is a window that is no week: it is never frozen and has no trend.
func Month() reports.Report {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := report("", "UTC", from, from.AddDate(0, 1, 0))
	r.Kind, r.Title, r.Revision, r.Hash = reports.KindMonth, "November 2026", 0, ""
	at := from.Add(200 * time.Hour)
	s := reports.ServiceReport{
		Name: "shop", ObjectivePPM: 999_000, GoodMs: 720*hour - minute, BadMs: minute, Gaps: []reports.Gap{},
		Outages: []reports.Outage{{From: at, To: at.Add(time.Minute), Ms: minute, Checks: []string{"front"}, Locations: []string{"here"}, Cause: "front: timeout"}},
	}
	judge(&s)
	r.Services = append(r.Services, s)
	return r
}

// Many is a week of n services in turn met, missed and not proven, for benchmarks.
func Many(n int) reports.Report {
	r := Met()
	kinds := []reports.ServiceReport{r.Services[0], Missed().Services[0], NotProven().Services[0]}
	r.Services = nil
	for i := range n {
		s := kinds[i%len(kinds)]
		s.Name = fmt.Sprintf("service-%02d", i)
		r.Services = append(r.Services, s)
	}
	return r
}
