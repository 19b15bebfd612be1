package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Zoom is how many dots of a PNG stand for one pixel of the drawing: screens of
// today show mail at two.
const Zoom = 2

// RGB is the colour of an ink on white, for outputs without a style sheet. Each
// has a contrast of at least 4.5 to 1 with white, but the ground of a bar.
func (i Ink) RGB() (r, g, b uint8) {
	switch i {
	case Good:
		return 0x11, 0x73, 0x4b
	case Bad:
		return 0xb3, 0x26, 0x1e
	case Unknown, Excluded, Faint:
		return 0x55, 0x63, 0x6f
	case Track:
		return 0xd8, 0xdf, 0xe5
	case Text:
	}
	return 0x1b, 0x27, 0x33
}

// palette has white, the inks, and steps between white and the inks of text for
// smooth letters.
var palette = func() color.Palette { //nolint:gochecknoglobals // a constant in all but name
	p := color.Palette{color.White}
	for _, ink := range []Ink{Good, Bad, Unknown, Text} {
		r, g, b := ink.RGB()
		p = append(p, color.RGBA{r, g, b, 0xff})
	}
	for _, ink := range []Ink{Text, Faint, Bad} {
		r, g, b := ink.RGB()
		for _, part := range []int{1, 2, 3} {
			mix := func(c uint8) uint8 { return uint8((int(c)*part + 0xff*(4-part)) / 4) }
			p = append(p, color.RGBA{mix(r), mix(g), mix(b), 0xff})
		}
	}
	return p
}()

// PNG writes the drawing on white, at [Zoom] dots a pixel.
func (d Drawing) PNG(w io.Writer) error {
	img := image.NewPaletted(image.Rect(0, 0, d.W*Zoom/px, d.H*Zoom/px), palette)
	p := painter{img: img}
	for _, s := range d.Shapes {
		if err := p.paint(s); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
	}
	enc := png.Encoder{CompressionLevel: png.DefaultCompression}
	if err := enc.Encode(w, img); err != nil {
		return fmt.Errorf("encode png: %w", err)
	}
	return nil
}

type painter struct{ img *image.Paletted }

// dot turns tenths of a pixel into dots.
func dot(v int) int { return v * Zoom / px }

func (p painter) index(ink Ink) uint8 {
	r, g, b := ink.RGB()
	return uint8(palette.Index(color.RGBA{r, g, b, 0xff})) //nolint:gosec // the palette has 14 colours
}

// rect fills the dots for which the pattern holds.
func (p painter) rect(x1, y1, x2, y2 int, ink Ink, pattern func(x, y int) bool) {
	r := image.Rect(x1, y1, max(x2, x1+1), max(y2, y1+1)).Intersect(p.img.Rect)
	at := p.index(ink)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if pattern == nil || pattern(x, y) {
				p.img.SetColorIndex(x, y, at)
			}
		}
	}
}

func (p painter) paint(s Shape) error {
	x1, y1, x2, y2 := dot(s.X), dot(s.Y), dot(s.X+s.W), dot(s.Y+s.H)
	frame := func(x, y int) bool { return x < x1+Zoom || x >= x2-Zoom || y < y1+Zoom || y >= y2-Zoom }
	switch s.Form {
	case Solid:
		p.rect(x1, y1, x2, y2, s.Ink, nil)
	case Frame:
		p.rect(x1, y1, x2, y2, s.Ink, frame)
	case Hatch:
		p.rect(x1, y1, x2, y2, s.Ink, func(x, y int) bool { return frame(x, y) || (x+y)%12 < 5 })
	case Line: // upright or level
		p.rect(x1, y1, max(x2, x1+Zoom), max(y2, y1+Zoom), s.Ink, nil)
	case Dashed:
		p.rect(x1, y1, max(x2, x1+Zoom), max(y2, y1+Zoom), s.Ink, func(x, y int) bool { return (x+y)%16 < 10 })
	case Down:
		p.rect(x1, y1, x2, y2, s.Ink, func(x, y int) bool {
			inset := (y - y1) * (x2 - x1) / 2 / max(y2-y1, 1)
			return x >= x1+inset && x < x2-inset
		})
	case Label:
		return p.text(s)
	}
	return nil
}

// fonts are parsed once; the parsed form is safe for concurrent use.
var fonts = sync.OnceValues(func() ([2]*opentype.Font, error) { //nolint:gochecknoglobals // never changed once made
	var both [2]*opentype.Font
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			return both, fmt.Errorf("parse font: %w", err)
		}
		both[i] = f
	}
	return both, nil
})

// text draws a label. A face is not safe for concurrent use, so each label makes its own.
func (p painter) text(s Shape) error {
	both, err := fonts()
	if err != nil {
		return err
	}
	f := both[0]
	if s.Bold {
		f = both[1]
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: float64(dot(s.Size)), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return fmt.Errorf("make face: %w", err)
	}
	r, g, b := s.Ink.RGB()
	drawer := font.Drawer{Dst: p.img, Src: image.NewUniform(color.RGBA{r, g, b, 0xff}), Face: face}
	x := fixed.I(dot(s.X))
	switch s.Anchor {
	case Middle:
		x -= drawer.MeasureString(s.Text) / 2
	case End:
		x -= drawer.MeasureString(s.Text)
	case Start:
	}
	drawer.Dot = fixed.Point26_6{X: x, Y: fixed.I(dot(s.Y))}
	drawer.DrawString(s.Text)
	return face.Close()
}
