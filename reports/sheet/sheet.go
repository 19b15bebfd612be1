// Package sheet puts a report into words: every figure, sentence and table that is
// printed, once, so that text, Markdown, HTML, mail and PDF cannot disagree.
//
// It decides what is shown and in which order; it does not know how a format looks.
// It is pure: it asks no clock, and prints only what the report holds. Text from
// outside comes out in one line without control characters, but not escaped: that
// is each format's own work.
package sheet

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keepwatch/reports"
	"keepwatch/reports/chart"
)

// Page is one of the two pages of a report.
type Page string

// The pages. The zero value of a format's page means both.
const (
	Manager Page = "manager" // one screen, one A4: was the week good?
	OnCall  Page = "oncall"  // everything that happened
)

// Sheet is a report in words.
type Sheet struct {
	Title    string // "Week 2025-W44"
	Span     string // "Mon 27 Oct 2025 00:00 – Mon 3 Nov 2025 00:00"
	Zone     string
	Hours    string // "169 h"
	Revision string // "revision 2, final"
	Revised  bool   // this is not the first revision
	Pending  string // a sentence when the window had not ended; else ""
	Changes  []string
	Note     string // the team's, Markdown as it was written
	Services []Service
	People   Table // per person; no rows when nobody was asked anything
	Load     string
	Drills   []string // one sentence each; none when none was due
	Method   []string
	Colophon []string // revision, hash, versions: what to quote when asking about a figure
}

// Tone is a verdict as a word for styles.
type Tone string

// The tones.
const (
	ToneMet      Tone = "met"
	ToneMissed   Tone = "missed"
	ToneUnproven Tone = "unproven"
)

// Service is one service in words.
type Service struct {
	Name     string
	Verdict  reports.Decision
	Tone     Tone
	Why      string // one sentence
	Headline string // "98.98 %", "≥ 85.71 %" or "no data"
	Target, Coverage, Range,
	Experienced string // "" when nothing was excluded
	Budget    Budget
	Trend     []Week // this window is the last
	OutageSum string // "10 outages, 1:43:00 in all"
	Worst     []Outage
	Rest      string   // what the outages beside Worst add up to; "" when there are none
	Load      []string // incidents and pages of the service, in parts that stay together
	Notes     []string // exclusions, corrections, what visitors saw …
	Unseen    string   // the note on unknown time; "" when there is none
	Outages   []Outage // all, in order of time; of very many the longest
	More      string   // the outages that are not listed; "" when all are
	Unknown   []Gap    // causes, longest first
	UnknownMs string
	Excluded  string // "none" or how much
	Soft      string
	Visitors  string // blind and probe-only minutes; "" without an access log
	Tables    []Table
	Bar       chart.Budget
	Weeks     chart.Bars
	Strip     chart.Strip
}

// Budget is the error budget in h:mm:ss.
type Budget struct {
	Total, Spent, Share, Left string
	// AtRisk is time that nobody saw and Worst what is left if it was bad; "" when all was seen.
	AtRisk, Worst string
}

// Week is one column of the trend.
type Week struct {
	Label    string // "W44"
	Week     string // "2025-W44"
	Figure   string // "98.98", "≥85.71" or "no data"
	Word     string // "MISSED" or "unproven", "" when the objective was met
	Coverage string
}

// Outage is one outage in words. All but When, Length and Share may be "".
type Outage struct {
	When, Short, Length, Share string // Short is "Wed 02:11"
	What                       string // the first error, else the failing checks
	Checks                     string // the failing ones, where they are several
	From, Before               string
	Because                    string // services that it depends on and that were bad
	Incident, Rule             string
	Paged, Acked, Resolved     string
	Note                       string
}

// Gap is unknown time of one cause.
type Gap struct{ When, Length, Times, Cause string }

// Table is rows of equal length under a head. Empty says what to print without rows.
type Table struct {
	Title, Empty string
	Head         []string
	Rows         [][]string
	Number       []bool // columns that hold figures
}

// most is how many outages are listed by one; the others are added up.
const most = 50

// Of puts a report into words. The error is that of a report whose zone is unknown here.
func Of(r reports.Report) (Sheet, error) {
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return Sheet{}, fmt.Errorf("zone of the report: %w", err)
	}
	w := writer{r: r, zone: zone}
	w.days = w.ticks(r.To.Sub(r.From))
	s := Sheet{
		Title: title(r), Zone: r.Zone, Hours: hours(r.To.Sub(r.From)) + " h",
		Span:     r.From.In(zone).Format(dayMinute) + " – " + r.To.In(zone).Format(dayMinute),
		Revision: revision(r), Revised: r.Revision > 1, Note: r.Note, Method: method,
	}
	if left := r.To.Sub(r.MadeAt); left > 0 {
		s.Pending = fmt.Sprintf("The %s has not ended: %s h are still to come.", window(r), Clock(left.Milliseconds(), Up))
	}
	for _, c := range r.Changes {
		s.Changes = append(s.Changes, Clean(c))
	}
	for i := range r.Services {
		s.Services = append(s.Services, w.service(&r.Services[i]))
	}
	s.Load, s.People = people(r.People)
	for _, d := range r.Drills {
		s.Drills = append(s.Drills, w.drill(d))
	}
	s.Colophon = w.colophon(s.Revision)
	return s, nil
}

// Find returns the report with only the named service, "" for all; false when
// there is none of that name.
func Find(r reports.Report, service string) (reports.Report, bool) {
	if service == "" {
		return r, true
	}
	for i := range r.Services {
		if r.Services[i].Name == service {
			r.Services = r.Services[i : i+1 : i+1]
			return r, true
		}
	}
	return r, false
}

const dayMinute = "Mon 2 Jan 2006 15:04"

func window(r reports.Report) string {
	switch r.Kind {
	case reports.KindDay, reports.KindMonth, reports.KindQuarter:
		return r.Kind
	case reports.KindRolling, reports.KindCustom:
		return "window"
	}
	return "week"
}

func title(r reports.Report) string {
	if t := Clean(r.Title); t != "" {
		first, size := utf8.DecodeRuneInString(t)
		return string(unicode.ToUpper(first)) + t[size:]
	}
	return "Week " + Clean(r.Week)
}

func revision(r reports.Report) string {
	if r.Revision == 0 {
		return "not written yet"
	}
	s := fmt.Sprintf("revision %d", r.Revision)
	if r.Final {
		s += ", final"
	}
	return s
}

// writer has what the words of a report need beside the words themselves.
type writer struct {
	r    reports.Report
	zone *time.Location
	days []chart.Tick // of every strip
}

// at prints an instant with its seconds, short without day of the month.
func (w writer) at(t time.Time) string    { return t.In(w.zone).Format("Mon 2 Jan 15:04:05") }
func (w writer) short(t time.Time) string { return t.In(w.zone).Format("Mon 15:04") }

func (w writer) colophon(revision string) []string {
	lines := []string{
		fmt.Sprintf("%s, %s, %s; facts known up to %s.", title(w.r), w.r.Zone, revision, w.r.MadeAt.In(w.zone).Format("Mon 2 Jan 2006 15:04:05 MST")),
	}
	if w.r.Hash != "" {
		lines = append(lines, "Facts "+Clean(w.r.Hash)+".")
	}
	var by []string
	for _, v := range []struct{ name, version string }{{"engine", w.r.Engine}, {"time zones", w.r.TZData}} {
		if v.version != "" {
			by = append(by, v.name+" "+Clean(v.version))
		}
	}
	if len(by) > 0 {
		lines = append(lines, "Computed by "+strings.Join(by, ", ")+".")
	}
	return lines
}

// method are the formulas, printed at the foot of every report.
var method = []string{ //nolint:gochecknoglobals // a constant in all but name
	"availability = good ÷ (good + bad); coverage = (good + bad) ÷ (window − excluded)",
	"proven range = good ÷ (window − excluded) to (good + unknown) ÷ (window − excluded)",
	"budget = (1 − target) × (window − excluded); left = budget − bad; worst case left = budget − bad − unknown",
	"MISSED when bad > budget; MET when bad + unknown ≤ budget; else NOT PROVEN",
	"Percentages are rounded down, lost time up. All listed outages add up to the downtime.",
	"MTTA: first page that a channel took to first acknowledgement, acknowledged incidents only. Out of hours: not Mon–Fri 08–18 in the person's zone.",
	"Latencies, and how many looks they are of, are those of the UTC days that begin in the window, as far as they were over or known when this was made.",
}
