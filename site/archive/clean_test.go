package archive_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

const day = 24 * time.Hour

// clean runs a clean-up so long after now.
func (b *bundle) clean(t *testing.T, after time.Duration, change ...func(*archive.Clean)) (archive.CleanReport, error) {
	t.Helper()
	c := archive.Clean{Store: b.db, Originals: b.files}
	for _, f := range change {
		f(&c)
	}
	return c.Run(t.Context(), time.Now().Add(after).UTC())
}

// site is a new site whose originals can be made older.
type site struct {
	bundle

	where string
	tag   int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{where: t.TempDir()}
	s.db = postgres.Photos{DB: pgtest.New(t)}
	var err error
	if s.files, err = originals.New(s.where); err != nil {
		t.Fatal(err)
	}
	s.tag = makeTag(t, s.db)
	return s
}

func makeTag(t *testing.T, db postgres.Photos) int64 {
	t.Helper()
	now := time.Now().UTC()
	code := gallery.ImportedCode{Code: gallery.Code{Code: "ABCD", Level: gallery.Write}, Tag: "family", Now: now}
	if err := db.MakeCode(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	facts, err := db.Tag(t.Context(), 0, "family", gallery.Asking{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return facts.ID
}

// bytesOf are the bytes of a picture of these tests: no decoder looks at them.
func bytesOf(name string) ([]byte, string) {
	data := bytes.Repeat([]byte(name), 10)
	content, _, err := originals.Content(bytes.NewReader(data))
	if err != nil {
		panic(err) // a reader in memory does not fail
	}
	return data, content
}

// put writes a file that became so old.
func (s *site) put(t *testing.T, name string, age time.Duration) string {
	t.Helper()
	data, content := bytesOf(name)
	if err := s.files.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(s.where, content[:2], content+".jpg"), at, at); err != nil {
		t.Fatal(err)
	}
	return content
}

// add stores a photo as an upload does.
func add(ctx context.Context, db postgres.Photos, owner, content string, tag int64) (int64, error) {
	n := gallery.NewPhoto{
		Photo: gallery.Photo{Content: content, FileName: "x.jpg", Bytes: 10, Width: 4, Height: 3, Orientation: 1},
		Tags:  []int64{tag}, Owner: owner, Now: time.Now().UTC(),
	}
	return db.Add(ctx, n, gallery.Asking{Writable: []int64{tag}, Now: n.Now}, func([]gallery.TagFacts) error { return nil })
}

// photo uploads a photo whose file became so old.
func (s *site) photo(t *testing.T, name string, age time.Duration) (id int64, content string) {
	t.Helper()
	_, content = bytesOf(name)
	if err := s.db.Intend(t.Context(), content, "site", time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	s.put(t, name, age)
	id, err := add(t.Context(), s.db, "site", content, s.tag)
	if err != nil {
		t.Fatal(err)
	}
	return id, content
}

// remove deletes a photo as people do, so long ago.
func remove(ctx context.Context, db postgres.Photos, id int64, ago time.Duration) error {
	_, err := db.Edit(ctx, gallery.Edit{IDs: []int64{id}}, func(f gallery.EditFacts) ([]gallery.Plan, error) {
		p := f.Photos[0]
		p.Deleted = time.Now().Add(-ago).UTC()
		return []gallery.Plan{{Photo: p}}, nil
	})
	return err
}

func (s *site) contents(t *testing.T) []string {
	t.Helper()
	list, err := s.files.List(t.Context(), "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Content)
	}
	return out
}

func TestClean(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var keep []string
	stay := func(content string) { keep = append(keep, content) }
	gone := func(string) {}
	deleted := func(name string, ago time.Duration, fate func(string)) int64 {
		id, content := s.photo(t, name, 90*day)
		if err := remove(t.Context(), s.db, id, ago); err != nil {
			t.Fatal(err)
		}
		fate(content)
		return id
	}
	live, content := s.photo(t, "live", 90*day)
	stay(content)
	deleted("deleted yesterday", day, stay)
	purged := deleted("deleted long ago", 31*day, gone)
	deleted("of two photos one was deleted", 31*day, stay)
	s.photo(t, "of two photos one was deleted", 90*day)
	deleted("both were deleted", 31*day, gone)
	deleted("both were deleted", 40*day, gone)
	for name, at := range map[string]time.Duration{"upload under way": time.Hour, "upload that never ended": 25 * time.Hour} {
		_, content := bytesOf(name)
		if err := s.db.Intend(t.Context(), content, "killed", time.Now().Add(-at).UTC()); err != nil {
			t.Fatal(err)
		}
		s.put(t, name, at)
		if at < day {
			stay(content)
		}
	}
	_, noFile := bytesOf("upload that never came to its file")
	if err := s.db.Intend(t.Context(), noFile, "killed", time.Now().Add(-25*time.Hour).UTC()); err != nil {
		t.Fatal(err)
	}
	stay(s.put(t, "young orphan", 23*time.Hour))
	gone(s.put(t, "old orphan", 25*time.Hour))
	slices.Sort(keep)
	before := s.contents(t)

	size := func(names ...string) (n int64) {
		for _, name := range names {
			n += int64(len(name)) * 10
		}
		return n
	}
	// A dry run reads the database's word for sizes, which is 10 for all these photos.
	dry, err := s.clean(t, 0, func(c *archive.Clean) { c.DryRun = true })
	want := archive.CleanReport{Looked: 9, Photos: 4, Stale: 2, Orphans: 1, Files: 3, Bytes: 2*10 + size("old orphan")}
	if diff := cmp.Diff(dry, want); diff != "" || err != nil {
		t.Errorf("dry run %v (-got +want):\n%s", err, diff)
	}
	if diff := cmp.Diff(s.contents(t), before); diff != "" {
		t.Errorf("a dry run removed files:\n%s", diff)
	}
	if _, err := s.db.Photo(t.Context(), purged); err != nil {
		t.Errorf("a dry run removed a photo: %v", err)
	}

	got, err := s.clean(t, 0)
	want = archive.CleanReport{
		Looked: 9, Photos: 4, Stale: 1, Orphans: 1, Files: 4,
		Bytes: size("deleted long ago", "both were deleted", "upload that never ended", "old orphan"),
	}
	if diff := cmp.Diff(got, want); diff != "" || err != nil {
		t.Errorf("clean-up %v (-got +want):\n%s", err, diff)
	}
	if diff := cmp.Diff(s.contents(t), keep); diff != "" {
		t.Errorf("originals (-got +want):\n%s", diff)
	}
	if _, err := s.db.Photo(t.Context(), purged); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("the photo that was deleted long ago: %v, want ErrNotFound", err)
	}
	if _, err := s.db.Photo(t.Context(), live); err != nil {
		t.Errorf("the live photo: %v", err)
	}
	again, err := s.clean(t, 0)
	if diff := cmp.Diff(again, archive.CleanReport{Looked: 5}); diff != "" || err != nil {
		t.Errorf("second clean-up %v (-got +want):\n%s", err, diff)
	}
	// What was removed can be uploaded again at once.
	s.photo(t, "old orphan", 0)
}

// An empty database beside full originals is a mistake, not a wish.
func TestCleanWithTheWrongDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range 120 {
		s.put(t, "orphan"+string(rune('0'+n)), 2*day)
	}
	report, err := s.clean(t, 0)
	if diff := cmp.Diff(report, archive.CleanReport{Looked: 120}); diff != "" || !errors.Is(err, archive.ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany (-got +want):\n%s", err, diff)
	}
	if n := len(s.contents(t)); n != 120 {
		t.Errorf("%d of 120 originals are left", n)
	}
	report, err = s.clean(t, 0, func(c *archive.Clean) { c.Force = true })
	if err != nil || report.Orphans != 120 || len(s.contents(t)) != 0 {
		t.Errorf("with force: %+v, %v", report, err)
	}
}

// stuck is a store that cannot delete one object.
type stuck struct {
	originals.Store

	content string
}

func (s stuck) Delete(ctx context.Context, content string) error {
	if content == s.content {
		return errors.New("the disk says no")
	}
	return s.Store.Delete(ctx, content)
}

// A file that cannot be removed does not stop the others. Its mark stays, so that
// nobody relies on it; after an hour the next clean-up takes over.
func TestCleanGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var all []string
	for _, name := range []string{"a", "b", "c", "d"} {
		all = append(all, s.put(t, name, 2*day))
	}
	slices.Sort(all)
	bad := all[1]
	report, err := s.clean(t, 0, func(c *archive.Clean) { c.Originals = stuck{s.files, bad} })
	if err == nil || report.Orphans != 3 || report.Failed != 1 {
		t.Errorf("got %+v, %v; want 3 removed, 1 failed and its error", report, err)
	}
	if diff := cmp.Diff(s.contents(t), []string{bad}); diff != "" {
		t.Errorf("originals (-got +want):\n%s", diff)
	}
	if err := s.db.Intend(t.Context(), bad, "site", time.Now().UTC()); !errors.Is(err, gallery.ErrBeingRemoved) {
		t.Errorf("an upload of it: %v, want ErrBeingRemoved", err)
	}
	if report, err := s.clean(t, 59*time.Minute); err != nil || report.Files != 0 {
		t.Errorf("after 59 minutes: %+v, %v; the mark is another's", report, err)
	}
	if report, err := s.clean(t, 62*time.Minute); err != nil || report.Files != 1 {
		t.Errorf("after an hour: %+v, %v", report, err)
	}
	if err := s.db.Intend(t.Context(), bad, "site", time.Now().UTC()); err != nil {
		t.Errorf("an upload afterwards: %v", err)
	}
}

// The same for what an unfinished upload left.
func TestCleanGoesOnAfterUploads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var all []string
	for _, name := range []string{"a", "b", "c"} {
		_, content := bytesOf(name)
		if err := s.db.Intend(t.Context(), content, "killed", time.Now().Add(-2*day).UTC()); err != nil {
			t.Fatal(err)
		}
		all = append(all, s.put(t, name, time.Hour))
	}
	report, err := s.clean(t, 0, func(c *archive.Clean) { c.Originals = stuck{s.files, all[1]} })
	if err == nil || report.Stale != 2 || report.Failed != 1 {
		t.Errorf("got %+v, %v; want 2 removed, 1 failed and its error", report, err)
	}
}

// A store that does not answer ends the clean-up: what it still did may happen late.
func TestCleanStopsWhenTheStoreHangs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"a", "b", "c"} {
		s.put(t, name, 2*day)
	}
	report, err := s.clean(t, 0, func(c *archive.Clean) { c.Originals = slow{s.files} })
	if !errors.Is(err, originals.ErrSlow) || report.Failed != 1 || report.Files != 0 {
		t.Errorf("got %+v, %v; want ErrSlow after the first", report, err)
	}
}

type slow struct{ originals.Store }

func (slow) Delete(context.Context, string) error { return originals.ErrSlow }
