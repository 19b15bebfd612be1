package intake_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
	"keepwatch/site/render"
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

func TestUploadLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *intake.Config, _ *intake.Parts) { c.MaxBytes = 1 << 20 })
	b := s.batch("lake")
	small := intake.JPEGOf(t, 30, 20, 1)
	large := append(intake.JPEGOf(t, 30, 20, 2), make([]byte, 1<<20)...)
	for name, files := range map[string][]upload{
		"one":    {{"a.jpg", large}},
		"a ZIP":  {{"a.zip", append(intake.ZIPOf(t, intake.Packed{Name: "a.jpg", Data: small}), make([]byte, 1<<20)...)}},
		"junk":   {{"a.pdf", append([]byte("%PDF-1.7 "), make([]byte, 1<<20)...)}},
		"unpack": {{"a.zip", intake.ZIPOf(t, intake.Packed{Name: "a.jpg", Data: bytes.Repeat(small, 1<<20/len(small)+1)})}},
	} {
		if report, err := s.receive(b, files...); !errors.Is(err, intake.ErrTooLarge) {
			t.Errorf("%s: got %+v, %v", name, report, err)
		}
	}
	s.settled(0)
	report, err := s.receive(b, upload{"a.jpg", small}, upload{"b.jpg", large}, upload{"c.jpg", small})
	if err != nil || len(report.IDs()) != 1 || !strings.Contains(report.Stopped, "1 MB") {
		t.Errorf("together: got %+v, %v", report, err)
	}
	s.settled(1)
	full := slices.Concat(small, make([]byte, 1<<20-len(small)))
	s.stored(b, upload{"just.jpg", full})
	s.settled(2)
	many := []upload{{"a.jpg", small}}
	for range 1000 {
		many = append(many, upload{"a.pdf", []byte("%PDF-1.7 and more")})
	}
	if report, err := s.receive(b, many...); err != nil || len(report.Results) != 1000 || !strings.Contains(report.Stopped, "1000 files") {
		t.Errorf("1001 files: %d, %q, %v", len(report.Results), report.Stopped, err)
	}
}

// What is no picture is never written to the disk.
func TestJunkStaysOffTheDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := os.Remove(s.spoolDir); err != nil {
		t.Fatal(err)
	}
	if report, err := s.receive(s.batch("lake"), upload{"a.jpg", []byte("%PDF-1.7 and more than that")}); !errors.Is(err, intake.ErrNotPicture) {
		t.Errorf("junk: got %+v, %v", report, err)
	}
	if report, err := s.receive(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)}); err == nil {
		t.Errorf("a picture: got %+v; the test tests nothing", report)
	}
}

// A picture of more than 64 MB is refused, and the next one taken.
func TestUploadOfOneTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pic := intake.JPEGOf(t, 30, 20, 1)
	b := s.batch("lake")
	sent := []intake.Part{
		{Name: "huge.jpg", Data: io.MultiReader(bytes.NewReader(pic), io.LimitReader(zeros{}, 65<<20))},
		{Name: "a.jpg", Data: bytes.NewReader(pic)},
	}
	report, err := s.in.Receive(t.Context(), b, func() (intake.Part, error) {
		if len(sent) == 0 {
			return intake.Part{}, io.EOF
		}
		p := sent[0]
		sent = sent[1:]
		return p, nil
	})
	if err != nil || len(report.Results) != 2 || report.Results[0].State != intake.Refused || report.Results[1].State != intake.Stored {
		t.Errorf("got %+v, %v", report, err)
	}
	s.settled(1)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Row 6 of the security checklist, the part of uploads: pictures that claim to be
// huge are refused by their headers.
func TestUploadOfPixelFloods(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	resized := func(w, h uint16) []byte {
		out := intake.JPEGOf(t, 100, 100, 1)
		at := bytes.Index(out, []byte{0xff, 0xc0})
		binary.BigEndian.PutUint16(out[at+5:], h)
		binary.BigEndian.PutUint16(out[at+7:], w)
		return out
	}
	png := intake.PNGOf(t, 10, 10, 1)
	binary.BigEndian.PutUint32(png[16:], 1<<31-1)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"64250 x 64250": {resized(64250, 64250), intake.ErrTooLarge},
		"65535 x 65535": {resized(65535, 65535), render.ErrTooLarge},
		"0 x 0":         {resized(0, 0), intake.ErrNotPicture},
		"65535 x 0":     {resized(65535, 0), render.ErrNotPicture},
		"png 2^31":      {png, intake.ErrTooLarge},
	} {
		report, err := s.receive(b, upload{"a.jpg", c.data})
		if !errors.Is(err, c.want) || len(report.Results) != 1 {
			t.Errorf("%s: got %+v, %v; want %v", name, report, err, c.want)
		}
	}
	// Long and thin is odd, but it is few pixels.
	for _, thin := range [][]byte{resized(65535, 1), resized(1, 65535)} {
		report, err := s.receive(b, upload{"thin.jpg", thin})
		if err != nil {
			t.Errorf("thin: got %+v, %v", report, err)
		}
	}
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *intake.Config, _ *intake.Parts) { c.AtOnce = 1 })
	b := s.batch("lake")
	var inner error
	_, err := s.in.Receive(t.Context(), b, func() (intake.Part, error) {
		if now, most := s.in.Busy(); now != 1 || most != 1 {
			t.Errorf("busy %d of %d", now, most)
		}
		_, inner = s.receive(b)
		return intake.Part{}, io.EOF
	})
	if !errors.Is(inner, intake.ErrBusy) || !errors.Is(err, intake.ErrNoFile) {
		t.Errorf("got %v, then %v", inner, err)
	}
	if _, err := s.receive(b, upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestUploadQuota(t *testing.T) {
	t.Parallel()
	var asked int64
	s := newSite(t, func(_ *intake.Config, p *intake.Parts) {
		p.Allow = func(_ context.Context, tags []int64, n int64) error {
			if asked += n; len(tags) != 1 {
				t.Errorf("asked for tags %v", tags)
			}
			if asked > n {
				return gallery.InputError{Message: "lake has no room left"}
			}
			return nil
		}
	})
	report, err := s.receive(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)}, upload{"b.jpg", intake.JPEGOf(t, 30, 20, 2)})
	if err != nil || len(report.IDs()) != 1 || report.Results[1].Why != "lake has no room left" || report.Stopped != "" {
		t.Errorf("got %+v, %v", report, err)
	}
	s.settled(1)
}

// EXIF that harms readers refuses no picture: what can be shown is stored.
func TestUploadOfHostileEXIF(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	stored := 0
	for name, data := range intake.HostileEXIF(t) {
		report, err := s.receive(b, upload{"a.jpg", data})
		if err == nil {
			stored++
		} else if !errors.Is(err, intake.ErrNotPicture) {
			t.Errorf("%s: got %+v, %v", name, report, err)
		}
	}
	if stored < 9 {
		t.Errorf("only %d of them were stored", stored)
	}
	s.settled(int64(stored))
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

const (
	killEnv = "KEEPWATCH_TEST_KILL" // where the child is to be killed
	dsnEnv  = "KEEPWATCH_TEST_KILL_DSN"
	dirEnv  = "KEEPWATCH_TEST_KILL_DIR"
	tagEnv  = "KEEPWATCH_TEST_KILL_TAG"
)

// killed ends the process as kill -9 does.
func killed() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }

type killer struct {
	intake.Store
	before bool
}

func (k killer) Add(ctx context.Context, n gallery.NewPhoto, ask gallery.Asking, decide func([]gallery.TagFacts) error) (int64, error) {
	if k.before {
		killed()
	}
	id, err := k.Store.Add(ctx, n, ask, decide)
	killed()
	return id, err
}

// killingReader kills in the middle of the file.
type killingReader struct{}

func (killingReader) Read([]byte) (int, error) { killed(); return 0, io.EOF }

// TestUploadKilled kills a process with SIGKILL at each step of an upload; what it
// leaves is cleaned at the next start, and what was stored stays.
func TestUploadKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(killEnv) != "" {
		uploadAndDie(t)
		return
	}
	for step, want := range map[string]struct{ files, photos, recovered int }{
		"in the upload":         {0, 0, 0},
		"before the file":       {0, 0, 0},
		"between file and row":  {1, 0, 1},
		"after the transaction": {1, 1, 0},
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dsn, dir := pgtest.DSN(t), t.TempDir()
			s := siteAt(t, dsn, dir)
			tag := s.grant("lake", gallery.Write).Tag.ID
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUploadKilled$")
			cmd.Env = append(os.Environ(), killEnv+"="+step, dsnEnv+"="+dsn, dirEnv+"="+dir, fmt.Sprintf("%s=%d", tagEnv, tag))
			out, err := cmd.CombinedOutput()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			if kept := s.kept(); len(kept) != want.files {
				t.Errorf("before the next start: kept %v, want %d", kept, want.files)
			}
			if left := files(t, s.spoolDir); len(left) != 0 {
				t.Errorf("left in the directory of uploads: %v", left)
			}
			n, err := archive.Recover(t.Context(), s.Photos, s.files, owner, time.Now().UTC())
			if err != nil {
				t.Fatal(err)
			}
			if want.recovered > 0 && n != want.recovered {
				t.Errorf("recovered %d, want %d", n, want.recovered)
			}
			if kept := s.kept(); len(kept) != want.photos {
				t.Errorf("after the next start: kept %v, want %d", kept, want.photos)
			}
			s.settled(int64(want.photos))
			// The same picture can be sent again.
			b := intake.Batch{Fields: intake.Fields{Tags: []int64{tag}}, Visitor: gallery.NewVisitor([]gallery.Grant{{Tag: gallery.Ref{ID: tag}, Level: gallery.Write}}, time.Now())}
			if report, err := s.receive(b, upload{"a.jpg", intake.JPEGOf(t, 30, 20, 7)}); err != nil {
				t.Errorf("again: %+v, %v", report, err)
			}
			s.settled(1)
		})
	}
}

func uploadAndDie(t *testing.T) {
	t.Helper()
	step, dir := os.Getenv(killEnv), os.Getenv(dirEnv)
	db, err := postgres.Open(t.Context(), os.Getenv(dsnEnv), nil)
	if err != nil {
		t.Fatal(err)
	}
	var tag int64
	if _, err := fmt.Sscan(os.Getenv(tagEnv), &tag); err != nil {
		t.Fatal(err)
	}
	kept, err := originals.NewDir(dir + "/originals")
	if err != nil {
		t.Fatal(err)
	}
	p := intake.Parts{Store: postgres.Photos{DB: db}, Originals: kept, Owner: owner}
	var data io.Reader = bytes.NewReader(intake.JPEGOf(t, 30, 20, 7))
	switch step {
	case "in the upload":
		data = io.MultiReader(data, killingReader{})
	case "before the file":
		p.Originals = dying{}
	case "between file and row":
		p.Store = killer{p.Store, true}
	case "after the transaction":
		p.Store = killer{p.Store, false}
	}
	in, err := intake.New(intake.Config{Dir: dir + "/uploads"}, p)
	if err != nil {
		t.Fatal(err)
	}
	b := intake.Batch{Fields: intake.Fields{Tags: []int64{tag}}, Visitor: gallery.NewVisitor([]gallery.Grant{{Tag: gallery.Ref{ID: tag}, Level: gallery.Write}}, time.Now())}
	_, err = in.Receive(t.Context(), b, func() (intake.Part, error) { return intake.Part{Name: "a.jpg", Data: data}, nil })
	t.Fatalf("it lives: %v", err)
}

type dying struct{ intake.Originals }

func (dying) Put(context.Context, string, io.ReadSeeker) error { killed(); return nil }

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
