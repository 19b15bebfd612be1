package intake

import (
	"encoding/binary"
	"testing"
)

// What the tests with a real Postgres need of the others.

func JPEGOf(tb testing.TB, w, h int, seed uint8) []byte { tb.Helper(); return jpegOf(tb, w, h, seed) }

func PNGOf(tb testing.TB, w, h int, seed uint8) []byte { tb.Helper(); return pngOf(tb, w, h, seed) }

func TinyWebP() []byte { return tinyWebP() }

// CameraJPEG is a JPEG with what an ordinary camera writes.
func CameraJPEG(tb testing.TB, w, h int) []byte {
	tb.Helper()
	return withEXIF(jpegOf(tb, w, h, 0), camera(binary.LittleEndian).bytes())
}

// Packed is a file of a ZIP.
type Packed struct {
	Name string
	Data []byte
}

func ZIPOf(tb testing.TB, files ...Packed) []byte {
	tb.Helper()
	var all []file
	for _, f := range files {
		all = append(all, packed(f.Name, f.Data))
	}
	return zipOf(tb, all...)
}

func Lying(tb testing.TB) map[string][]byte { tb.Helper(); return lying(tb) }

func Disguised(tb testing.TB) map[string][]byte { tb.Helper(); return disguised(tb) }

func Polyglots(tb testing.TB) map[string][]byte { tb.Helper(); return polyglots(tb) }

// HostileEXIF are JPEGs, PNGs and WebPs with EXIF blocks that harm other readers.
func HostileEXIF(tb testing.TB) map[string][]byte { tb.Helper(); return hostile(tb) }
