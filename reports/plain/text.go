// Package plain writes a report as text for terminals and mail, as Markdown for
// wikis and chats, and as CSV for spreadsheets. It prints what package sheet says.
package plain

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"keepwatch/reports"
	"keepwatch/reports/sheet"
)

const (
	columns = 80
	label   = 13 // width of the left column
)

// Text is the format for terminals and mail: at most 80 columns.
type Text struct {
	Page sheet.Page // "" prints both
}

// Name returns "text".
func (Text) Name() string { return "text" }

// Media returns plain text.
func (Text) Media() string { return "text/plain; charset=utf-8" }

// Ext returns ".txt".
func (Text) Ext() string { return ".txt" }

// Write implements [reports.Format].
func (t Text) Write(w io.Writer, r reports.Report) error {
	s, err := sheet.Of(r)
	if err != nil {
		return err
	}
	p := &page{}
	p.head(s)
	for i := range s.Services {
		p.service(&s.Services[i], t.Page)
	}
	p.foot(s, t.Page)
	return emit(w, p.b.Bytes())
}

func emit(w io.Writer, body []byte) error {
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// page is a text report being written.
type page struct{ b bytes.Buffer }

// line writes one line: a label, and words that stay together, put onto further
// lines where they do not fit. A word that is longer than a line is broken at its spaces.
func (p *page) line(name string, words ...string) {
	name = sheet.Shorten(name, label-1)
	start := p.b.Len()
	p.b.WriteString(name + strings.Repeat(" ", label-sheet.Columns(name)))
	used, first := label, true
	for _, word := range words {
		for i, part := range wrap(word, columns-label) {
			n := sheet.Columns(part)
			switch {
			case first:
			case i > 0 || used+3+n > columns:
				p.b.WriteString("\n" + strings.Repeat(" ", label))
				used = label
			default:
				p.b.WriteString("   ")
				used += 3
			}
			p.b.WriteString(part)
			used, first = used+n, false
		}
	}
	if first { // nothing but the label
		p.b.Truncate(start + len(name))
	}
	p.b.WriteByte('\n')
}

// wrap breaks a text into lines of at most n columns; nothing for nothing.
func wrap(text string, n int) []string {
	if text == "" {
		return nil
	}
	if sheet.Columns(text) <= n {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		word = sheet.Shorten(word, n)
		switch {
		case line == "":
			line = word
		case sheet.Columns(line)+1+sheet.Columns(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	const most = 6 // a text from outside may be long; what it begins with tells most
	if lines = append(lines, line); len(lines) > most {
		lines = append(lines[:most-1], sheet.Shorten(lines[most-1]+strings.Repeat(" ", n)+"…", n))
		lines[most-1] = strings.TrimRight(strings.TrimSuffix(lines[most-1], "…"), " ") + "…"
	}
	return lines
}

// plain writes a paragraph over the whole width.
func (p *page) plain(text string) {
	for _, l := range wrap(text, columns) {
		p.b.WriteString(l + "\n")
	}
}

func (p *page) head(s sheet.Sheet) {
	p.plain(s.Title + "   " + s.Hours + "   " + s.Revision)
	p.plain(s.Span)
	p.plain(s.Zone)
	p.plain(s.Pending)
	for _, c := range s.Changes {
		p.plain("Changed: " + c)
	}
	if len(s.Services) == 0 {
		p.b.WriteString("\nNo services.\n")
	}
}

func (p *page) service(v *sheet.Service, only sheet.Page) {
	p.b.WriteString("\n" + sheet.Shorten(v.Name, columns) + "\n")
	p.line(string(v.Verdict), "availability "+v.Headline, "target "+v.Target, "coverage "+v.Coverage, "proven range "+v.Range, v.Why)
	worst := ""
	if v.Budget.Worst != "" {
		worst = "worst case left " + v.Budget.Worst
	}
	p.line("budget", v.Budget.Total, fmt.Sprintf("spent %s (%s)", v.Budget.Spent, v.Budget.Share), "left "+v.Budget.Left, worst)
	if len(v.Trend) > 1 {
		var words []string
		for _, t := range v.Trend {
			words = append(words, strings.TrimSpace(t.Label+" "+t.Figure+" "+t.Word))
		}
		p.line("trend", words...)
	}
	if only != sheet.OnCall {
		p.worst(v)
	}
	if only == sheet.Manager || len(v.Outages) == 0 {
		p.line("outages", v.OutageSum)
	}
	if only == sheet.Manager {
		p.line("people", v.Load...)
	}
	p.unknown(v)
	experienced := ""
	if v.Experienced != "" {
		experienced = "availability as experienced " + v.Experienced
	}
	p.line("excluded", v.Excluded, experienced)
	p.line("retries", v.Soft, v.Visitors)
	if only != sheet.OnCall {
		for i, n := range v.Notes {
			p.line(first(i, "notes"), n)
		}
	}
	if only != sheet.Manager {
		p.line("people", v.Load...)
		p.onCall(v)
	}
}

func first(i int, label string) string {
	if i == 0 {
		return label
	}
	return ""
}

func (p *page) worst(v *sheet.Service) {
	for i, o := range v.Worst {
		p.line(first(i, "worst"), o.Short, o.Length, o.Share, o.What, o.Acked, o.Note)
	}
	if v.Rest != "" {
		p.line("", v.Rest)
	}
}

func (p *page) unknown(v *sheet.Service) {
	if len(v.Unknown) == 0 {
		p.line("unknown", noneOr(v.UnknownMs))
		return
	}
	p.line("unknown", v.UnknownMs)
	for _, g := range v.Unknown {
		p.line("", g.When, g.Length, g.Times, g.Cause)
	}
}

// noneOr is for time that no gap explains, which would be a mistake worth seeing.
func noneOr(clock string) string {
	if clock == sheet.Clock(0, sheet.Up) {
		return "none"
	}
	return clock
}

// onCall writes everything that happened.
func (p *page) onCall(v *sheet.Service) {
	if len(v.Outages) > 0 {
		p.line("outages", v.OutageSum)
	}
	for _, o := range v.Outages {
		from, failing, because, note := "", "", "", ""
		if o.From != "" {
			from = "from " + o.From
		}
		if o.Checks != "" {
			failing = "failing: " + o.Checks
		}
		if o.Because != "" {
			because = "while " + o.Because + " was down"
		}
		if o.Note != "" {
			note = "note: " + o.Note
		}
		p.line("", o.When, o.Length, o.Share, o.Before, o.What, from, failing, because, o.Incident, o.Rule, o.Paged, o.Acked, o.Resolved, note)
	}
	if v.More != "" {
		p.line("", "and "+v.More)
	}
	for _, t := range v.Tables {
		p.table(t)
	}
}

// table writes rows as words: a terminal of 80 columns holds no wide table.
func (p *page) table(t sheet.Table) {
	if len(t.Rows) == 0 {
		return // the head of a terminal report is short; the pages say "none"
	}
	p.plain(t.Title)
	for _, row := range t.Rows {
		words := []string{row[0]}
		for i, cell := range row[1:] {
			words = append(words, strings.TrimSpace(t.Head[i+1]+" "+cell))
		}
		p.line("", words...)
	}
}

func (p *page) foot(s sheet.Sheet, only sheet.Page) {
	p.b.WriteByte('\n')
	if len(s.People.Rows) > 0 {
		p.line("load", s.Load)
		if only != sheet.Manager {
			p.table(s.People)
		}
	}
	for i, d := range s.Drills {
		p.line(first(i, "drill"), d)
	}
	if s.Note != "" {
		p.plain("Note")
		for l := range strings.Lines(s.Note) {
			p.line("", oneLine(l))
		}
	}
	p.plain("How it is computed")
	for _, m := range s.Method {
		p.plain(m)
	}
	for _, c := range s.Colophon {
		p.plain(c)
	}
}
