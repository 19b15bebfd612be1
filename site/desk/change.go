package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

const (
	rereadFor = 20 * time.Second // deadline of reading files again
	maxReread = 200              // files that one request reads again
	readers   = 4                // files read at one time
)

// Edit changes photos, all of them or none (A3, T1, T2). It returns them in the
// order of the request.
func (d *Desk) Edit(ctx context.Context, v gallery.Visitor, r gallery.EditRequest) ([]Edited, error) {
	if len(v.Writable()) == 0 {
		return nil, gallery.ErrForbidden
	}
	if r.Reread {
		if err := d.reread(ctx, v, &r); err != nil {
			return nil, err
		}
	}
	now := time.Now().UTC()
	var before, after []gallery.Photo
	err := change(ctx, func(ctx context.Context) (err error) {
		after, err = d.Store.Edit(ctx, r.Edit(v, now), func(facts gallery.EditFacts) ([]gallery.Plan, error) {
			before = facts.Photos
			return gallery.Decide(v, r, facts, now)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]Edited, len(after))
	for i, p := range after {
		d.Gate.Forget(gallery.Change{Photo: p.ID})
		out[i] = Edited{Photo: p, Changed: gallery.Compare(before[i], p)}
	}
	return out, nil
}

// Delete deletes photos, or takes that back.
func (d *Desk) Delete(ctx context.Context, v gallery.Visitor, ids []int64, deleted bool) ([]Edited, error) {
	return d.Edit(ctx, v, gallery.EditRequest{IDs: ids, Deleted: &deleted})
}

// TagID is the number of a tag by its name, as it is now; 0 when there is none. It
// is for changes that name a tag: whether it may be used is judged by them.
func (d *Desk) TagID(ctx context.Context, v gallery.Visitor, name string) (id int64, err error) {
	err = change(ctx, func(ctx context.Context) error {
		t, err := d.Store.Tag(ctx, 0, name, v.Asking(time.Now().UTC()))
		if errors.Is(err, gallery.ErrNotFound) {
			return nil
		}
		id = t.ID
		return err
	})
	return id, err
}

// reread reads what the files say about themselves, before anything is locked.
func (d *Desk) reread(ctx context.Context, v gallery.Visitor, r *gallery.EditRequest) error {
	if len(r.IDs) > maxReread {
		return gallery.InputError{Message: fmt.Sprintf("at most %d files can be read again at once", maxReread)}
	}
	photos := make([]gallery.Photo, len(r.IDs))
	for i, id := range r.IDs {
		p, err := d.Photo(ctx, v, id)
		if err != nil {
			return err
		}
		if !gallery.MayWrite(v, p) {
			return gallery.ErrForbidden
		}
		photos[i] = p
	}
	ctx, cancel := context.WithTimeout(ctx, rereadFor)
	defer cancel()
	found := make([]gallery.FromFile, len(photos))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, p := range photos {
		group.Go(func() (err error) {
			found[i], err = d.readFile(ctx, p)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.FromFile = map[int64]gallery.FromFile{}
	for i, p := range photos {
		r.FromFile[p.ID] = found[i]
	}
	return nil
}

func (d *Desk) readFile(ctx context.Context, p gallery.Photo) (gallery.FromFile, error) {
	o, err := d.Originals.Open(ctx, p.Content)
	if err != nil {
		return gallery.FromFile{}, fmt.Errorf("read picture %d again: %w", p.ID, err)
	}
	defer o.Close()
	found, err := intake.ReadEXIF(ctx, o)
	if err != nil { // what a damaged block holds before the damage counts
		d.Log.Debug("file's own data not wholly read", "photo", p.ID, "err", err)
	}
	return found, nil
}

// Share makes a code (K1).
func (d *Desk) Share(ctx context.Context, v gallery.Visitor, r ShareRequest) (gallery.Code, error) {
	if !v.Known() {
		return gallery.Code{}, gallery.ErrForbidden
	}
	now := time.Now().UTC()
	switch {
	case r.Level < gallery.Read || r.Level > gallery.Write:
		return gallery.Code{}, gallery.InputError{Message: "lvl must be 1 (see), 2 (download) or 3 (change)"}
	case r.MaxUses < 0:
		return gallery.Code{}, gallery.InputError{Message: "cnt must be a whole number above 0"}
	case !r.Expires.IsZero() && !r.Expires.After(now):
		return gallery.Code{}, gallery.InputError{Message: "exp must be a time in the future"}
	}
	var made gallery.Code
	err := change(ctx, func(ctx context.Context) (err error) {
		made, err = d.Store.Share(ctx, r.Tag, v.Asking(now), func(t gallery.TagFacts) (gallery.Code, error) {
			code := gallery.Code{Code: gallery.NewCode(), Tag: t.ID, Level: r.Level, MaxUses: r.MaxUses, Expires: r.Expires.UTC()}
			if r.Expires.IsZero() {
				code.Expires = time.Time{}
			}
			return code, gallery.MayShare(v, t, r.Level)
		})
		return err
	})
	if err == nil {
		d.Gate.Forget(gallery.Change{Token: []byte{}})
	}
	return made, err
}

// Unshare deletes a code and the tokens it gave (K1). A code that does not exist
// and one that is not the visitor's are one answer.
func (d *Desk) Unshare(ctx context.Context, v gallery.Visitor, typed string) error {
	code := gallery.NormaliseCode(typed)
	if !v.Known() || code == "" {
		return gallery.ErrForbidden
	}
	err := change(ctx, func(ctx context.Context) error {
		return d.Store.Unshare(ctx, code, v.Asking(time.Now().UTC()), func(t gallery.TagFacts, c gallery.Code) error {
			return gallery.MayShare(v, t, c.Level)
		})
	})
	if err == nil {
		d.Gate.Forget(gallery.Change{Token: []byte{}})
	}
	return err
}

// Upload reads a multipart form and stores its pictures (A6). The visitor is
// judged before a byte of a file is read, unless the file comes before its tags:
// then only that there is some tag to upload to. The report tells of each file, also
// when there is an error.
func (d *Desk) Upload(ctx context.Context, v gallery.Visitor, body io.Reader, boundary string) (intake.Report, error) {
	if len(v.Writable()) == 0 {
		return intake.Report{}, gallery.ErrForbidden
	}
	form, err := d.Uploads.OpenForm(ctx, body, boundary)
	if err != nil {
		return intake.Report{}, uploadError(ctx, err)
	}
	defer form.Close()
	report, err := d.Uploads.Receive(ctx, intake.Batch{Fields: form.Fields, Visitor: v}, form.Next)
	for _, id := range report.IDs() {
		d.Gate.Forget(gallery.Change{Photo: id})
	}
	return report, uploadError(ctx, err)
}

// uploadError says that something is away where an upload's error says nothing else.
func uploadError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, wrong := errors.AsType[gallery.InputError](err); wrong {
		return err
	}
	for _, known := range []error{
		gallery.ErrForbidden, gallery.ErrBeingRemoved, intake.ErrNotPicture, intake.ErrTooLarge, intake.ErrZIP, intake.ErrFull, intake.ErrBusy, intake.ErrKeep,
		originals.ErrFull,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	return access.Away(ctx, hide(err))
}
