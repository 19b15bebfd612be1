package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

const (
	cleanPage = 500 // objects that are looked at together
	// markTime is how long after an original was marked it may be removed. The mark
	// keeps uploads of the same content away for an hour; a process that was stopped in
	// between must not remove what came after.
	markTime   = 10 * time.Minute
	removeTime = time.Minute // for one file

	tooManyShare = 10  // one in so many
	tooManyFloor = 100 // and more than so many files
)

// Clean removes what nothing needs any more: photos that were deleted long ago,
// with their originals; what unfinished uploads left; originals that no photo
// names. It may run while other processes serve and upload, and several may run.
//
// It removes no original before the database marked it as being removed, which it
// does only when no photo and no upload names it, and which holds up uploads of the
// same picture until the file is gone. The zero durations mean the defaults.
type Clean struct {
	Store     gallery.Upkeep
	Originals originals.Store
	// Grace is how old an original must be that no photo names. Default 24 h: longer
	// than any upload. At least what clocks may differ.
	Grace time.Duration
	// Deleted is how long photos can be undeleted. Default 30 days.
	Deleted time.Duration
	// Stale is how old the note of an upload must be that did not end. Default 24 h.
	Stale time.Duration
	// DryRun only reports.
	DryRun bool
	// Force removes also when more than a tenth of at least a thousand originals would go.
	Force bool
}

// CleanReport says what a clean-up removed, or would remove.
type CleanReport struct {
	Looked  int64 // originals in the store
	Photos  int64 // rows of photos that were deleted long ago
	Stale   int64 // uploads that did not end: notes when dry, files otherwise
	Orphans int64 // originals that nothing named
	Files   int64 // all originals that were removed, for each of the three reasons
	Bytes   int64 // of Files; of Stale only when not dry
	Failed  int64 // originals that could not be removed now: the next run tries again
}

// Run cleans up at an instant. Errors of single files are counted and joined; it
// goes on with the next, unless the store or the database is away.
func (c Clean) Run(ctx context.Context, now time.Time) (CleanReport, error) {
	c.setDefaults()
	dry, err := c.survey(ctx, now)
	if err != nil || c.DryRun {
		return dry, err
	}
	if dry.Orphans > tooManyFloor && dry.Orphans*tooManyShare > dry.Looked && !c.Force {
		return CleanReport{Looked: dry.Looked}, ErrTooMany
	}
	// A name of its own for each run: the notes of uploads under the name of a process
	// that lives are not to be touched.
	r := newRemover(c, now)
	r.report.Looked = dry.Looked
	err = errors.Join(r.purge(ctx), r.stale(ctx), r.orphans(ctx))
	return r.report, err
}

func (c *Clean) setDefaults() {
	const day = 24 * time.Hour
	if c.Grace <= 0 {
		c.Grace = day
	}
	if c.Deleted <= 0 {
		c.Deleted = 30 * day
	}
	if c.Stale <= 0 {
		c.Stale = day
	}
}

// survey counts and changes nothing.
func (c Clean) survey(ctx context.Context, now time.Time) (CleanReport, error) {
	all, err := c.Store.Survey(ctx, gallery.Survey{StaleBefore: now.Add(-c.Stale), PurgeBefore: now.Add(-c.Deleted)})
	if err != nil {
		return CleanReport{}, fmt.Errorf("look for what can go: %w", err)
	}
	report := CleanReport{Photos: all.Purge, Stale: all.Stale, Files: all.PurgeFiles, Bytes: all.PurgeBytes}
	err = c.pages(ctx, now, &report.Looked, func(old map[string]int64) error {
		found, err := c.Store.Survey(ctx, gallery.Survey{Contents: keys(old)})
		if err != nil {
			return fmt.Errorf("look for what can go: %w", err)
		}
		for _, content := range found.Unnamed {
			report.Orphans++
			report.Files++
			report.Bytes += old[content]
		}
		return nil
	})
	return report, err
}

// pages calls do with the sizes of originals that are older than the grace period.
func (c Clean) pages(ctx context.Context, now time.Time, looked *int64, do func(map[string]int64) error) error {
	for after := ""; ; {
		page, err := c.Originals.List(ctx, after, cleanPage)
		if err != nil {
			return err
		}
		old := make(map[string]int64, len(page))
		for _, e := range page {
			after = e.Content
			*looked++
			if e.Mod.Before(now.Add(-c.Grace)) {
				old[e.Content] = e.Bytes
			}
		}
		if len(old) > 0 {
			if err := do(old); err != nil {
				return err
			}
		}
		if len(page) < cleanPage {
			return nil
		}
	}
}

func keys(m map[string]int64) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// remover does one clean-up.
type remover struct {
	Clean

	owner      string
	now, start time.Time // now is the caller's, start the clock's
	report     CleanReport
	failed     error // of single files
}

// newRemover begins a clean-up under a name of its own.
func newRemover(c Clean, now time.Time) *remover {
	return &remover{Clean: c, owner: "clean-" + rand.Text(), now: now, start: time.Now()}
}

// stamp returns the instant of a mark, for the database and for us.
func (r *remover) stamp() (at, marked time.Time) {
	marked = time.Now()
	return r.now.Add(marked.Sub(r.start)).UTC(), marked
}

func (r *remover) purge(ctx context.Context) error {
	for {
		at, marked := r.stamp()
		photos, contents, err := r.Store.Purge(ctx, r.now.Add(-r.Deleted), at, r.owner, cleanPage)
		if err != nil {
			return fmt.Errorf("remove deleted photos: %w", err)
		}
		r.report.Photos += photos
		for _, content := range contents {
			if err := r.remove(ctx, content, -1, marked); err != nil {
				return err
			}
		}
		if photos == 0 {
			return r.take()
		}
	}
}

func (r *remover) stale(ctx context.Context) error {
	seen := map[string]bool{}
	for {
		at, marked := r.stamp()
		contents, err := r.Store.Stale(ctx, r.owner, r.now.Add(-r.Stale), at, cleanPage)
		if err != nil {
			return fmt.Errorf("look for unfinished uploads: %w", err)
		}
		fresh := false
		for _, content := range contents {
			if seen[content] { // it failed before, so it is still marked
				continue
			}
			fresh, seen[content] = true, true
			before := r.report.Files
			if err := r.remove(ctx, content, -1, marked); err != nil {
				return err
			}
			r.report.Stale += r.report.Files - before
		}
		if !fresh {
			return r.take()
		}
	}
}

func (r *remover) orphans(ctx context.Context) error {
	var looked int64
	err := r.pages(ctx, r.now, &looked, func(old map[string]int64) error {
		at, marked := r.stamp()
		contents, err := r.Store.Unnamed(ctx, keys(old), r.owner, at)
		if err != nil {
			return fmt.Errorf("look for originals without a photo: %w", err)
		}
		for _, content := range contents {
			before := r.report.Files
			if err := r.remove(ctx, content, old[content], marked); err != nil {
				return err
			}
			r.report.Orphans += r.report.Files - before
		}
		return nil
	})
	return errors.Join(err, r.take())
}

// remove removes one original that was marked at an instant. size is -1 when it is
// not known. Only an error that the next file would meet too is returned.
func (r *remover) remove(ctx context.Context, content string, size int64, marked time.Time) error {
	size, err := removeMarked(ctx, r.Store, r.Originals, r.owner, content, size, marked)
	switch {
	case err == nil && size >= 0:
		r.report.Files++
		r.report.Bytes += size
	case err == nil: // there was no file
	case ctx.Err() != nil || errors.Is(err, originals.ErrSlow):
		r.report.Failed++
		return err
	default:
		r.report.Failed++
		r.failed = errors.Join(r.failed, err)
	}
	return nil
}

// take returns the errors of single files, once.
func (r *remover) take() error {
	err := r.failed
	r.failed = nil
	return err
}

// marks is what ends a removal.
type marks interface {
	Removed(ctx context.Context, content, owner string) error
}

// removeMarked removes a marked original and then its mark. It returns the size that
// the file had, -1 when there was none. When it fails the mark stays: uploads of the
// same picture wait until it was taken over, and nothing is lost.
func removeMarked(ctx context.Context, store marks, files originals.Store, owner, content string, size int64, marked time.Time) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, removeTime)
	defer cancel()
	if size < 0 {
		o, err := files.Open(ctx, content)
		switch {
		case err == nil:
			size = o.Size
			err = o.Close()
		case errors.Is(err, originals.ErrNotFound), errors.Is(err, originals.ErrContent):
			err = nil
		}
		if err != nil {
			return 0, fmt.Errorf("look at original %s: %w", content, err)
		}
	}
	if time.Since(marked) > markTime {
		return 0, fmt.Errorf("remove original %s: it took too long since it was marked", content)
	}
	if err := files.Delete(ctx, content); err != nil {
		return 0, fmt.Errorf("remove original %s: %w", content, err)
	}
	if err := store.Removed(ctx, content, owner); err != nil {
		return 0, fmt.Errorf("end the removal of %s: %w", content, err)
	}
	return size, nil
}

// Recover cleans up what a process of this name left when it was killed: its uploads
// between file and row, and its removals that did not end. Call it once at the start,
// before the process takes uploads; no other process may have the same name. It
// returns how many files it removed. Photos that were stored are not touched.
func Recover(ctx context.Context, store gallery.Upkeep, files originals.Store, owner string, now time.Time) (int, error) {
	if owner == "" {
		return 0, errors.New("a process needs a name to find what it left")
	}
	r := remover{Clean: Clean{Store: store, Originals: files}, owner: owner, now: now, start: time.Now()}
	r.Stale = now.Sub(time.Time{}) // nobody else's notes: none is centuries old
	err := r.stale(ctx)
	return int(r.report.Files), err
}
