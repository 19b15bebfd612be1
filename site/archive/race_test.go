package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

// racer is one site process.
type racer struct {
	db    postgres.Photos
	files originals.Store
	owner string
	tag   int64
	given *atomic.Int64 // how often an upload had to wait for a removal
}

// upload stores a picture as the site does and returns the photo.
func (r *racer) upload(ctx context.Context, data []byte, content string) (int64, error) {
	for {
		err := r.db.Intend(ctx, content, r.owner, time.Now().UTC())
		if err == nil {
			break
		}
		if !errors.Is(err, gallery.ErrBeingRemoved) {
			return 0, fmt.Errorf("intend: %w", err)
		}
		r.given.Add(1)
		runtime.Gosched()
	}
	if err := r.files.Put(ctx, content, bytes.NewReader(data)); err != nil {
		return 0, fmt.Errorf("put: %w", err)
	}
	id, err := add(ctx, r.db, r.owner, content, r.tag)
	if err != nil {
		return 0, fmt.Errorf("add: %w", err)
	}
	return id, nil
}

// giveUp begins an upload and does not end it.
func (r *racer) giveUp(ctx context.Context, data []byte, content string) error {
	err := r.db.Intend(ctx, content, r.owner, time.Now().UTC())
	if errors.Is(err, gallery.ErrBeingRemoved) {
		return nil
	}
	if err == nil {
		err = r.files.Put(ctx, content, bytes.NewReader(data))
	}
	if err != nil {
		return err
	}
	orphan, err := r.db.Forget(ctx, content, r.owner, time.Now().UTC())
	if err != nil || !orphan {
		return err
	}
	return errors.Join(r.files.Delete(ctx, content), r.db.Removed(ctx, content, r.owner))
}

// turn uploads, looks, and deletes or keeps.
func (r *racer) turn(ctx context.Context, random *rand.Rand) error {
	stays := random.IntN(10) == 0 // a photo, else its picture comes and goes
	name := fmt.Sprint("picture ", random.IntN(2))
	if stays {
		name = "kept " + name
	}
	data, content := bytesOf(name)
	if random.IntN(5) == 0 {
		return r.giveUp(ctx, data, content)
	}
	id, err := r.upload(ctx, data, content)
	if err != nil {
		return err
	}
	// A row names it: nobody may take it away.
	for range 1 + random.IntN(3) {
		o, err := r.files.Open(ctx, content)
		if err != nil {
			return fmt.Errorf("photo %d has lost its original: %w", id, err)
		}
		if err := o.Close(); err != nil {
			return err
		}
	}
	if stays {
		return nil
	}
	return remove(ctx, r.db, id, time.Hour)
}

// Sites upload and delete the same few pictures over and over while clean-ups without
// any patience run: no photo ever loses its original, and in the end no original is
// without a photo.
func TestCleanRacesUploads(t *testing.T) {
	t.Parallel()
	const sites, cleaners, turns = 4, 2, 60
	dsn, where := pgtest.DSN(t), t.TempDir()
	first := postgres.Photos{DB: pgtest.Open(t, dsn)}
	tag := makeTag(t, first)
	open := func() (postgres.Photos, originals.Store) {
		files, err := originals.New(where)
		if err != nil {
			t.Fatal(err)
		}
		return postgres.Photos{DB: pgtest.Open(t, dsn)}, files
	}
	impatient := func(db postgres.Photos, files originals.Store) archive.Clean {
		return archive.Clean{Store: db, Originals: files, Grace: time.Nanosecond, Deleted: time.Nanosecond, Stale: time.Hour, Force: true}
	}
	var given, removed atomic.Int64
	var uploads, cleaning sync.WaitGroup
	for n := range sites {
		db, files := open()
		r := &racer{db: db, files: files, owner: fmt.Sprint("site ", n), tag: tag, given: &given}
		random := rand.New(rand.NewPCG(uint64(n), 1))
		uploads.Go(func() {
			for turn := range turns {
				if err := r.turn(t.Context(), random); err != nil {
					t.Errorf("%s, turn %d: %v", r.owner, turn, err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	for range cleaners {
		db, files := open()
		cleaning.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				report, err := impatient(db, files).Run(t.Context(), time.Now().UTC())
				if err != nil {
					t.Errorf("clean-up: %v", err)
					return
				}
				removed.Add(report.Files)
			}
		})
	}
	uploads.Wait()
	close(over)
	cleaning.Wait()
	db, files := open()
	if _, err := impatient(db, files).Run(t.Context(), time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d originals were removed meanwhile; %d times an upload waited for a removal", removed.Load(), given.Load())
	if removed.Load() == 0 || given.Load() == 0 {
		t.Error("uploads and removals never met: this test proves nothing")
	}
	agree(t, db, files, tag)
}

// agree checks that there is an original for every photo and a photo for every original.
func agree(t *testing.T, db postgres.Photos, files originals.Store, tag int64) {
	t.Helper()
	photos, err := db.Find(t.Context(), gallery.Filter{Tags: []int64{tag}, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	named := []string{}
	for _, p := range photos {
		named = append(named, p.Content)
	}
	slices.Sort(named)
	list, err := files.List(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	there := []string{}
	for _, e := range list {
		there = append(there, e.Content)
	}
	if diff := cmp.Diff(there, slices.Compact(named)); diff != "" || len(named) == 0 {
		t.Errorf("originals, of %d photos (-got +want):\n%s", len(named), diff)
	}
}
