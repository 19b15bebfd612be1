package archive

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"keepwatch/site/gallery"
)

const (
	rootName  = "Earth" // the place that holds all others
	maxNames  = 200     // tags, or people, of one photo
	maxPlaces = 16      // levels of places
)

// row is a line of the table of photos.
type row struct {
	line   int
	photo  gallery.Photo
	tags   []string
	people []gallery.Person
	places []string // from the root down, without the root
	turned bool     // the table says how the picture is turned

	cells map[string]string
}

// field is a column of the table of photos that is a field of the photo.
type field struct {
	name string
	set  func(p *gallery.Photo, text string) error // text is not empty
}

// fields lists them in the order of docs/import.md.
func fields() []field {
	return []field{
		{"file_name", fileName},
		text("title", gallery.MaxLong, func(p *gallery.Photo) *string { return &p.Title }),
		text("caption", gallery.MaxCaption, func(p *gallery.Photo) *string { return &p.Caption }),
		{"taken", func(p *gallery.Photo, s string) (err error) { p.Taken, err = gallery.ParseWall(s); return err }},
		text("zone", gallery.MaxLong, func(p *gallery.Photo) *string { return &p.Zone }),
		text("camera", gallery.MaxShort, func(p *gallery.Photo) *string { return &p.Shot.Camera }),
		text("aperture", gallery.MaxShort, func(p *gallery.Photo) *string { return &p.Shot.Aperture }),
		text("shutter", gallery.MaxShort, func(p *gallery.Photo) *string { return &p.Shot.Shutter }),
		text("exposure", gallery.MaxMedium, func(p *gallery.Photo) *string { return &p.Shot.Exposure }),
		text("metering", gallery.MaxShort, func(p *gallery.Photo) *string { return &p.Shot.Metering }),
		{"flash", func(p *gallery.Photo, s string) error { return yesNo(s, func(v bool) { p.Shot.Flash = &v }) }},
		text("film", gallery.MaxShort, func(p *gallery.Photo) *string { return &p.Shot.Film }),
		text("process", gallery.MaxShort, func(p *gallery.Photo) *string { return &p.Shot.Process }),
		text("focal_length", gallery.MaxMedium, func(p *gallery.Photo) *string { return &p.Shot.FocalLength }),
		{"rotation", rotation},
		text("watermark", gallery.MaxMedium, func(p *gallery.Photo) *string { return &p.Watermark }),
		{"lat", func(p *gallery.Photo, s string) (err error) { p.Position.Lat, err = number(s, -90, 90); return err }},
		{"lon", func(p *gallery.Photo, s string) (err error) { p.Position.Lon, err = number(s, -180, 180); return err }},
		{"alt", func(p *gallery.Photo, s string) (err error) {
			p.Position.Alt, err = number(s, -12_000, 100_000)
			return err
		}},
		{"new", func(p *gallery.Photo, s string) error { return yesNo(s, func(v bool) { p.New = v }) }},
		{"added", func(p *gallery.Photo, s string) (err error) { p.Added, err = instant(s); return err }},
		{"deleted", func(p *gallery.Photo, s string) (err error) { p.Deleted, err = instant(s); return err }},
	}
}

// photoColumns are all columns of the table of photos.
func photoColumns() []string {
	out := []string{"id"}
	for _, f := range fields() {
		out = append(out, f.name)
	}
	return append(out, "tags", "people", "location")
}

// checkPhotos reads the whole table and adds its mistakes. It returns the line of each photo.
func checkPhotos(r io.ReadSeeker, mistakes *MistakesError) (map[int64]int, error) {
	lines := map[int64]int{}
	err := readPhotos(r, mistakes, func(p row) error {
		if first := lines[p.photo.ID]; first != 0 {
			mistakes.add(PhotosTable, p.line, "photo %d stands in line %d already", p.photo.ID, first)
		} else {
			lines[p.photo.ID] = p.line
		}
		return nil
	})
	return lines, err
}

// eachPhoto reads a table again that was without mistakes.
func eachPhoto(r io.ReadSeeker, do func(row) error) error {
	mistakes := &MistakesError{}
	err := readPhotos(r, mistakes, func(p row) error {
		if err := mistakes.orNil(); err != nil {
			return err
		}
		return do(p)
	})
	return errors.Join(err, mistakes.orNil())
}

// readPhotos calls do with each line that is right, and adds the mistakes of the others.
func readPhotos(r io.ReadSeeker, mistakes *MistakesError, do func(row) error) error {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", PhotosTable, err)
	}
	t, err := openTable(PhotosTable, r, photoColumns(), []string{"id", "tags"}, mistakes)
	if err != nil || t == nil {
		return err
	}
	fields := fields()
	return t.each(mistakes, func(l line) error {
		p, ok := readRow(l, fields, mistakes)
		if !ok {
			return nil
		}
		return do(p)
	})
}

func readRow(l line, fields []field, mistakes *MistakesError) (row, bool) {
	ok := true
	wrong := func(column string, err error) {
		ok = false
		mistakes.add(PhotosTable, l.number, "%s: %s", column, err)
	}
	p := row{line: l.number, cells: l.cells, turned: l.cells["rotation"] != ""}
	id, err := strconv.ParseInt(l.cells["id"], 10, 64)
	if err != nil || id < 1 || l.cells["id"] != strconv.FormatInt(id, 10) {
		wrong("id", fmt.Errorf("%q is no number of a photo; write 1 or more, without leading zeros", shorten(l.cells["id"])))
	}
	p.photo.ID = id
	for _, f := range fields {
		if cell := l.cells[f.name]; cell != "" {
			if err := f.set(&p.photo, cell); err != nil {
				wrong(f.name, err)
			}
		}
	}
	if (l.cells["lat"] == "") != (l.cells["lon"] == "") {
		wrong("lat", errors.New("lat and lon belong together; write both or none"))
	}
	if p.photo.FileName == "" {
		p.photo.FileName = strconv.FormatInt(id, 10) + ".jpg"
	}
	if p.tags, err = names(l.cells["tags"], gallery.MaxMedium); err != nil {
		wrong("tags", err)
	} else if len(p.tags) == 0 {
		wrong("tags", errors.New("there must be at least one, or nobody may see the photo"))
	}
	people, err := names(l.cells["people"], gallery.MaxPerson)
	if err != nil {
		wrong("people", err)
	}
	for _, name := range people {
		p.people = append(p.people, gallery.PersonOf(name))
	}
	if p.places, err = places(l.cells["location"]); err != nil {
		wrong("location", err)
	}
	return p, ok
}

// over writes what the table says over what the file said.
func (p row) over(photo gallery.Photo) gallery.Photo {
	photo.ID, photo.FileName = p.photo.ID, p.photo.FileName
	for _, f := range fields() {
		if cell := p.cells[f.name]; cell != "" {
			_ = f.set(&photo, cell) // it was right before
		}
	}
	return photo
}

func text(name string, limit int, of func(*gallery.Photo) *string) field {
	return field{name, func(p *gallery.Photo, s string) error {
		if n := utf8.RuneCountInString(s); n > limit {
			return fmt.Errorf("may have %d characters and has %d", limit, n)
		}
		*of(p) = s
		return nil
	}}
}

// fileName keeps the last part of a path, of any system's.
func fileName(p *gallery.Photo, s string) error {
	s = strings.TrimSpace(s[strings.LastIndexAny(s, `/\`)+1:])
	if n := utf8.RuneCountInString(s); n > gallery.MaxFileName {
		return fmt.Errorf("may have %d characters and has %d", gallery.MaxFileName, n)
	}
	p.FileName = s
	return nil
}

func rotation(p *gallery.Photo, s string) error {
	switch s {
	case "0", "90", "180", "270":
		p.Rotation, _ = strconv.Atoi(s) // one of the four
		return nil
	}
	return fmt.Errorf("%q is no turn; write 0, 90, 180 or 270, counter-clockwise", shorten(s))
}

func yesNo(s string, set func(bool)) error {
	switch strings.ToLower(s) {
	case "true", "t", "1", "yes":
		set(true)
	case "false", "f", "0", "no":
		set(false)
	default:
		return fmt.Errorf("%q is neither true nor false", shorten(s))
	}
	return nil
}

func number(s string, low, high float64) (*float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < low || v > high {
		return nil, fmt.Errorf("%q is no number from %g to %g", shorten(s), low, high)
	}
	return &v, nil
}

// instant reads a time with its zone, or a time in UTC.
func instant(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Truncate(time.Microsecond), nil
	}
	return gallery.ParseWall(s)
}

// names reads a list with semicolons.
func names(cell string, limit int) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for part := range strings.SplitSeq(cell, ";") {
		name := strings.Join(strings.Fields(part), " ")
		switch {
		case name == "" || seen[gallery.Key(name)]:
			continue
		case utf8.RuneCountInString(name) > limit:
			return nil, fmt.Errorf("%q is longer than %d characters", shorten(name), limit)
		case len(out) == maxNames:
			return nil, fmt.Errorf("there are more than %d", maxNames)
		}
		seen[gallery.Key(name)] = true
		out = append(out, name)
	}
	return out, nil
}

// places reads a path such as Earth/Germany/Berlin.
func places(cell string) ([]string, error) {
	if cell == "" {
		return nil, nil
	}
	parts := strings.Split(cell, "/")
	for i, part := range parts {
		part = strings.Join(strings.Fields(part), " ")
		if part == "" {
			return nil, fmt.Errorf("%q has an empty part; write it like Earth/Germany/Berlin", shorten(cell))
		}
		if n := utf8.RuneCountInString(part); n > gallery.MaxMedium {
			return nil, fmt.Errorf("%q is longer than %d characters", shorten(part), gallery.MaxMedium)
		}
		parts[i] = part
	}
	if parts[0] != rootName {
		return nil, fmt.Errorf("%q does not begin with %s; write it like Earth/Germany/Berlin", shorten(cell), rootName)
	}
	if len(parts) > maxPlaces {
		return nil, fmt.Errorf("has more than %d parts", maxPlaces)
	}
	return parts[1:], nil
}
