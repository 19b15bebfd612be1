package render

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A cache that cannot be written (full disk, removed directory) must not cost a picture.
func TestCacheGone(t *testing.T) {
	t.Parallel()
	r, dir := newRenderer(t, Options{Workers: 1})
	stub(r, func(data []byte, _ int) ([]byte, error) { return data, nil })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		rd, err := r.Get(t.Context(), picture("a"), 1, Signed)
		if got := body(t, rd, err); got != "a" {
			t.Errorf("got %q", got)
		}
	}
	if s := r.Stats(); s.CacheErrors != 2 || s.Renders != 2 {
		t.Errorf("stats %+v, want 2 cache errors and 2 renders", s)
	}
	if r.Check() == nil {
		t.Error("Check says that a missing directory can be written")
	}
}

func TestCacheStaysWithinItsSize(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	c, err := openCache(Config{Dir: dir, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	put := func(c *cache, key string) {
		if err := c.put(key, make([]byte, 100), now); err != nil {
			t.Fatal(err)
		}
	}
	keys := []string{}
	for i := range 12 {
		keys = append(keys, picture("x").Key(i))
		put(c, keys[i])
	}
	c.open(keys[0], now).Close() // used again: the last to go
	if len(c.full) != 1 {
		t.Error("nobody asked for a sweep")
	}
	if err := c.sweep(now); err != nil {
		t.Fatal(err)
	}
	left := func() (out []int) {
		for i, k := range keys {
			if _, err := os.Stat(filepath.Join(dir, cacheFile(k))); err == nil {
				out = append(out, i)
			}
		}
		return out
	}
	if got, want := left(), []int{0, 4, 5, 6, 7, 8, 9, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}

	// After a restart the files count again, oldest first by their times.
	for i, k := range keys {
		at := now.Add(time.Duration(i) * time.Minute)
		if i == 0 {
			at = now.Add(time.Hour)
		}
		_ = os.Chtimes(filepath.Join(dir, cacheFile(k)), at, at)
	}
	stale, young := filepath.Join(dir, "tmp-stale"), filepath.Join(dir, "tmp-young")
	for _, f := range []string{stale, young} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Chtimes(stale, now.Add(-2*time.Hour), now.Add(-2*time.Hour))
	_ = os.Chtimes(young, now, now)
	c, err = openCache(Config{Dir: dir, Size: 500})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.load(t.Context(), now), c.sweep(now)); err != nil {
		t.Fatal(err)
	}
	if got, want := left(), []int{0, 9, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("after a restart left %v, want %v", got, want)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("the leftover of a killed process is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("a file that another process may be writing was removed")
	}
}

// A file torn to nothing by a crash is rendered again, not served.
func TestEmptyFileIsNoHit(t *testing.T) {
	t.Parallel()
	r, dir := newRenderer(t, Options{})
	stub(r, func(data []byte, _ int) ([]byte, error) { return data, nil })
	name := filepath.Join(dir, cacheFile(picture("a").Key(1)))
	if err := errors.Join(os.Mkdir(filepath.Dir(name), 0o700), os.WriteFile(name, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	rd, err := r.Get(t.Context(), picture("a"), 1, Signed)
	if got := body(t, rd, err); got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestRunSweepsAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		r.cache.max = 1000
		stub(r, func([]byte, int) ([]byte, error) { return make([]byte, 300), nil })
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		for i := range 10 {
			rd, err := r.Get(ctx, picture("a"), i+1, Signed)
			body(t, rd, err)
		}
		synctest.Wait()
		if got := r.Stats().CacheBytes; got > 1000 {
			t.Errorf("the cache holds %d bytes, want at most 1000", got)
		}
		stop()
		wg.Wait()
	})
}
