package render

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Row 22 of the security checklist, the cache's part: below the floor nothing is
// added and the oldest go until there is room, and pictures are shown all the time.
func TestFreeSpaceFloor(t *testing.T) {
	t.Parallel()
	r, dir := newRenderer(t, Options{Workers: 1})
	stub(r, func([]byte, int) ([]byte, error) { return make([]byte, 1000), nil })
	others, broken := int64(0), false // what others have taken of a disk of 20,000 bytes
	r.cache.space = &space{floor: 10_000, look: func() (int64, error) {
		if broken {
			return 0, errors.ErrUnsupported
		}
		return max(20_000-others-r.cache.size(), 0), nil
	}}
	get := func(name string) bool {
		t.Helper()
		rd, err := r.Get(t.Context(), picture(name), 1, Signed)
		if err != nil {
			t.Fatalf("picture %s: %v", name, err)
		}
		rd.Close()
		return rd.Cached
	}
	later := func() { // makes the next look a new one
		r.cache.space.mu.Lock()
		defer r.cache.space.mu.Unlock()
		r.cache.space.looked = time.Time{}
	}
	for i := range 12 {
		get(strconv.Itoa(i))
	}
	if got := r.cache.size(); got != 10_000 {
		t.Errorf("the cache took %d bytes, want the 10000 above the floor", got)
	}
	others = 4000
	later()
	if s := r.Stats(); !s.NoRoom || s.FreeBytes != 6000 || s.CacheErrors != 0 {
		t.Errorf("stats %+v", s)
	}
	for range 2 {
		if get("new") {
			t.Error("a picture was kept on a full disk")
		}
	}
	if !get("9") {
		t.Error("a picture of the cache was not shown")
	}
	if len(r.cache.full) != 1 {
		t.Error("nobody asked for a sweep")
	}
	if err := r.cache.sweep(time.Now()); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.NoRoom || s.CacheBytes != 5000 {
		t.Errorf("after the sweep: %+v; want the floor and a sixteenth free", s)
	}
	if !get("9") || get("0") {
		t.Error("it was not the oldest that went")
	}
	others = 50_000 // not the cache's fault, but its turn
	later()
	if err := r.cache.sweep(time.Now()); err != nil || r.cache.size() != 0 {
		t.Errorf("the cache still holds %d bytes of a full disk (%v)", r.cache.size(), err)
	}
	get("9")
	broken = true
	later()
	get("8")
	if s := r.Stats(); s.NoRoom || s.FreeBytes != -1 || s.CacheBytes != 1000 {
		t.Errorf("a system that cannot say: %+v; want pictures to be kept", s)
	}
	left, err := filepath.Glob(filepath.Join(dir, "tmp-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// The same on a real small disk.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "8m")
	r, err := New(Config{Dir: dir, Size: minCache, KeepFree: 3 << 20}, Options{Workers: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stub(r, func([]byte, int) ([]byte, error) { return make([]byte, 200<<10), nil })
	get := func(i int) {
		t.Helper()
		rd, err := r.Get(t.Context(), picture(strconv.Itoa(i)), 1, Signed)
		if err != nil {
			t.Fatalf("picture %d: %v", i, err)
		}
		rd.Close()
	}
	for i := range 60 { // 12 MB
		get(i)
		if len(r.cache.full) == 1 { // what Run does
			<-r.cache.full
			if err := r.cache.sweep(time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	free, err := r.cache.space.look()
	if err != nil || free < 3<<20 {
		t.Errorf("%d bytes are free (%v), want 3 MB left to others", free, err)
	}
	if got := r.cache.size(); got < 3<<20 {
		t.Errorf("the cache holds only %d bytes", got)
	}
	// Others fill the disk to the last byte: pictures are still shown.
	if err := os.WriteFile(filepath.Join(dir, "others"), make([]byte, 8<<20), 0o600); err == nil {
		t.Fatal("the disk is larger than this test thinks")
	}
	for i := range 5 {
		get(100 + i)
	}
	if s := r.Stats(); s.CacheErrors > 1 { // the look at the disk is a second old at most
		t.Errorf("%d errors of the cache", s.CacheErrors)
	}
}
