package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
)

// TestServerKilledWhileItStarts: the first postmaster is killed before it answers, as the
// kernel does when memory is short. The daemon starts another one, and does not end.
func TestServerKilledWhileItStarts(t *testing.T) {
	dir := serverPlace(t)
	found, err := postgres.FindBinaries(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(filepath.Dir(dir), "bin")
	mark := filepath.Join(bin, "killed")
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1" != --version ] && [ ! -e %[1]s ]; then
	touch %[1]s
	kill -9 $$
fi
exec %[2]s/postgres "$@"
`, mark, found.Dir)
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(bin, 0o777); err != nil { // the server may be another user
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "postgres"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(found.Dir, "initdb"), filepath.Join(bin, "initdb")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KEEPWATCH_POSTGRES_BIN", bin)
	srv, _ := startServer(t, dir)
	if _, err := os.Stat(mark); err != nil {
		t.Fatalf("nothing was killed: %v", err)
	}
	if got := count(t, srv.DSN(), `SELECT 1`); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

// atOrphans is a log that acts at each line about processes of the previous server.
type atOrphans struct {
	slog.Handler
	act func()
}

func (h atOrphans) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "waiting for the processes of the previous") {
		h.act()
	}
	return nil
}

func (h atOrphans) Enabled(context.Context, slog.Level) bool { return true }

// TestServerWaitsForStuckBackends: a killed server's processes bar the next one. It waits
// for them, and says who they are when the wait ends.
func TestServerWaitsForStuckBackends(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	srv, stop := startServer(t, dir)
	conn, err := pgx.Connect(t.Context(), srv.DSN())
	if err != nil {
		t.Fatal(err)
	}
	backend := int(conn.PgConn().PID())
	if err := syscall.Kill(backend, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(backend, syscall.SIGKILL) }()
	pid := postmasterPID(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the postmaster is gone", func() bool { return !alive(pid) })
	stop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = postgres.StartServer(ctx, dir, slog.New(atOrphans{slog.DiscardHandler, cancel}))
	if err == nil || !strings.Contains(err.Error(), "are still alive in "+dir+": end them") {
		t.Fatalf("beside a stuck backend: got %v, want a refusal that says what to do", err)
	}
	killed := 0
	next, err := postgres.StartServer(t.Context(), dir, slog.New(atOrphans{slog.DiscardHandler, func() {
		killed++
		_ = syscall.Kill(backend, syscall.SIGKILL)
	}}))
	if err != nil || killed != 1 {
		t.Fatalf("the backend ended meanwhile, was waited for %d times: %v; want a server after one wait", killed, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := next.Run(ended); err != nil {
		t.Errorf("stop: %v", err)
	}
}
