package gallery

import (
	"strconv"
	"strings"
)

// ExpandWatermark writes a template out: (year), (caption), (id) and (location)
// become what they say, or nothing where it is not known (0, ""); then (c) and (C)
// become the sign ©. What a caption or a location says in brackets is not expanded.
func ExpandWatermark(template, caption, location string, id int64, year int) string {
	if template == "" {
		return ""
	}
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	text := strings.NewReplacer(
		"(year)", number(int64(year)), "(caption)", caption, "(id)", number(id), "(location)", location,
	).Replace(template)
	return strings.NewReplacer("(c)", "©", "(C)", "©").Replace(text)
}

// WatermarkText is the text to be written on renditions of the photo.
func (p Photo) WatermarkText() string {
	year := 0
	if !p.Taken.IsZero() {
		year = p.Taken.Year()
	}
	return ExpandWatermark(p.Watermark, p.Caption, p.Location.Name, p.ID, year)
}

// Upright returns the pixels of the photo after it was turned, by its orientation
// and by people.
func (p Photo) Upright() (width, height int) {
	sideways := p.Orientation >= 5 && p.Orientation <= 8
	if p.Rotation == 90 || p.Rotation == 270 {
		sideways = !sideways
	}
	if sideways {
		return p.Height, p.Width
	}
	return p.Width, p.Height
}
