package intake

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

// camera is what an ordinary camera writes.
func camera(order binary.AppendByteOrder) *block {
	b := &block{order: order}
	b.main = []field{
		text(0x010f, "Canon"), text(0x0110, "Canon EOS 80D"), b.short(0x0112, 6), text(0x0132, "2020:01:01 00:00:00"),
	}
	b.exif = []field{
		b.rational(0x829a, 1, 160), b.rational(0x829d, 28, 10), b.short(0x8822, 3), b.short(0x8827, 200),
		text(0x9003, "2019:07:14 18:30:05"), text(0x9011, "+02:00"), b.signed(0x9204, -1, 3), b.short(0x9207, 5),
		b.short(0x9209, 0x19), b.rational(0x920a, 50, 1), b.short(0xa402, 2), b.short(0xa405, 75),
	}
	b.gps = []field{
		text(1, "S"), b.rational(2, 33, 1, 51, 1, 2532, 100), text(3, "E"), b.rational(4, 151, 1, 12, 1, 4000, 100),
		{5, typeByte, 1, []byte{1}},
		b.rational(6, 125, 10),
	}
	b.thumbnail = []field{text(0x010f, "Thumb"), b.short(0x0112, 3)}
	return b
}

func cameraMeta() gallery.FromFile {
	return gallery.FromFile{
		Shot: gallery.Shot{
			Camera: "Canon EOS 80D", Aperture: "f/2.8", Shutter: "0.0063 s (1/160)", Film: "ISO 200",
			Exposure: "-0.33 EV, aperture priority, auto bracket", Metering: "pattern",
			FocalLength: "50.0mm (35mm equivalent 75mm)", Flash: new(true),
		},
		Taken: time.Date(2019, 7, 14, 18, 30, 5, 0, time.UTC), Zone: "+02:00", Orientation: 6,
		Position: gallery.Position{Lat: new(-33.857033333333334), Lon: new(151.21111111111111), Alt: new(-12.5)},
	}
}

func TestReadEXIFOfEveryKind(t *testing.T) {
	t.Parallel()
	little, big := camera(binary.LittleEndian).bytes(), camera(binary.BigEndian).bytes()
	picture := jpegOf(t, 8, 6, 0)
	for name, data := range map[string][]byte{
		"jpeg, little endian": withEXIF(picture, little),
		"jpeg, big endian":    withEXIF(picture, big),
		"jpeg behind others":  slices.Concat(picture[:2], segment(0xe0, make([]byte, 30000)), segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x/>")), withEXIF(picture, little)[2:]),
		"png":                 pngWithEXIF(pngOf(t, 8, 6, 0), big),
		"webp":                webpWithEXIF(tinyWebP(), little),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := bytes.NewReader(data)
			_, _ = r.Seek(5, io.SeekStart) // it starts at the start by itself
			got, err := ReadEXIF(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(cameraMeta(), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// read maps one block.
func read(t *testing.T, b *block) gallery.FromFile {
	t.Helper()
	got, err := ReadEXIF(t.Context(), bytes.NewReader(withEXIF(jpegOf(t, 8, 6, 0), b.bytes())))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEXIFTexts(t *testing.T) {
	t.Parallel()
	type texts = map[string]string
	for name, c := range map[string]struct {
		main, exif func(b *block) []field
		want       texts
	}{
		"maker named twice": {main: mainly(text(0x10f, "NIKON CORPORATION"), text(0x110, "NIKON D90")), want: texts{"camera": "NIKON D90"}},
		"maker and model":   {main: mainly(text(0x10f, "OLYMPUS"), text(0x110, "E-M5")), want: texts{"camera": "OLYMPUS E-M5"}},
		"pentax":            {main: mainly(text(0x10f, "PENTAX Corporation"), text(0x110, "K-5")), want: texts{"camera": "PENTAX K-5"}},
		"pentax, twice":     {main: mainly(text(0x10f, "PENTAX Corporation"), text(0x110, "PENTAX K10D")), want: texts{"camera": "PENTAX K10D"}},
		"maker only":        {main: mainly(text(0x10f, "Minox")), want: texts{"camera": "Minox"}},
		"model only":        {main: mainly(text(0x110, "Pinhole")), want: texts{"camera": "Pinhole"}},
		"too long": {
			main: mainly(text(0x110, strings.Repeat("x", 31)+" tail")),
			want: texts{"camera": strings.Repeat("x", 31)},
		},
		"too long to be read": {main: mainly(text(0x110, strings.Repeat("x", 300)), text(0x10f, "Minox")), want: texts{"camera": "Minox"}},
		"controls and tricks": {main: mainly(text(0x110, "a\x1b[31m\r\n\u202eb\u200b\tc\xff")), want: texts{"camera": "a[31mbc"}},
		"short exposure":      {exif: one(func(b *block) field { return b.rational(0x829a, 1, 8000) }), want: texts{"shutter": "0.0001 s (1/8000)"}},
		"shorter exposure":    {exif: one(func(b *block) field { return b.rational(0x829a, 1, 32000) }), want: texts{"shutter": "0.0000313 s (1/32000)"}},
		"a sixtieth":          {exif: one(func(b *block) field { return b.rational(0x829a, 1, 60) }), want: texts{"shutter": "0.017 s (1/60)"}},
		"long exposure":       {exif: one(func(b *block) field { return b.rational(0x829a, 5, 2) }), want: texts{"shutter": "2.500 s"}},
		"exposure by zero":    {exif: one(func(b *block) field { return b.rational(0x829a, 1, 0) }), want: texts{}},
		"exposure of nothing": {exif: one(func(b *block) field { return b.rational(0x829a, 0, 1) }), want: texts{}},
		"exposure of years":   {exif: one(func(b *block) field { return b.rational(0x829a, math.MaxUint32, 1) }), want: texts{}},
		"aperture value":      {exif: one(func(b *block) field { return b.rational(0x9202, 4, 1) }), want: texts{"aperture": "f/4.0"}},
		"aperture of zero":    {exif: one(func(b *block) field { return b.rational(0x829d, 0, 1) }), want: texts{}},
		"speed value":         {exif: one(func(b *block) field { return b.signed(0x9201, 7, 1) }), want: texts{"shutter": "0.0078 s (1/128)"}},
		"iso list":            {exif: one(func(b *block) field { return b.short(0x8827, 400, 0) }), want: texts{"film": "ISO 400"}},
		"iso too large for its field": {
			exif: func(b *block) []field { return []field{b.short(0x8827, 65535), b.long(0x8832, 102400)} },
			want: texts{"film": "ISO 102400"},
		},
		"iso zero":     {exif: one(func(b *block) field { return b.short(0x8827, 0) }), want: texts{}},
		"iso as text":  {exif: one(func(*block) field { return text(0x8827, "lots") }), want: texts{}},
		"focal length": {exif: one(func(b *block) field { return b.rational(0x920a, 183, 10) }), want: texts{"focal": "18.3mm"}},
		"metering":     {exif: one(func(b *block) field { return b.short(0x9207, 2) }), want: texts{"metering": "center weight"}},
		"no metering":  {exif: one(func(b *block) field { return b.short(0x9207, 77) }), want: texts{}},
		"manual twice": {
			exif: func(b *block) []field { return []field{b.short(0x8822, 1), b.short(0xa402, 1), b.signed(0x9204, 2, 3)} },
			want: texts{"exposure": "+0.67 EV, manual"},
		},
		"no bias": {exif: one(func(b *block) field { return b.signed(0x9204, 0, 6) }), want: texts{}},
		"mad bias": {
			exif: func(b *block) []field { return []field{b.signed(0x9204, math.MinInt32, 1), b.short(0x8822, 2)} },
			want: texts{"exposure": "program"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBlock()
			if c.main != nil {
				b.main = c.main(b)
			}
			if c.exif != nil {
				b.exif = c.exif(b)
			}
			s := read(t, b).Shot
			got := texts{}
			for key, v := range (texts{
				"camera": s.Camera, "aperture": s.Aperture, "shutter": s.Shutter, "exposure": s.Exposure,
				"metering": s.Metering, "film": s.Film, "focal": s.FocalLength,
			}) {
				if v != "" {
					got[key] = v
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func mainly(fields ...field) func(*block) []field { return func(*block) []field { return fields } }

func one(f func(*block) field) func(*block) []field {
	return func(b *block) []field { return []field{f(b)} }
}

func TestEXIFTime(t *testing.T) {
	t.Parallel()
	at := func(y int, mo time.Month, d, h, mi, s int) time.Time {
		return time.Date(y, mo, d, h, mi, s, 0, time.UTC)
	}
	for name, c := range map[string]struct {
		original, digitized, modified, offset string
		want                                  time.Time
		zone                                  string
	}{
		"original":           {original: "2019:07:14 18:30:05", digitized: "2020:01:01 00:00:00", offset: "-03:30", want: at(2019, 7, 14, 18, 30, 5), zone: "-03:30"},
		"digitized":          {digitized: "2018:02:03 04:05:06", modified: "2020:01:01 00:00:00", offset: "+01:00", want: at(2018, 2, 3, 4, 5, 6)},
		"modified":           {modified: "2017:12:31 23:59:59", want: at(2017, 12, 31, 23, 59, 59)},
		"zeros then next":    {original: "0000:00:00 00:00:00", digitized: "2018:02:03 04:05:06", want: at(2018, 2, 3, 4, 5, 6)},
		"year zero":          {original: "0000:01:01 00:00:00"},
		"blank":              {original: "    :  :     :  :  "},
		"13th month":         {original: "2019:13:14 18:30:05"},
		"30 February":        {original: "2019:02:30 18:30:05"},
		"dashes":             {original: "2019-07-14 18:30:05", want: at(2019, 7, 14, 18, 30, 5)},
		"iso with zone":      {original: "2019-07-14T18:30:05+02:00", want: at(2019, 7, 14, 18, 30, 5)},
		"date only":          {original: "2019:07:14"},
		"an old plate":       {original: "1893:05:01 12:00:00", want: at(1893, 5, 1, 12, 0, 0)},
		"before photography": {original: "1492:10:12 02:00:00"},
		"offset Z":           {original: "2019:07:14 18:30:05", offset: "Z", want: at(2019, 7, 14, 18, 30, 5), zone: "+00:00"},
		"mad offset":         {original: "2019:07:14 18:30:05", offset: "+23:00", want: at(2019, 7, 14, 18, 30, 5)},
		"offset of letters":  {original: "2019:07:14 18:30:05", offset: "<b>:1", want: at(2019, 7, 14, 18, 30, 5)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBlock()
			for tag, s := range map[uint16]string{0x9003: c.original, 0x9004: c.digitized, 0x9011: c.offset} {
				if s != "" {
					b.exif = append(b.exif, text(tag, s))
				}
			}
			if c.modified != "" {
				b.main = append(b.main, text(0x0132, c.modified))
			}
			got := read(t, b)
			if !got.Taken.Equal(c.want) || got.Zone != c.zone {
				t.Errorf("got %v %q, want %v %q", got.Taken, got.Zone, c.want, c.zone)
			}
		})
	}
}

func TestEXIFPosition(t *testing.T) {
	t.Parallel()
	north := func(ref string) []field { return []field{text(1, ref)} }
	lat := func(b *block, d uint32) field { return b.rational(2, d, 1, 30, 1, 0, 1) }
	lon := func(b *block, d uint32) field { return b.rational(4, d, 1, 15, 1, 0, 1) }
	for name, c := range map[string]struct {
		gps  func(b *block) []field
		want gallery.Position
	}{
		"north west": {
			gps:  func(b *block) []field { return append(north("N"), lat(b, 40), text(3, "W"), lon(b, 73)) },
			want: gallery.Position{Lat: new(40.5), Lon: new(-73.25)},
		},
		"lower case":           {func(b *block) []field { return append(north("s"), lat(b, 40), text(3, "e"), lon(b, 73)) }, gallery.Position{Lat: new(-40.5), Lon: new(73.25)}},
		"no side":              {func(b *block) []field { return []field{lat(b, 40), text(3, "W"), lon(b, 73)} }, gallery.Position{}},
		"no longitude":         {func(b *block) []field { return append(north("N"), lat(b, 40)) }, gallery.Position{}},
		"beyond the pole":      {func(b *block) []field { return append(north("N"), lat(b, 90), text(3, "W"), lon(b, 73)) }, gallery.Position{}},
		"beyond the date line": {func(b *block) []field { return append(north("N"), lat(b, 1), text(3, "W"), lon(b, 180)) }, gallery.Position{}},
		"divided by zero": {func(b *block) []field {
			return append(north("N"), b.rational(2, 0, 0, 0, 0, 0, 0), text(3, "E"), b.rational(4, 0, 0, 0, 0, 0, 0))
		}, gallery.Position{}},
		"no fix": {func(b *block) []field {
			return append(north("N"), b.rational(2, 0, 1, 0, 1, 0, 1), text(3, "E"), b.rational(4, 0, 1, 0, 1, 0, 1))
		}, gallery.Position{}},
		"two numbers only": {func(b *block) []field {
			return append(north("N"), b.rational(2, 40, 1, 30, 1), text(3, "W"), lon(b, 73))
		}, gallery.Position{}},
		"above the sea": {func(b *block) []field {
			return []field{{5, typeByte, 1, []byte{0}}, b.rational(6, 8849, 1)}
		}, gallery.Position{Alt: new(8849.0)}},
		"in space": {func(b *block) []field { return []field{b.rational(6, math.MaxUint32, 1)} }, gallery.Position{}},
		"the number of a side means something else elsewhere": {func(b *block) []field {
			b.exif = []field{b.long(0xa005, 8)} // interoperability: tag 1 is "R98" there; here it points at the main directory
			b.main = []field{text(1, "S")}
			return append(north("N"), lat(b, 40), text(3, "W"), lon(b, 73))
		}, gallery.Position{Lat: new(40.5), Lon: new(-73.25)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBlock()
			b.gps = c.gps(b)
			if diff := cmp.Diff(c.want, read(t, b).Position); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEXIFOrientationAndFlash(t *testing.T) {
	t.Parallel()
	for v, want := range map[uint16]int{0: 0, 1: 1, 8: 8, 9: 0, 65535: 0} {
		b := newBlock()
		b.main = []field{b.short(0x0112, v)}
		if got := read(t, b).Orientation; got != want {
			t.Errorf("orientation %d: got %d, want %d", v, got, want)
		}
	}
	for v, want := range map[uint16]bool{0x18: false, 0x20: false, 1: true, 0x5f: true} {
		b := newBlock()
		b.exif = []field{b.short(0x9209, v)}
		if got := read(t, b).Shot.Flash; got == nil || *got != want {
			t.Errorf("flash %#x: got %v, want %v", v, got, want)
		}
	}
	b := newBlock()
	b.thumbnail = []field{b.short(0x0112, 3), text(0x0110, "Thumb")}
	if got := read(t, b); got.Orientation != 0 || got.Shot.Camera != "" {
		t.Errorf("the thumbnail's: got %+v", got)
	}
	if got := read(t, newBlock()).Shot.Flash; got != nil {
		t.Errorf("no flash tag: got %v, want nil", *got)
	}
}

// checkMeta holds for whatever a file says.
func checkMeta(t *testing.T, m gallery.FromFile) {
	t.Helper()
	for limit, texts := range map[int][]string{
		gallery.MaxShort:  {m.Shot.Camera, m.Shot.Aperture, m.Shot.Shutter, m.Shot.Metering, m.Shot.Film, m.Shot.Process},
		gallery.MaxMedium: {m.Shot.Exposure, m.Shot.FocalLength},
		gallery.MaxLong:   {m.Zone},
	} {
		for _, s := range texts {
			if utf8.RuneCountInString(s) > limit || !utf8.ValidString(s) || strings.TrimSpace(s) != s ||
				strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsGraphic(c) }) ||
				strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
				t.Errorf("%q is not fit for a field", s)
			}
		}
	}
	within := func(what string, v *float64, most float64) {
		if v != nil && !(math.Abs(*v) <= most) {
			t.Errorf("%s is %v", what, *v)
		}
	}
	within("latitude", m.Position.Lat, 90)
	within("longitude", m.Position.Lon, 180)
	within("altitude", m.Position.Alt, 100_000)
	if m.Orientation < 0 || m.Orientation > 8 {
		t.Errorf("orientation is %d", m.Orientation)
	}
	if (m.Position.Lat == nil) != (m.Position.Lon == nil) {
		t.Error("half a position")
	}
	if y := m.Taken.Year(); !m.Taken.IsZero() && (y < 1800 || y > 9999) {
		t.Errorf("taken in %d", y)
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.jpg", "../../x", "/etc/x", `C:\x`, "a\x00b", strings.Repeat("ä", 300), "..", "", "\u202egpj.exe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanName(s)
		if got == "" || got == "." || got == ".." || len(got) > gallery.MaxFileName || !utf8.ValidString(got) ||
			strings.ContainsAny(got, "/\\:\x00\r\n") || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q became %q", s, got)
		}
		if again := cleanName(got); again != got {
			t.Errorf("%q became %q, then %q", s, got, again)
		}
	})
}
