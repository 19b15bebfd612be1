package render

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadHeader(t *testing.T) {
	t.Parallel()
	plain := file(t, scene(64, 48, image.YCbCrSubsampleRatio420))
	profile := icc("RGB ", 200_000) // four segments
	var parts [][]byte
	for i := range 4 {
		part := profile[min(i*65000, len(profile)):min((i+1)*65000, len(profile))]
		parts = append(parts, segment(markAPP2, "ICC_PROFILE\x00"+string([]byte{byte(i + 1), 4})+string(part)))
	}
	shuffled := [][]byte{parts[2], parts[0], parts[3], parts[1]}
	var pngFile bytes.Buffer
	if err := png.Encode(&pngFile, image.NewGray(image.Rect(0, 0, 7, 9))); err != nil {
		t.Fatal(err)
	}
	base := Header{Format: JPEGFormat, Width: 64, Height: 48, Orientation: 1, Components: 3, Sampling: "4:2:0", Scans: 1}
	vary := func(change func(*Header)) Header { h := base; change(&h); return h }
	tests := map[string]struct {
		data []byte
		want Header
	}{
		"plain":              {plain, base},
		"end marker missing": {plain[:len(plain)-2], vary(func(h *Header) { h.Truncated = true })},
		"half":               {plain[:len(plain)/2+200], vary(func(h *Header) { h.Truncated = true })},
		"orientation":        {with(plain, exif(6, "GPS")), vary(func(h *Header) { h.Orientation = 6 })},
		"orientation 9":      {with(plain, exif(9, "")), base},
		"exif cut short":     {with(plain, exif(6, "")[:20]), base},
		"profile":            {with(plain, parts...), vary(func(h *Header) { h.ICC = profile })},
		"profile shuffled":   {with(plain, shuffled...), vary(func(h *Header) { h.ICC = profile })},
		"profile incomplete": {with(plain, parts[:3]...), base},
		"profile twice":      {with(plain, parts[0], parts[0], parts[1], parts[2], parts[3]), base},
		"profile for CMYK": {
			with(plain, segment(markAPP2, "ICC_PROFILE\x00\x01\x01"+string(icc("CMYK", 10)))), base,
		},
		"fill bytes":      {with(plain, []byte{0xff, 0xff, 0xff}), base},
		"junk in between": {with(plain, segment(0xfe, "a comment"), []byte("junk")), base},
		"junk behind":     {append(bytes.Clone(plain), "PK\x03\x04"...), base},
		"progressive": {stored(t, "progressive.jpg"), Header{
			Format: JPEGFormat, Width: 160, Height: 120, Orientation: 1, Components: 3, Sampling: "4:2:0", Scans: 10, Progressive: true,
		}},
		"restarts": {stored(t, "restart.jpg"), Header{
			Format: JPEGFormat, Width: 160, Height: 120, Orientation: 1, Components: 3, Sampling: "4:2:0", Scans: 1,
		}},
		"4:1:1": {stored(t, "411.jpg"), Header{
			Format: JPEGFormat, Width: 160, Height: 120, Orientation: 1, Components: 3, Sampling: "4:1:1", Scans: 1,
		}},
		"cmyk": {stored(t, "cmyk.jpg"), Header{Format: JPEGFormat, Width: 160, Height: 120, Orientation: 1, Components: 4, Scans: 1}},
		"grey": {
			file(t, image.NewGray(image.Rect(0, 0, 5, 6))),
			Header{Format: JPEGFormat, Width: 5, Height: 6, Orientation: 1, Components: 1, Scans: 1},
		},
		"png": {pngFile.Bytes(), Header{Format: PNGFormat, Width: 7, Height: 9, Orientation: 1, Components: 1}},
		"png with exif and profile": {
			pngWith(pngFile.Bytes(), "eXIf", exif(8, "")[10:], "iCCP", append([]byte("n\x00\x00"), deflated(t, icc("GRAY", 99))...)),
			Header{Format: PNGFormat, Width: 7, Height: 9, Orientation: 8, Components: 1, ICC: icc("GRAY", 99)},
		},
		"png with a profile that inflates without end": {
			pngWith(pngFile.Bytes(), "iCCP", append([]byte("n\x00\x00"), deflated(t, make([]byte, 4<<20))...)),
			Header{Format: PNGFormat, Width: 7, Height: 9, Orientation: 1, Components: 1},
		},
		"webp":          {stored(t, "lossy.webp"), Header{Format: WebPFormat, Width: 160, Height: 120, Orientation: 1, Components: 3, Scans: 1}},
		"webp lossless": {stored(t, "alpha.webp"), Header{Format: WebPFormat, Width: 40, Height: 30, Orientation: 1, Components: 3, Scans: 1}},
		"webp extended": {stored(t, "alpha-lossy.webp"), Header{Format: WebPFormat, Width: 40, Height: 30, Orientation: 1, Components: 3, Scans: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for kind, r := range map[string]io.Reader{"": bytes.NewReader(tt.data), " byte by byte": iotest.OneByteReader(bytes.NewReader(tt.data))} {
				got, err := ReadHeader(r)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(got, tt.want, cmpopts.IgnoreFields(Header{}, "Memory")); d != "" {
					t.Errorf("got (-), want (+)%s:\n%s", kind, d)
				}
			}
		})
	}
}

func deflated(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// pngWith puts chunks behind the header of a PNG: pairs of a name and its content.
func pngWith(file []byte, chunks ...any) []byte {
	out := bytes.Clone(file[:33])
	for i := 0; i < len(chunks); i += 2 {
		body := append([]byte(chunks[i].(string)), chunks[i+1].([]byte)...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)-4))
		out = binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
	}
	return append(out, file[33:]...)
}

// sized is a JPEG that claims a size.
func sized(tb testing.TB, w, h int) []byte {
	tb.Helper()
	data := file(tb, scene(64, 64, image.YCbCrSubsampleRatio420))
	at := frameHeight(data)
	binary.BigEndian.PutUint16(data[at:], uint16(h))
	binary.BigEndian.PutUint16(data[at+2:], uint16(w))
	return data
}

// scans is a progressive JPEG with many scans of no data.
func scans(tb testing.TB, n int) []byte {
	tb.Helper()
	data := stored(tb, "progressive.jpg")
	at := bytes.Index(data, []byte{0xff, markSOS})
	scan := data[at : at+2+int(data[at+3])]
	out := bytes.Clone(data[:at])
	for range n {
		out = append(append(out, scan...), 0xaa)
	}
	return append(out, 0xff, markEOI)
}

func hugePNG() []byte {
	return append(pngHead("\x00\x00\xfa\xfa\x00\x00\xfa\xfa"), "\x00\x00\x00\x04IDATabcd"...)
}

func smallHead() []byte { return pngHead("\x00\x00\x00\x05\x00\x00\x00\x05") }

func pngHead(size string) []byte {
	head := []byte("IHDR" + size + "\x08\x06\x00\x00\x00")
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

func hugeWebP() []byte {
	return []byte("RIFF\x40\x00\x00\x00WEBPVP8L\x10\x00\x00\x00\x2f\xff\xff\xff\x0f0123456789a")
}

// TestPixelFlood is row 6 of the security checklist: files that ask for far more
// than they are long are refused before anything is decoded, with hardly any memory.
func TestPixelFlood(t *testing.T) { //nolint:paralleltest // it measures the memory of the whole process
	twoFrames := file(t, scene(8, 8, image.YCbCrSubsampleRatio420))
	sof := bytes.Index(twoFrames, []byte{0xff, markSOF0})
	frame := twoFrames[sof : sof+2+int(twoFrames[sof+3])]
	twoFrames = slices.Concat(twoFrames[:sof], frame, twoFrames[sof:])
	tests := map[string]struct {
		data []byte
		want error
	}{
		"64250 x 64250":               {sized(t, 64250, 64250), ErrTooLarge},
		"65535 x 65535":               {sized(t, 65535, 65535), ErrTooLarge},
		"8000 x 6251":                 {sized(t, 8000, 6251), ErrTooLarge},
		"0 x 0":                       {sized(t, 0, 0), ErrNotPicture},
		"0 x 100":                     {sized(t, 0, 100), ErrNotPicture},
		"100 x 0":                     {sized(t, 100, 0), ErrNotPicture},
		"10000 scans":                 {scans(t, 10_000), ErrNotPicture},
		"65 scans":                    {scans(t, 65), ErrNotPicture},
		"baseline scans":              {repeatScan(t, 4), ErrNotPicture},
		"two frames":                  {twoFrames, ErrNotPicture},
		"png 64250 x 64250":           {hugePNG(), ErrTooLarge},
		"webp 16384 x 16384":          {hugeWebP(), ErrTooLarge},
		"progressive 4:4:4 of 49 MP":  {withFrame(t, "progressive.jpg", 7000, 7000, 0x11), ErrTooLarge},
		"a million parts":             {with(file(t, scene(8, 8, image.YCbCrSubsampleRatio420)), bytes.Repeat(segment(0xfe, ""), 1_000_000)), ErrNotPicture},
		"lossless":                    {[]byte("\xff\xd8\xff\xc3\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda"), ErrNotPicture},
		"arithmetic":                  {stored(t, "arithmetic.jpg"), ErrNotPicture},
		"12 bits":                     {[]byte("\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda"), ErrNotPicture},
		"uncommon colours":            {stored(t, "odd-sampling.jpg"), ErrNotPicture},
		"four colours without a name": {bytes.Replace(stored(t, "cmyk.jpg"), []byte("Adobe"), []byte("Adobo"), 1), ErrNotPicture},
		"length 1":                    {[]byte("\xff\xd8\xff\xe1\x00\x01\xff\xd9"), ErrNotPicture},
		"length beyond the end":       {[]byte("\xff\xd8\xff\xe1\xff\xff\xff\xd9"), ErrNotPicture},
		"a picture in a picture":      {[]byte("\xff\xd8\xff\xd8\xff\xd9"), ErrNotPicture},
		"no picture":                  {[]byte("\xff\xd8\xff\xd9"), ErrNotPicture},
		"gif":                         {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), ErrNotPicture},
		"moving webp":                 {[]byte("RIFF\x20\x00\x00\x00WEBPANIM\x06\x00\x00\x00aaaaaa"), ErrNotPicture},
		"moving png":                  {pngWith(append(smallHead(), "\x00\x00\x00\x04IDATabcd"...), "acTL", []byte("aaaaaaaa")), ErrNotPicture},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ReadHeader(bytes.NewReader(tt.data))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if _, why, ok := strings.Cut(err.Error(), ": "); !ok || why == "" {
				t.Errorf("%q does not say why", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 300<<10 {
				t.Errorf("refusing took %d kB of memory, want at most 300", used>>10)
			}
		})
	}
	for name, data := range map[string][]byte{ //nolint:paralleltest // as above
		"65535 x 1": sized(t, 65535, 1), "1 x 65535": sized(t, 1, 65535),
	} {
		t.Run(name, func(t *testing.T) {
			// Thin, not large: decoded if the data are there, which they are not.
			if _, err := JPEG(t.Context(), data, Spec{Edge: 640}); err != nil && !errors.Is(err, ErrNotPicture) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// repeatScan is a baseline JPEG with its scan several times.
func repeatScan(tb testing.TB, n int) []byte {
	tb.Helper()
	data := file(tb, scene(8, 8, image.YCbCrSubsampleRatio420))
	at := bytes.Index(data, []byte{0xff, markSOS})
	return append(bytes.Clone(data[:at]), bytes.Repeat(data[at:len(data)-2], n)...)
}

// withFrame changes size and sampling of a stored JPEG.
func withFrame(tb testing.TB, name string, w, h int, sampling byte) []byte {
	tb.Helper()
	data := stored(tb, name)
	at := frameHeight(data)
	binary.BigEndian.PutUint16(data[at:], uint16(h))
	binary.BigEndian.PutUint16(data[at+2:], uint16(w))
	data[at+6] = sampling
	return data
}

// More than MaxBytes are not read, and errors of the reader are handed on.
func TestHeaderReadsWithBounds(t *testing.T) {
	t.Parallel()
	good := file(t, scene(64, 64, image.YCbCrSubsampleRatio420))
	endless := io.MultiReader(bytes.NewReader(good[:len(good)-2]), zeros{})
	if _, err := ReadHeader(endless); !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless: got %v, want ErrTooLarge", err)
	}
	if _, err := ReadHeader(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken: got %v, want the reader's error", err)
	}
	late := io.MultiReader(bytes.NewReader(good[:len(good)-2]), iotest.ErrReader(io.ErrClosedPipe))
	if h, err := ReadHeader(late); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken later: got %+v, %v, want the reader's error", h, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
