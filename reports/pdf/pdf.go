// Package pdf writes a report as A4 pages: the manager's page first, then
// everything that happened. It prints what package sheet says.
//
// Equal reports give equal bytes: dates are the report's own. The font is Go's own
// (Latin, Greek and Cyrillic); a character that it lacks is printed as its code
// point, like <U+5F20>, rather than as nothing.
package pdf

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"

	"keepwatch/reports"
	"keepwatch/reports/chart"
	"keepwatch/reports/sheet"
)

// PDF is the format for paper and for the archive.
type PDF struct {
	Page sheet.Page // "" prints both
}

// Name returns "pdf".
func (PDF) Name() string { return "pdf" }

// Media returns PDF.
func (PDF) Media() string { return "application/pdf" }

// Ext returns ".pdf".
func (PDF) Ext() string { return ".pdf" }

// Lengths in millimetres.
const (
	margin = 12.0
	width  = 210 - 2*margin
	height = 297.0
)

// Write implements [reports.Format].
func (f PDF) Write(w io.Writer, r reports.Report) error {
	s, err := sheet.Of(r)
	if err != nil {
		return err
	}
	known, err := letters()
	if err != nil {
		return err
	}
	p := &paper{Fpdf: fpdf.New("P", "mm", "A4", ""), known: known}
	p.SetCreationDate(r.MadeAt.UTC())
	p.SetModificationDate(r.MadeAt.UTC())
	p.SetCatalogSort(true)
	p.SetProducer("Keepwatch", true)
	p.SetLang("en")
	p.SetTitle(p.text(s.Title), true)
	p.AddUTF8FontFromBytes("go", "", goregular.TTF)
	p.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(true, margin+4)
	foot := p.text(s.Title + ", " + s.Revision)
	p.SetFooterFunc(func() {
		p.SetY(-margin)
		p.font("", 7, chart.Faint)
		p.CellFormat(width, 4, fmt.Sprintf("%s, page %d", foot, p.PageNo()), "", 0, "R", false, 0, "")
	})
	p.AddPage()
	p.head(s)
	if f.Page != sheet.OnCall {
		p.manager(s)
	}
	if f.Page != sheet.Manager && len(s.Services) > 0 {
		if f.Page == "" {
			p.AddPage()
		}
		p.onCall(s)
	}
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		return fmt.Errorf("write pdf: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// paper is a document being written. The library keeps its first error for Output.
type paper struct {
	*fpdf.Fpdf
	known *sfnt.Font
}

// letters is the font's table of characters, parsed once and then only read.
var letters = sync.OnceValues(func() (*sfnt.Font, error) { //nolint:gochecknoglobals // never changed once made
	f, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("parse font: %w", err)
	}
	return f, nil
})

// text is a text that the font can show.
func (p *paper) text(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && r >= ' ' && r < 0x7f
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range sheet.Clean(s) {
		if i, err := p.known.GlyphIndex(nil, r); err == nil && i != 0 && r < 0xFFFF {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "<U+%04X>", r)
	}
	return b.String()
}

// font sets size (in points) and colour.
func (p *paper) font(style string, size float64, ink chart.Ink) {
	p.SetFont("go", style, size)
	r, g, b := ink.RGB()
	p.SetTextColor(int(r), int(g), int(b))
}

// say writes a paragraph.
func (p *paper) say(style string, size float64, ink chart.Ink, text string) {
	if text == "" {
		return
	}
	p.font(style, size, ink)
	p.MultiCell(width, size*0.46, p.text(text), "", "L", false)
}

// room breaks the page unless so many millimetres are left.
func (p *paper) room(mm float64) {
	if p.GetY()+mm > height-margin-4 {
		p.AddPage()
	}
}

// draw draws a chart over the whole width.
func (p *paper) draw(d chart.Drawing) {
	const k = width / float64(chart.Width)
	h := float64(d.H) * k
	p.room(h)
	x0, y0 := margin, p.GetY()
	p.SetLineWidth(0.25)
	for _, s := range d.Shapes {
		x, y, w, h := x0+float64(s.X)*k, y0+float64(s.Y)*k, float64(s.W)*k, float64(s.H)*k
		r, g, b := s.Ink.RGB()
		p.SetFillColor(int(r), int(g), int(b))
		p.SetDrawColor(int(r), int(g), int(b))
		switch s.Form {
		case chart.Solid:
			p.Rect(x, y, w, h, "F")
		case chart.Frame:
			p.Rect(x, y, w, h, "D")
		case chart.Hatch:
			p.hatch(x, y, w, h)
		case chart.Line:
			p.Line(x, y, x+w, y+h)
		case chart.Dashed:
			p.SetDashPattern([]float64{1.5, 1}, 0)
			p.Line(x, y, x+w, y+h)
			p.SetDashPattern([]float64{}, 0)
		case chart.Down:
			p.Polygon([]fpdf.PointType{{X: x, Y: y}, {X: x + w, Y: y}, {X: x + w/2, Y: y + h}}, "F")
		case chart.Label:
			p.label(s, x, y, k)
		}
	}
	p.SetXY(x0, y0+h+0.5)
}

// hatch fills a box with lines, cut at its edges.
func (p *paper) hatch(x, y, w, h float64) {
	p.ClipRect(x, y, w, h, true)
	for at := 0.0; at < w+h; at += 1.4 {
		p.Line(x+at, y, x+at-h, y+h)
	}
	p.ClipEnd()
}

func (p *paper) label(s chart.Shape, x, y, k float64) {
	style := ""
	if s.Bold {
		style = "B"
	}
	p.font(style, float64(s.Size)*k*72/25.4, s.Ink)
	text := p.text(s.Text)
	switch s.Anchor {
	case chart.Middle:
		x -= p.GetStringWidth(text) / 2
	case chart.End:
		x -= p.GetStringWidth(text)
	case chart.Start:
	}
	p.Text(x, y, text)
}
