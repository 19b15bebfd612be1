package chart

import (
	"bytes"
	"image/png"
	"strings"
	"testing"
)

// widths returns how wide the boxes of an ink are in all.
func widths(d Drawing, ink Ink) int {
	w := 0
	for _, s := range d.Shapes {
		if s.Ink == ink && s.Form != Label && s.Form != Line && s.Form != Dashed {
			w += s.W
		}
	}
	return w
}

func TestBudgetBar(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		b              Budget
		bad, unk, good bool
		line           bool
	}{
		{"untouched", Budget{Total: 100}, false, false, true, false},
		{"a second of a week", Budget{Total: 30_240_000, Spent: 1000}, true, false, true, false},
		{"some at risk", Budget{Total: 100, Spent: 20, Unproven: 10}, true, true, true, false},
		{"overspent", Budget{Total: 100, Spent: 120}, true, false, false, true},
		{"more at risk than left", Budget{Total: 100, Spent: 20, Unproven: 200}, true, true, false, true},
		{"exactly spent", Budget{Total: 100, Spent: 100}, true, false, false, false},
		{"no budget and spent", Budget{Spent: 5}, true, false, false, true},
	} {
		d := tt.b.Draw()
		if (widths(d, Bad) > 0) != tt.bad || (widths(d, Unknown) > 0) != tt.unk || (widths(d, Good) > 0) != tt.good {
			t.Errorf("%s: bad %d, unknown %d, good %d", tt.name, widths(d, Bad), widths(d, Unknown), widths(d, Good))
		}
		line := false
		for _, s := range d.Shapes {
			line = line || s.Form == Line
			if s.X < 0 || s.X+s.W > Width || s.W < 0 {
				t.Errorf("%s: a shape from %d to %d", tt.name, s.X, s.X+s.W)
			}
		}
		if line != tt.line {
			t.Errorf("%s: line %v", tt.name, line)
		}
	}
	if d := (Budget{}).Draw(); len(d.Shapes) != 1 || d.Shapes[0].Form != Frame {
		t.Errorf("without a budget: %+v", d.Shapes)
	}
}

// TestBars: what is not proven is hatched above what is, a missed week has its mark, and a week without data no bar.
func TestBars(t *testing.T) {
	t.Parallel()
	b := Bars{Objective: 950_000, Line: "95", Weeks: []Bar{
		{Label: "W1", Low: 990_000, High: 990_000}, {Label: "W2", Low: 857_100, High: million}, {Label: "W3", Low: 949_900, High: 949_900, Missed: true}, {Label: "W4", NoData: true}, {Label: "W5", Missed: true},
	}}
	d := b.Draw()
	hatched, marks, dashed := 0, 0, 0
	for _, s := range d.Shapes {
		switch s.Form {
		case Hatch:
			hatched++
		case Down:
			marks++
		case Dashed:
			dashed++
		case Solid, Frame, Line, Label:
		}
		if s.X < 0 || s.Y < 0 || s.X+s.W > d.W || s.Y+s.H > d.H || s.H < 0 {
			t.Errorf("outside: %+v", s)
		}
	}
	if hatched != 2 || marks != 2 || dashed != 1 {
		t.Errorf("%d hatched, %d marks, %d lines", hatched, marks, dashed)
	}
	for _, objective := range []int64{0, 1, 999_999, million} {
		b.Objective = objective
		_ = b.Draw() // never divides by nothing
	}
	_ = Bars{}.Draw()
	_ = Strip{}.Draw()
}

func TestSVGEscapes(t *testing.T) {
	t.Parallel()
	const evil = `</title><script>"'&`
	d := Bars{Title: evil, Desc: evil, Objective: 950_000, Line: evil, Weeks: []Bar{{Label: evil, Figure: evil, Word: evil}}}.Draw()
	svg := d.SVG("s1")
	if strings.Contains(svg, "<script") || strings.Count(svg, "<title") != 1 {
		t.Errorf("got %s", svg)
	}
	if strings.Contains(svg, "style=") {
		t.Error("an inline style, which the console's policy forbids")
	}
}

func TestPNGs(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]Drawing{
		"budget": Budget{Total: 100, Spent: 20, Unproven: 10}.Draw(),
		"strip":  Strip{Length: 100, Cells: []Cell{{0, 50, Good}, {50, 60, Bad}, {60, 80, Unknown}, {80, 100, Excluded}}, Ticks: []Tick{{0, "Mon"}}}.Draw(),
		"bars":   Bars{Objective: 950_000, Weeks: []Bar{{Low: 990_000, High: million, Label: "W1", Figure: "99.00"}, {Missed: true}}}.Draw(),
	} {
		var a, b bytes.Buffer
		if err := d.PNG(&a); err != nil {
			t.Fatal(err)
		}
		if err := d.PNG(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s is not the same twice (%v)", name, err)
		}
		img, err := png.Decode(&a)
		if err != nil || img.Bounds().Dx() != 2*560 {
			t.Fatalf("%s: %v", name, err)
		}
		colours := map[[3]uint32]bool{}
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				r, g, b, _ := img.At(x, y).RGBA()
				colours[[3]uint32{r, g, b}] = true
			}
		}
		if len(colours) < 3 {
			t.Errorf("%s has %d colours: nothing is drawn", name, len(colours))
		}
	}
}
