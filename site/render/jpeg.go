package render

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
)

const (
	quality = 85
	// MaxPixels is the largest picture that is decoded: 50 megapixels, the default
	// cap of imgproxy, about 75 MB of planes.
	MaxPixels = 50_000_000
	// maxBytes is the largest file that is read; an honest 50-megapixel JPEG is smaller.
	maxBytes = 64 << 20
)

// Dimensions reads the header of a picture, not its pixels. The errors are
// [ErrNotPicture] and [ErrTooLarge].
func Dimensions(data []byte) (w, h int, err error) {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return 0, 0, ErrNotPicture
	}
	if cfg.Width > MaxPixels/cfg.Height {
		return 0, 0, fmt.Errorf("%w: %d by %d pixels", ErrTooLarge, cfg.Width, cfg.Height)
	}
	return cfg.Width, cfg.Height, nil
}

// JPEG renders the JPEG in data so that its longer edge is at most edge pixels.
// Nothing of the file survives but the picture: no EXIF, no comments, no bytes
// after its end. The errors are [ErrNotPicture] and [ErrTooLarge].
func JPEG(data []byte, edge int) ([]byte, error) {
	w, h, err := Dimensions(data)
	if err != nil {
		return nil, err
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	dw, dh := Fit(w, h, edge)
	var out bytes.Buffer
	out.Grow(dw * dh / 4)
	if err := jpeg.Encode(&out, Scale(img, dw, dh), &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return out.Bytes(), nil
}

// Scale returns img as w by h pixels: grey stays grey, everything else becomes
// YCbCr 4:2:0. The picture must not be empty.
func Scale(img image.Image, w, h int) image.Image {
	if grey, ok := img.(*image.Gray); ok {
		size := grey.Bounds().Size()
		src := plane{pix: grey.Pix, stride: grey.Stride, w: size.X, h: size.Y, extX: float64(size.X), extY: float64(size.Y)}
		dst := resize(src, w, h, float64(w), float64(h))
		return &image.Gray{Pix: dst.pix, Stride: dst.stride, Rect: image.Rect(0, 0, w, h)}
	}
	ycc, ok := img.(*image.YCbCr)
	if !ok || !ycc.Rect.Min.Eq(image.Point{}) {
		ycc = toYCbCr(img)
	}
	src := planes(ycc)
	cw, ch := (w+1)/2, (h+1)/2
	y := resize(src[0], w, h, float64(w), float64(h))
	cb := resize(src[1], cw, ch, float64(w)/2, float64(h)/2)
	cr := resize(src[2], cw, ch, float64(w)/2, float64(h)/2)
	return &image.YCbCr{
		Y: y.pix, Cb: cb.pix, Cr: cr.pix, YStride: w, CStride: cw,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, w, h),
	}
}

// planes splits a picture that starts at 0,0.
func planes(m *image.YCbCr) [3]plane {
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
	colour := plane{
		stride: m.CStride, w: (w + sx - 1) / sx, h: (h + sy - 1) / sy,
		extX: float64(w) / float64(sx), extY: float64(h) / float64(sy),
	}
	cb, cr := colour, colour
	cb.pix, cr.pix = m.Cb, m.Cr
	return [3]plane{{pix: m.Y, stride: m.YStride, w: w, h: h, extX: float64(w), extY: float64(h)}, cb, cr}
}

// toYCbCr converts what is not YCbCr (RGB and CMYK JPEGs, drawings).
func toYCbCr(img image.Image) *image.YCbCr {
	b := img.Bounds()
	rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgba, rgba.Rect, img, b.Min, draw.Src)
	out := image.NewYCbCr(rgba.Rect, image.YCbCrSubsampleRatio444)
	for i := range out.Y {
		p := rgba.Pix[4*i : 4*i+3]
		out.Y[i], out.Cb[i], out.Cr[i] = color.RGBToYCbCr(p[0], p[1], p[2])
	}
	return out
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read original: %w", err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxBytes)
	}
	return data, nil
}

// Engine names what decodes and encodes.
func Engine() string { return "go" }

// readHeader is a stand-in.
func readHeader(r io.Reader) (Header, error) {
	data, err := readAll(r)
	if err != nil {
		return Header{}, err
	}
	w, h, err := Dimensions(data)
	return Header{Format: JPEGFormat, Width: w, Height: h, Orientation: 1, Components: 3}, err
}
