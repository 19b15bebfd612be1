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
	"syscall"
	"time"
)

const (
	tempPrefix = "tmp-"
	tempAge    = 24 * time.Hour // longer than any upload; other machines may be writing
	suffix     = ".jpg"         // whatever the format: what an object is, its row says
	folders    = 256
)

// Dir keeps originals in a directory: local, NFS or EFS. Names are spread over
// 256 folders by their first two digits. It never leaves its directory and
// follows no symbolic link.
//
// On a directory that several machines mount, "there is no such file" may be an
// answer that the client remembered (seen: 3 s on NFSv4.1). So Dir never looks
// whether a file exists before it writes one, makes all folders at the start,
// and asks again before it says [ErrNotFound], see Open. Calls block as long as
// the mount does: [Bound] ends the waiting.
type Dir struct {
	root *os.Root
	// again says how long to wait before each further try of Open; nil for file
	// systems of one machine, whose negative answers are true.
	again []time.Duration
}

// NewDir opens a directory and makes it and its folders when they are missing.
func NewDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of originals: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of originals: %w", err)
	}
	d := &Dir{root: root, again: patience(dir)}
	if err := errors.Join(d.makeFolders(), d.sweep(time.Now().Add(-tempAge))); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// longPatience lasts longer than the three seconds for which file systems that
// remember what is absent usually do.
func longPatience() []time.Duration {
	return []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond, time.Second, 2 * time.Second}
}

// makeFolders makes what is missing of the 256 folders: a folder that is always
// there is never remembered as absent.
func (d *Dir) makeFolders() error {
	made := false
	for n := range folders {
		err := d.root.Mkdir(fmt.Sprintf("%02x", n), 0o750)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make a folder for originals: %w", full(err))
		}
		made = made || err == nil
	}
	if !made {
		return nil
	}
	return d.syncDir(".")
}

// Put implements [Store]: temporary file, fsync, rename, fsync of the folder. It
// does not look whether the object exists first: renaming the same content over
// itself does no harm, and makes the object young again for those who clean up.
func (d *Dir) Put(ctx context.Context, content string, r io.ReadSeeker) error {
	if !valid(content) {
		return ErrContent
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read picture: %w", err)
	}
	temp := tempPrefix + rand.Text()
	err := d.write(ctx, temp, content, r)
	if err == nil {
		err = d.publish(temp, content)
	}
	if err != nil {
		_ = d.root.Remove(temp) // the first error is the one that matters
		return fmt.Errorf("write original: %w", full(err))
	}
	return nil
}

// write makes a complete, durable file under a temporary name.
func (d *Dir) write(ctx context.Context, temp, content string, r io.Reader) error {
	f, err := d.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), &ctxReader{ctx: ctx.Err, r: r})
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != content {
		err = ErrContent
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// publish gives the finished file its name and makes the name durable.
func (d *Dir) publish(temp, content string) error {
	folder := content[:2]
	err := d.folder(folder)
	if errors.Is(err, fs.ErrNotExist) { // somebody removed it after the start
		err = errors.Join(d.root.Mkdir(folder, 0o750), d.syncDir("."))
	}
	if err != nil {
		return err
	}
	if err := d.root.Rename(temp, file(content)); err != nil {
		return err
	}
	return d.syncDir(folder)
}

// folder reports whether a folder is one, and no symbolic link.
func (d *Dir) folder(name string) error {
	info, err := d.root.Lstat(name)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	return err
}

func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open implements [Store]. On a directory that may be shared a missing file is
// asked for again, a few times or until ctx ends: another machine may just have
// written it.
func (d *Dir) Open(ctx context.Context, content string) (*Object, error) {
	if !valid(content) {
		return nil, ErrNotFound
	}
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o, err := d.open(content)
		if !errors.Is(err, ErrNotFound) || try == len(d.again) {
			return o, err
		}
		select {
		case <-time.After(d.again[try]):
		case <-ctx.Done():
		}
	}
}

// open opens an object once. Each step of the path is opened, not looked up: NFS
// asks the server about a folder that is opened ("close to open"), and forgets
// what it remembered as absent there when the folder has changed.
func (d *Dir) open(content string) (*Object, error) {
	// Not to block on a named pipe that somebody put there.
	f, err := d.root.OpenFile(file(content), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESTALE) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open original: %w", err)
	}
	info, err := d.regular(f, content)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open original: %w", err), f.Close())
	}
	return &Object{ReadSeekCloser: f, Size: info.Size(), Mod: info.ModTime().UTC()}, nil
}

// regular refuses what was reached through a symbolic link and what is no file.
func (d *Dir) regular(f *os.File, content string) (fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := d.folder(content[:2]); err != nil {
		return nil, err
	}
	named, err := d.root.Lstat(file(content))
	if errors.Is(err, fs.ErrNotExist) {
		return info, nil // removed since: what is open is still the object
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || !named.Mode().IsRegular() {
		return nil, ErrContent
	}
	return info, nil
}

// Delete implements [Store]. The removal is durable when it returns nil.
func (d *Dir) Delete(ctx context.Context, content string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !valid(content) {
		return nil
	}
	err := d.folder(content[:2])
	if err == nil {
		err = d.root.Remove(file(content))
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESTALE) {
		return nil
	}
	if err == nil {
		err = d.syncDir(content[:2])
	}
	if err != nil {
		return fmt.Errorf("delete original: %w", err)
	}
	return nil
}

// List implements [Store]. Each call reads the folders it needs anew.
func (d *Dir) List(ctx context.Context, after string, limit int) ([]Entry, error) {
	var out []Entry
	for n := range folders {
		name := fmt.Sprintf("%02x", n)
		if len(after) >= 2 && name < after[:2] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(out) >= limit {
			break
		}
		var err error
		if out, err = d.listFolder(out, name, after, limit); err != nil {
			return nil, fmt.Errorf("list originals: %w", err)
		}
	}
	return out, nil
}

func (d *Dir) listFolder(out []Entry, name, after string, limit int) ([]Entry, error) {
	err := d.folder(name)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(d.root.FS(), name) // sorted
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		content, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !valid(content) || content[:2] != name || content <= after || !e.Type().IsRegular() {
			continue
		}
		if len(out) >= limit {
			return out, nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Entry{Content: content, Bytes: info.Size(), Mod: info.ModTime().UTC()})
	}
	return out, nil
}

// Check implements [Store]: the directory is there and can be written.
func (d *Dir) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	temp := tempPrefix + "check-" + rand.Text()
	f, err := d.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("the directory of originals cannot be written: %w", full(err))
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

func file(content string) string { return path.Join(content[:2], content+suffix) }

// full translates the ways in which a file system says that there is no room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ErrFull
	}
	return err
}

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
