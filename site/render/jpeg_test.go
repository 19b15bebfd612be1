package render

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"strconv"
	"testing"

	xdraw "golang.org/x/image/draw"
)

func TestSizesAndKinds(t *testing.T) {
	t.Parallel()
	rgba := image.NewRGBA(image.Rect(5, 7, 305, 207)) // does not start at 0,0
	draw.Draw(rgba, rgba.Rect, image.NewUniform(color.RGBA{180, 30, 90, 255}), image.Point{}, draw.Src)
	var pngFile bytes.Buffer
	if err := png.Encode(&pngFile, scene(90, 133, image.YCbCrSubsampleRatio444)); err != nil {
		t.Fatal(err)
	}
	pictures := map[string][]byte{
		"420": file(t, scene(301, 201, image.YCbCrSubsampleRatio420)), "rgba": file(t, rgba),
		"grey": file(t, image.NewGray(image.Rect(0, 0, 120, 300))), "png": pngFile.Bytes(),
		"1x1": file(t, scene(1, 1, image.YCbCrSubsampleRatio420)), "thin": file(t, scene(3, 900, image.YCbCrSubsampleRatio420)),
	}
	for name, data := range pictures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := ReadHeader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			for _, edge := range []int{1, 2, 17, 192, 299, 4000} {
				ww, wh := Fit(h.Width, h.Height, edge)
				got := render(t, data, Spec{Edge: edge}).Bounds().Size()
				if got != (image.Point{ww, wh}) || max(got.X, got.Y) != min(edge, max(h.Width, h.Height)) {
					t.Errorf("edge %d: got %v, want %dx%d", edge, got, ww, wh)
				}
				if got, want := render(t, data, Spec{Edge: edge, Rotation: 90}).Bounds().Size(), (image.Point{wh, ww}); got != want {
					t.Errorf("edge %d, on its side: got %v, want %v", edge, got, want)
				}
			}
		})
	}
}

// scaled shrinks to a size and gives the picture before it is encoded.
func scaled(m image.Image, edge int) image.Image {
	small := split(m).shrink(edge)
	p := small.planes
	return &image.YCbCr{
		Y: p[0].Pix, Cb: p[1].Pix, Cr: p[2].Pix, YStride: p[0].Stride, CStride: p[1].Stride,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, p[0].W, p[0].H),
	}
}

// Every layout of colour planes must give the same picture as x/image does.
func TestScaleAgainstCatmullRom(t *testing.T) {
	t.Parallel()
	compare := func(t *testing.T, src image.Image) {
		t.Helper()
		want := image.NewRGBA(image.Rect(0, 0, 201, 134))
		xdraw.CatmullRom.Scale(want, want.Rect, src, src.Bounds(), xdraw.Src, nil)
		if db := psnr(t, scaled(src, 201), want); db < 34 {
			t.Errorf("PSNR against x/image is %.1f dB, want at least 34", db)
		}
	}
	ratios := []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	}
	for _, ratio := range ratios {
		t.Run(ratio.String(), func(t *testing.T) {
			t.Parallel()
			compare(t, scene(801, 533, ratio))
		})
	}
	t.Run("rgb", func(t *testing.T) {
		t.Parallel()
		src := image.NewRGBA(image.Rect(3, 4, 804, 537))
		draw.Draw(src, src.Rect, scene(801, 533, image.YCbCrSubsampleRatio444), image.Point{}, draw.Src)
		compare(t, src)
	})
}

// Files of other encoders, all of the same scene.
func TestUnusualFiles(t *testing.T) {
	t.Parallel()
	want := scene(160, 120, image.YCbCrSubsampleRatio444)
	for name, min := range map[string]float64{
		"progressive.jpg": 30, "rgb.jpg": 30, "411.jpg": 28, "440.jpg": 30, "restart.jpg": 28, "cmyk.jpg": 30, "lossy.webp": 26,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if db := psnr(t, render(t, stored(t, name), Spec{Edge: 4000}), want); db < min {
				t.Errorf("PSNR against the scene is %.1f dB, want at least %.0f", db, min)
			}
		})
	}
	for _, name := range []string{"alpha.webp", "alpha-lossy.webp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := render(t, stored(t, name), Spec{Edge: 4000})
			for x, want := range map[int]color.RGBA{8: {200, 30, 30, 255}, 32: {255, 255, 255, 255}} { // on white where transparent
				got := color.RGBAModel.Convert(img.At(x, 15)).(color.RGBA)
				for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
					if d > 12 || d < -12 {
						t.Errorf("column %d is %v, want about %v", x, got, want)
					}
				}
			}
		})
	}
}

// quarters is a picture whose quarters are red, green, blue and white from the
// upper left, row by row, so that every turn gives another one. 31 by 21 pixels:
// odd, so that halved colours do not lie the same way round.
func quarters() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 31, 21))
	for y := range 21 {
		for x := range 31 {
			m.Set(x, y, [4]color.Color{
				color.RGBA{220, 20, 20, 255}, color.RGBA{20, 200, 20, 255}, color.RGBA{20, 20, 220, 255}, color.White,
			}[y/11*2+x/16])
		}
	}
	return m
}

// corners names the quarters of a picture, from the upper left row by row.
func corners(m image.Image) string {
	b := m.Bounds()
	out := ""
	for _, p := range []image.Point{{b.Min.X + 2, b.Min.Y + 2}, {b.Max.X - 3, b.Min.Y + 2}, {b.Min.X + 2, b.Max.Y - 3}, {b.Max.X - 3, b.Max.Y - 3}} {
		c := color.RGBAModel.Convert(m.At(p.X, p.Y)).(color.RGBA)
		switch {
		case c.R > 128 && c.G > 128:
			out += "W"
		case c.R > 128:
			out += "R"
		case c.G > 128:
			out += "G"
		default:
			out += "B"
		}
	}
	return out
}

func TestOrientationAndRotation(t *testing.T) {
	t.Parallel()
	var data bytes.Buffer
	if err := png.Encode(&data, quarters()); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		orientation, rotation int
		want                  string
	}{
		{0, 0, "RGBW"},
		{1, 0, "RGBW"},
		{2, 0, "GRWB"},
		{3, 0, "WBGR"},
		{4, 0, "BWRG"},
		{5, 0, "RBGW"},
		{6, 0, "BRWG"},
		{7, 0, "WGBR"},
		{8, 0, "GWRB"},
		{1, 90, "GWRB"}, // counter-clockwise: the upper right comes to the upper left
		{1, 180, "WBGR"},
		{1, 270, "BRWG"},
		{6, 90, "RGBW"}, // what the camera turned is turned back
		{2, 90, "RBGW"},
	}
	for _, tt := range tests {
		name := strconv.Itoa(tt.orientation) + " " + strconv.Itoa(tt.rotation)
		got := render(t, data.Bytes(), Spec{Edge: 4000, Orientation: tt.orientation, Rotation: tt.rotation})
		if corners(got) != tt.want {
			t.Errorf("%s: %s, want %s", name, corners(got), tt.want)
		}
		if w, h := Shown(31, 21, tt.orientation, tt.rotation); got.Bounds().Size() != (image.Point{w, h}) {
			t.Errorf("%s: %v, Shown says %dx%d", name, got.Bounds().Size(), w, h)
		}
	}
}

// The colours of an odd picture must stay where they belong when it is turned.
func TestTurnedColoursStay(t *testing.T) {
	t.Parallel()
	src := scene(333, 221, image.YCbCrSubsampleRatio444)
	upright := image.NewRGBA(image.Rect(0, 0, 151, 100))
	xdraw.CatmullRom.Scale(upright, upright.Rect, src, src.Rect, xdraw.Src, nil)
	want := image.NewRGBA(upright.Rect)
	for y := range 100 {
		for x := range 151 {
			want.SetRGBA(150-x, 99-y, upright.RGBAAt(x, y))
		}
	}
	var data bytes.Buffer
	if err := png.Encode(&data, src); err != nil {
		t.Fatal(err)
	}
	straight := psnr(t, render(t, data.Bytes(), Spec{Edge: 151}), upright)
	turned := psnr(t, render(t, data.Bytes(), Spec{Edge: 151, Rotation: 180}), want)
	if turned < straight-0.5 {
		t.Errorf("PSNR upright is %.2f dB, upside down %.2f dB", straight, turned)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	good := file(t, scene(64, 64, image.YCbCrSubsampleRatio420))
	tests := map[string][]byte{
		"empty": nil, "text": []byte("<svg onload=alert(1)>"), "two bytes": good[:2],
		"header only": good[:bytes.Index(good, []byte{0xff, markSOS})], "a quarter": good[:len(good)/4],
	}
	if Engine() != "go" {
		delete(tests, "a quarter") // libjpeg-turbo shows parts of a row too
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := JPEG(t.Context(), data, Spec{Edge: 100}); !errors.Is(err, ErrNotPicture) {
				t.Errorf("got %v, want ErrNotPicture", err)
			}
		})
	}
}

// A JPEG that ends too early is shown as far as it goes.
func TestTruncated(t *testing.T) {
	t.Parallel()
	src := scene(320, 240, image.YCbCrSubsampleRatio420)
	for name, data := range map[string][]byte{"baseline": file(t, src), "restarts": stored(t, "restart.jpg")} {
		whole, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		half := data[:len(data)*2/3]
		h, err := ReadHeader(bytes.NewReader(half))
		if err != nil || !h.Truncated {
			t.Fatalf("%s: header %+v, %v; want Truncated", name, h, err)
		}
		got := render(t, half, Spec{Edge: 4000})
		b := whole.Bounds()
		top := image.Rect(0, 0, b.Dx(), b.Dy()/3)
		if db := psnr(t, crop(got, top), crop(whole, top)); db < 35 {
			t.Errorf("%s: the upper third has %.1f dB", name, db)
		}
		if c := color.RGBAModel.Convert(got.At(b.Dx()-3, b.Dy()-3)).(color.RGBA); c.R < 120 || c.R > 136 || c.G < 120 || c.G > 136 {
			t.Errorf("%s: the end is %v, want grey", name, c)
		}
	}
	data := stored(t, "progressive.jpg")
	whole, _ := jpeg.Decode(bytes.NewReader(data))
	got := render(t, data[:len(data)*2/3], Spec{Edge: 4000})
	if db := psnr(t, got, whole); db < 22 {
		t.Errorf("progressive: %.1f dB against the whole picture", db)
	}
}

func crop(m image.Image, r image.Rectangle) image.Image {
	return m.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(r)
}

// A decoder that takes longer than it may is stopped.
func TestDecodingHasADeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"progressive.jpg", "lossy.webp", "restart.jpg"} {
		if _, err := JPEG(ctx, stored(t, name), Spec{Edge: 100}); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: got %v, want ErrBroken", name, err)
		}
	}
}
