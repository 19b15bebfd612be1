package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"keepwatch/site/gallery"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

const (
	storeTime   = time.Minute            // for the database and the store of originals, each file
	forgetTime  = 10 * time.Second       // for cleaning up after a failure
	removeWait  = 200 * time.Millisecond // how long to wait for content that is being removed, growing
	removeTries = 5
)

// keep judges a spooled picture and stores it.
func (u *upload) keep(ctx context.Context, t *temp, name string) (Result, error) {
	photo, err := u.photo(ctx, t, name)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	// Two uploads of one content in this process share its intent, so they take turns.
	unlock, err := u.in.contents.lock(ctx, t.content)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	known, err := u.in.parts.Store.Known(ctx, t.content, u.batch.Visitor.Writable())
	switch {
	case err == nil && known.Deleted.IsZero():
		return u.present(ctx, known)
	case err != nil && !errors.Is(err, gallery.ErrNotFound):
		return Result{}, fmt.Errorf("look for the same picture: %w", err)
	}
	// A deleted photo stays deleted: whoever uploads it again gets a photo of their own.
	if u.in.parts.Allow != nil {
		err := u.in.parts.Allow(ctx, u.batch.Fields.Tags, t.size)
		if _, ok := errors.AsType[gallery.InputError](err); ok {
			err = &refused{err}
		}
		if err != nil {
			return Result{}, err
		}
	}
	photo.ID, err = u.write(ctx, t, photo)
	if _, waited := errors.AsType[*refused](err); errors.Is(err, gallery.ErrBeingRemoved) && !waited {
		// A clean-up took the intent for one that was left.
		photo.ID, err = u.write(ctx, t, photo)
	}
	if err != nil {
		return Result{}, err
	}
	u.prepare(ctx, photo)
	return Result{State: Stored, ID: photo.ID}, nil
}

// prepare has the standard sizes made ahead of time. A text on the picture may name
// the place, which only the store knows.
func (u *upload) prepare(ctx context.Context, photo gallery.Photo) {
	if u.in.parts.Prepare == nil {
		return
	}
	if photo.Watermark != "" {
		whole, err := u.in.parts.Store.Known(ctx, photo.Content, u.batch.Visitor.Writable())
		if err != nil || whole.ID != photo.ID {
			return // then they are made when somebody asks
		}
		photo = whole
	}
	u.in.parts.Prepare(photo)
}

// judged is an error of the renderer, in its words, that is one of ours too.
type judged struct{ err, ours error }

func (j judged) Error() string   { return j.err.Error() }
func (j judged) Unwrap() []error { return []error{j.err, j.ours} }

// photo reads what the file says about itself. What people said wins over it.
func (u *upload) photo(ctx context.Context, t *temp, name string) (gallery.Photo, error) {
	if _, err := t.Seek(0, io.SeekStart); err != nil {
		return gallery.Photo{}, fmt.Errorf("read upload: %w", err)
	}
	head, err := render.ReadHeader(t)
	switch {
	case errors.Is(err, render.ErrNotPicture):
		return gallery.Photo{}, &refused{judged{err, ErrNotPicture}}
	case errors.Is(err, render.ErrTooLarge):
		return gallery.Photo{}, &refused{judged{err, ErrTooLarge}}
	case err != nil:
		return gallery.Photo{}, fmt.Errorf("read upload: %w", err)
	}
	f := u.batch.Fields
	p := gallery.Photo{
		Content: t.content, FileName: name, Bytes: t.size,
		Width: head.Width, Height: head.Height, Orientation: max(head.Orientation, 1),
		Location: gallery.Ref{ID: max(f.Location, gallery.RootLocation)}, Watermark: f.Watermark, New: true,
	}
	for _, id := range f.Tags {
		p.Tags = append(p.Tags, gallery.Ref{ID: id})
	}
	if head.Format == render.JPEGFormat {
		p.Shot.Process = "baseline"
		if head.Progressive {
			p.Shot.Process = "progressive"
		}
	}
	meta, err := ReadEXIF(ctx, t)
	if err != nil { // a picture is no worse for it
		u.in.parts.Log.DebugContext(ctx, "exif not read", "content", t.content, "err", err)
	}
	meta.Apply(&p)
	for _, given := range []struct {
		to   *string
		text string
	}{{&p.Zone, f.Zone}, {&p.Shot.Camera, f.Camera}, {&p.Shot.Film, f.Film}, {&p.Shot.Process, f.Process}} {
		if given.text != "" {
			*given.to = given.text
		}
	}
	if !f.Taken.IsZero() {
		p.Taken = f.Taken
	}
	return p, nil
}

// present answers for a picture that is here already: tags that were asked for and
// are not on it are added.
func (u *upload) present(ctx context.Context, known gallery.Photo) (Result, error) {
	r := Result{State: Present, ID: known.ID}
	missing := slices.DeleteFunc(slices.Clone(u.batch.Fields.Tags), func(id int64) bool {
		return slices.Contains(known.TagIDs(), id)
	})
	if len(missing) == 0 {
		return r, nil
	}
	now := time.Now().UTC()
	ask := gallery.EditRequest{IDs: []int64{known.ID}, AddTags: missing}
	_, err := u.in.parts.Store.Edit(ctx, ask.Edit(u.batch.Visitor, now), func(facts gallery.EditFacts) ([]gallery.Plan, error) {
		plans, err := gallery.Decide(u.batch.Visitor, ask, facts, now)
		for i := range plans {
			plans[i].Photo.New = facts.Photos[i].New // nobody has looked at it
		}
		return plans, err
	})
	if err != nil {
		return Result{}, fmt.Errorf("tag the picture that is here: %w", err)
	}
	r.Notes = "it has the new tags now too"
	return r, nil
}

// write stores the original and its row, in the order that lets a clean-up find
// what a killed process leaves: intent, file, row with the intent's end.
func (u *upload) write(ctx context.Context, t *temp, photo gallery.Photo) (int64, error) {
	if err := u.intend(ctx, t.content); err != nil {
		return 0, err
	}
	if err := u.in.parts.Originals.Put(ctx, t.content, t); err != nil {
		u.in.forget(ctx, t.content)
		switch {
		case errors.Is(err, originals.ErrFull):
			err = fmt.Errorf("%w: %w", ErrFull, err)
		case ctx.Err() == nil:
			err = fmt.Errorf("%w: %w", ErrKeep, err)
		}
		return 0, fmt.Errorf("keep original: %w", err)
	}
	now := time.Now().UTC()
	photo.Added = now
	id, err := u.in.parts.Store.Add(ctx, gallery.NewPhoto{
		Photo: photo, Location: u.batch.Fields.NewLocation, Tags: u.batch.Fields.Tags, Owner: u.in.parts.Owner, Now: now,
	}, u.batch.Visitor.Asking(now), func(facts []gallery.TagFacts) error {
		return gallery.MayUpload(u.batch.Visitor, facts)
	})
	if errors.Is(err, gallery.ErrNotFound) {
		err = gallery.ErrForbidden // a tag went since it was judged
	}
	if err != nil {
		u.in.forget(ctx, t.content)
		return 0, fmt.Errorf("store photo: %w", err)
	}
	return id, nil
}

// intend notes the intent, and waits a moment for the same content to be removed.
func (u *upload) intend(ctx context.Context, content string) error {
	for try := 1; ; try++ {
		err := u.in.parts.Store.Intend(ctx, content, u.in.parts.Owner, time.Now().UTC())
		if err == nil {
			return nil
		}
		if !errors.Is(err, gallery.ErrBeingRemoved) {
			u.in.forget(ctx, content) // it may have been noted all the same
			return fmt.Errorf("note upload: %w", err)
		}
		if try == removeTries {
			return &refused{gallery.ErrBeingRemoved}
		}
		wait := time.NewTimer(time.Duration(try) * removeWait * time.Duration(500+rand.IntN(1000)) / 1000)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// forget takes an intent back, and the file if nothing else names it. What it
// cannot do now the clean-up at the next start does.
func (in *Intake) forget(ctx context.Context, content string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTime) // the visitor may have left
	defer cancel()
	orphan, err := in.parts.Store.Forget(ctx, content, in.parts.Owner, time.Now().UTC())
	if err == nil && orphan {
		if err = in.parts.Originals.Delete(ctx, content); err == nil {
			err = in.parts.Store.Removed(ctx, content, in.parts.Owner)
		}
	}
	if err != nil {
		in.parts.Log.WarnContext(ctx, "failed upload not cleaned up yet", "content", content, "err", err)
	}
}
