package intake

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
)

const (
	// earlyBytes is how much may come before the tags, all files of a form together:
	// nobody is judged yet who sends it.
	earlyBytes = 64 << 20
	earlyFiles = 100
)

// earlyFile is a file that came before the tags and waits until they are known.
type earlyFile struct {
	name string
	data *temp
}

// OpenForm is the package's OpenForm for forms in any order: clients of the
// original site may send the file first. Such a file waits in the directory of
// uploads, 64 MiB a form at most, until the tags have come; a form that begins with
// its tags has no such bound. The caller has checked that the visitor may upload
// to some tag, and closes the form. The errors are [gallery.InputError], [ErrBusy],
// [ErrFull] and [ErrTooLarge].
func (in *Intake) OpenForm(ctx context.Context, body io.Reader, boundary string) (*Form, error) {
	left := int64(earlyBytes)
	taken := false
	defer func() {
		if taken {
			<-in.slots
		}
	}()
	return openForm(body, boundary, func(part *multipart.Part) (*temp, error) {
		if !taken {
			select {
			case in.slots <- struct{}{}:
				taken = true
			default:
				return nil, ErrBusy
			}
		}
		t, err := in.spool.take(ctx, io.LimitReader(brokenReader{part}, left+1))
		if err != nil {
			return nil, err
		}
		if left -= t.size; left < 0 {
			_ = t.Close() // too much is the error that counts
			return nil, fmt.Errorf("%w: files that come before the tags may have 64 MiB together (put the tags first)", ErrTooLarge)
		}
		return t, nil
	})
}

// keep holds a file that came before the tags, or refuses it.
func (f *Form) keep(part *multipart.Part) error {
	if f.hold == nil {
		return errOrder()
	}
	if len(f.early) == earlyFiles {
		return inputError("put the tags before the files: only %d files may come before them", earlyFiles)
	}
	t, err := f.hold(part)
	if err != nil {
		return err
	}
	if t.size == 0 && part.FileName() == "" {
		return t.Close() // a browser sends a nameless, empty file where none was chosen
	}
	f.early = append(f.early, earlyFile{part.FileName(), t})
	return nil
}

// nextEarly returns the next file that came before the tags.
func (f *Form) nextEarly() (Part, error) {
	if len(f.early) == 0 {
		return Part{}, io.EOF
	}
	e := f.early[0]
	if _, err := e.data.Seek(0, io.SeekStart); err != nil {
		return Part{}, fmt.Errorf("read upload: %w", err)
	}
	f.early = f.early[1:]
	f.done = append(f.done, e)
	return Part{Name: e.name, Data: e.data}, nil
}

// Close removes what waits. It may be called twice.
func (f *Form) Close() {
	for _, e := range append(f.early, f.done...) {
		_ = e.data.Close() // unnamed already: nothing stays behind
	}
	f.early, f.done = nil, nil
}
