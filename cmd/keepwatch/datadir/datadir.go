// Package datadir owns what a data directory is to this program: who may use it, and the
// key that is kept in it. It knows nothing of the parts that keep files of their own there.
package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Owner is the right to use a data directory: one daemon at a time.
type Owner struct {
	dir  string
	file *os.File
}

// Own makes the directory when it is missing and locks it for this process and
// role set. The lock ends with the process, however that ends; the file holds the pid for reload.
func Own(dir, name string) (*Owner, error) {
	if err := Make(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // below the operator's own data_dir
	if err != nil {
		return nil, fmt.Errorf("data_dir %s is not writable: %w (choose another data_dir, or give this user the right to write there)", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path) //nolint:gosec // the file just opened
		_ = f.Close()
		return nil, fmt.Errorf("another keepwatch (pid %s) already uses data_dir %s: stop it, or choose another data_dir", strings.TrimSpace(string(pid)), dir)
	}
	if err := errors.Join(f.Truncate(0), write(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &Owner{dir: dir, file: f}, nil
}

// Make makes the directory when it is missing.
func Make(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's own user must reach its directory below; each secret below is 0600 or 0700
		return fmt.Errorf("data_dir %s cannot be made: %w (choose another data_dir, or give this user the right to write there)", dir, err)
	}
	return nil
}

func write(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// Close gives the directory back.
func (o *Owner) Close() error { return o.file.Close() }

// RunningPID returns the pid of the daemon that owns the directory; 0 when none does.
func RunningPID(dir, name string) (int, error) {
	path := filepath.Join(dir, name+".lock")
	f, err := os.Open(path) //nolint:gosec // below the operator's own data_dir
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return 0, nil // nobody holds it; our own lock ends with Close
	}
	b, err := os.ReadFile(path) //nolint:gosec // as above
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("%s holds no pid: %w", path, err)
	}
	return pid, nil
}

// SecretKey returns the random key kept in data_dir, made at the first start. It
// signs acknowledgement links, so those survive a restart.
func SecretKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "secret.key")
	b, err := os.ReadFile(path) //nolint:gosec // below the operator's own data_dir
	if err == nil && len(b) == 32 {
		return b, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	b = make([]byte, 32)
	rand.Read(b)
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return nil, fmt.Errorf("write %s: %w (is the disk full?)", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return b, nil
}
