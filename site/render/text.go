package render

import (
	"image"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"keepwatch/site/render/plane"
)

const (
	textSize   = 16  // pixels
	textEdge   = 20  // pixels from the right and lower edges
	textDark   = 100 // mean green below which the text is white
	textLength = 500 // characters; no picture has room for more
)

// mark draws a line of text into the lower right corner of a picture that has at
// least one plane: white on dark, black on light. Without room it draws nothing.
func mark(planes []plane.Plane, text string) {
	mask, ok := letters(text)
	if !ok {
		return
	}
	w, h := mask.Rect.Dx(), mask.Rect.Dy()
	at := image.Pt(planes[0].W-textEdge-w, planes[0].H-textEdge-h)
	if at.X < 0 || at.Y < 0 {
		return
	}
	ink := uint8(0)
	if green(planes, image.Rectangle{Min: at, Max: at.Add(mask.Rect.Size())}) < textDark {
		ink = 255
	}
	for y := range h {
		row := planes[0].Row(at.Y + y)[at.X : at.X+w]
		for x := range row {
			row[x] = blend(row[x], ink, int(mask.Pix[y*mask.Stride+x]))
		}
	}
	for _, c := range planes[1:] {
		grey(c, mask, at)
	}
}

// grey takes the colour out from under the letters; a sample of colour lies under
// four pixels.
func grey(c plane.Plane, mask *image.Alpha, at image.Point) {
	r := mask.Rect.Add(at)
	for y := r.Min.Y / 2; y < min((r.Max.Y+1)/2, c.H); y++ {
		row := c.Row(y)
		for x := r.Min.X / 2; x < min((r.Max.X+1)/2, c.W); x++ {
			cover := 0
			for _, p := range []image.Point{{2 * x, 2 * y}, {2*x + 1, 2 * y}, {2 * x, 2*y + 1}, {2*x + 1, 2*y + 1}} {
				p = p.Sub(at)
				cover += int(mask.AlphaAt(p.X, p.Y).A) // 0 outside
			}
			row[x] = blend(row[x], 128, cover/4)
		}
	}
}

func blend(under, over uint8, cover int) uint8 {
	return uint8((int(under)*(255-cover) + int(over)*cover + 127) / 255) //nolint:gosec // between the two
}

// letters draws a line of text as a mask. What is no printing character is left out.
func letters(text string) (*image.Alpha, bool) {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, text))
	if text == "" || len([]rune(text)) > textLength {
		return nil, false
	}
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, false // cannot be: the font is part of the program
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: textSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, false // as above
	}
	m := face.Metrics()
	mask := image.NewAlpha(image.Rect(0, 0, font.MeasureString(face, text).Ceil(), (m.Ascent + m.Descent).Ceil()))
	if mask.Rect.Empty() {
		return nil, false
	}
	d := font.Drawer{Dst: mask, Src: image.Opaque, Face: face, Dot: fixed.Point26_6{Y: m.Ascent}}
	d.DrawString(text)
	return mask, true
}

// green is the mean of the green channel in a rectangle (JFIF 1.02: conversion
// from YCbCr).
func green(planes []plane.Plane, r image.Rectangle) int {
	var sum int
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			v := int(planes[0].Row(y)[x]) << 16
			if len(planes) == 3 {
				v -= 22554*(int(planes[1].Row(y / 2)[x/2])-128) + 46802*(int(planes[2].Row(y / 2)[x/2])-128)
			}
			sum += min(max(v, 0), 255<<16) >> 16
		}
	}
	return sum / (r.Dx() * r.Dy())
}
