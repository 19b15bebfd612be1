package guard

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRateIsReadAndWritten(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want Rate
		text string // "" means as given
	}{
		"200/s":             {Rate{200, time.Second, 200, false}, ""},
		"10/min":            {Rate{10, time.Minute, 10, false}, ""},
		"10/h":              {Rate{10, time.Hour, 10, false}, ""},
		"100/s burst 400":   {Rate{100, time.Second, 400, false}, ""},
		" 4/s  burst  120 ": {Rate{4, time.Second, 120, false}, "4/s burst 120"},
		"off":               {Rate{Off: true}, ""},
	}
	for text, tt := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var got Rate
			if err := got.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
			want := tt.text
			if want == "" {
				want = text
			}
			if got.String() != want {
				t.Errorf("written as %q, want %q", got.String(), want)
			}
		})
	}
	for _, bad := range []string{"", "0/s", "-1/s", "10", "10/d", "10/s burst", "10/s burst 0", "10/s burst -1", "10/s 20", "1e3/s", "99999999/s", "10 /s", "OFF"} {
		var r Rate
		if err := r.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, r)
		}
	}
}

func TestLimitsDefaultsAndMistakes(t *testing.T) {
	t.Parallel()
	var l Limits
	l.SetDefaults()
	none := map[string]string{}
	l.Validate(func(path, msg string) { none[path] = msg })
	if len(none) > 0 {
		t.Errorf("the defaults are wrong: %v", none)
	}
	text := map[Class]string{}
	for _, c := range Classes() {
		text[c] = l.of(c).String()
	}
	want := map[Class]string{
		Free: "off", Static: "200/s", Image: "100/s burst 400", Stranger: "50/s burst 200", Browse: "20/s burst 60",
		Home: "20/s burst 60", Code: "20/s burst 60", Upload: "10/min burst 100", Cold: "12/s burst 360",
	}
	if diff := cmp.Diff(text, want); diff != "" {
		t.Errorf("limits (-got +want):\n%s", diff)
	}
	kept := Limits{Static: Rate{Off: true}, Connections: 7}
	kept.SetDefaults()
	if !kept.Static.Off || kept.Connections != 7 {
		t.Errorf("a given value was replaced: %+v", kept)
	}
	bad := Limits{Codes: Rate{10, time.Hour, 20, false}, Connections: 5000}
	bad.SetDefaults()
	got := map[string]bool{}
	bad.Validate(func(path, _ string) { got[path] = true })
	if diff := cmp.Diff(got, map[string]bool{"codes": true, "connections": true}); diff != "" {
		t.Errorf("mistakes (-got +want):\n%s", diff)
	}
}
