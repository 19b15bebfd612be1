package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/site/gallery"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

// The tables of an import; the second may be missing.
const (
	PhotosTable = "photos.csv"
	CodesTable  = "codes.csv"
)

const (
	workers     = 4 // pictures that are copied at once: a store may be far away
	storeTime   = 2 * time.Minute
	forgetTime  = 10 * time.Second
	removeTries = 30 // times that a picture which is just being removed is tried again, a second apart
)

// Store is what an import must remember.
type Store interface {
	gallery.Importer
	Intend(ctx context.Context, content, owner string, now time.Time) error
	Forget(ctx context.Context, content, owner string, now time.Time) (orphan bool, err error)
	Removed(ctx context.Context, content, owner string) error
}

// Import brings photos in from a folder in the layout of the site that this one
// replaces: DIR/<id mod 10>/<(id/10) mod 10>/<id>.jpg, with DIR/photos.csv and,
// if there is one, DIR/codes.csv. See docs/import.md.
type Import struct {
	Dir       string
	Store     Store
	Originals originals.Store
	// SkipBroken brings in what can be, and reports the rest.
	SkipBroken bool
	// DryRun checks everything and stores nothing; Store and Originals may be nil.
	DryRun bool
	// EXIF reads what the table leaves empty from the file; nil leaves it empty.
	EXIF func(ctx context.Context, r io.ReadSeeker) (gallery.FromFile, error)
	// Progress is called after each photo of the step, never twice at once; nil is silent.
	Progress func(step Step, done, total int)

	owner string // of this run; see gallery.Uploads
}

// Step is a part of an import.
type Step string

// The steps, in order.
const (
	Checking Step = "checking"
	Storing  Step = "storing"
)

// ImportReport says what an import did. With an error it says what was done before.
type ImportReport struct {
	Photos  int   // rows of the table
	Stored  int   // photos that are new here
	Present int   // photos that were here already, with this number and this content
	Bytes   int64 // of the originals of Stored
	Codes   int   // rows of the table of codes
	// NewCodes are codes that are new here. ShortCodes have eight digits or fewer, as
	// the old site made them: easier to guess than new ones, so they should end soon.
	NewCodes, ShortCodes int
	Broken               []Broken // pictures that were left out
	Unlisted             int      // pictures of the folders that the table does not name
}

// Run imports. First it reads and checks both tables and the head of each picture;
// when something is wrong it stores nothing and returns a [MistakesError] or a
// [BrokenError]. A run that ended early may be repeated, and so may one that did not.
func (i Import) Run(ctx context.Context) (ImportReport, error) {
	var report ImportReport
	root, err := os.OpenRoot(i.Dir)
	if err != nil {
		return report, fmt.Errorf("open the folder to import: %w", err)
	}
	defer root.Close()
	table, err := root.Open(PhotosTable)
	if err != nil {
		return report, fmt.Errorf("open the table of photos: %w", err)
	}
	defer table.Close()

	mistakes := &MistakesError{}
	lines, err := checkPhotos(table, mistakes)
	if err != nil {
		return report, err
	}
	codes, err := readCodes(root, mistakes)
	if err != nil {
		return report, err
	}
	if err := mistakes.orNil(); err != nil {
		return report, err
	}
	report.Photos, report.Codes = len(lines), len(codes)
	for _, c := range codes {
		if short(c.Code.Code) {
			report.ShortCodes++
		}
	}
	if report.Unlisted, err = unlisted(ctx, root, lines); err != nil {
		return report, err
	}
	if report.Broken, err = i.checkPictures(ctx, root, table, len(lines)); err != nil {
		return report, err
	}
	if len(report.Broken) > 0 && !i.SkipBroken {
		return report, &BrokenError{Broken: report.Broken}
	}
	if i.DryRun {
		return report, nil
	}
	i.owner = "import-" + rand.Text()
	if err := i.storePhotos(ctx, root, table, &report); err != nil {
		return report, err
	}
	return report, i.storeCodes(ctx, codes, &report)
}

// pictureName is where the old site kept a photo.
func pictureName(id int64) string {
	return path.Join(strconv.FormatInt(id%10, 10), strconv.FormatInt(id/10%10, 10), strconv.FormatInt(id, 10)+".jpg")
}

// checkPictures reads the head of every picture.
func (i Import) checkPictures(ctx context.Context, root *os.Root, table io.ReadSeeker, total int) ([]Broken, error) {
	var broken []Broken
	done := 0
	err := eachPhoto(table, func(p row) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, _, why, err := openPicture(root, p.photo.ID)
		if err != nil {
			return err
		}
		if why != "" {
			broken = append(broken, Broken{ID: p.photo.ID, Line: p.line, Why: why})
		} else if err := f.Close(); err != nil {
			return fmt.Errorf("read picture %d: %w", p.photo.ID, err)
		}
		done++
		if i.Progress != nil {
			i.Progress(Checking, done, total)
		}
		return nil
	})
	return broken, err
}

// openPicture opens the picture of a photo and reads its head. why says what is
// wrong with the picture; then nothing is open.
func openPicture(root *os.Root, id int64) (f *os.File, head render.Header, why string, err error) {
	// Not to block on a named pipe that somebody put there.
	f, err = root.OpenFile(pictureName(id), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, head, "there is no file " + pictureName(id), nil
	}
	if err != nil {
		return nil, head, "the file cannot be opened: " + cause(err), nil
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		why = "the file cannot be read: " + cause(err)
	case !info.Mode().IsRegular():
		why = "this is no file"
	default:
		head, err = render.ReadHeader(f)
		if err != nil {
			why = cause(err)
		}
	}
	if why != "" {
		return nil, head, why, f.Close()
	}
	return f, head, "", nil
}

// cause says what went wrong without repeating the path.
func cause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// unlisted counts pictures of the layout that no row names.
func unlisted(ctx context.Context, root *os.Root, lines map[int64]int) (int, error) {
	count := 0
	for n := range 100 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		folder := path.Join(strconv.Itoa(n%10), strconv.Itoa(n/10))
		entries, err := fs.ReadDir(root.FS(), folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("list the folder to import: %w", err)
		}
		for _, e := range entries {
			name, isPicture := cutJPG(e.Name())
			id, err := strconv.ParseInt(name, 10, 64)
			if isPicture && err == nil && lines[id] == 0 && path.Join(folder, e.Name()) == pictureName(id) {
				count++
			}
		}
	}
	return count, nil
}

func cutJPG(name string) (string, bool) {
	base := name[:max(len(name)-len(".jpg"), 0)]
	return base, base+".jpg" == name
}

// storePhotos stores the photos of the table that are not broken, a few at once.
func (i Import) storePhotos(ctx context.Context, root *os.Root, table io.ReadSeeker, report *ImportReport) error {
	var mu sync.Mutex // guards report and the progress
	skip := map[int64]bool{}
	for _, b := range report.Broken {
		skip[b.ID] = true
	}
	done, total := 0, report.Photos-len(skip)
	group, others := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	err := eachPhoto(table, func(p row) error {
		if skip[p.photo.ID] {
			return others.Err()
		}
		group.Go(func() error {
			// One that fails stops new ones, but breaks off none that is under way: its
			// row could be there although the report does not count it.
			stored, bytes, err := i.storePhoto(ctx, root, p)
			if err != nil {
				return fmt.Errorf("photo %d (%s:%d): %w", p.photo.ID, PhotosTable, p.line, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if stored {
				report.Stored++
				report.Bytes += bytes
			} else {
				report.Present++
			}
			done++
			if i.Progress != nil {
				i.Progress(Storing, done, total)
			}
			return nil
		})
		return others.Err()
	})
	// The group's error is the cause, the loop's only that it was stopped.
	if waited := group.Wait(); waited != nil {
		return waited
	}
	return err
}

// storePhoto stores one photo: intent, file, row.
func (i Import) storePhoto(ctx context.Context, root *os.Root, p row) (stored bool, bytes int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	f, head, why, err := openPicture(root, p.photo.ID)
	if err != nil {
		return false, 0, err
	}
	if why != "" { // it was all right a moment ago
		return false, 0, errors.New(why)
	}
	defer f.Close()
	content, bytes, err := originals.Content(f)
	if err != nil {
		return false, 0, err
	}
	photo := i.complete(ctx, p, f, head)
	photo.Content, photo.Bytes = content, bytes
	// Each photo under a name of its own: two may have the same content.
	owner := i.owner + "-" + strconv.FormatInt(p.photo.ID, 10)
	err = i.intend(ctx, content, owner)
	if errors.Is(err, gallery.ErrBeingRemoved) {
		return false, 0, err
	}
	now := time.Now().UTC()
	if photo.Added.IsZero() {
		photo.Added = now
	}
	if err == nil {
		err = i.Originals.Put(ctx, content, f)
	}
	if err == nil {
		stored, err = i.Store.ImportPhoto(ctx, gallery.ImportedPhoto{
			Photo: photo, Tags: p.tags, People: p.people, Places: p.places, Owner: owner, Now: now,
		})
	}
	if err != nil {
		return false, 0, errors.Join(err, i.forget(ctx, content, owner))
	}
	return stored, bytes, nil
}

// complete adds to a row what the file says.
func (i Import) complete(ctx context.Context, p row, f *os.File, head render.Header) gallery.Photo {
	photo := p.photo
	if i.EXIF != nil {
		// A photo is no worse for what its file does not say.
		if meta, err := i.EXIF(ctx, f); err == nil {
			photo = gallery.Photo{}
			meta.Apply(&photo)
			photo = p.over(photo)
		}
	}
	photo.Width, photo.Height, photo.Orientation = head.Width, head.Height, max(head.Orientation, 1)
	if p.turned { // the old site's number holds the camera's turn already
		photo.Orientation = 1
	}
	return photo
}

// intend announces the file; it waits while the same content is being removed.
func (i Import) intend(ctx context.Context, content, owner string) error {
	for try := 1; ; try++ {
		err := i.Store.Intend(ctx, content, owner, time.Now().UTC())
		if !errors.Is(err, gallery.ErrBeingRemoved) || try == removeTries {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// forget takes back an intent, which may have been written also when that failed, and the file if nothing else names it. It has time of
// its own: ctx may be over.
func (i Import) forget(ctx context.Context, content, owner string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTime)
	defer cancel()
	orphan, err := i.Store.Forget(ctx, content, owner, time.Now().UTC())
	if err != nil || !orphan {
		return err
	}
	if err := i.Originals.Delete(ctx, content); err != nil {
		return err
	}
	return i.Store.Removed(ctx, content, owner)
}

func (i Import) storeCodes(ctx context.Context, codes []codeRow, report *ImportReport) error {
	for _, c := range codes {
		stored, err := i.Store.ImportCode(ctx, gallery.ImportedCode{Code: c.Code, Tag: c.tag, Now: time.Now().UTC()})
		if err != nil {
			return fmt.Errorf("the code of %s:%d: %w", CodesTable, c.line, err)
		}
		if stored {
			report.NewCodes++
		}
	}
	return nil
}
