package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

func newSpool(t *testing.T) (*spool, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := openSpool(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.root.Close() })
	return s, dir
}

func listed(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestSpool(t *testing.T) {
	t.Parallel()
	s, dir := newSpool(t)
	data := bytes.Repeat([]byte("0123456789"), 50_000) // more than a buffer
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
		"data with the end": iotest.DataErrReader(bytes.NewReader(data)),
	} {
		f, err := s.take(t.Context(), r)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := listed(t, dir); len(got) != 0 {
			t.Errorf("%s: while it is open: %v", name, got)
		}
		sum := sha256.Sum256(data)
		if f.content != hex.EncodeToString(sum[:]) || f.size != int64(len(data)) {
			t.Errorf("%s: content %s, %d bytes", name, f.content, f.size)
		}
		got := make([]byte, len(data))
		if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: read back: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := listed(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestSpoolFails(t *testing.T) {
	t.Parallel()
	s, dir := newSpool(t)
	// An error that says "end" but is none must not pass for the whole file.
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.Join(io.EOF)} {
		_, err := s.take(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)))
		if _, ok := errors.AsType[*sourceError](err); !ok || !errors.Is(err, broken) {
			t.Errorf("%v: got %v", broken, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.take(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	s.create = func(string) (*os.File, error) { return nil, &fs.PathError{Op: "open", Path: "x", Err: syscall.EDQUOT} }
	if _, err := s.take(t.Context(), strings.NewReader("x")); !errors.Is(err, ErrFull) {
		t.Errorf("no quota: got %v", err)
	}
	if got := listed(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// Row 22 of the security checklist, the spool's part: a full disk says so. /dev/full
// is a disk that is always full.
func TestSpoolFull(t *testing.T) {
	t.Parallel()
	s, dir := newSpool(t)
	s.create = func(string) (*os.File, error) { return os.OpenFile("/dev/full", os.O_RDWR, 0) }
	if _, err := s.take(t.Context(), strings.NewReader("x")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	if got := listed(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestSpoolSweeps(t *testing.T) {
	t.Parallel()
	_, dir := newSpool(t)
	old := time.Now().Add(-2 * spoolAge)
	for name, at := range map[string]time.Time{spoolPrefix + "old": old, spoolPrefix + "new": time.Now(), "somebody's": old} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openSpool(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(listed(t, dir), " "); got != "somebody's "+spoolPrefix+"new" {
		t.Errorf("left: %s", got)
	}
	if err := s.root.Close(); err != nil {
		t.Error(err)
	}
}
