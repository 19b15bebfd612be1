package intake

import (
	"io"
	"mime/multipart"
	"time"
)

// Fields are the fields of an upload form; zero values were not given.
type Fields struct {
	Tags        []int64   // ids in ascending order, at least one
	Taken       time.Time // local wall time, carried as UTC
	Zone        string
	Location    int64  // 0 means the root
	NewLocation string // name of a place at or below Location, made when missing
	Camera      string
	Film        string
	Process     string
	Watermark   string
}

// Part is one file of a form. Data is read before the next part is asked for.
type Part struct {
	Name string // as the client gave it; never part of a path
	Data io.Reader
}

// Form reads an upload form as it arrives. Make it with [OpenForm]; not safe for
// concurrent use.
type Form struct {
	// Fields are complete as soon as OpenForm returns.
	Fields Fields
}

// OpenForm reads the fields of a multipart body, which come before its files, so
// that a visitor can be judged before a file is read. Mistakes are
// [gallery.InputError]; a body that cannot be read is one too. boundary is that
// of the Content-Type.
func OpenForm(body io.Reader, boundary string) (*Form, error) {
	_ = multipart.NewReader(body, boundary)
	panic("intake: soon")
}

// Next returns the next file, or [io.EOF]. A field after a file is a [gallery.InputError].
func (f *Form) Next() (Part, error) { panic("intake: soon") }
