package intake_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

var errAway = errors.New("password=hunter2: no route to /var/lib")

// faulty is a store that fails where it is told to.
type faulty struct {
	intake.Store

	known, intend, add, added, forget error // added fails after it was done
	given                             error // of the first Add, whose intent was given up
}

func (f *faulty) Known(ctx context.Context, c string, tags []int64) (gallery.Photo, error) {
	if f.known != nil {
		return gallery.Photo{}, f.known
	}
	return f.Store.Known(ctx, c, tags)
}

func (f *faulty) Intend(ctx context.Context, c, owner string, now time.Time) error {
	return errors.Join(f.Store.Intend(ctx, c, owner, now), f.intend)
}

func (f *faulty) Add(ctx context.Context, n gallery.NewPhoto, ask gallery.Asking, decide func([]gallery.TagFacts) error) (int64, error) {
	if f.add != nil {
		return 0, f.add
	}
	if err := f.given; err != nil {
		f.given = nil
		_, ferr := f.Store.Forget(ctx, n.Photo.Content, n.Owner, n.Now)
		return 0, errors.Join(err, ferr)
	}
	id, err := f.Store.Add(ctx, n, ask, decide)
	return id, errors.Join(err, f.added)
}

func (f *faulty) Forget(ctx context.Context, c, owner string, now time.Time) (bool, error) {
	if f.forget != nil {
		return false, f.forget
	}
	return f.Store.Forget(ctx, c, owner, now)
}

// faultyFiles are originals that fail where they are told to.
type faultyFiles struct {
	intake.Originals

	before, after error // of Put
	did           func()
}

func (f *faultyFiles) Put(ctx context.Context, c string, r io.ReadSeeker) error {
	if f.before != nil {
		return f.before
	}
	err := f.Originals.Put(ctx, c, r)
	if f.did != nil {
		f.did()
	}
	return errors.Join(err, f.after)
}

// Whatever fails on the way, nothing half-stored stays, and what a person is told
// holds no secret and no path.
func TestUploadFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		store faulty
		files faultyFiles
		want  error
		left  int64 // photos
	}{
		"known":                       {store: faulty{known: errAway}, want: errAway},
		"intend, though it was noted": {store: faulty{intend: errAway}, want: errAway},
		"put":                         {files: faultyFiles{before: errAway}, want: intake.ErrKeep},
		"put, though it was kept":     {files: faultyFiles{after: errAway}, want: intake.ErrKeep},
		"put: full":                   {files: faultyFiles{before: fmt.Errorf("put: %w", originals.ErrFull)}, want: intake.ErrFull},
		"add":                         {store: faulty{add: errAway}, want: errAway},
		"add, though it was done":     {store: faulty{added: errAway}, want: errAway, left: 1},
		"a tag went":                  {store: faulty{add: gallery.ErrNotFound}, want: gallery.ErrForbidden},
		"a right went":                {store: faulty{add: gallery.ErrForbidden}, want: gallery.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(_ *intake.Config, p *intake.Parts) {
				c.store.Store, c.files.Originals = p.Store, p.Originals
				p.Store, p.Originals = &c.store, &c.files
			})
			report, err := s.receive(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 7)}, upload{"b.jpg", intake.JPEGOf(t, 30, 20, 8)})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if len(report.Results) != 1 || report.Results[0].State != intake.Refused || report.Stopped == "" {
				t.Errorf("got %+v", report)
			}
			if text := report.Log(); strings.Contains(text, "hunter2") || strings.Contains(text, "/var") {
				t.Errorf("told too much: %s", text)
			}
			s.settled(c.left)
		})
	}
}

// A clean-up that takes an intent for one that was left, and the file with it, does
// no harm.
func TestUploadGivenUp(t *testing.T) {
	t.Parallel()
	store := faulty{given: gallery.ErrBeingRemoved}
	s := newSite(t, func(_ *intake.Config, p *intake.Parts) {
		store.Store = p.Store
		p.Store = &store
	})
	s.stored(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 7)})
	s.settled(1)
}

// What was stored before the failure stays, and the report says the rest.
func TestUploadFailsHalfWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := intake.JPEGOf(t, 30, 20, 1)
	broken := errors.New("connection reset by peer")
	next := parts(upload{"a.jpg", first})
	report, err := s.in.Receive(t.Context(), s.batch("lake"), func() (intake.Part, error) {
		if p, err := next(); err == nil {
			return p, nil
		}
		return intake.Part{Name: "b.jpg", Data: io.MultiReader(bytes.NewReader(first[:300]), iotest.ErrReader(broken))}, nil
	})
	if err != nil || len(report.IDs()) != 1 || len(report.Results) != 2 || report.Results[1].State != intake.Refused || report.Stopped == "" {
		t.Errorf("got %+v, %v", report, err)
	}
	if !strings.Contains(report.Log(), "the upload ended here: ") {
		t.Errorf("log: %s", report.Log())
	}
	s.settled(1)
}

func TestUploadCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var files faultyFiles
	s := newSite(t, func(_ *intake.Config, p *intake.Parts) {
		files = faultyFiles{Originals: p.Originals, did: cancel} // the visitor leaves between file and row
		p.Originals = &files
	})
	b := s.batch("lake")
	if _, err := s.in.Receive(ctx, b, parts(upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if kept := s.kept(); len(kept) != 0 {
		t.Errorf("kept: %v", kept)
	}
	s.settled(0)
	if _, err := s.in.Receive(ctx, b, parts(upload{"a.zip", intake.ZIPOf(t, intake.Packed{Name: "a.jpg", Data: intake.JPEGOf(t, 30, 20, 1)})})); !errors.Is(err, context.Canceled) {
		t.Errorf("ZIP: got %v", err)
	}
	s.settled(0)
}

// When the clean-up fails too, the next start does it.
func TestUploadNotCleaned(t *testing.T) {
	t.Parallel()
	store := faulty{add: errAway, forget: errAway}
	s := newSite(t, func(_ *intake.Config, p *intake.Parts) {
		store.Store = p.Store
		p.Store = &store
	})
	if _, err := s.receive(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 7)}); !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
	if kept := s.kept(); len(kept) != 1 {
		t.Fatalf("kept: %v; the test tests nothing", kept)
	}
	if n, err := archive.Recover(t.Context(), s.Photos, s.files, owner, time.Now().UTC()); n != 1 || err != nil {
		t.Errorf("recovered %d, %v", n, err)
	}
	s.settled(0)
}

// removing is a store in which a content is being removed for a while.
type removing struct {
	intake.Store
	times int
	asked []time.Time
}

func (r *removing) Tag(context.Context, int64, string, gallery.Asking) (gallery.TagFacts, error) {
	return gallery.TagFacts{Ref: gallery.Ref{ID: 1}, Owned: true}, nil
}

func (r *removing) Known(context.Context, string, []int64) (gallery.Photo, error) {
	return gallery.Photo{}, gallery.ErrNotFound
}

func (r *removing) Intend(_ context.Context, _, _ string, now time.Time) error {
	r.asked = append(r.asked, now)
	if len(r.asked) <= r.times {
		return gallery.ErrBeingRemoved
	}
	return nil
}

func (r *removing) Add(context.Context, gallery.NewPhoto, gallery.Asking, func([]gallery.TagFacts) error) (int64, error) {
	return 1, nil
}

type nowhere struct{ intake.Originals }

func (nowhere) Put(context.Context, string, io.ReadSeeker) error { return nil }

func TestUploadWaitsForRemoval(t *testing.T) {
	t.Parallel()
	pic, dir := intake.JPEGOf(t, 30, 20, 1), t.TempDir()
	for times, want := range map[int]error{0: nil, 1: nil, 4: nil, 5: gallery.ErrBeingRemoved, 1000: gallery.ErrBeingRemoved} {
		synctest.Test(t, func(t *testing.T) {
			store := &removing{times: times}
			in, err := intake.New(intake.Config{Dir: dir}, intake.Parts{Store: store, Originals: nowhere{}, Owner: owner})
			if err != nil {
				t.Fatal(err)
			}
			visitor := gallery.NewVisitor([]gallery.Grant{{Tag: gallery.Ref{ID: 1}, Level: gallery.Write}}, time.Now())
			began := time.Now()
			report, err := in.Receive(t.Context(), intake.Batch{Fields: intake.Fields{Tags: []int64{1}}, Visitor: visitor}, parts(upload{"a.jpg", pic}))
			if !errors.Is(err, want) || len(report.Results) != 1 {
				t.Errorf("%d times: got %+v, %v; want %v", times, report, err, want)
			}
			if took := time.Since(began); took > 4*time.Second || len(store.asked) != min(times+1, 5) {
				t.Errorf("%d times: asked %d times in %v", times, len(store.asked), took)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// BenchmarkUpload is a 4 MB JPEG from the bytes of the form to the stored photo.
// Goal: 40 ms beside the transfer.
func BenchmarkUpload(b *testing.B) {
	s := newSite(b)
	batch := s.batch("lake")
	pic := intake.CameraJPEG(b, 2200, 1650)
	data := append(slices.Clone(pic), make([]byte, max(0, 4<<20-len(pic)))...)
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(data[len(data)-8:], uint64(i)) // another picture
		if _, err := s.receive(batch, upload{"a.jpg", data}); err != nil {
			b.Fatal(err)
		}
	}
}
