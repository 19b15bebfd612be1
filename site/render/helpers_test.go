package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"testing"

	"keepwatch/site/render/plane"
)

// scene is a picture with fine and coarse detail and colour edges.
func scene(w, h int, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
	for y := range h {
		for x := range w {
			fx, fy := float64(x)/float64(w), float64(y)/float64(h)
			m.Y[m.YOffset(x, y)] = uint8(128 + 60*math.Sin(40*fx*fx+9*fy) + 40*math.Cos(90*fy*fx))
			m.Cb[m.COffset(x, y)] = uint8(128 + 80*math.Sin(7*fx))
			m.Cr[m.COffset(x, y)] = uint8(128 + 80*math.Cos(5*fy))
		}
	}
	return m
}

// photo is like scene but as hard to code as a photograph: detail of all sizes,
// about 4 MB of JPEG at 12 megapixels.
func photo(w, h int) *image.YCbCr {
	m := scene(w, h, image.YCbCrSubsampleRatio420)
	hash := func(x, y, level int) float64 {
		v := uint32(x*73856093 ^ y*19349663 ^ level*83492791)
		v = (v ^ v>>13) * 0x5bd1e995
		return float64((v^v>>15)&0xffff)/65536 - 0.5
	}
	levels := []struct {
		cell int
		high float64
	}{{64, 50}, {16, 35}, {5, 26}, {2, 17}, {1, 11}}
	for y := range h {
		for x := range w {
			v := float64(m.Y[y*m.YStride+x])*0.4 + 76
			for i, l := range levels {
				cx, cy := x/l.cell, y/l.cell
				fx, fy := float64(x%l.cell)/float64(l.cell), float64(y%l.cell)/float64(l.cell)
				top := hash(cx, cy, i)*(1-fx) + hash(cx+1, cy, i)*fx
				bottom := hash(cx, cy+1, i)*(1-fx) + hash(cx+1, cy+1, i)*fx
				v += l.high * (top*(1-fy) + bottom*fy)
			}
			m.Y[y*m.YStride+x] = uint8(min(max(v, 0), 255))
		}
	}
	return m
}

// file encodes a picture as JPEG.
func file(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// stored reads a picture of testdata.
func stored(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// render makes a rendition and decodes it.
func render(tb testing.TB, data []byte, s Spec) image.Image {
	tb.Helper()
	out, err := JPEG(context.Background(), data, s)
	if err != nil {
		tb.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(out))
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

// segment is a part of a JPEG up to its first scan.
func segment(mark byte, payload string) []byte {
	out := []byte{0xff, mark, byte((len(payload) + 2) >> 8), byte(len(payload) + 2)}
	return append(out, payload...)
}

// with puts segments behind the first marker of a JPEG.
func with(file []byte, segments ...[]byte) []byte {
	out := bytes.Clone(file[:2])
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, file[2:]...)
}

// exif is a segment with an orientation, a text and a thumbnail's bytes.
func exif(orientation int, text string) []byte {
	b := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01")
	b = binary.BigEndian.AppendUint16(b, 274)
	b = binary.BigEndian.AppendUint16(b, 3)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(orientation))
	b = append(b, 0, 0, 0, 0, 0, 0)
	return segment(markAPP1, string(b)+text)
}

// icc is a profile with a whole header and n bytes of content.
func icc(space string, n int) []byte {
	b := make([]byte, 128+n)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	copy(b[16:], space)
	copy(b[36:], "acsp")
	for i := range n {
		b[128+i] = byte(i * 7)
	}
	return b
}

// psnr compares two pictures of one size in RGB, in dB.
func psnr(tb testing.TB, got, want image.Image) float64 {
	tb.Helper()
	if got.Bounds().Size() != want.Bounds().Size() {
		tb.Fatalf("got %v, want %v", got.Bounds(), want.Bounds())
	}
	var sum, n float64
	g0, w0 := got.Bounds().Min, want.Bounds().Min
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			g := color.RGBAModel.Convert(got.At(g0.X+x, g0.Y+y)).(color.RGBA)
			w := color.RGBAModel.Convert(want.At(w0.X+x, w0.Y+y)).(color.RGBA)
			for _, d := range []float64{float64(g.R) - float64(w.R), float64(g.G) - float64(w.G), float64(g.B) - float64(w.B)} {
				sum += d * d
				n++
			}
		}
	}
	return 10 * math.Log10(255*255/max(sum/n, 1e-9))
}

// ssim is the mean structural similarity of two planes in windows of 8 by 8 (Wang
// et al. 2004).
func ssim(a, b plane.Plane) float64 {
	const c1, c2 = 0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255
	var total, count float64
	for y := 0; y+8 <= a.H; y += 4 {
		for x := 0; x+8 <= a.W; x += 4 {
			var sa, sb, saa, sbb, sab float64
			for j := range 8 {
				ra, rb := a.Row(y + j)[x:x+8], b.Row(y + j)[x:x+8]
				for i := range 8 {
					p, q := float64(ra[i]), float64(rb[i])
					sa, sb, saa, sbb, sab = sa+p, sb+q, saa+p*p, sbb+q*q, sab+p*q
				}
			}
			ma, mb := sa/64, sb/64
			va, vb, cov := saa/64-ma*ma, sbb/64-mb*mb, sab/64-ma*mb
			total += (2*ma*mb + c1) * (2*cov + c2) / ((ma*ma + mb*mb + c1) * (va + vb + c2))
			count++
		}
	}
	return total / count
}
