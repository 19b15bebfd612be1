package alerting

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Postmortem writes what is known of an incident as Markdown: facts, timeline and
// pages, and headings for what only people know. Times are in zone; nil is UTC.
// Texts of answers and people are written so that they cannot become Markdown.
func Postmortem(inc Incident, entries []Entry, pages []Page, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	w := &markdown{zone: zone}
	w.line("# Incident %s", plainText(inc.Service))
	w.line("")
	w.line("%s", plainText(inc.Summary))
	w.line("")
	w.facts(inc, pages)
	w.line("## Timeline")
	w.line("")
	w.line("| time (%s) | what | who |", zone)
	w.line("|---|---|---|")
	for _, e := range w.merge(inc, entries, pages) {
		w.line("| %s | %s | %s |", w.at(e.At), plainText(e.Text), plainText(e.Person))
	}
	w.line("")
	for _, heading := range []string{"What people saw", "Why it happened", "What went well", "What to change"} {
		w.line("## %s", heading)
		w.line("")
		w.line("(to be written)")
		w.line("")
	}
	return w.out.String()
}

type markdown struct {
	out  strings.Builder
	zone *time.Location
}

func (w *markdown) line(format string, args ...any) {
	fmt.Fprintf(&w.out, format+"\n", args...)
}

func (w *markdown) at(t time.Time) string { return t.In(w.zone).Format("2006-01-02 15:04:05") }

func (w *markdown) facts(inc Incident, pages []Page) {
	row := func(name, value string) { w.line("| %s | %s |", name, value) }
	since := func(t time.Time) string {
		if t.IsZero() {
			return "not yet"
		}
		return w.at(t) + " (" + t.Sub(inc.Started).Round(time.Second).String() + " after it began)"
	}
	w.line("| | |")
	w.line("|---|---|")
	row("incident", plainText(inc.ID))
	row("began", w.at(inc.Started))
	row("confirmed", since(inc.Opened))
	first, acknowledged := since(firstAccepted(pages)), since(inc.Acknowledged)
	over := !inc.Resolved.IsZero()
	if over && firstAccepted(pages).IsZero() {
		first = "none"
	}
	row("first page accepted", first)
	switch {
	case inc.AckBy != "":
		acknowledged += " by " + plainText(inc.AckBy)
	case over && inc.Acknowledged.IsZero():
		acknowledged = "by nobody when it ended" // it may have been given back
	}
	row("acknowledged", acknowledged)
	row("resolved", since(inc.Resolved))
	row("failing checks", plainText(strings.Join(inc.Checks, ", ")))
	w.line("")
}

// firstAccepted is when the first page that was to wake somebody was taken; zero
// when none was.
func firstAccepted(pages []Page) time.Time {
	var first time.Time
	for _, p := range pages {
		if p.Action == Trigger && !p.AcceptedAt.IsZero() && (first.IsZero() || p.AcceptedAt.Before(first)) {
			first = p.AcceptedAt
		}
	}
	return first
}

// merge puts how the pages stand among the entries, by time.
func (w *markdown) merge(inc Incident, entries []Entry, pages []Page) []Entry {
	out := slices.Clone(entries)
	for _, p := range pages {
		at := p.AcceptedAt
		if at.IsZero() {
			at = p.Created
		}
		out = append(out, Entry{At: at, Seq: p.Seq, Person: p.Person, Text: string(p.Action) + " through " + p.Channel + ": " + p.Status(inc, pages, w.zone)})
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	return out
}

// plainText keeps a text from becoming Markdown or breaking a table.
func plainText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "#", `\#`,
	).Replace(s)
}
