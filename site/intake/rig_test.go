package intake_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

const owner = "site-1"

// site is the part of a site that uploads touch, on a real Postgres and real files.
type site struct {
	testing.TB
	postgres.Photos

	in       *intake.Intake
	files    originals.Store
	filesDir string
	spoolDir string
	grants   int

	mu       sync.Mutex
	prepared []gallery.Photo // guarded by mu
}

// newSite makes a site; change may put something worse in its parts.
func newSite(tb testing.TB, change ...func(*intake.Config, *intake.Parts)) *site {
	tb.Helper()
	return siteAt(tb, pgtest.DSN(tb), tb.TempDir(), change...)
}

func siteAt(tb testing.TB, dsn, dir string, change ...func(*intake.Config, *intake.Parts)) *site {
	tb.Helper()
	s := &site{
		TB: tb, Photos: postgres.Photos{DB: pgtest.Open(tb, dsn)},
		filesDir: filepath.Join(dir, "originals"), spoolDir: filepath.Join(dir, "uploads"),
	}
	var err error
	if s.files, err = originals.NewDir(s.filesDir); err != nil {
		tb.Fatal(err)
	}
	cfg := intake.Config{Dir: s.spoolDir}
	parts := intake.Parts{Store: s.Photos, Originals: s.files, Owner: owner, Prepare: func(p gallery.Photo) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.prepared = append(s.prepared, p)
	}}
	for _, c := range change {
		c(&cfg, &parts)
	}
	if s.in, err = intake.New(cfg, parts); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.in.Close() })
	return s
}

// grant gives a level on a tag, which is made when missing.
func (s *site) grant(tag string, level gallery.Level) gallery.Grant {
	s.Helper()
	s.grants++
	code := fmt.Sprintf("CODE%d", s.grants)
	token := sha256.Sum256([]byte(code + tag))
	now := time.Now().UTC()
	if err := s.MakeCode(s.Context(), gallery.ImportedCode{Code: gallery.Code{Code: code, Level: level, MaxUses: 1}, Tag: tag, Now: now}); err != nil {
		s.Fatal(err)
	}
	g, err := s.Redeem(s.Context(), gallery.Redemption{Code: code, Token: token[:], Now: now})
	if err != nil {
		s.Fatal(err)
	}
	return g
}

// batch is an upload of somebody who may write on the tags.
func (s *site) batch(tags ...string) intake.Batch {
	s.Helper()
	var grants []gallery.Grant
	var b intake.Batch
	for _, tag := range tags {
		g := s.grant(tag, gallery.Write)
		grants = append(grants, g)
		b.Fields.Tags = append(b.Fields.Tags, g.Tag.ID)
	}
	b.Visitor = gallery.NewVisitor(grants, time.Now())
	return b
}

type upload struct {
	name string
	data []byte
}

func parts(files ...upload) func() (intake.Part, error) {
	return func() (intake.Part, error) {
		if len(files) == 0 {
			return intake.Part{}, io.EOF
		}
		f := files[0]
		files = files[1:]
		return intake.Part{Name: f.name, Data: bytes.NewReader(f.data)}, nil
	}
}

func (s *site) receive(b intake.Batch, files ...upload) (intake.Report, error) {
	s.Helper()
	return s.in.Receive(s.Context(), b, parts(files...))
}

// stored uploads one file, which must be taken in, and returns its photo.
func (s *site) stored(b intake.Batch, f upload) gallery.Photo {
	s.Helper()
	report, err := s.receive(b, f)
	if err != nil || len(report.Results) != 1 || report.Results[0].State != intake.Stored {
		s.Fatalf("%s: got %+v, %v; want it stored", f.name, report, err)
	}
	photo, err := s.Photo(s.Context(), report.Results[0].ID)
	if err != nil {
		s.Fatal(err)
	}
	return photo
}

func content(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// kept lists the contents in the store of originals.
func (s *site) kept() []string {
	s.Helper()
	list, err := s.files.List(s.Context(), "", 1000)
	if err != nil {
		s.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Content)
	}
	return out
}

// files lists the files below dir.
func files(tb testing.TB, dir string) []string {
	tb.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
	return out
}

// settled checks that nothing is left of what was on its way: no intents, no marks,
// no temporary files, no files without photo; and that there are so many photos.
func (s *site) settled(photos int64) {
	s.Helper()
	ctx, later := s.Context(), time.Now().Add(24*time.Hour)
	stale, err := s.Stale(ctx, "somebody else", later, later, 100)
	if err != nil || len(stale) != 0 {
		s.Errorf("intents left: %v, %v", stale, err)
	}
	unnamed, err := s.Unnamed(ctx, s.kept(), "somebody else", later)
	if err != nil || len(unnamed) != 0 {
		s.Errorf("files without a photo: %v, %v", unnamed, err)
	}
	for _, f := range files(s, s.spoolDir) {
		s.Errorf("left in the directory of uploads: %s", f)
	}
	for _, f := range files(s, s.filesDir) {
		if !strings.HasSuffix(f, ".jpg") {
			s.Errorf("left among the originals: %s", f)
		}
	}
	if n := s.count(); n != photos {
		s.Errorf("%d photos, want %d", n, photos)
	}
}

func (s *site) count() int64 {
	s.Helper()
	tags, err := s.Count(s.Context(), gallery.Filter{Tags: s.allTags()})
	if err != nil {
		s.Fatal(err)
	}
	return tags
}

func (s *site) allTags() []int64 {
	out := make([]int64, 50) // more than any test makes
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}

func (s *site) remove(v gallery.Visitor, id int64) {
	s.Helper()
	yes, now := true, time.Now().UTC()
	r := gallery.EditRequest{IDs: []int64{id}, Deleted: &yes}
	_, err := s.Edit(s.Context(), r.Edit(v, now), func(f gallery.EditFacts) ([]gallery.Plan, error) { return gallery.Decide(v, r, f, now) })
	if err != nil {
		s.Fatal(err)
	}
}
