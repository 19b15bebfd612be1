package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"slices"
	"strings"

	"keepwatch/site/gallery"
)

const (
	fileField  = "file"
	maxHeader  = 64 << 10 // bytes of a part's header with all that stands before it
	maxField   = 4 << 10  // bytes of a field; the longest text may have 100 characters
	maxFields  = 2 * gallery.MaxMentions
	quotedName = 40 // characters of an unknown name that are repeated
)

// Part is one file of a form. Data must be read before the next part is asked for.
type Part struct {
	Name string // as the client gave it; never part of a path
	Data io.Reader
}

// Form reads an upload form as it arrives. Make it with [OpenForm]; not safe for
// concurrent use.
type Form struct {
	// Fields are complete as soon as OpenForm returns.
	Fields Fields

	parts  *multipart.Reader
	budget *headerBudget
	next   *multipart.Part // the first file, until Next returns it
	last   *multipart.Part // what Next returned before
	hold   func(*multipart.Part) (*temp, error)
	early  []earlyFile // files that came before the tags, in order
	done   []earlyFile // those of them that Next returned
	whole  bool        // everything was read already
}

// OpenForm reads the fields of a multipart body up to its first file, so that a
// visitor can be judged before a file is read. A form that has a file before its
// tags is refused; [Intake.OpenForm] takes small ones. boundary is that of the
// Content-Type. All errors are [gallery.InputError].
func OpenForm(body io.Reader, boundary string) (*Form, error) {
	return openForm(body, boundary, nil)
}

// openForm is OpenForm with a place for files that come before the tags; nil has none.
func openForm(body io.Reader, boundary string, hold func(*multipart.Part) (*temp, error)) (*Form, error) {
	f := &Form{budget: &headerBudget{r: body, end: []byte("--" + boundary + "--")}, hold: hold}
	f.parts = multipart.NewReader(f.budget, boundary)
	if err := f.read(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// read reads fields up to the first file that can be judged, or to the end.
func (f *Form) read() error {
	for count := 0; ; count++ {
		part, err := f.part()
		if isEnd(err) {
			f.whole = true
			break
		}
		if err != nil {
			return err
		}
		if part.FormName() == fileField {
			if len(f.Fields.Tags) > 0 && len(f.early) == 0 {
				f.next = part
				break
			}
			if err := f.keep(part); err != nil {
				return err
			}
			continue
		}
		if count == maxFields {
			return inputError("a form may have %d fields", maxFields)
		}
		if err := f.field(part); err != nil {
			return err
		}
	}
	switch {
	case len(f.Fields.Tags) == 0:
		return inputError("tag must name at least one tag of your own")
	case f.next == nil && len(f.early) == 0:
		return ErrNoFile
	}
	return nil
}

func errOrder() error { return inputError("put the tags and all other fields before the files") }

// field reads one field.
func (f *Form) field(part *multipart.Part) error {
	name := part.FormName()
	if !slices.Contains(fieldNames(), name) {
		return inputError("there is no parameter %q; the known ones are %s and %s",
			cleanText(name, quotedName), strings.Join(fieldNames(), ", "), fileField)
	}
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return broken(err)
	}
	if len(value) > maxField {
		return inputError("%s is too long", name)
	}
	if len(value) == 0 { // a form cannot leave a field out
		return nil
	}
	return f.Fields.set(name, string(value))
}

// Next returns the next file, or [io.EOF] after the last. A field after a file and
// a body that cannot be read are [gallery.InputError]. What was not read of the
// file before is read now.
func (f *Form) Next() (Part, error) {
	if f.whole {
		return f.nextEarly()
	}
	for {
		part := f.next
		f.next = nil
		if part == nil {
			if err := f.drain(); err != nil {
				return Part{}, err
			}
			var err error
			if part, err = f.part(); err != nil {
				return Part{}, err
			}
		}
		if part.FormName() != fileField {
			return Part{}, errOrder()
		}
		f.last = part
		file := Part{Name: part.FileName(), Data: brokenReader{part}}
		if file.Name != "" {
			return file, nil
		}
		// A browser sends a nameless, empty file where none was chosen.
		head := make([]byte, 1)
		if n, err := io.ReadFull(part, head); n > 0 {
			file.Data = io.MultiReader(strings.NewReader(string(head)), file.Data)
			return file, nil
		} else if !isEnd(err) {
			return Part{}, broken(err)
		}
	}
}

func (f *Form) drain() error {
	if f.last == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, f.last); err != nil {
		return broken(err)
	}
	return nil
}

// part returns the next part, or io.EOF itself after the last.
func (f *Form) part() (*multipart.Part, error) {
	f.budget.left, f.budget.header = maxHeader, true
	part, err := f.parts.NextRawPart()
	f.budget.header = false
	if isEnd(err) && f.budget.ended() {
		return nil, io.EOF
	}
	if err != nil {
		return nil, broken(err)
	}
	return part, nil
}

// broken makes a sentence of an error of the body and keeps the cause.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // nobody must take it for the end of the files
	}
	return fmt.Errorf("%w: %w", inputError("the upload broke off, or it is no form with files"), err)
}

type brokenReader struct{ r io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !isEnd(err) {
		err = broken(err)
	}
	return n, err
}

var errHeader = errors.New("a part's header is too large")

// headerBudget bounds what is read while a part's header is looked for; the
// library's own bound is 10 MB for each. It also sees whether the form came to its
// end: the library takes a header that is cut off for the end.
type headerBudget struct {
	r      io.Reader
	left   int
	header bool // a header is looked for
	end    []byte
	tail   []byte // what was read last, with len(end) bytes from before
}

func (h *headerBudget) ended() bool { return bytes.Contains(h.tail, h.end) }

func (h *headerBudget) Read(p []byte) (int, error) {
	if h.header {
		if h.left <= 0 {
			return 0, errHeader
		}
		p = p[:min(len(p), h.left)]
	}
	n, err := h.r.Read(p)
	if h.header {
		h.left -= n
	}
	if n > 0 {
		keep := min(len(h.tail), len(h.end))
		h.tail = append(h.tail[:copy(h.tail, h.tail[len(h.tail)-keep:])], p[:n]...)
	}
	return n, err
}
