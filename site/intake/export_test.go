package intake

import (
	"encoding/binary"
	"testing"
)

// What the tests with a real Postgres need of the others.

func JPEGOf(t testing.TB, w, h int, seed uint8) []byte { t.Helper(); return jpegOf(t, w, h, seed) }

func PNGOf(t testing.TB, w, h int, seed uint8) []byte { t.Helper(); return pngOf(t, w, h, seed) }

func TinyWebP() []byte { return tinyWebP() }

// CameraJPEG is a JPEG with what an ordinary camera writes.
func CameraJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	return withEXIF(jpegOf(t, w, h, 0), camera(binary.LittleEndian).bytes())
}

// Packed is a file of a ZIP.
type Packed struct {
	Name string
	Data []byte
}

func ZIPOf(t testing.TB, files ...Packed) []byte {
	t.Helper()
	var all []file
	for _, f := range files {
		all = append(all, packed(f.Name, f.Data))
	}
	return zipOf(t, all...)
}

func Lying(t testing.TB) map[string][]byte { t.Helper(); return lying(t) }

func Disguised(t testing.TB) map[string][]byte { t.Helper(); return disguised(t) }

func Polyglots(t testing.TB) map[string][]byte { t.Helper(); return polyglots(t) }

// HostileEXIF are JPEGs, PNGs and WebPs with EXIF blocks that harm other readers.
func HostileEXIF(t testing.TB) map[string][]byte { t.Helper(); return hostile(t) }
