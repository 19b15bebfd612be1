package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The server versions that Keepwatch runs itself.
const (
	oldestMajor = 15
	newestMajor = 18
)

// binEnv names a directory with the server's programs; it is looked in first.
const binEnv = "KEEPWATCH_POSTGRES_BIN"

// ErrNoBinaries means that no usable Postgres server is installed here.
var ErrNoBinaries = errors.New("no Postgres server binaries found")

// Binaries is where one version of the Postgres server is installed.
type Binaries struct {
	Dir   string // holds initdb and postgres
	Major int    // 15 to 18
}

// FindBinaries looks for Postgres 15 to 18 in KEEPWATCH_POSTGRES_BIN, in the
// places where distributions put it and on PATH. A major other than 0 asks for
// that version; 0 takes the newest. The error is [ErrNoBinaries], with where it
// looked and what to do.
func FindBinaries(ctx context.Context, major int) (Binaries, error) {
	var best Binaries
	dirs := binaryDirs()
	for _, dir := range dirs {
		m, err := serverMajor(ctx, dir)
		if err != nil || m < oldestMajor || m > newestMajor || (major != 0 && m != major) {
			continue
		}
		if dir == os.Getenv(binEnv) {
			return Binaries{Dir: dir, Major: m}, nil
		}
		if m > best.Major {
			best = Binaries{Dir: dir, Major: m}
		}
	}
	if best.Dir != "" {
		return best, nil
	}
	want := fmt.Sprintf("version %d to %d", oldestMajor, newestMajor)
	if major != 0 {
		want = fmt.Sprintf("version %d", major)
	}
	return best, fmt.Errorf("%w (wanted %s, looked in %s): apt-get install postgresql, or set database.url",
		ErrNoBinaries, want, strings.Join(append(dirs, "PATH"), ", "))
}

func binaryDirs() []string {
	var dirs []string
	if dir := os.Getenv(binEnv); dir != "" {
		dirs = append(dirs, dir)
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // PGDG for Red Hat
		"/usr/local/pgsql/bin",      // built from source
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err == nil {
			dirs = append(dirs, found...)
		}
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if dir := filepath.Dir(path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

var versionWords = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// serverMajor asks dir/postgres for its version; initdb must be there too.
func serverMajor(ctx context.Context, dir string) (int, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0, fmt.Errorf("look for initdb: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() //nolint:gosec // what the machine's owner installed
	if err != nil {
		return 0, fmt.Errorf("ask for the version: %w", err)
	}
	match := versionWords.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("unknown version %q", out)
	}
	return strconv.Atoi(string(match[1]))
}

// Command prepares one of the server's programs ("initdb", "postgres"). It runs
// in "/" and in a process group of its own, so that Ctrl-C reaches Keepwatch
// only, and as who when that is not nil (see [Unprivileged]). It is not started.
func (b Binaries) Command(ctx context.Context, who *syscall.Credential, name string, args ...string) *exec.Cmd {
	//nolint:gosec // the program is one that the machine's owner installed
	cmd := exec.CommandContext(ctx, filepath.Join(b.Dir, name), args...)
	cmd.Dir = "/"
	cmd.Env = childEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who}
	return cmd
}

// childEnv is this process's environment without what would change how a
// server behaves, and without anybody's secrets.
func childEnv() []string {
	env := []string{"LC_ALL=C.UTF-8", "TZ=UTC"}
	for _, key := range []string{"PATH", "LD_LIBRARY_PATH", "TMPDIR"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

// Unprivileged says as whom a server must run: nil for an ordinary user (as
// itself), the account postgres or nobody for root, whom Postgres refuses.
func Unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the credential that changes nothing
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("postgres refuses to run as root and there is no account postgres or nobody: add one, or run keepwatch as an ordinary user, or set database.url")
}
