package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	spoolPrefix = "upload-"
	spoolAge    = time.Hour // a file with a name is a moment old, or left by a killed process
	copyBuffer  = 128 << 10
)

// spool is the directory in which uploads wait. A file loses its name as soon as
// it is open, so that it is gone with the process, however that ends.
type spool struct {
	root    *os.Root
	create  func(name string) (*os.File, error) // tests put a full disk here
	buffers sync.Pool
}

func openSpool(dir string, now time.Time) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of uploads: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of uploads: %w", err)
	}
	s := &spool{root: root}
	s.create = func(name string) (*os.File, error) {
		return root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	}
	s.buffers.New = func() any { b := make([]byte, copyBuffer); return &b }
	if err := s.sweep(now.Add(-spoolAge)); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// sweep removes files that still have a name and were left before cutoff.
func (s *spool) sweep(cutoff time.Time) error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasPrefix(e.Name(), spoolPrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(cutoff) {
			continue // gone meanwhile, or being opened
		}
		if err := s.root.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}

// temp is a file that waits. Close it after use; then it is gone.
type temp struct {
	*os.File

	content string // SHA-256 in hex
	size    int64
	name    string // set while the file still has a name
	root    *os.Root
}

// Close closes the file and removes what is left of it.
func (t *temp) Close() error {
	err := t.File.Close()
	if t.name != "" {
		err = errors.Join(err, t.root.Remove(t.name))
	}
	return err
}

// sourceError is an error of what was to be read, not of the disk.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// take writes what r yields to a file and hashes it. Errors of r come as
// [sourceError]; a full disk is [ErrFull].
func (s *spool) take(ctx context.Context, r io.Reader) (*temp, error) {
	t := &temp{name: spoolPrefix + rand.Text(), root: s.root}
	f, err := s.create(t.name)
	if err != nil {
		return nil, fullDisk(fmt.Errorf("create upload: %w", err))
	}
	t.File = f
	if s.root.Remove(t.name) == nil { // some systems keep the names of open files
		t.name = ""
	}
	sum := sha256.New()
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for err == nil {
		var n int
		n, err = s.step(ctx, r, io.MultiWriter(f, sum), *buf)
		t.size += int64(n)
	}
	if !isEnd(err) {
		return nil, errors.Join(err, t.Close())
	}
	t.content = hex.EncodeToString(sum.Sum(nil))
	return t, nil
}

// step copies one buffer. It returns io.EOF itself, unwrapped, at the end only.
func (s *spool) step(ctx context.Context, r io.Reader, w io.Writer, buf []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, &sourceError{err}
	}
	n, rerr := r.Read(buf)
	if _, err := w.Write(buf[:n]); err != nil {
		return 0, fullDisk(fmt.Errorf("write upload: %w", err))
	}
	if rerr != nil && !isEnd(rerr) {
		rerr = &sourceError{rerr}
	}
	return n, rerr
}

// fullDisk makes ErrFull of the ways in which a system says so.
func fullDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
