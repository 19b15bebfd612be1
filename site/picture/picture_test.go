package picture

import (
	"testing"
	"time"

	"keepwatch/site/gallery"
)

// What changes the picture changes its address, and nothing else does.
func TestVersion(t *testing.T) {
	t.Parallel()
	base := gallery.Photo{
		ID: 7, Content: "ab", Width: 4000, Height: 3000, Orientation: 6, Watermark: "(c) (year) (caption)",
		Taken: time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC), Caption: "Quiet",
	}
	if w, h := Size(base, 640); w != 480 || h != 640 {
		t.Errorf("turned by its orientation it is %dx%d, want 480x640", w, h)
	}
	changes := map[string]struct {
		change func(*gallery.Photo)
		other  bool
	}{
		"rotation":                     {func(p *gallery.Photo) { p.Rotation = 90 }, true},
		"caption in the watermark":     {func(p *gallery.Photo) { p.Caption = "Loud" }, true},
		"content":                      {func(p *gallery.Photo) { p.Content = "cd" }, true},
		"title":                        {func(p *gallery.Photo) { p.Title = "New" }, false},
		"location not in the template": {func(p *gallery.Photo) { p.Location.Name = "Here" }, false},
	}
	for name, tt := range changes {
		p := base
		tt.change(&p)
		if got := Version(p) != Version(base); got != tt.other {
			t.Errorf("%s: another version %v, want %v", name, got, tt.other)
		}
		if got := Key(p, 640) != Key(base, 640); got != tt.other {
			t.Errorf("%s: another key %v, want %v", name, got, tt.other)
		}
	}
	if got := Address(base, 640); got != "/img/640/7.jpg?v="+Version(base) {
		t.Errorf("address %s", got)
	}
}
