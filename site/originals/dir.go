package originals

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
	"path"
	"strings"
	"time"
)

const (
	tempPrefix = "tmp-"
	tempAge    = 24 * time.Hour // longer than any upload; other machines may be writing
)

// Dir keeps originals in a directory: local, NFS or EFS. Names are spread over
// 256 folders by their first two digits. It never leaves its directory, also
// not through symbolic links.
type Dir struct {
	root *os.Root
}

// NewDir opens a directory and makes it when it is missing.
func NewDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of originals: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of originals: %w", err)
	}
	d := &Dir{root: root}
	if err := d.sweep(time.Now().Add(-tempAge)); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// Put implements [Store]: temporary file, fsync, rename, fsync of the folder. It
// does not look whether the object exists first: on NFS an answer may be seconds
// old, and renaming the same content over itself does no harm.
func (d *Dir) Put(ctx context.Context, content string, r io.ReadSeeker) error {
	if !valid(content) {
		return ErrContent
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read picture: %w", err)
	}
	temp := tempPrefix + rand.Text()
	f, err := d.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("create original: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), &ctxReader{ctx: ctx.Err, r: r})
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != content {
		err = ErrContent
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.publish(temp, content)
	}
	if err != nil {
		_ = d.root.Remove(temp) // the first error is the one that matters
		return fmt.Errorf("write original: %w", err)
	}
	return nil
}

// publish gives the finished file its name and makes the name durable.
func (d *Dir) publish(temp, name string) error {
	folder := name[:2]
	if err := d.root.Mkdir(folder, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.root.Rename(temp, file(name)); err != nil {
		return err
	}
	// The folder itself may be new, so its parent is synced too.
	return errors.Join(d.syncDir(folder), d.syncDir("."))
}

func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open implements [Store].
func (d *Dir) Open(ctx context.Context, name string) (*Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !valid(name) {
		return nil, ErrNotFound
	}
	f, err := d.root.Open(file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open original: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stat original: %w", err), f.Close())
	}
	return &Object{ReadSeekCloser: f, Size: info.Size(), Mod: info.ModTime().UTC()}, nil
}

// Delete implements [Store].
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !valid(name) {
		return nil
	}
	if err := d.root.Remove(file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete original: %w", err)
	}
	return nil
}

// List implements [Store].
func (d *Dir) List(ctx context.Context, after string, limit int) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	panic("not yet")
}

// Check implements [Store]: the directory is there and can be written.
func (d *Dir) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	temp := tempPrefix + "check-" + rand.Text()
	f, err := d.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("the directory of originals cannot be written: %w", err)
	}
	return errors.Join(f.Close(), d.root.Remove(temp))
}

// sweep removes temporary files that killed processes left behind before cutoff.
func (d *Dir) sweep(cutoff time.Time) error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list originals: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(cutoff) {
			continue // gone meanwhile, or perhaps being written
		}
		if err := d.root.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}

func file(name string) string { return path.Join(name[:2], name+".jpg") }

// ctxReader stops a copy when its context is done.
type ctxReader struct {
	ctx func() error
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
