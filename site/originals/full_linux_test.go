package originals_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"keepwatch/site/originals"
	"keepwatch/site/originals/storetest"
)

// Security checklist, row 22: a file system without room. Puts fail clearly, nothing
// is half there, what is there can be read, and room that is made is used.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v; TestFullIsTranslated tests the rest", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s := mustNew(t, dir)
	small, smallName := storetest.Make(1, 300_000)
	if err := s.Put(t.Context(), smallName, bytes.NewReader(small)); err != nil {
		t.Fatal(err)
	}
	for size := range 3 { // too large at once, and nearly fitting
		big, bigName := storetest.Make(2, 800_000+size*1_000_000)
		if err := s.Put(t.Context(), bigName, bytes.NewReader(big)); !errors.Is(err, originals.ErrFull) {
			t.Errorf("%d bytes: %v, want ErrFull", len(big), err)
		}
		if _, err := s.Open(t.Context(), bigName); !errors.Is(err, originals.ErrNotFound) {
			t.Errorf("%d bytes: Open: %v, want ErrNotFound", len(big), err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "tmp-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// To the last page: not even the folder's entry fits.
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the file system is not full: %v", err)
	}
	tiny, tinyName := storetest.Make(3, 5000)
	if err := s.Put(t.Context(), tinyName, bytes.NewReader(tiny)); !errors.Is(err, originals.ErrFull) {
		t.Errorf("without any room: %v, want ErrFull", err)
	}
	o, err := s.Open(t.Context(), smallName)
	if err != nil {
		t.Fatalf("reading stopped: %v", err)
	}
	got, err := io.ReadAll(o)
	if err != nil || !bytes.Equal(got, small) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	_ = o.Close()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), tinyName, bytes.NewReader(tiny)); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	list, err := s.List(t.Context(), "", 10)
	if err != nil || len(list) != 2 {
		t.Errorf("objects %v, %v", list, err)
	}
}
