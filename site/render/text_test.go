package render

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"testing"

	"keepwatch/site/render/plane"
)

// flat is a picture of one colour as planes.
func flat(w, h int, c color.Color) []plane.Plane {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return split(m).shrunk(max(w, h), 0)
}

// changed is the rectangle of samples that are not v, and the lowest and highest
// of them.
func changed(p plane.Plane, v uint8) (r image.Rectangle, low, high uint8) {
	low, high = 255, 0
	for y := range p.H {
		for x, got := range p.Row(y) {
			if got != v {
				r = r.Union(image.Rect(x, y, x+1, y+1))
				low, high = min(low, got), max(high, got)
			}
		}
	}
	return r, low, high
}

func TestText(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		under color.Color
		white bool
	}{
		"dark grey": {color.Gray{Y: 90}, true}, "light grey": {color.Gray{Y: 110}, false}, "black": {color.Black, true}, "white": {color.White, false},
		"red":        {color.RGBA{255, 0, 0, 255}, true}, // bright, but not green
		"magenta":    {color.RGBA{255, 60, 255, 255}, true},
		"violet":     {color.RGBA{100, 80, 255, 255}, true},
		"dark green": {color.RGBA{0, 130, 0, 255}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planes := flat(501, 333, tt.under)
			before := planes[0].Pix[0]
			mark(planes, "© 2026 Ada — Grüße")
			r, low, high := changed(planes[0], before)
			if tt.white && high < 240 || !tt.white && low > 15 {
				t.Errorf("the text is between %d and %d, want white: %v", low, high, tt.white)
			}
			// The box of the line is 19 pixels high; letters do not fill it.
			if r.Max.X > 481 || r.Max.X < 475 || r.Max.Y > 313 || r.Max.Y < 305 || r.Min.Y < 313-19 || r.Dx() < 100 || r.Dx() > 180 {
				t.Errorf("the text is at %v of a picture of 501x333", r)
			}
			for i, c := range planes[1:] {
				if cr, _, _ := changed(c, c.Pix[0]); !cr.Empty() && (cr.Max.X > 241 || cr.Max.Y > 157) {
					t.Errorf("colour plane %d is changed at %v", i+1, cr)
				}
			}
		})
	}
}

func TestTextWithoutRoom(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		w, h int
		text string
	}{
		"too long":        {401, 300, strings.Repeat("mm", 40)},
		"too low":         {500, 30, "© ada"},
		"far too long":    {1920, 60, strings.Repeat("i", 100_000)},
		"nothing":         {500, 300, " \n\t"},
		"not for reading": {500, 300, "\x00\x07\u202e"},
	} {
		planes := flat(tt.w, tt.h, color.White)
		before := bytes.Clone(planes[0].Pix)
		mark(planes, tt.text)
		if !bytes.Equal(planes[0].Pix, before) {
			t.Errorf("%s: the picture is changed", name)
		}
	}
}

// Text is drawn above 400 pixels only, upright at the lower right of the picture
// as it is shown.
func TestTextSizesAndTurns(t *testing.T) {
	t.Parallel()
	var data bytes.Buffer
	m := image.NewGray(image.Rect(0, 0, 900, 500)) // black; the page is kept grey
	if err := png.Encode(&data, m); err != nil {
		t.Fatal(err)
	}
	for _, edge := range Edges() {
		for _, rotation := range []int{0, 90} {
			img := render(t, data.Bytes(), Spec{Edge: edge, Rotation: rotation, Text: "Ada Lovelace"})
			b := img.Bounds()
			lit := image.Rectangle{}
			for y := range b.Dy() {
				for x := range b.Dx() {
					if r, _, _, _ := img.At(x, y).RGBA(); r > 0x8000 {
						lit = lit.Union(image.Rect(x, y, x+1, y+1))
					}
				}
			}
			if edge < 400 {
				if !lit.Empty() {
					t.Errorf("edge %d: text at %v", edge, lit)
				}
				continue
			}
			if lit.Dx() < 70 || lit.Dy() > 19 || b.Max.X-lit.Max.X < 19 || b.Max.X-lit.Max.X > 24 || b.Max.Y-lit.Max.Y < 19 || b.Max.Y-lit.Max.Y > 28 {
				t.Errorf("edge %d, rotation %d: text at %v of %v", edge, rotation, lit, b)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	base := Picture{Content: "abc", Text: "© ada"}
	vary := func(change func(*Picture)) Picture { p := base; change(&p); return p }
	different := map[string]string{
		"":            base.Key(640),
		"edge":        base.Key(800),
		"content":     vary(func(p *Picture) { p.Content = "abd" }).Key(640),
		"orientation": vary(func(p *Picture) { p.Orientation = 6 }).Key(640),
		"rotation":    vary(func(p *Picture) { p.Rotation = 90 }).Key(640),
		"text":        vary(func(p *Picture) { p.Text = "© bob" }).Key(640),
		"moved text":  Picture{Content: "abc©", Text: " ada"}.Key(640),
		"small":       base.Key(350),
		"master":      base.master(),
		"version":     base.Version(),
	}
	seen := map[string]string{}
	for name, key := range different {
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have the same key", name, other)
		}
		seen[key] = name
	}
	if hash("ab", "c") == hash("a", "bc") {
		t.Error("parts of a key run into each other")
	}
	same := map[string][2]string{
		"orientation 0 and 1":       {base.Key(640), vary(func(p *Picture) { p.Orientation = 1 }).Key(640)},
		"turned there and back":     {base.Key(640), vary(func(p *Picture) { p.Orientation, p.Rotation = 6, 90 }).Key(640)},
		"small pictures: no text":   {base.Key(350), vary(func(p *Picture) { p.Text = "© bob" }).Key(350)},
		"larger than the original":  {vary(func(p *Picture) { p.Longer = 500 }).Key(640), vary(func(p *Picture) { p.Longer = 500 }).Key(1920)},
		"the original is as large":  {base.Key(640), vary(func(p *Picture) { p.Longer = 640 }).Key(640)},
		"a master for all its ways": {base.master(), vary(func(p *Picture) { p.Text, p.Rotation = "x", 90 }).master()},
	}
	for name, keys := range same {
		if keys[0] != keys[1] {
			t.Errorf("%s: %s and %s", name, keys[0], keys[1])
		}
	}
	if len(base.Key(640)) != 32 || len(base.Version()) != 8 {
		t.Errorf("key %q, version %q", base.Key(640), base.Version())
	}
}
