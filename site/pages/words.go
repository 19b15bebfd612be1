package pages

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keepwatch/site/gallery"
)

// Dates are written so that no part can be mistaken for another.
const (
	dayWords   = "Monday 2 January 2006"
	dateWords  = "2 January 2006"
	shortDate  = "2 Jan 2006"
	monthWords = "January 2006"
	clockWords = "15:04"
	formTime   = "2006-01-02T15:04:05" // what <input type=datetime-local> wants
)

func words(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

func pictures(n int64) string { return words(n, "picture", "pictures") }

// dayOf is the day under which a photo is filed: that of its wall time, else that
// on which it was added.
func dayOf(p gallery.Photo) time.Time {
	if p.Taken.IsZero() {
		return p.Added.UTC()
	}
	return p.Taken
}

// nameOf is what a photo is called where there is no room for more.
func nameOf(p gallery.Photo) string {
	if p.Title != "" {
		return p.Title
	}
	return "Picture " + strconv.FormatInt(p.ID, 10)
}

// altOf describes a photo to those who do not see it, by what people said of it.
func altOf(p gallery.Photo) string {
	text := p.Title
	if line, _, _ := strings.Cut(p.Caption, "\n"); line != "" && line != text {
		if text != "" {
			text += ": "
		}
		text += line
	}
	if text == "" {
		text = "Picture without a title, " + dayOf(p).Format(dateWords)
	}
	var names []string
	for _, person := range p.People {
		names = append(names, person.Name())
	}
	if len(names) > 0 {
		text += " (with " + strings.Join(names, ", ") + ")"
	}
	return text
}

// megapixels is "12.0 MP, 4000 × 3000, 4.3 MB".
func megapixels(p gallery.Photo) string {
	w, h := p.Upright()
	text := fmt.Sprintf("%.1f MP, %d × %d", float64(w)*float64(h)/1e6, w, h)
	if p.Bytes > 0 {
		text += ", " + bytesWords(p.Bytes)
	}
	return text
}

func bytesWords(n int64) string {
	if n < 1_000_000 {
		return strconv.FormatInt(max((n+500)/1000, 1), 10) + " kB"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// sentence makes an error a sentence for people.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.ContainsRune(".!?", rune(text[len(text)-1])) {
		text += "."
	}
	return text
}

// positionWords writes coordinates as text: no map of others is asked.
func positionWords(at gallery.Position) string {
	if at.Lat == nil || at.Lon == nil {
		return ""
	}
	side := func(v float64, plus, minus string) string {
		if v < 0 {
			return fmt.Sprintf("%.5f° %s", -v, minus)
		}
		return fmt.Sprintf("%.5f° %s", v, plus)
	}
	text := side(*at.Lat, "N", "S") + ", " + side(*at.Lon, "E", "W")
	if at.Alt != nil {
		text += fmt.Sprintf(", %.0f m", *at.Alt)
	}
	return text
}

// levelWords is what a level allows.
func levelWords(l gallery.Level) string {
	switch {
	case l >= gallery.Write:
		return "view, download and edit"
	case l == gallery.Download:
		return "view and download"
	}
	return "view"
}
