package render

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"
)

// seeds are files of all kinds, whole and broken.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	out := [][]byte{
		file(f, scene(16, 16, image.YCbCrSubsampleRatio420)), file(f, image.NewGray(image.Rect(0, 0, 3, 2))),
		with(file(f, scene(9, 30, image.YCbCrSubsampleRatio420)), exif(6, "GPS"), segment(markAPP2, "ICC_PROFILE\x00\x01\x01"+string(icc("RGB ", 9)))),
		scans(f, 3), sized(f, 64250, 64250), repeatScan(f, 2), append(smallHead(), "\x00\x00\x00\x04IDATabcd"...), hugePNG(), hugeWebP(),
		pngWith(append(smallHead(), "\x00\x00\x00\x04IDATabcd"...), "eXIf", exif(8, "")[10:], "iCCP", append([]byte("n\x00\x00"), deflated(f, icc("RGB ", 9))...)),
	}
	for _, name := range []string{
		"progressive.jpg", "rgb.jpg", "411.jpg", "restart.jpg", "cmyk.jpg", "lossy.webp", "alpha.webp", "alpha-lossy.webp", "arithmetic.jpg", "odd-sampling.jpg",
	} {
		out = append(out, stored(f, name))
	}
	return out
}

// FuzzHeader is row 21 of the security checklist: the walker neither panics nor
// says what cannot be.
func FuzzHeader(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ReadHeader(bytes.NewReader(data))
		if err != nil {
			return
		}
		if h.Width < 1 || h.Height < 1 || h.Width*h.Height > MaxPixels || h.Orientation < 1 || h.Orientation > 8 || h.Memory > MaxMemory ||
			len(h.ICC) > maxProfile || h.Scans > maxScans {
			t.Errorf("%+v", h)
		}
		// What the standard library can read the walker describes in the same way.
		if cfg, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && h.Format == JPEGFormat && (cfg.Width != h.Width || cfg.Height != h.Height) {
			t.Errorf("%dx%d, the decoder says %dx%d", h.Width, h.Height, cfg.Width, cfg.Height)
		}
	})
}

// FuzzJPEG is row 21 too: the whole way, for small pictures.
func FuzzJPEG(f *testing.F) {
	for i, data := range seeds(f) {
		f.Add(data, 7+100*i, uint8(i), uint8(i), "© ada")
	}
	f.Fuzz(func(t *testing.T, data []byte, edge int, orientation, rotation uint8, text string) {
		h, err := ReadHeader(bytes.NewReader(data))
		if err != nil || h.Width*h.Height > 1<<18 || edge < 1 || edge > 1024 {
			return
		}
		s := Spec{Edge: edge, Orientation: int(orientation), Rotation: int(rotation) * 90, Text: text}
		out, err := JPEG(t.Context(), data, s)
		if err != nil {
			return
		}
		got, err := ReadHeader(bytes.NewReader(out))
		w, wh := Fit(h.Width, h.Height, edge)
		if w, wh = Shown(w, wh, s.Orientation, s.Rotation); err != nil || got.Width != w || got.Height != wh || got.Orientation != 1 {
			t.Errorf("got %+v (%v), want %dx%d", got, err, w, wh)
		}
	})
}
