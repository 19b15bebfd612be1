package render

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"
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

func encode(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// slow is Lanczos3 in floating point, in two dimensions at once, with no box
// step: the plainest possible reference.
func slow(src plane, w, h int) []float64 {
	sx, sy := src.extX/float64(w), src.extY/float64(h)
	out := make([]float64, w*h)
	for y := range h {
		for x := range w {
			cx, cy := (float64(x)+0.5)*sx, (float64(y)+0.5)*sy
			var sum, norm float64
			for j := max(0, int(cy-3*sy)-1); j < min(src.h, int(cy+3*sy)+2); j++ {
				wy := lanczos((float64(j) + 0.5 - cy) / max(sy, 1))
				for i := max(0, int(cx-3*sx)-1); i < min(src.w, int(cx+3*sx)+2); i++ {
					k := wy * lanczos((float64(i)+0.5-cx)/max(sx, 1))
					sum += k * float64(src.pix[j*src.stride+i])
					norm += k
				}
			}
			out[y*w+x] = min(max(sum/norm, 0), 255)
		}
	}
	return out
}

func psnr(got []uint8, want []float64) float64 {
	var sum float64
	for i, v := range want {
		d := float64(got[i]) - v
		sum += d * d
	}
	return 10 * math.Log10(255*255/max(sum/float64(len(want)), 1e-9))
}

func TestResizeAgainstReference(t *testing.T) {
	t.Parallel()
	src := planes(scene(403, 301, image.YCbCrSubsampleRatio444))[0]
	tests := map[string]struct {
		w, h int
		min  float64 // dB; without the box step only rounding is left
	}{
		"no change":     {403, 301, 55},
		"a little":      {350, 261, 52},
		"third":         {134, 100, 52},
		"box of two":    {64, 48, 40},
		"box of five":   {25, 19, 38},
		"tall and thin": {403, 40, 45},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := resize(src, tt.w, tt.h, float64(tt.w), float64(tt.h))
			if db := psnr(got.pix, slow(src, tt.w, tt.h)); db < tt.min {
				t.Errorf("PSNR against the reference is %.1f dB, want at least %.0f", db, tt.min)
			}
		})
	}
}

func TestConstantStays(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		w, h := 1+rng.IntN(200), 1+rng.IntN(200)
		dw, dh := 1+rng.IntN(w), 1+rng.IntN(h)
		src := newPlane(w, h)
		v := uint8(rng.IntN(256))
		for i := range src.pix {
			src.pix[i] = v
		}
		got := resize(src, dw, dh, float64(dw), float64(dh))
		for i, p := range got.pix {
			if p != v {
				t.Fatalf("%dx%d of %d to %dx%d: sample %d is %d", w, h, v, dw, dh, i, p)
			}
		}
	}
}

func TestJPEGSizesAndKinds(t *testing.T) {
	t.Parallel()
	rgba := image.NewRGBA(image.Rect(5, 7, 305, 207)) // does not start at 0,0
	for i := range rgba.Pix {
		rgba.Pix[i] = 200
	}
	grey := image.NewGray(image.Rect(0, 0, 120, 300))
	pictures := map[string][]byte{
		"420": encode(t, scene(301, 201, image.YCbCrSubsampleRatio420)), "rgba": encode(t, rgba), "grey": encode(t, grey),
	}
	for name, data := range pictures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, h, err := Dimensions(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, edge := range []int{1, 2, 17, 192, 299, 4000} {
				out, err := JPEG(data, edge)
				if err != nil {
					t.Fatalf("edge %d: %v", edge, err)
				}
				img, err := jpeg.Decode(bytes.NewReader(out))
				if err != nil {
					t.Fatalf("edge %d does not decode: %v", edge, err)
				}
				ww, wh := Fit(w, h, edge)
				if got := img.Bounds().Size(); got != (image.Point{ww, wh}) || max(got.X, got.Y) != min(edge, max(w, h)) {
					t.Errorf("edge %d: got %v, want %dx%d", edge, got, ww, wh)
				}
			}
		})
	}
}

// Every layout of colour planes must give the same picture as x/image does.
func TestScaleAgainstCatmullRom(t *testing.T) {
	t.Parallel()
	ratios := []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	}
	for _, ratio := range ratios {
		t.Run(ratio.String(), func(t *testing.T) {
			t.Parallel()
			src := scene(801, 533, ratio)
			want := image.NewRGBA(image.Rect(0, 0, 201, 134))
			xdraw.CatmullRom.Scale(want, want.Rect, src, src.Rect, xdraw.Src, nil)
			compare(t, Scale(src, 201, 134), want)
		})
	}
	t.Run("rgb", func(t *testing.T) {
		t.Parallel()
		src := image.NewRGBA(image.Rect(3, 4, 804, 537))
		xdraw.Draw(src, src.Rect, scene(801, 533, image.YCbCrSubsampleRatio444), image.Point{}, xdraw.Src)
		want := image.NewRGBA(image.Rect(0, 0, 201, 134))
		xdraw.CatmullRom.Scale(want, want.Rect, src, src.Rect, xdraw.Src, nil)
		compare(t, Scale(src, 201, 134), want)
	})
}

func compare(t *testing.T, got, want image.Image) {
	t.Helper()
	var sum, n float64
	b := want.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			g, w := color.RGBAModel.Convert(got.At(x, y)).(color.RGBA), color.RGBAModel.Convert(want.At(x, y)).(color.RGBA)
			for _, d := range []float64{float64(g.R) - float64(w.R), float64(g.G) - float64(w.G), float64(g.B) - float64(w.B)} {
				sum += d * d
				n++
			}
		}
	}
	if db := 10 * math.Log10(255*255/max(sum/n, 1e-9)); db < 34 {
		t.Errorf("PSNR against x/image is %.1f dB, want at least 34", db)
	}
}

func TestJPEGRefuses(t *testing.T) {
	t.Parallel()
	good := encode(t, scene(64, 64, image.YCbCrSubsampleRatio420))
	flood := bytes.Clone(good) // a small file that claims 64250 by 64250 pixels
	at := bytes.Index(flood, []byte{0xff, 0xc0}) + 5
	copy(flood[at:], []byte{0xfa, 0xfa, 0xfa, 0xfa})
	tests := map[string]struct {
		data []byte
		want error
	}{
		"empty":       {nil, ErrNotPicture},
		"text":        {[]byte("<svg onload=alert(1)>"), ErrNotPicture},
		"truncated":   {good[:len(good)/2], ErrNotPicture},
		"pixel flood": {flood, ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := JPEG(tt.data, 100); !strings.Contains(errString(err), tt.want.Error()) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func errString(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// What follows the picture in the file must not be served again.
func TestJPEGDropsPayload(t *testing.T) {
	t.Parallel()
	data := encode(t, scene(64, 64, image.YCbCrSubsampleRatio420))
	comment := "<script>beacon()</script>"
	withComment := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(len(comment) + 2)}, comment...)
	data = append(append(withComment, data[2:]...), "PK\x03\x04<?php beacon() ?>"...)
	out, err := JPEG(data, 640)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("beacon")) {
		t.Error("the payload is still in the rendition")
	}
}

func FuzzJPEG(f *testing.F) {
	f.Add(encode(f, scene(16, 16, image.YCbCrSubsampleRatio420)), 7)
	f.Add(encode(f, scene(9, 30, image.YCbCrSubsampleRatio444)), 30)
	f.Add(encode(f, image.NewGray(image.Rect(0, 0, 3, 2))), 1)
	f.Fuzz(func(t *testing.T, data []byte, edge int) {
		w, h, err := Dimensions(data)
		if err != nil || w*h > 1<<20 || edge < 1 || edge > 4096 {
			return
		}
		out, err := JPEG(data, edge)
		if err != nil {
			return
		}
		ow, oh, err := Dimensions(out)
		if ww, wh := Fit(w, h, edge); err != nil || ow != ww || oh != wh {
			t.Errorf("got %dx%d (%v), want %dx%d", ow, oh, err, ww, wh)
		}
	})
}

func FuzzResize(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(1), uint8(1), int64(1))
	f.Add(uint8(64), uint8(63), uint8(3), uint8(64), int64(2))
	f.Fuzz(func(t *testing.T, w, h, dw, dh uint8, seed int64) {
		if w == 0 || h == 0 || dw == 0 || dh == 0 {
			return
		}
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		src := newPlane(int(w), int(h))
		for i := range src.pix {
			src.pix[i] = uint8(rng.IntN(256))
		}
		if got := resize(src, int(dw), int(dh), float64(dw), float64(dh)); len(got.pix) != int(dw)*int(dh) {
			t.Errorf("%d samples, want %d", len(got.pix), int(dw)*int(dh))
		}
	})
}

func BenchmarkRender(b *testing.B) {
	data := encode(b, scene(4000, 3000, image.YCbCrSubsampleRatio420))
	for _, edge := range []int{1440, 640} {
		name := map[int]string{1440: "1440", 640: "640"}[edge]
		b.Run("planar/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := JPEG(data, edge); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("ximage/"+name, func(b *testing.B) {
			for b.Loop() {
				img, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				w, h := Fit(4000, 3000, edge)
				dst := image.NewRGBA(image.Rect(0, 0, w, h))
				xdraw.CatmullRom.Scale(dst, dst.Rect, img, img.Bounds(), xdraw.Src, nil)
				if err := jpeg.Encode(&bytes.Buffer{}, dst, &jpeg.Options{Quality: quality}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
