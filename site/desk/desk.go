// Package desk is where visitors are served: every operation that the site
// offers, with the rules of access, the memory of answers and its refreshing
// after changes. The endpoints for programs and the pages for people both ask here.
//
// It knows no HTTP answers, no JSON, no HTML and no SQL.
package desk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

// changeFor is the deadline of one change in the store.
const changeFor = 10 * time.Second

// Store is what changes are made in; looks go through the gate's memory.
type Store interface {
	// Share, Unshare and Tag are those of [gallery.Keys].
	Share(ctx context.Context, tag int64, ask gallery.Asking, decide func(gallery.TagFacts) (gallery.Code, error)) (gallery.Code, error)
	Unshare(ctx context.Context, code string, ask gallery.Asking, decide func(gallery.TagFacts, gallery.Code) error) error
	Tag(ctx context.Context, id int64, name string, ask gallery.Asking) (gallery.TagFacts, error)
	// Edit is that of [gallery.Photos].
	Edit(ctx context.Context, e gallery.Edit, decide func(gallery.EditFacts) ([]gallery.Plan, error)) ([]gallery.Photo, error)
}

// Uploads judges a visitor and takes files in; [intake.Intake] does.
type Uploads interface {
	// OpenForm reads the fields of a form, in whatever order they come.
	OpenForm(ctx context.Context, body io.Reader, boundary string) (*intake.Form, error)
	Receive(ctx context.Context, b intake.Batch, next func() (intake.Part, error)) (intake.Report, error)
}

// Desk serves visitors. All fields must be set; safe for concurrent use.
//
// Its errors are those of package gallery (for what does not exist and what must
// not be seen alike [gallery.ErrForbidden]), of package intake for uploads, and
// [access.ErrAway] when the store is away: then nothing was done.
type Desk struct {
	Gate      *access.Gate
	Store     Store
	Originals originals.Store
	Uploads   Uploads
	Log       *slog.Logger
}

// MaxPage is the most photos of one page.
const MaxPage = 999 // the store gives 1000 at most, and one tells that there are more

// List is a page of photos. Nobody may change it.
type List struct {
	Photos []gallery.Photo
	Next   int64 // Filter.After of the next page; 0 means that this is the last
}

// ShareRequest asks for a new code.
type ShareRequest struct {
	Tag     int64
	Level   gallery.Level
	MaxUses int64     // 0: as often as people like
	Expires time.Time // of the code, not of what it gives; zero means never
}

// Edited is a photo after an edit and what the edit changed.
type Edited struct {
	Photo   gallery.Photo
	Changed gallery.Changed
}

// hide turns what does not exist into what must not be seen.
func hide(err error) error {
	if errors.Is(err, gallery.ErrNotFound) {
		return gallery.ErrForbidden
	}
	return err
}

// change gives a change of the store its deadline and explains what went wrong.
func change(ctx context.Context, do func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, changeFor)
	defer cancel()
	err := hide(do(limited))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gallery.ErrForbidden), errors.Is(err, gallery.ErrTaken), errors.Is(err, gallery.ErrBeingRemoved):
		return err
	}
	return access.Away(ctx, err)
}
