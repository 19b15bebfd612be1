package gallery_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

func TestExpandWatermark(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, template, caption, location string
		id                                int64
		year                              int
		want                              string
	}{
		{"nothing", "", "c", "l", 1, 2020, ""},
		{"all", "(c) (year) (caption) (location) #(id)", "Sun", "Peru", 12, 2020, "© 2020 Sun Peru #12"},
		{"capital C", "(C) Ada", "", "", 0, 0, "© Ada"},
		{"missing ones are empty", "[(year)(caption)(location)(id)]", "", "", 0, 0, "[]"},
		{"not expanded twice", "(caption)", "(id) (year)", "", 12, 2020, "(id) (year)"},
		{"the sign in a caption", "(caption)", "(c) me", "", 0, 0, "© me"},
		{"a comma and a line end are text", "a,(year)\nb", "", "", 0, 2021, "a,2021\nb"},
		{"unknown words stay", "(what)", "", "", 0, 0, "(what)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := gallery.ExpandWatermark(c.template, c.caption, c.location, c.id, c.year); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	p := gallery.Photo{ID: 3, Watermark: "(year)/(id)/(location)", Taken: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), Location: gallery.Ref{Name: "Rome"}}
	if got := p.WatermarkText(); got != "1999/3/Rome" {
		t.Errorf("a photo's: got %q", got)
	}
	p.Taken = time.Time{}
	if got := p.WatermarkText(); got != "/3/Rome" {
		t.Errorf("without a time: got %q", got)
	}
}

func TestUpright(t *testing.T) {
	t.Parallel()
	for orientation := range 9 {
		for _, rotation := range []int{0, 90, 180, 270} {
			sideways := (orientation >= 5) != (rotation == 90 || rotation == 270)
			p := gallery.Photo{Width: 3, Height: 2, Orientation: orientation, Rotation: rotation}
			if w, h := p.Upright(); (w == 2 && h == 3) != sideways || w+h != 5 {
				t.Errorf("orientation %d turned by %d: got %d x %d", orientation, rotation, w, h)
			}
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                              nil,
		"'; DROP TABLE photo; --":       {"drop", "table", "photo"},
		"Ärger in Köln, ärger":          {"arger", "in", "koln"},
		"cafe\u0301 CAFÉ":               {"cafe"},
		"IMG_2034.JPG":                  {"img", "2034", "jpg"},
		"東京タワー":                         {"東京タワー"},
		"a & b | !c:* <-> (d)":          {"a", "b", "c", "d"},
		strings.Repeat("x", 200) + " y": {strings.Repeat("x", 64), "y"},
	} {
		if diff := cmp.Diff(want, gallery.Words(in, 0)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
	if got := gallery.Words("a b c d", 2); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("at most two: got %q", got)
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "a b", "ÄÖ ß", "\xff\xfe", "it's", `\'`, "ﬁ İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, w := range gallery.Words(s, 0) {
			if w == "" || len([]rune(w)) > 64 || strings.ContainsAny(w, "'\\:*&|!<>() \x00") {
				t.Fatalf("%q gave the word %q", s, w)
			}
		}
	})
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{{"Ada  Lovelace", "ada lovelace"}, {"KÖLN", "köln"}, {"Cafe\u0301", "café"}, {" x ", "X"}} {
		if gallery.Key(same[0]) != gallery.Key(same[1]) {
			t.Errorf("%q and %q: %q, %q", same[0], same[1], gallery.Key(same[0]), gallery.Key(same[1]))
		}
	}
	if gallery.Key("Koln") == gallery.Key("Köln") {
		t.Error("an accent makes another name")
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	cases := []struct {
		name       string
		day, month string
		from, to   time.Time
		bad        bool
	}{
		{name: "none"},
		{name: "a day", day: "2026-02-28", from: day(2026, 2, 28), to: day(2026, 3, 1)},
		{name: "a month", month: "2026-12", from: day(2026, 12, 1), to: day(2027, 1, 1)},
		{name: "a day of a month", day: "2026-05-31", month: "2026-05", from: day(2026, 5, 31), to: day(2026, 6, 1)},
		{name: "a day of another month", day: "2026-05-31", month: "2026-06", from: day(2026, 6, 1), to: day(2026, 6, 1)},
		{name: "no such day", day: "2026-02-30", bad: true},
		{name: "no such month", month: "2026-13", bad: true},
		{name: "injection", day: "2026-01-01' OR '1'='1", bad: true},
		{name: "year 0", day: "0000-01-01", bad: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from, to, err := gallery.Filter{Day: c.day, Month: c.month}.Span()
			var input gallery.InputError
			if errors.As(err, &input) != c.bad {
				t.Fatalf("got %v, want an InputError: %v", err, c.bad)
			}
			if !c.bad && (!from.Equal(c.from) || !to.Equal(c.to)) {
				t.Errorf("got %v to %v, want %v to %v", from, to, c.from, c.to)
			}
		})
	}
}
