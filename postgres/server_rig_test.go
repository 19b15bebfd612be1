package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
)

// ownEnv makes this test binary a daemon that owns the server of the directory
// named by it, until it is killed.
const ownEnv = "KEEPWATCH_TEST_OWN_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownEnv); dir != "" {
		own(dir)
	}
	os.Exit(m.Run())
}

// own starts the server, prints "ready" and waits for its death.
func own(dir string) {
	ctx := context.Background()
	srv, err := postgres.StartServer(ctx, dir, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "ready")
	_ = srv.Run(ctx)
	os.Exit(0)
}

// serverPlace returns a fresh directory that the server's user can reach, also
// when the tests run as root, where t.TempDir is root's own.
func serverPlace(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Postgres: run without -short")
	}
	top, err := os.MkdirTemp("/tmp", "kwsrv-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(top, "pg")
}

// startServer starts the server of dir; the function stops it and waits.
func startServer(t *testing.T, dir string) (*postgres.Server, func()) {
	t.Helper()
	srv, err := postgres.StartServer(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	t.Cleanup(stop)
	return srv, stop
}

func exec1(t *testing.T, dsn, sql string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// eventually asks until fn is true, at most 30 s.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fn() {
		select {
		case <-limit.C:
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

// pidLines are the lines of a lock file of a server.
func pidLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

func postmasterPID(t *testing.T, dir string) int {
	t.Helper()
	pid, err := strconv.Atoi(pidLines(t, filepath.Join(dir, "data", "postmaster.pid"))[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)) // a zombie has none
	return err == nil
}

// daemon starts this binary as the owner of dir's server.
func daemon(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), ownEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		_ = cmd.Wait()
	})
	said := make([]byte, 6)
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "ready\n" {
		rest, _ := io.ReadAll(out)
		t.Fatalf("the daemon said %q %q, %v", said, rest, err)
	}
	return cmd
}
