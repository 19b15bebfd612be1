package plain

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"keepwatch/reports"
	"keepwatch/reports/sheet"
)

// Markdown is the format for wikis, chats and pull requests. Text from outside is
// escaped, so that no name becomes a link, a heading or markup.
type Markdown struct {
	Page sheet.Page // "" prints both
}

// Name returns "markdown".
func (Markdown) Name() string { return "markdown" }

// Media returns Markdown.
func (Markdown) Media() string { return "text/markdown; charset=utf-8" }

// Ext returns ".md".
func (Markdown) Ext() string { return ".md" }

// Write implements [reports.Format].
func (m Markdown) Write(w io.Writer, r reports.Report) error {
	s, err := sheet.Of(r)
	if err != nil {
		return err
	}
	p := &marks{}
	p.f("# %s\n\n%s, %s, %s, %s\n", esc(s.Title), esc(s.Span), esc(s.Zone), esc(s.Hours), esc(s.Revision))
	if s.Pending != "" {
		p.f("\n**%s**\n", esc(s.Pending))
	}
	p.list("", s.Changes, "Changed: ")
	if len(s.Services) == 0 {
		p.f("\nNo services.\n")
	}
	for i := range s.Services {
		if m.Page != sheet.OnCall {
			p.manager(&s.Services[i])
		}
	}
	if m.Page != sheet.OnCall {
		p.people(s)
	}
	p.note(s.Note)
	for i := range s.Services {
		if m.Page != sheet.Manager {
			p.onCall(&s.Services[i])
		}
	}
	if m.Page != sheet.Manager {
		p.table(s.People)
	}
	p.f("\n---\n\n")
	p.list("How it is computed", s.Method, "")
	p.list("", s.Colophon, "")
	return emit(w, p.b.Bytes())
}

type marks struct{ b bytes.Buffer }

func (p *marks) f(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

// list writes escaped items.
func (p *marks) list(title string, items []string, before string) {
	if len(items) == 0 {
		return
	}
	if title != "" {
		p.f("%s:\n", title)
	}
	p.f("\n")
	for _, item := range items {
		p.f("- %s%s\n", before, esc(item))
	}
}

func (p *marks) table(t sheet.Table) {
	p.f("\n### %s\n\n", esc(t.Title))
	if len(t.Rows) == 0 {
		p.f("%s\n", esc(t.Empty))
		return
	}
	p.row(t.Head)
	for i := range t.Head {
		if t.Number[i] {
			p.f("| ---: ")
		} else {
			p.f("| --- ")
		}
	}
	p.f("|\n")
	for _, row := range t.Rows {
		p.row(row)
	}
}

func (p *marks) row(cells []string) {
	for _, c := range cells {
		p.f("| %s ", esc(c))
	}
	p.f("|\n")
}

func (p *marks) manager(v *sheet.Service) {
	p.f("\n## %s: %s\n\n", esc(v.Name), esc(string(v.Verdict)))
	p.f("**Availability %s**, target %s, coverage %s, proven range %s. %s\n\n", esc(v.Headline), esc(v.Target), esc(v.Coverage), esc(v.Range), esc(v.Why))
	p.f("Budget %s: spent %s (%s), ", esc(v.Budget.Total), esc(v.Budget.Spent), esc(v.Budget.Share))
	if v.Budget.AtRisk != "" {
		p.f("at risk %s, ", esc(v.Budget.AtRisk))
	}
	p.f("**left %s**", esc(v.Budget.Left))
	if v.Budget.Worst != "" {
		p.f(", worst case left %s", esc(v.Budget.Worst))
	}
	p.f("\n")
	if len(v.Trend) > 1 {
		head, figures := []string{"week"}, []string{"availability"}
		for _, t := range v.Trend {
			head, figures = append(head, t.Label), append(figures, strings.TrimSpace(t.Figure+" "+t.Word))
		}
		p.f("\n")
		p.row(head)
		p.f("%s|\n", strings.Repeat("| --- ", len(head)))
		p.row(figures)
	}
	t := sheet.Table{Title: "Worst outages", Empty: "No outages.", Head: []string{"began", "length", "of budget", "what", "people"}, Number: []bool{false, true, true, false, false}}
	for _, o := range v.Worst {
		t.Rows = append(t.Rows, []string{o.Short, o.Length, o.Share, joined(": ", o.What, o.Note), o.Acked})
	}
	p.table(t)
	if v.Rest != "" {
		p.f("\n%s\n", esc(v.Rest))
	}
	p.f("\n%s; %s\n", esc(strings.Join(v.Load, "; ")), esc(v.Soft))
	notes := v.Notes
	if v.Unseen != "" {
		notes = append([]string{v.Unseen}, notes...)
	}
	p.list("", notes, "")
}

func (p *marks) people(s sheet.Sheet) {
	if len(s.People.Rows) > 0 {
		p.f("\nPeople: %s\n", esc(s.Load))
	}
	p.list("", s.Drills, "")
}

// note quotes the team's own Markdown; markup of HTML in it stays text.
func (p *marks) note(text string) {
	if text == "" {
		return
	}
	p.f("\n## Note\n\n")
	for l := range strings.Lines(text) {
		p.f("> %s\n", strings.ReplaceAll(strings.TrimRight(visible(l), " "), "<", `\<`))
	}
}

func (p *marks) onCall(v *sheet.Service) {
	p.f("\n## %s: what happened\n", esc(v.Name))
	t := sheet.Table{Title: "Outages", Empty: "No outages.", Head: []string{"began", "length", "of budget", "what was seen", "from", "people"}, Number: []bool{false, true, true, false, false, false}}
	for _, o := range v.Outages {
		t.Rows = append(t.Rows, []string{
			joined(", ", o.When, o.Before), o.Length, o.Share,
			joined("; ", o.What, failing(o), because(o), o.Note), o.From,
			joined(", ", o.Incident, o.Rule, o.Paged, o.Acked, o.Resolved),
		})
	}
	p.table(t)
	if v.More != "" {
		p.f("\nAnd %s\n", esc(v.More))
	}
	p.f("\n%s. %s.\n", esc(v.OutageSum), esc(v.Soft))
	for _, t := range v.Tables {
		p.table(t)
	}
	gaps := sheet.Table{Title: "Unknown time", Empty: "None.", Head: []string{"first", "length", "cause"}, Number: []bool{false, true, false}}
	for _, g := range v.Unknown {
		gaps.Rows = append(gaps.Rows, []string{joined(" ", g.When, g.Times), g.Length, g.Cause})
	}
	p.table(gaps)
}

func failing(o sheet.Outage) string {
	if o.Checks == "" {
		return ""
	}
	return "failing: " + o.Checks
}

func because(o sheet.Outage) string {
	if o.Because == "" {
		return ""
	}
	return "while " + o.Because + " was down"
}

// joined joins what is not empty.
func joined(by string, parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, by)
}

func oneLine(s string) string { return sheet.Clean(s) }

// visible drops control characters of one line and keeps its spaces.
func visible(line string) string {
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	return strings.Repeat(" ", min(indent, 8)) + sheet.Clean(line)
}

// esc escapes what Markdown would read as markup. A colon before slashes and the
// dot after www keep addresses from becoming links by themselves.
func esc(s string) string {
	s = escaper.Replace(sheet.Clean(s))
	if s != "" && strings.ContainsAny(s[:1], "+-=#0123456789") && len(s) > 0 {
		return guardStart(s)
	}
	return s
}

// guardStart keeps the start of a paragraph from being a list or a rule.
func guardStart(s string) string {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits == 0 {
		return `\` + s
	}
	if rest := s[digits:]; rest != "" && (rest[0] == '.' || rest[0] == ')') && (len(rest) == 1 || rest[1] == ' ') {
		return s[:digits] + `\` + rest
	}
	return s
}

var escaper = strings.NewReplacer( //nolint:gochecknoglobals // safe for concurrent use and never changed
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`,
	"#", `\#`, "|", `\|`, "~", `\~`, "&", `\&`, "$", `\$`, "!", `\!`, "://", `\://`, "www.", `www\.`, "WWW.", `WWW\.`, "@", `\@`,
)
