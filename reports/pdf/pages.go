package pdf

import (
	"strings"

	"keepwatch/reports/chart"
	"keepwatch/reports/sheet"
)

// Sizes of letters in points.
const (
	big    = 14.0
	medium = 10.5
	normal = 9.0
	small  = 7.5
)

func (p *paper) head(s sheet.Sheet) {
	p.say("B", big, chart.Text, s.Title)
	p.say("", small, chart.Faint, s.Span+" "+s.Zone+" ("+s.Hours+"), "+s.Revision)
	p.say("B", normal, chart.Text, s.Pending)
	for _, c := range s.Changes {
		p.say("", small, chart.Text, "Changed: "+c)
	}
	if len(s.Services) == 0 {
		p.Ln(3)
		p.say("", normal, chart.Text, "No services.")
	}
}

func (p *paper) manager(s sheet.Sheet) {
	for i := range s.Services {
		p.summary(&s.Services[i])
	}
	p.title("People")
	p.say("", normal, chart.Text, s.Load)
	for _, d := range s.Drills {
		p.say("", normal, chart.Text, d)
	}
	if s.Note != "" {
		p.title("Note")
		for l := range strings.Lines(s.Note) {
			p.say("", normal, chart.Text, strings.TrimSpace(l))
		}
	}
	p.Ln(2)
	for _, m := range append(append([]string{}, s.Method...), s.Colophon...) {
		p.say("", 6.5, chart.Faint, m)
	}
}

func (p *paper) title(text string) {
	p.room(12)
	p.Ln(1.5)
	p.say("B", medium, chart.Text, text)
}

// summary is one service on the manager's page.
func (p *paper) summary(v *sheet.Service) {
	p.room(70)
	p.Ln(2)
	p.say("B", medium, chart.Text, v.Name)
	p.verdict(v)
	p.draw(v.Bar.Draw())
	risk, worst := "", ""
	if v.Budget.AtRisk != "" {
		risk, worst = "   at risk "+v.Budget.AtRisk, ", worst case "+v.Budget.Worst
	}
	p.say("", small, chart.Text, "spent "+v.Budget.Spent+" ("+v.Budget.Share+")"+risk+"   left "+v.Budget.Left+worst+"   budget "+v.Budget.Total)
	if len(v.Trend) > 1 {
		p.draw(v.Weeks.Draw())
	}
	p.say("B", small, chart.Faint, "Worst outages ("+v.OutageSum+")")
	for _, o := range v.Worst {
		p.room(9)
		p.say("", normal, chart.Text, o.Short+"   "+o.Length+"   "+o.Share+"   "+o.What)
		p.say("", small, chart.Faint, joined("; ", o.Acked, o.Note))
	}
	p.say("", small, chart.Faint, v.Rest)
	p.say("", small, chart.Faint, strings.Join(v.Load, "; ")+"; "+joined("; ", v.Soft, v.Visitors))
	p.draw(v.Strip.Draw())
	p.say("", 6.5, chart.Faint, "Each hour: low, good; tall, some of it down; hatched, nobody saw some of it; empty, excluded.")
	p.say("", small, chart.Text, v.Unseen)
	for _, n := range v.Notes {
		p.say("", small, chart.Text, n)
	}
}

// verdict is the word in its box, the figure, and what belongs to it.
func (p *paper) verdict(v *sheet.Service) {
	ink := chart.Unknown
	switch v.Tone {
	case sheet.ToneMet:
		ink = chart.Good
	case sheet.ToneMissed:
		ink = chart.Bad
	case sheet.ToneUnproven:
	}
	p.font("B", medium, ink)
	r, g, b := ink.RGB()
	p.SetFillColor(int(r), int(g), int(b))
	p.SetTextColor(0xff, 0xff, 0xff)
	word := string(v.Verdict)
	p.CellFormat(p.GetStringWidth(word)+6, 6.5, word, "", 0, "C", true, 0, "")
	p.font("B", big, chart.Text)
	p.CellFormat(0, 6.5, "  "+p.text(v.Headline), "", 1, "L", false, 0, "")
	experienced := ""
	if v.Experienced != "" {
		experienced = "as experienced " + v.Experienced
	}
	p.say("", small, chart.Faint, joined(", ", "target "+v.Target, "coverage "+v.Coverage, "proven range "+v.Range, experienced)+". "+v.Why)
}

func (p *paper) onCall(s sheet.Sheet) {
	for i := range s.Services {
		v := &s.Services[i]
		p.title(v.Name + ": what happened")
		p.say("", small, chart.Text, string(v.Verdict)+", "+v.Headline+"; "+v.OutageSum+"; "+joined("; ", v.Soft, v.Visitors))
		t := sheet.Table{Title: "Outages", Empty: "None.", Head: []string{"began", "length", "of budget", "what was seen first", "people"}, Number: []bool{false, true, true, false, false}}
		for _, o := range v.Outages {
			t.Rows = append(t.Rows, []string{
				joined(", ", o.When, o.Before), o.Length, o.Share,
				joined("; ", o.What, prefixed("from ", o.From), prefixed("failing: ", o.Checks), prefixed("because of ", o.Because), o.Note),
				joined(", ", o.Acked, o.Paged, o.Resolved, o.Rule, o.Incident),
			})
		}
		p.table(t, []float64{30, 16, 17, 70, 53})
		if v.More != "" {
			p.say("", small, chart.Text, "And "+v.More)
		}
		for _, t := range v.Tables {
			p.table(t, nil)
		}
		gaps := sheet.Table{Title: "Unknown time", Empty: "None.", Head: []string{"first", "length", "cause"}, Number: []bool{false, true, false}}
		for _, g := range v.Unknown {
			gaps.Rows = append(gaps.Rows, []string{joined(" ", g.When, g.Times), g.Length, g.Cause})
		}
		p.table(gaps, []float64{45, 20, 121})
	}
	p.table(s.People, nil)
}

func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// joined joins what is not empty.
func joined(by string, parts ...string) string {
	var some []string
	for _, part := range parts {
		if part != "" {
			some = append(some, part)
		}
	}
	return strings.Join(some, by)
}

// table writes rows whose cells are broken into lines; widths in millimetres, nil
// shares the page out: the first column and those of words have more.
func (p *paper) table(t sheet.Table, widths []float64) {
	p.title(t.Title)
	if len(t.Rows) == 0 {
		p.say("", small, chart.Text, t.Empty)
		return
	}
	if widths == nil {
		widths = shares(t.Number)
	}
	p.row(t.Head, widths, t.Number, "B", chart.Faint)
	for _, row := range t.Rows {
		p.row(row, widths, t.Number, "", chart.Text)
	}
}

func shares(number []bool) []float64 {
	const words, figures = 2.0, 1.0
	sum, out := 0.0, make([]float64, len(number))
	for i, n := range number {
		if out[i] = words; n {
			out[i] = figures
		}
		sum += out[i]
	}
	for i := range out {
		out[i] *= width / sum
	}
	return out
}

// linesMost bounds one cell: no text from outside fills a page.
const linesMost = 12

func (p *paper) row(cells []string, widths []float64, number []bool, style string, ink chart.Ink) {
	const line = 3.4
	p.font(style, small, ink)
	broken, most := make([][]string, len(cells)), 1
	for i, c := range cells {
		broken[i] = p.SplitText(p.text(c), widths[i]-1)
		if n := len(broken[i]); n > linesMost {
			broken[i] = append(broken[i][:linesMost-1:linesMost-1], "…")
		}
		most = max(most, len(broken[i]))
	}
	p.room(float64(most)*line + 1)
	x, y := margin, p.GetY()
	for i := range cells {
		align := "L"
		if number[i] {
			align = "R"
		}
		for k, text := range broken[i] {
			p.SetXY(x, y+float64(k)*line)
			p.CellFormat(widths[i]-1, line, text, "", 0, align, false, 0, "")
		}
		x += widths[i]
	}
	y += float64(most)*line + 0.6
	r, g, b := chart.Track.RGB()
	p.SetDrawColor(int(r), int(g), int(b))
	p.SetLineWidth(0.15)
	p.Line(margin, y, margin+width, y)
	p.SetXY(margin, y+0.4)
}
