package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	socketName = ".s.PGSQL.5432"
	// maxSocketPath is what sun_path of Linux holds beside its final zero.
	maxSocketPath = 107
	initTimeout   = 2 * time.Minute
	// deadPID is above the highest process number of any kernel.
	deadPID = "2147483647"
)

// ErrOwned means that another keepwatch runs the server of the directory.
var ErrOwned = errors.New("the data directory is in use")

// serverDir is the place of one embedded server: dir/owner.lock, dir/data (the
// cluster) and dir/.s.PGSQL.5432 (the socket).
type serverDir struct {
	dir string // absolute
	who *syscall.Credential
	bin Binaries
}

func (d *serverDir) data() string { return filepath.Join(d.dir, "data") }

// claim makes the directory and takes its lock, which the kernel gives back
// when this process ends, however it ends.
func (d *serverDir) claim() (*os.File, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, explain(err, d.dir)
	}
	lock, err := os.OpenFile(filepath.Join(d.dir, "owner.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explain(err, d.dir)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
		holder := make([]byte, 20)
		n, _ := lock.Read(holder) // without a number the sentence still tells enough
		return nil, fmt.Errorf("%w: process %s runs the database in %s: stop it, or give this keepwatch another data_dir",
			ErrOwned, bytes.TrimSpace(holder[:n]), d.dir)
	}
	err = lock.Truncate(0)
	if err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(explain(err, d.dir), lock.Close())
	}
	return lock, nil
}

// prepare chooses the programs and the user, and makes the cluster when there
// is none. An existing one is never changed or removed.
func (d *serverDir) prepare(ctx context.Context, log *slog.Logger) error {
	major, err := d.clusterMajor()
	if err != nil {
		return err
	}
	if d.who, err = d.owner(major != 0); err != nil {
		return err
	}
	if d.bin, err = FindBinaries(ctx, major); err != nil {
		if major != 0 {
			return fmt.Errorf("the database in %s was made by PostgreSQL %d, whose programs are not installed: "+
				"apt-get install postgresql-%d, or move the data with pg_dump; nothing was changed: %w", d.dir, major, major, err)
		}
		return err
	}
	if err := d.give(d.dir); err != nil {
		return err
	}
	if err := d.reachable(ctx); err != nil {
		return err
	}
	if major != 0 {
		return nil
	}
	return d.initCluster(ctx, log)
}

// clusterMajor reads the version of the existing cluster; 0: there is none.
func (d *serverDir) clusterMajor() (int, error) {
	text, err := os.ReadFile(filepath.Join(d.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(d.data())
		if err == nil && len(entries) > 0 {
			return 0, fmt.Errorf("%s is not empty and not a Postgres data directory: move it away, or set another data_dir", d.data())
		}
		return 0, nil
	}
	if err != nil {
		return 0, explain(err, d.dir)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION says %q, which is no version: restore the directory from a backup", d.data(), text)
	}
	return major, nil
}

// owner is as whom the server runs: the owner of an existing cluster when we
// are root, else see Unprivileged.
func (d *serverDir) owner(exists bool) (*syscall.Credential, error) {
	if os.Geteuid() == 0 && exists {
		info, err := os.Stat(d.data())
		if err != nil {
			return nil, explain(err, d.dir)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return &syscall.Credential{Uid: st.Uid, Gid: st.Gid}, nil
		}
	}
	return Unprivileged()
}

// give makes path the server's user's, when that is another one.
func (d *serverDir) give(path string) error {
	if d.who == nil {
		return nil
	}
	if err := os.Lchown(path, int(d.who.Uid), int(d.who.Gid)); err != nil {
		return explain(err, d.dir)
	}
	return nil
}

// reachable proves that the server's user can enter and write the directory;
// root's own rights say nothing about that.
func (d *serverDir) reachable(ctx context.Context) error {
	if d.who == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$0" && [ -w . ]`, d.dir) //nolint:gosec // d.dir is an argument, not code
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: d.who}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the database server cannot enter %s: started by root it runs as user id %d, "+
			"which may not pass a directory above: use data_dir /var/lib/keepwatch, or run keepwatch as an ordinary user", d.dir, d.who.Uid)
	}
	return nil
}

// initCluster makes the cluster beside its place and renames it, so that a
// crash never leaves half of one.
func (d *serverDir) initCluster(ctx context.Context, log *slog.Logger) error {
	leftovers, err := filepath.Glob(filepath.Join(d.dir, "initdb-*"))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, old := range leftovers { // of initdb runs that were killed
		if err := os.RemoveAll(old); err != nil {
			return explain(err, d.dir)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	start := time.Now()
	side := filepath.Join(d.dir, "initdb-"+strconv.Itoa(os.Getpid()))
	cmd := d.bin.Command(ctx, d.who, "initdb", "-D", side, "-U", superuser,
		"--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		if removeErr := os.RemoveAll(side); removeErr != nil {
			err = errors.Join(err, removeErr)
		}
		return explainOutput(fmt.Errorf("initdb: %w: %s", err, complaint(string(out))), string(out), d.dir)
	}
	if err := os.Rename(side, d.data()); err != nil {
		return explain(err, d.dir)
	}
	if err := syncDir(d.dir); err != nil {
		return explain(err, d.dir)
	}
	log.Info("database made", "dir", d.dir, "postgres", d.bin.Major, "took_ms", time.Since(start).Milliseconds())
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the data directory
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// complaint is the first line of a program's output that says what went wrong,
// or the last line.
func complaint(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "could not") {
			return strings.TrimSpace(line)
		}
	}
	return lines[len(lines)-1]
}

// plainPath has none of the characters that mean something in a list of socket
// directories or in a connection string.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// socketDir is where the socket goes: the directory itself, or a short one when
// the path would not fit into an address.
func (d *serverDir) socketDir() (string, error) {
	if plainPath.MatchString(d.dir) && len(filepath.Join(d.dir, socketName)) <= maxSocketPath {
		return d.dir, nil
	}
	short, err := os.MkdirTemp("/tmp", "keepwatch-")
	if err != nil {
		return "", fmt.Errorf("make a short directory for the socket: %w", err)
	}
	return short, d.give(short)
}

// forgetDead replaces the process number in a lock file of a server (first
// line) by one that surely does not exist, when no server of ours has it: a
// zombie, or another process that got the number. Postgres would refuse for
// ever. All other lines stay: by the shared-memory line postgres itself still
// notices orphaned backends, which removing the file would hide.
func (d *serverDir) forgetDead(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // inside the data directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explain(err, d.dir)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !signalable(pid) || runsIn(pid, d.data()) {
		return nil //nolint:nilerr // what is not a number postgres judges itself
	}
	temp := path + ".new"
	//nolint:gosec // beside a file of our own server
	if err := os.WriteFile(temp, []byte(deadPID+"\n"+rest), 0o600); err != nil {
		return explain(err, d.dir)
	}
	if err := d.give(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return explain(err, d.dir)
	}
	return nil
}

// pidFile is what postmaster.pid says.
// Lines: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/utils/pidfile.h
type pidFile struct {
	pid       int
	socketDir string
}

// readPIDFile reads postmaster.pid; false when there is none (or half of one).
func (d *serverDir) readPIDFile() (pidFile, bool) {
	text, err := os.ReadFile(filepath.Join(d.data(), "postmaster.pid"))
	if err != nil {
		return pidFile{}, false
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || len(lines) < 5 {
		return pidFile{}, false
	}
	return pidFile{pid: pid, socketDir: strings.TrimSpace(lines[4])}, true
}

// explain turns an error of the file system into a sentence that says what to do.
func explain(err error, dir string) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk of %s is full: free some space (an empty database takes 40 MB), or set another data_dir: %w", dir, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s cannot be written: make it writable for the user who runs keepwatch, or set another data_dir: %w", dir, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is not a directory: move what is there away, or set another data_dir: %w", dir, err)
	}
	return fmt.Errorf("prepare %s: %w", dir, err)
}

// explainOutput does the same by what a server's program printed.
func explainOutput(err error, out, dir string) error {
	switch {
	case strings.Contains(out, "No space left on device"), strings.Contains(out, "Disk quota exceeded"),
		strings.Contains(out, "Check free disk space"): // postgres's hint after a short write
		return fmt.Errorf("the disk of %s is full: free some space (an empty database takes 40 MB), or set another data_dir: %w", dir, err)
	case strings.Contains(out, "could not look up effective user ID"):
		return fmt.Errorf("this user has no line in /etc/passwd, which the database server needs: add one, or set database.url: %w", err)
	case strings.Contains(out, "pre-existing shared memory block"):
		return fmt.Errorf("%w in %s: end them (look for \"postgres:\" in ps), then start again: %w", errOrphans, dir, err)
	}
	return err
}
