package intake

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// hostile blocks: what kills or hangs other readers.
func hostile(tb testing.TB) map[string][]byte {
	tb.Helper()
	picture := jpegOf(tb, 8, 6, 0)
	exif := func(change func(b *block)) []byte {
		b := newBlock()
		change(b)
		return withEXIF(picture, b.bytes())
	}
	many := newBlock()
	for range 5000 {
		many.main = append(many.main, many.short(0x0112, 1))
	}
	// Directories that overlap: thousands of offsets, each to a directory that says
	// it has 65,535 entries whose counts are too large to be read.
	overlap := newBlock()
	for _, pointer := range []uint16{0x014a, 0x8769, 0x8825, 0xa005} {
		overlap.main = append(overlap.main, field{pointer, typeLong, 60, bytes.Repeat([]byte{0, 4, 0, 0}, 60)})
	}
	entries := append(overlap.bytes(), bytes.Repeat([]byte{0xff}, 60000)...)
	wide := append(overlap.bytes(), bytes.Repeat([]byte{0xff}, 240_000)...)
	return map[string][]byte{
		"38 GB value": exif(func(b *block) { // what makes goexif allocate until the process dies
			b.main = []field{{0x010f, typeRational, 0xffffffff, []byte{0, 0, 0, 8}}}
		}),
		"value that overflows": exif(func(b *block) {
			b.main = []field{{0x010f, typeRational, 0x20000001, []byte{8, 0, 0, 0}}}
		}),
		"directory in itself":        exif(func(b *block) { b.main = []field{b.long(0x8769, 8), b.long(0x8825, 8), b.long(0x014a, 8)} }),
		"unknown type":               exif(func(b *block) { b.main = []field{{0x010f, 99, 1, []byte{1, 2, 3, 4}}} }),
		"offset outside":             exif(func(b *block) { b.main = []field{{0x010f, typeASCII, 200, []byte{0xff, 0xff, 0xff, 0x7f}}} }),
		"5000 tags":                  withEXIF(picture, many.bytes()),
		"overlapping":                withEXIF(picture, entries),
		"overlapping, wide":          webpWithEXIF(tinyWebP(), wide),
		"empty block":                withEXIF(picture, nil),
		"header only":                withEXIF(picture, []byte("II*\x00")),
		"cut off":                    withEXIF(picture, camera(binary.LittleEndian).bytes())[:100],
		"two bytes":                  {0xff, 0xd8},
		"segment of length 0":        {0xff, 0xd8, 0xff, 0xe1, 0, 0, 'E', 'x', 'i', 'f'},
		"millions of empty segments": append([]byte{0xff, 0xd8, 0xff}, bytes.Repeat([]byte{0xe5, 0, 2, 0xff}, 3<<20)...),
		"png chunk of 4 GB":          append([]byte("\x89PNG\r\n\x1a\n"), "\xff\xff\xff\xffeXIf"...),
		"png text bomb":              append([]byte("\x89PNG\r\n\x1a\n"), "\x00\x00\x00\x00zTXtRaw profile type iptc\x00\x00x\x9c"...),
		"webp chunk of 4 GB":         []byte("RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\xff"),
	}
}

// Row 7 of the security checklist: EXIF bombs cost neither memory nor time, and
// never more than their own picture's data.
func TestHostileEXIF(t *testing.T) {
	t.Parallel()
	for name, data := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			got, err := ReadEXIF(t.Context(), bytes.NewReader(data))
			t.Logf("%v, %v, %d bytes", err, time.Since(began), len(data))
			checkMeta(t, got)
		})
	}
}

// panicking is a reader with a mistake.
type panicking struct{ *bytes.Reader }

func (p panicking) Read(b []byte) (int, error) {
	if len(b) > SniffLen {
		panic("a mistake")
	}
	return p.Reader.Read(b)
}

func TestReadEXIFEnds(t *testing.T) {
	t.Parallel()
	good := withEXIF(jpegOf(t, 8, 6, 0), camera(binary.LittleEndian).bytes())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadEXIF(ctx, bytes.NewReader(good)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if _, err := ReadEXIF(t.Context(), panicking{bytes.NewReader(good)}); err == nil || !strings.Contains(err.Error(), "a mistake") {
		t.Errorf("panic: got %v", err)
	}
	for name, data := range map[string]string{"nothing": "", "gif": "GIF89a..........", "zip": "PK\x03\x04"} {
		if _, err := ReadEXIF(t.Context(), strings.NewReader(data)); !errors.Is(err, ErrNotPicture) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	counted := &countingReader{ReadSeeker: bytes.NewReader(hostile(t)["millions of empty segments"])}
	_, _ = ReadEXIF(t.Context(), counted)
	if counted.n > exifBytes+SniffLen {
		t.Errorf("read %d bytes of a file without EXIF", counted.n)
	}
}

type countingReader struct {
	io.ReadSeeker
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.n += n
	return n, err
}

func FuzzReadEXIF(f *testing.F) {
	picture := jpegOf(f, 8, 6, 0)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(withEXIF(picture, camera(order).bytes()))
		f.Add(pngWithEXIF(pngOf(f, 4, 4, 0), camera(order).bytes()))
		f.Add(webpWithEXIF(tinyWebP(), camera(order).bytes()))
	}
	for _, data := range hostile(f) {
		if len(data) < 100_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _ := ReadEXIF(t.Context(), bytes.NewReader(data))
		checkMeta(t, m)
	})
}
