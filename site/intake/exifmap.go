package intake

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"keepwatch/site/gallery"
)

// tagMap holds values of EXIF tags by name, as the reader gives them: text,
// numbers of many kinds, rationals, lists. All of it may be a lie.
type tagMap map[string]any

// meta maps the tags; what makes no sense is left out.
func (m tagMap) meta() gallery.FromFile {
	taken, zone := m.taken()
	out := gallery.FromFile{
		Shot: gallery.Shot{
			Camera:      m.camera(),
			Aperture:    m.aperture(),
			Shutter:     m.shutter(),
			Exposure:    m.exposure(),
			Metering:    m.metering(),
			Film:        m.film(),
			FocalLength: m.focalLength(),
			Flash:       m.flash(),
		},
		Taken:    taken,
		Zone:     zone,
		Position: m.position(),
	}
	if o, ok := m.number("Orientation", 1, 8); ok {
		out.Orientation = int(o)
	}
	return out
}

// number returns the first of a tag's numbers if it is finite and within bounds.
func (m tagMap) number(tag string, lowest, highest float64) (float64, bool) {
	v := m[tag]
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	var f float64
	switch v := v.(type) {
	case interface{ Float64() float64 }:
		f = v.Float64()
	case float64:
		f = v
	case float32:
		f = float64(v)
	case uint8:
		f = float64(v)
	case uint16:
		f = float64(v)
	case uint32:
		f = float64(v)
	case int32:
		f = float64(v)
	default:
		return 0, false
	}
	// A comparison with NaN is false.
	return f, f >= lowest && f <= highest
}

func (m tagMap) text(tag string, longest int) string {
	s, _ := m[tag].(string)
	return cleanText(s, longest)
}

// camera joins maker and model without naming the maker twice.
func (m tagMap) camera() string {
	maker, model := m.text("Make", gallery.MaxShort), m.text("Model", gallery.MaxShort)
	if strings.EqualFold(maker, "PENTAX Corporation") {
		maker = "PENTAX"
	}
	first, _, _ := strings.Cut(maker, " ")
	start, _, _ := strings.Cut(model, " ")
	if strings.EqualFold(first, start) || hasPrefixFold(model, maker) {
		maker = ""
	}
	return cleanText(maker+" "+model, gallery.MaxShort)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func (m tagMap) aperture() string {
	f, ok := m.number("FNumber", 0.1, 999)
	if !ok {
		f, ok = m.number("ApertureValue", 0.1, 999) // the reader gives it as f-number
	}
	if !ok {
		return ""
	}
	return fmt.Sprintf("f/%.1f", f)
}

func (m tagMap) shutter() string {
	const shortest, longest = 1e-7, 86400 // seconds
	s, ok := m.number("ExposureTime", shortest, longest)
	if !ok {
		s, ok = m.number("ShutterSpeedValue", shortest, longest) // the reader gives it in seconds
	}
	if !ok {
		return ""
	}
	var out string
	switch {
	case s < 0.0001:
		out = fmt.Sprintf("%.7f s", s)
	case s < 0.01:
		out = fmt.Sprintf("%.4f s", s)
	default:
		out = fmt.Sprintf("%.3f s", s)
	}
	if s <= 0.5 {
		out += fmt.Sprintf(" (1/%.0f)", 1/s)
	}
	return out
}

// film holds the sensitivity. 65535 means that it did not fit and stands elsewhere.
func (m tagMap) film() string {
	const most = 10_000_000
	iso, ok := m.number("ISO", 1, most)
	if !ok || iso == math.MaxUint16 {
		for _, tag := range []string{"RecommendedExposureIndex", "StandardOutputSensitivity", "ISOSpeed"} {
			if more, found := m.number(tag, 1, most); found {
				iso, ok = more, true
				break
			}
		}
	}
	if !ok {
		return ""
	}
	return fmt.Sprintf("ISO %.0f", iso)
}

func (m tagMap) focalLength() string {
	f, ok := m.number("FocalLength", 0.1, 99999)
	if !ok {
		return ""
	}
	out := fmt.Sprintf("%.1fmm", f)
	if eq, ok := m.number("FocalLengthIn35mmFormat", 1, 99999); ok {
		out += fmt.Sprintf(" (35mm equivalent %.0fmm)", eq)
	}
	return out
}

func (m tagMap) flash() *bool {
	f, ok := m.number("Flash", 0, math.MaxUint16)
	if !ok {
		return nil
	}
	fired := uint16(f)&1 == 1
	return &fired
}

func (m tagMap) metering() string {
	return m.word("MeteringMode", map[int]string{
		1: "average", 2: "center weight", 3: "spot", 4: "multi spot", 5: "pattern", 6: "partial",
	})
}

// exposure joins what was set: bias, program, mode. The words are those of the standard.
func (m tagMap) exposure() string {
	var parts []string
	if bias, ok := m.number("ExposureCompensation", -99, 99); ok && math.Abs(bias) >= 0.005 {
		parts = append(parts, fmt.Sprintf("%+.2f EV", bias))
	}
	program := m.word("ExposureProgram", map[int]string{
		1: "manual", 2: "program", 3: "aperture priority", 4: "shutter priority",
		5: "creative program", 6: "action program", 7: "portrait", 8: "landscape",
	})
	if program != "" {
		parts = append(parts, program)
	}
	if mode := m.word("ExposureMode", map[int]string{1: "manual", 2: "auto bracket"}); mode != "" && mode != program {
		parts = append(parts, mode)
	}
	return cleanText(strings.Join(parts, ", "), gallery.MaxMedium)
}

func (m tagMap) word(tag string, words map[int]string) string {
	n, ok := m.number(tag, 0, math.MaxUint16)
	if !ok {
		return ""
	}
	return words[int(n)]
}

// taken returns the first time that makes sense, with its offset.
func (m tagMap) taken() (time.Time, string) {
	for _, tags := range [][2]string{
		{"DateTimeOriginal", "OffsetTimeOriginal"},
		{"CreateDate", "OffsetTimeDigitized"}, // DateTimeDigitized
		{"ModifyDate", "OffsetTime"},          // DateTime
	} {
		if t, ok := wallTime(m.text(tags[0], gallery.MaxMedium)); ok {
			return t, offset(m.text(tags[1], gallery.MaxShort))
		}
	}
	return time.Time{}, ""
}

// wallTime reads 2006:01:02 15:04:05 and the ways in which programs misspell it.
func wallTime(s string) (time.Time, bool) {
	const layout = "2006:01:02 15:04:05"
	if len(s) < len(layout) {
		return time.Time{}, false
	}
	s = s[:len(layout)] // some write a fraction or an offset behind it
	date := strings.NewReplacer("-", ":", "/", ":", ".", ":").Replace(s[:10])
	t, err := time.Parse(layout, date+" "+s[11:])
	if err != nil || t.Year() < 1800 { // photography is younger
		return time.Time{}, false
	}
	return t, true
}

// offset returns an offset from UTC as +02:00, or "" for anything else.
func offset(s string) string {
	if s == "Z" {
		return "+00:00"
	}
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return ""
	}
	if _, seconds := t.Zone(); seconds < -12*3600 || seconds > 14*3600 {
		return ""
	}
	return s
}

// position returns the place, if latitude and longitude are both there with their
// sides: without them the wrong half of the world would be as likely as the right
// one. A receiver without a fix writes zeros.
func (m tagMap) position() gallery.Position {
	var p gallery.Position
	lat, ok := m.number("GPSLatitude", 0, 90)
	lon, ok2 := m.number("GPSLongitude", 0, 180)
	north, ok3 := m.side("GPSLatitudeRef", "N", "S")
	east, ok4 := m.side("GPSLongitudeRef", "E", "W")
	if ok && ok2 && ok3 && ok4 && (lat != 0 || lon != 0) {
		lat, lon = lat*north, lon*east
		p.Lat, p.Lon = &lat, &lon
	}
	const highest = 100_000 // metres; the deepest sea is within it too
	if alt, ok := m.number("GPSAltitude", 0, highest); ok {
		if ref, ok := m.number("GPSAltitudeRef", 0, 3); ok && int(ref)&1 == 1 {
			alt = -alt
		}
		p.Alt = &alt
	}
	return p
}

func (m tagMap) side(tag, plus, minus string) (float64, bool) {
	switch s := strings.ToUpper(m.text(tag, 1)); s {
	case plus:
		return 1, true
	case minus:
		return -1, true
	}
	return 0, false
}

// cleanText makes foreign text fit for a field: valid UTF-8 on one line, no
// control or invisible formatting characters, at most so many characters.
func cleanText(s string, longest int) string {
	var out strings.Builder
	count, space := 0, false
	for _, c := range s {
		switch {
		case unicode.IsSpace(c):
			space = count > 0
			continue
		case c == unicode.ReplacementChar || !unicode.IsGraphic(c):
			continue
		}
		if space {
			if count+1 >= longest {
				break // a space must not be the last
			}
			out.WriteByte(' ')
			count++
		}
		if count >= longest {
			break
		}
		space = false
		out.WriteRune(c)
		count++
	}
	return out.String()
}

// cleanName makes a file name fit to be kept for people: the last part of a path of
// any system, valid UTF-8 of at most 255 bytes, no control characters.
func cleanName(s string) string {
	if i := strings.LastIndexAny(s, `/\:`); i >= 0 {
		s = s[i+1:]
	}
	s = cleanText(s, gallery.MaxFileName)
	for len(s) > gallery.MaxFileName {
		s = cleanText(s, len([]rune(s))-1)
	}
	if s == "" || s == "." || s == ".." {
		return "picture"
	}
	return s
}
