package chart

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// inkNames are the classes of shapes; the page's style sheet gives them colour.
var inkNames = map[Ink]string{ //nolint:gochecknoglobals // a constant in all but name
	Good: "kg", Bad: "kb", Unknown: "ku", Excluded: "kx", Text: "kt", Faint: "kf", Track: "kr",
}

// SVG writes the drawing as markup for an HTML page. id begins every id in it, so
// that a page may hold several; it must be a word of letters and digits. Colours
// come from the classes kg, kb, ku, kx, kt, kf and kr of the page. All text is escaped.
func (d Drawing) SVG(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" role="img" viewBox="0 0 %s %s" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		dec(d.W), dec(d.H), id, id, id, html.EscapeString(d.Title), id, html.EscapeString(d.Desc))
	for _, s := range d.Shapes {
		if s.Form == Hatch {
			fmt.Fprintf(&b, `<defs><pattern id="%s-h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="ku" d="M0 0V6" stroke-width="3"/></pattern></defs>`, id)
			break
		}
	}
	for _, s := range d.Shapes {
		s.svg(&b, id)
	}
	b.WriteString("</svg>")
	return b.String()
}

func (s Shape) svg(b *strings.Builder, id string) {
	class := inkNames[s.Ink]
	switch s.Form {
	case Solid:
		fmt.Fprintf(b, `<path class="%s" d="M%s %sh%sv%sh-%sz"/>`, class, dec(s.X), dec(s.Y), dec(s.W), dec(s.H), dec(s.W))
	case Hatch:
		fmt.Fprintf(b, `<rect class="ku" x="%s" y="%s" width="%s" height="%s" fill="url(#%s-h)"/>`, dec(s.X+5), dec(s.Y+5), dec(max(s.W-10, 1)), dec(max(s.H-10, 1)), id)
	case Frame:
		fmt.Fprintf(b, `<rect class="kx" x="%s" y="%s" width="%s" height="%s" fill="none"/>`, dec(s.X+5), dec(s.Y+5), dec(max(s.W-10, 1)), dec(max(s.H-10, 1)))
	case Line, Dashed:
		dash := ""
		if s.Form == Dashed {
			dash = ` stroke-dasharray="5 3"`
		}
		fmt.Fprintf(b, `<path class="%s line" d="M%s %sL%s %s"%s/>`, class, dec(s.X), dec(s.Y), dec(s.X+s.W), dec(s.Y+s.H), dash)
	case Down:
		fmt.Fprintf(b, `<path class="%s" d="M%s %sh%sl-%s %sz"/>`, class, dec(s.X), dec(s.Y), dec(s.W), dec(s.W/2), dec(s.H))
	case Label:
		anchor, weight := "", ""
		switch s.Anchor {
		case Middle:
			anchor = ` text-anchor="middle"`
		case End:
			anchor = ` text-anchor="end"`
		case Start:
		}
		if s.Bold {
			weight = ` font-weight="700"`
		}
		fmt.Fprintf(b, `<text class="%s" x="%s" y="%s" font-size="%s"%s%s>%s</text>`, class, dec(s.X), dec(s.Y), dec(s.Size), anchor, weight, html.EscapeString(s.Text))
	}
}

// dec prints tenths as a decimal, the shortest way.
func dec(tenths int) string {
	sign := ""
	if tenths < 0 {
		sign, tenths = "-", -tenths
	}
	if tenths%px == 0 {
		return sign + strconv.Itoa(tenths/px)
	}
	return sign + strconv.Itoa(tenths/px) + "." + strconv.Itoa(tenths%px)
}

// trimZeros prints a whole part and four decimals without zeros at the end.
func trimZeros(whole, decimals int64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%04d", whole, decimals), "0"), ".")
}
