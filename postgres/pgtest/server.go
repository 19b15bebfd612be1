package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"keepwatch/postgres"
)

// cacheVersion changes when the arguments of initdb change.
const cacheVersion = "1"

// maxSocketDir leaves room in the 107 bytes of a socket's path.
const maxSocketDir = 80

// watcher is the parent of the test server: it ends the server and removes its
// files when the test binary has gone, however it went, because then the pipe
// on its standard input ends.
const watcher = `
"$0" "$@" </dev/null &
pid=$!
read -r _
kill -QUIT "$pid" 2>/dev/null
wait "$pid"
rm -rf "$KEEPWATCH_RUN_DIR"`

// settings trade durability, which a throwaway has no use for, for speed.
func settings(socketDir string) []string {
	return []string{
		"-c", "listen_addresses=", "-c", "unix_socket_directories=" + socketDir, "-c", "unix_socket_permissions=0700",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "autovacuum=off",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "max_wal_size=256MB",
		"-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "jit=off",
	}
}

// start runs a new server from a cached, freshly initialised cluster and
// returns the address of its database postgres.
func start(ctx context.Context) (string, error) {
	bin, err := postgres.FindBinaries(ctx, 0)
	if err != nil {
		return "", err
	}
	who, err := postgres.Unprivileged()
	if err != nil {
		return "", err
	}
	base, err := baseDir(who)
	if err != nil {
		return "", err
	}
	cached, err := cachedCluster(ctx, bin, who, base)
	if err != nil {
		return "", err
	}
	run, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return "", fmt.Errorf("make a directory for the server: %w", err)
	}
	if err := chown(run, who); err != nil {
		return "", err
	}
	data := filepath.Join(run, "data")
	if err := copyTree(cached, data, who); err != nil {
		return "", fmt.Errorf("copy the cached cluster: %w", err)
	}
	ended, err := launch(ctx, bin, who, run, data)
	if err != nil {
		return "", err
	}
	dsn := "host=" + run + " port=5432 user=postgres dbname=postgres sslmode=disable"
	return dsn, awaitReady(ctx, dsn, filepath.Join(run, "log"), ended)
}

// baseDir is where clusters live: the temporary directory, or /tmp when that
// makes the path of the socket too long.
func baseDir(who *syscall.Credential) (string, error) {
	uid := os.Getuid()
	if who != nil {
		uid = int(who.Uid)
	}
	base := filepath.Join(os.TempDir(), "keepwatch-pgtest-"+strconv.Itoa(uid))
	if len(base) > maxSocketDir {
		base = filepath.Join("/tmp", "keepwatch-pgtest-"+strconv.Itoa(uid))
	}
	if err := os.Mkdir(base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the directory of the test clusters: %w", err)
	}
	if err := chown(base, who); err != nil {
		return "", err
	}
	info, err := os.Lstat(base)
	if err != nil {
		return "", fmt.Errorf("look at the directory of the test clusters: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(st.Uid) != uid {
		return "", fmt.Errorf("%s is not a directory of ours: remove it", base)
	}
	return base, nil
}

func chown(path string, who *syscall.Credential) error {
	if who == nil {
		return nil
	}
	if err := os.Lchown(path, int(who.Uid), int(who.Gid)); err != nil {
		return fmt.Errorf("give to the server's user: %w", err)
	}
	return nil
}

// cachedCluster returns a cluster as initdb leaves it, made at the first call on
// this machine (0.6 s). Several test binaries may make it at once: the first
// rename wins.
func cachedCluster(ctx context.Context, bin postgres.Binaries, who *syscall.Credential, base string) (string, error) {
	cached := filepath.Join(base, fmt.Sprintf("initdb-%d-%s", bin.Major, cacheVersion))
	if _, err := os.Stat(cached); err == nil {
		return cached, nil
	}
	fresh, err := os.MkdirTemp(base, "new-")
	if err != nil {
		return "", fmt.Errorf("make a directory for initdb: %w", err)
	}
	defer os.RemoveAll(fresh)
	if err := chown(fresh, who); err != nil {
		return "", err
	}
	data := filepath.Join(fresh, "data")
	cmd := bin.Command(ctx, who, "initdb", "-D", data, "-U", "postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=1", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	if err := os.Rename(data, cached); err != nil {
		if _, statErr := os.Stat(cached); statErr != nil {
			return "", fmt.Errorf("keep the cached cluster: %w", err)
		}
	}
	return cached, nil
}

func copyTree(from, to string, who *syscall.Credential) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			if err := os.Mkdir(target, 0o700); err != nil {
				return err
			}
			return chown(target, who)
		}
		if err := copyFile(path, target); err != nil {
			return err
		}
		return chown(target, who)
	})
}

func copyFile(from, to string) error {
	src, err := os.Open(from) //nolint:gosec // a path of our own cache
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// launch starts the watcher with the server below it. The channel is
// closed when the server has ended; both end when this process does.
func launch(ctx context.Context, bin postgres.Binaries, who *syscall.Credential, run, data string) (<-chan struct{}, error) {
	server := bin.Command(ctx, who, "postgres", append([]string{"-D", data}, settings(run)...)...)
	args := append([]string{"-c", watcher}, server.Args...)
	cmd := exec.Command("/bin/sh", args...) //nolint:gosec,noctx // it must outlive every context, see watcher
	cmd.Dir, cmd.SysProcAttr = server.Dir, server.SysProcAttr
	cmd.Env = append(server.Env, "KEEPWATCH_RUN_DIR="+run)
	log, err := os.Create(filepath.Join(run, "log")) //nolint:gosec // a path of our own
	if err != nil {
		return nil, fmt.Errorf("make the server's log: %w", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the server's lifeline: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan struct{})
	go func() { // ends with the server; it holds the pipe open until then
		defer close(ended)
		_ = cmd.Wait() // why it ended is in its log
		_ = lifeline.Close()
	}()
	return ended, nil
}

// awaitReady waits until the server answers or has ended.
func awaitReady(ctx context.Context, dsn, logFile string, ended <-chan struct{}) error {
	for {
		conn, err := connect(ctx, dsn)
		if err == nil {
			return conn.Close(ctx)
		}
		pgErr, answered := errors.AsType[*pgconn.PgError](err)
		if answered && pgErr.Code != "57P03" { // 57P03: it is starting
			return fmt.Errorf("the test server refuses: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-ended:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		return fmt.Errorf("the test server did not start: %w; its log ends: %s", err, tail(logFile))
	}
}

// tail returns the end of a file for an error's text.
func tail(path string) []byte {
	text, err := os.ReadFile(path) //nolint:gosec // a path of our own
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text[max(0, len(text)-2000):])
}
