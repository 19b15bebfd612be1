package intake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"keepwatch/site/gallery"
)

// Fields are the fields of an upload form. They hold for all its files and
// override what the files say; zero values say nothing.
type Fields struct {
	Tags        []int64   // ids in ascending order, each once, at least one
	Taken       time.Time // local wall time, carried as UTC
	Zone        string
	Location    int64  // 0 means the root
	NewLocation string // a place below Location, made when missing
	Camera      string
	Film        string
	Process     string
	Watermark   string
}

// fieldNames are the parameters of an upload, those of the original site.
func fieldNames() []string {
	return []string{"tag", "ts", "loc", "nlc", "cam", "flm", "pcs", "tz", "wmk"}
}

// set puts the value of one parameter, which is one of fieldNames, in its place.
// Errors are [gallery.InputError].
func (f *Fields) set(name, value string) error {
	switch name {
	case "tag":
		return f.addTag(value)
	case "loc":
		return setID(name, value, &f.Location)
	case "ts":
		t, err := gallery.ParseWall(value)
		if err != nil {
			return inputError("ts must be a date and time like 2026-05-31 14:30:00")
		}
		return setOnce(name, t, &f.Taken)
	case "nlc":
		return setText(name, value, gallery.MaxMedium, &f.NewLocation)
	case "wmk":
		return setText(name, value, gallery.MaxMedium, &f.Watermark)
	case "tz":
		return setText(name, value, gallery.MaxLong, &f.Zone)
	case "cam":
		return setText(name, value, gallery.MaxShort, &f.Camera)
	case "flm":
		return setText(name, value, gallery.MaxShort, &f.Film)
	default:
		return setText(name, value, gallery.MaxShort, &f.Process)
	}
}

func (f *Fields) addTag(value string) error {
	var id int64
	if err := setID("tag", value, &id); err != nil {
		return err
	}
	at, found := slices.BinarySearch(f.Tags, id)
	if !found {
		f.Tags = slices.Insert(f.Tags, at, id)
	}
	if len(f.Tags) > gallery.MaxMentions {
		return inputError("tag may be given %d times at most", gallery.MaxMentions)
	}
	return nil
}

func setID(name, value string, to *int64) error {
	id, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || id <= 0 {
		return inputError("%s must be the number of one", name)
	}
	return setOnce(name, id, to)
}

func setText(name, value string, longest int, to *string) error {
	if !utf8.ValidString(value) {
		return inputError("%s is not text in UTF-8", name)
	}
	value = strings.Join(strings.Fields(gallery.Clean(value)), " ")
	if utf8.RuneCountInString(value) > longest {
		return inputError("%s may have at most %d characters", name, longest)
	}
	return setOnce(name, value, to)
}

func setOnce[T comparable](name string, value T, to *T) error {
	var zero T
	if *to != zero {
		return inputError("%s may be given once", name)
	}
	*to = value
	return nil
}

func inputError(format string, args ...any) error {
	return gallery.InputError{Message: fmt.Sprintf(format, args...)}
}
