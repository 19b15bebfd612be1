package plain

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"keepwatch/reports"
	"keepwatch/reports/sheet"
)

// CSV is the format for spreadsheets: one row a service, and under it one row for
// each outage, each unknown stretch and each exclusion. Text that a spreadsheet
// would take for a formula begins with an apostrophe.
type CSV struct{}

// Name returns "csv".
func (CSV) Name() string { return "csv" }

// Media returns CSV.
func (CSV) Media() string { return "text/csv; charset=utf-8; header=present" }

// Ext returns ".csv".
func (CSV) Ext() string { return ".csv" }

// csvHead are the columns; later versions add at the end only.
var csvHead = []string{ //nolint:gochecknoglobals // a constant in all but name
	"record", "window", "zone", "revision", "service", "from", "to", "ms", "cause", "checks", "locations", "incident", "ack_by", "ack_s",
	"verdict", "objective_ppm", "availability", "coverage", "availability_low", "availability_high", "availability_experienced",
	"good_ms", "bad_ms", "unknown_ms", "excluded_ms", "budget_ms", "spent_ms", "remaining_ms", "incidents", "pages", "mtta_s", "soft_failures",
	"facts_sha256",
}

// Write implements [reports.Format].
func (CSV) Write(w io.Writer, r reports.Report) error {
	out := csv.NewWriter(w)
	t := &table{r: r, out: out}
	t.row(csvHead)
	for i := range r.Services {
		t.service(&r.Services[i])
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type table struct {
	r   reports.Report
	out *csv.Writer
}

// row writes cells; the writer keeps its first error until the end.
func (t *table) row(cells []string) { _ = t.out.Write(cells) }

// fact writes one row: what all rows have, then the rest, filled up.
func (t *table) fact(record, service string, from, to time.Time, rest ...string) {
	window := t.r.Week
	if window == "" {
		window = t.r.Title
	}
	cells := []string{record, safe(window), safe(t.r.Zone), strconv.Itoa(t.r.Revision), safe(service), stamp(from), stamp(to)}
	cells = append(cells, rest...)
	for len(cells) < len(csvHead) {
		cells = append(cells, "")
	}
	t.row(cells)
}

func (t *table) service(s *reports.ServiceReport) {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	t.fact("service", s.Name, t.r.From, t.r.To, n(t.r.To.Sub(t.r.From).Milliseconds()), "", "", "", "", "", "",
		safe(string(s.Verdict)), n(s.ObjectivePPM), safe(s.Availability), safe(s.Coverage), safe(s.AvailabilityLow), safe(s.AvailabilityHigh), safe(s.Experienced),
		n(s.GoodMs), n(s.BadMs), n(s.UnknownMs), n(s.ExcludedMs), n(s.BudgetMs), n(s.SpentMs), n(s.RemainingMs),
		strconv.Itoa(s.Incidents), strconv.Itoa(s.Pages), maybe(s.MTTA), strconv.Itoa(s.SoftFailures), safe(t.r.Hash))
	for _, o := range s.Outages {
		t.fact("outage", s.Name, o.From, o.To, n(o.Ms), safe(o.Cause), list(o.Checks), list(o.Locations), safe(o.Incident), safe(o.AckBy), maybe(o.AckS))
	}
	for _, g := range s.Gaps {
		t.fact("unknown", s.Name, g.From, g.To, n(g.Ms), safe(g.Cause))
	}
	for _, x := range s.Exclusions {
		why := x.Kind + ": " + x.Reason + " (" + x.Author
		if x.Approver != "" {
			why += ", approved by " + x.Approver
		}
		t.fact("excluded", s.Name, x.From, x.To, n(x.CountedMs), safe(why+")"))
	}
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// maybe prints a number that may be absent.
func maybe(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func list(all []string) string { return safe(strings.Join(all, " ")) }

// safe makes a text harmless in a spreadsheet: one line, and no formula. The full-width
// signs are taken for the plain ones by some programs.
func safe(text string) string {
	text = sheet.Clean(text)
	if text != "" && strings.ContainsAny(text[:1], "=+-@|%") || strings.HasPrefix(text, "＝") || strings.HasPrefix(text, "＋") ||
		strings.HasPrefix(text, "－") || strings.HasPrefix(text, "＠") || strings.HasPrefix(text, "−") {
		return "'" + text
	}
	return text
}
