package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"

	"keepwatch/site/render/plane"
)

// source is a decoded picture as it is stored: one plane of grey, or Y, Cb and Cr.
type source struct {
	planes []plane.Plane
	w, h   int    // of the original picture; planes of colour, and all planes decoded smaller, have less
	icc    []byte // the colour profile to hand on
}

// dim is a reader of bytes that fails when ctx is done. It hands out little at a
// time, because decoders look at nothing but their reader.
type dim struct {
	ctx  context.Context //nolint:containedctx // an io.Reader cannot be given one in any other way
	data *bytes.Reader
}

func (d dim) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	const few = 512
	return d.data.Read(p[:min(len(p), few)])
}

// decodeStd decodes with the standard library.
func decodeStd(ctx context.Context, data []byte, h Header) (source, error) {
	in := dim{ctx: ctx, data: bytes.NewReader(data)}
	var img image.Image
	var err error
	switch h.Format {
	case PNGFormat:
		img, err = png.Decode(in)
	case WebPFormat:
		img, err = webp.Decode(in)
	case JPEGFormat:
		img, err = jpeg.Decode(in)
		if err != nil && h.Truncated && ctx.Err() == nil {
			img, err = mend(ctx, data, h)
		}
	}
	if cerr := ctx.Err(); cerr != nil && err != nil {
		return source{}, fmt.Errorf("%w: decoding took too long", ErrBroken)
	}
	if err != nil {
		return source{}, fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	if size := img.Bounds().Size(); size.X != h.Width || size.Y != h.Height {
		return source{}, notPicture("its two sizes do not agree")
	}
	src := split(img)
	src.icc = h.ICC
	return src, nil
}

// split makes planes of a picture: those it has, if they can be used.
func split(img image.Image) source {
	size := img.Bounds().Size()
	src := source{w: size.X, h: size.Y}
	switch m := img.(type) {
	case *image.Gray:
		src.planes = []plane.Plane{{Pix: m.Pix, Stride: m.Stride, W: size.X, H: size.Y, ExtX: float64(size.X), ExtY: float64(size.Y)}}
	case *image.YCbCr:
		if m.Rect.Min == (image.Point{}) {
			src.planes = colours(m)
		}
	}
	if src.planes == nil {
		src.planes = convert(img)
	}
	return src
}

// colours are the planes of a picture that starts at 0,0.
func colours(m *image.YCbCr) []plane.Plane {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	sx, sy := 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		sx, sy = 2, 2
	case image.YCbCrSubsampleRatio422:
		sx = 2
	case image.YCbCrSubsampleRatio440:
		sy = 2
	case image.YCbCrSubsampleRatio411:
		sx = 4
	case image.YCbCrSubsampleRatio410:
		sx, sy = 4, 2
	case image.YCbCrSubsampleRatio444:
	}
	y := plane.Plane{Pix: m.Y, Stride: m.YStride, W: w, H: h, ExtX: float64(w), ExtY: float64(h)}
	c := plane.Plane{
		Stride: m.CStride, W: (w + sx - 1) / sx, H: (h + sy - 1) / sy,
		ExtX: float64(w) / float64(sx), ExtY: float64(h) / float64(sy),
	}
	cb, cr := c, c
	cb.Pix, cr.Pix = m.Cb, m.Cr
	return []plane.Plane{y, cb, cr}
}

// convert makes planes of what is not YCbCr (RGB and CMYK JPEGs, PNG), on white
// where it is transparent, a band at a time so that no second picture is held.
func convert(img image.Image) []plane.Plane {
	b := img.Bounds()
	y, cb, cr := plane.New(b.Dx(), b.Dy()), plane.New(b.Dx(), b.Dy()), plane.New(b.Dx(), b.Dy())
	const rows = 64
	band := image.NewRGBA(image.Rect(0, 0, b.Dx(), min(rows, b.Dy())))
	for top := 0; top < b.Dy(); top += rows {
		draw.Draw(band, band.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(band, band.Rect, img, b.Min.Add(image.Pt(0, top)), draw.Over)
		n := min(rows, b.Dy()-top) * b.Dx()
		at := top * b.Dx()
		for i := range n {
			p := band.Pix[4*i : 4*i+3]
			y.Pix[at+i], cb.Pix[at+i], cr.Pix[at+i] = color.RGBToYCbCr(p[0], p[1], p[2])
		}
	}
	return []plane.Plane{y, cb, cr}
}

// mend shows a JPEG that ends too early as far as it goes. A progressive one is
// shown as good as its whole scans are; of a baseline one the whole rows of blocks
// are searched by claiming less and less height, and the rest is grey.
func mend(ctx context.Context, data []byte, h Header) (image.Image, error) {
	if h.Progressive {
		return jpeg.Decode(dim{ctx: ctx, data: bytes.NewReader(wholeScans(data))})
	}
	frame := frameHeight(data)
	if frame < 0 {
		return nil, io.ErrUnexpectedEOF
	}
	cut := append(bytes.Clone(data), 0xff, markEOI)
	claim := func(height int) (image.Image, error) {
		cut[frame], cut[frame+1] = byte(height>>8), byte(height) //nolint:gosec // below 65536, as it was read
		return jpeg.Decode(dim{ctx: ctx, data: bytes.NewReader(cut)})
	}
	const blocks = 16
	var best image.Image
	low, high := 0, (h.Height+blocks-1)/blocks // low rows are known to be there, high are not
	for low+1 < high && ctx.Err() == nil {
		middle := (low + high) / 2
		img, err := claim(middle * blocks)
		if err == nil {
			best, low = img, middle
		} else {
			high = middle
		}
	}
	if best == nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, ctx.Err())
	}
	return extend(best, h.Height), ctx.Err()
}

// extend lays a picture into a higher one and fills the rest with grey.
func extend(img image.Image, height int) image.Image {
	rect := img.Bounds()
	w, rows := rect.Dx(), rect.Dy()
	rect.Max.Y = rect.Min.Y + height
	switch m := img.(type) {
	case *image.YCbCr:
		out := image.NewYCbCr(rect, m.SubsampleRatio)
		from, to := colours(m), colours(out)
		for i := range to {
			to[i].Fill(128)
			for y := range from[i].H {
				copy(to[i].Row(y), from[i].Row(y))
			}
		}
		return out
	default:
		out := image.NewRGBA(image.Rect(0, 0, w, height))
		draw.Draw(out, out.Rect, image.NewUniform(color.Gray{Y: 128}), image.Point{}, draw.Src)
		draw.Draw(out, image.Rect(0, 0, w, rows), img, rect.Min, draw.Src)
		return out
	}
}

// frameHeight finds where a JPEG says its height; -1 where it does not.
func frameHeight(data []byte) int {
	for at := 2; at+9 < len(data) && data[at] == 0xff; {
		mark := data[at+1]
		switch {
		case mark == 0xff:
			at++
			continue
		case mark >= markSOF0 && mark <= markSOF2:
			return at + 5
		case mark == markSOS:
			return -1
		}
		at += 2 + int(data[at+2])<<8 + int(data[at+3])
	}
	return -1
}

// wholeScans cuts a JPEG before its last scan, which is the one that is not whole,
// and ends it there.
func wholeScans(data []byte) []byte {
	last := bytes.LastIndex(data, []byte{0xff, markSOS}) // in the data of a scan 0xff is followed by 0
	if last < 0 {
		return data
	}
	return append(bytes.Clone(data[:last]), 0xff, markEOI)
}
