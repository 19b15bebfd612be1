package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"keepwatch/site/gallery"
)

// refused is why one file is not taken; the next one may be.
type refused struct{ err error }

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// upload is one call of Receive; one goroutine owns it.
type upload struct {
	in     *Intake
	batch  Batch
	left   int64 // bytes that may still come
	report Report
	first  error // why the first refused file was refused
}

// Receive judges the visitor, reads the files that next yields until [io.EOF],
// stores the pictures among them one after the other and tells what became of
// each. next is not called when the visitor may not upload ([gallery.ErrForbidden])
// or too many are uploading ([ErrBusy]). A refused file does not stop the others;
// an error of next, a full disk, a database that is away or a cancelled ctx does.
//
// The error is nil when at least one photo is on the site afterwards, else it is
// what stopped the upload, or why the first file was refused; the report is filled
// in either way.
func (in *Intake) Receive(ctx context.Context, b Batch, next func() (Part, error)) (Report, error) {
	select {
	case in.slots <- struct{}{}:
		defer func() { <-in.slots }()
	default:
		return Report{}, ErrBusy
	}
	u := &upload{in: in, batch: b, left: in.maxBytes}
	if err := u.authorise(ctx); err != nil {
		return Report{}, err
	}
	return u.finish(ctx, u.run(ctx, next))
}

// authorise applies A6 before anything is read, and refuses a place that does not
// exist; Add applies A6 again, under the lock.
func (u *upload) authorise(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	facts := make([]gallery.TagFacts, len(u.batch.Fields.Tags))
	for i, id := range u.batch.Fields.Tags {
		var err error
		facts[i], err = u.in.parts.Store.Tag(ctx, id, "", u.batch.Visitor.Asking(time.Now().UTC()))
		if errors.Is(err, gallery.ErrNotFound) {
			return gallery.ErrForbidden // like a tag of somebody else
		}
		if err != nil {
			return fmt.Errorf("judge tag: %w", err)
		}
	}
	if err := gallery.MayUpload(u.batch.Visitor, facts); err != nil || u.batch.Fields.Location == 0 {
		return err
	}
	_, err := u.in.parts.Store.Place(ctx, u.batch.Fields.Location) // places are never deleted
	if errors.Is(err, gallery.ErrNotFound) {
		return inputError("loc is the number of no place")
	}
	if err != nil {
		return fmt.Errorf("look for place: %w", err)
	}
	return nil
}

// run takes the files in. It returns what stopped it, or nil.
func (u *upload) run(ctx context.Context, next func() (Part, error)) error {
	for range maxPictures {
		part, err := next()
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.file(ctx, part); err != nil {
			return err
		}
	}
	if _, err := next(); err == nil {
		return fmt.Errorf("%w: a form may hold %d files", ErrTooLarge, maxPictures)
	}
	return nil
}

// finish turns what stopped an upload into the caller's error or into a line of
// the report.
func (u *upload) finish(ctx context.Context, stop error) (Report, error) {
	if stop != nil {
		u.report.Stopped = sentence(stop)
	}
	switch {
	case len(u.report.IDs()) > 0:
		if stop != nil {
			u.in.parts.Log.WarnContext(ctx, "upload ended early", "stored", len(u.report.IDs()), "err", stop)
		}
		return u.report, nil
	case stop != nil:
		return u.report, stop
	case u.first != nil:
		return u.report, u.first
	}
	return u.report, ErrNoFile
}

// sentence is what a person may read of an error: never a chain with paths or SQL.
func sentence(err error) string {
	if wrong, ok := errors.AsType[gallery.InputError](err); ok {
		return wrong.Message
	}
	for _, full := range []error{ErrNotPicture, ErrTooLarge, ErrZIP} {
		if errors.Is(err, full) {
			return err.Error() // these are wrapped with words for people only
		}
	}
	for _, known := range []error{ErrFull, gallery.ErrForbidden, gallery.ErrBeingRemoved} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the site cannot store pictures just now; please send it again later"
}

// settle notes what became of a file. It returns err unless that refuses this file only.
func (u *upload) settle(name string, r Result, err error) error {
	r.File = name
	if err != nil {
		r = Result{File: name, State: Refused, Why: sentence(err)}
		if u.first == nil {
			u.first = err
		}
	}
	u.report.Results = append(u.report.Results, r)
	if _, ok := errors.AsType[*refused](err); ok {
		return nil
	}
	return err
}

// file takes one file of the form in. It returns what stops the upload.
func (u *upload) file(ctx context.Context, part Part) error {
	name := cleanName(part.Name)
	data := &meter{r: part.Data, left: &u.left, over: fmt.Errorf("%w: an upload may have %d MB", ErrTooLarge, u.in.maxBytes>>20)}
	kind, body, err := sniffed(data)
	switch {
	case err != nil:
	case kind == Other:
		err = u.settle(name, Result{}, &refused{ErrNotPicture})
	case kind == ZIP:
		err = u.archive(ctx, name, body)
	default:
		err = u.picture(ctx, name, body)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, data); err != nil { // what a refused file left unread
		return fmt.Errorf("read upload: %w", err)
	}
	return nil
}

// sniffed tells what r yields, and yields it from the start.
func sniffed(r io.Reader) (Kind, io.Reader, error) {
	head := make([]byte, SniffLen)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	if err != nil && !isEnd(err) && err != io.ErrUnexpectedEOF {
		return Other, nil, fmt.Errorf("read upload: %w", err)
	}
	return Sniff(head), io.MultiReader(bytes.NewReader(head), r), nil
}

// picture spools, judges and stores one picture, and notes what became of it.
func (u *upload) picture(ctx context.Context, name string, body io.Reader) error {
	left := int64(maxPicture)
	t, err := u.in.spool.take(ctx, &meter{r: body, left: &left, over: &refused{pictureTooLarge()}})
	if err != nil {
		return u.settle(name, Result{}, err)
	}
	r, err := u.keep(ctx, t, name)
	return u.settle(name, r, errors.Join(err, t.Close()))
}

// archive spools a ZIP and takes its pictures in one after the other.
func (u *upload) archive(ctx context.Context, name string, body io.Reader) error {
	t, err := u.in.spool.take(ctx, body)
	if err != nil {
		return u.settle(name, Result{}, err)
	}
	list, err := listZIP(t, t.size, u.in.maxBytes)
	u.report.Ignored += list.Ignored
	if err == nil && len(list.Pictures) == 0 {
		err = fmt.Errorf("%w; there is none in this ZIP", ErrNotPicture)
	}
	if err != nil {
		err = u.settle(name, Result{}, &refused{err})
		return errors.Join(err, t.Close())
	}
	for _, e := range list.Pictures {
		if err = u.entry(ctx, e); err != nil {
			break
		}
	}
	return errors.Join(err, t.Close())
}

// entry takes one picture of a ZIP in. Whatever is wrong with the entry refuses
// this one only.
func (u *upload) entry(ctx context.Context, e zipEntry) error {
	r, err := e.open(ctx)
	if err != nil {
		return u.settle(e.Name, Result{}, &refused{err})
	}
	kind, body, err := sniffed(r)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = u.settle(e.Name, Result{}, &refused{err})
	case kind != JPEG && kind != PNG && kind != WebP:
		err = u.settle(e.Name, Result{}, &refused{ErrNotPicture})
	default:
		err = u.picture(ctx, e.Name, &refusingReader{ctx: ctx.Err, r: body})
	}
	_ = r.Close() // reading is over
	return err
}

// refusingReader makes the errors of a ZIP's entry those of this file only.
type refusingReader struct {
	ctx func() error
	r   io.Reader
}

func (r *refusingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !isEnd(err) && r.ctx() == nil {
		err = &refused{err}
	}
	return n, err
}

// isEnd reports the end of a file or of a form. An io.EOF that is wrapped stands for
// one that broke off.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// meter bounds what is read: when there is more than left, it fails with over.
type meter struct {
	r    io.Reader
	left *int64
	over error
}

func (m *meter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if *m.left <= 0 {
		if n, err := m.r.Read(p[:1]); n == 0 {
			return 0, err
		}
		return 0, m.over
	}
	n, err := m.r.Read(p[:min(int64(len(p)), *m.left)])
	*m.left -= int64(n)
	return n, err
}
