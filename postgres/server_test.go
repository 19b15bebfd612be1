package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"keepwatch/postgres"
)

func TestServerKeepsDataOverAStop(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	srv, stop := startServer(t, dir)
	if err := exec1(t, srv.DSN(), `CREATE TABLE kept (n int4); INSERT INTO kept VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	pid := postmasterPID(t, dir)
	if dsn, running, err := postgres.Attach(dir); err != nil || !running || dsn != srv.DSN() {
		t.Errorf("attach: got %q, %v, %v; want the server's own %q", dsn, running, err, srv.DSN())
	}
	stop()
	if alive(pid) {
		t.Error("the server outlived Run")
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the server was not shut down cleanly: postmaster.pid: %v", err)
	}
	if dsn, running, err := postgres.Attach(dir); err != nil || running || dsn != "" {
		t.Errorf("attach after the stop: got %q, %v, %v; want nothing", dsn, running, err)
	}
	again, _ := startServer(t, dir)
	if got := count(t, again.DSN(), `SELECT sum(n) FROM kept`); got != 1 {
		t.Errorf("after the restart: got %d, want 1", got)
	}
}

func TestServerListensOnItsSocketOnly(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	srv, _ := startServer(t, dir)
	got := query[string](t, srv.DSN(), `SELECT current_setting('listen_addresses') || '|' || current_setting('fsync') || '|' ||
		current_setting('full_page_writes') || '|' || current_setting('synchronous_commit') || '|' || current_setting('data_checksums')`)
	if want := "|on|on|on|on"; got[0] != want {
		t.Errorf("settings: got %q, want %q", got[0], want)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the socket's directory has mode %v: others could connect", mode)
	}
}

func TestServerSecondDaemonIsTold(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	startServer(t, dir)
	_, err := postgres.StartServer(t.Context(), dir, slog.New(slog.DiscardHandler))
	if !errors.Is(err, postgres.ErrOwned) {
		t.Fatalf("got %v, want ErrOwned", err)
	}
	if want := fmt.Sprintf("process %d ", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want it to name %q", err, want)
	}
}

func TestServerSurvivesKillOfTheDaemon(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	owner := daemon(t, dir)
	dsn, _, err := postgres.Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := exec1(t, dsn, `CREATE TABLE kept (n int4); INSERT INTO kept VALUES (7)`); err != nil {
		t.Fatal(err)
	}
	pid := postmasterPID(t, dir)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	// At once, while the old server may still be shutting down.
	srv, _ := startServer(t, dir)
	if got := count(t, srv.DSN(), `SELECT sum(n) FROM kept`); got != 7 {
		t.Errorf("after kill -9: got %d, want 7", got)
	}
	eventually(t, "the orphan ends", func() bool { return !alive(pid) })
}

func TestServerLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	owner := daemon(t, dir)
	pid := postmasterPID(t, dir)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	eventually(t, "the server ends with its daemon", func() bool { return !alive(pid) })
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was no clean shutdown: postmaster.pid: %v", err)
	}
}

func TestServerIgnoresAReusedPID(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	_, stop := startServer(t, dir)
	pidPath, lockPath := filepath.Join(dir, "data", "postmaster.pid"), filepath.Join(dir, ".s.PGSQL.5432.lock")
	pid, lock := pidLines(t, pidPath), pidLines(t, lockPath)
	stop()
	who, err := postgres.Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	stranger := exec.CommandContext(t.Context(), "sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	stranger.Dir = "/"
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	}()
	pid[0] = strconv.Itoa(stranger.Process.Pid)
	lock[0] = pid[0]
	for path, lines := range map[string][]string{pidPath: pid, lockPath: lock} {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if who != nil {
			if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	startServer(t, dir)
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger was hurt: %v", err)
	}
}

func TestServerAdoptsARunningOne(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	_, stop := startServer(t, dir) // makes the cluster
	stop()
	bin, err := postgres.FindBinaries(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	who, err := postgres.Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	orphan := bin.Command(context.WithoutCancel(t.Context()), who, "postgres", "-D", filepath.Join(dir, "data"),
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+dir)
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	reaped := make(chan struct{})
	go func() { defer close(reaped); _ = orphan.Wait() }()
	defer func() { <-reaped }()
	eventually(t, "the orphan writes its pid file", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
		return err == nil && len(strings.Split(string(text), "\n")) > 5
	})
	srv, stop := startServer(t, dir)
	if err := exec1(t, srv.DSN(), `SELECT 1`); err != nil {
		t.Error(err)
	}
	if got := postmasterPID(t, dir); got != orphan.Process.Pid {
		t.Errorf("the server is process %d, want the adopted %d", got, orphan.Process.Pid)
	}
	stop()
	<-reaped // the owner ends what it adopted
}

func TestServerComesBackWhenKilled(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	srv, _ := startServer(t, dir)
	db, err := postgres.Open(t.Context(), srv.DSN(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		pid := postmasterPID(t, dir)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server is back", func() bool {
			return !alive(pid) && db.Ping(t.Context()) == nil
		})
		if err := db.Migrate(t.Context()); err != nil {
			t.Errorf("round %d: what was committed is gone: %v", round, err)
		}
	}
}

func TestServerInADeepDirectory(t *testing.T) {
	t.Parallel()
	dir := serverPlace(t)
	deep := filepath.Join(filepath.Dir(dir), strings.Repeat("d", 60), strings.Repeat("e f,", 15))
	if err := os.MkdirAll(filepath.Dir(deep), 0o755); err != nil {
		t.Fatal(err)
	}
	srv, stop := startServer(t, deep)
	if err := exec1(t, srv.DSN(), `SELECT 1`); err != nil {
		t.Error(err)
	}
	dsn, running, err := postgres.Attach(deep)
	if err != nil || !running || dsn != srv.DSN() {
		t.Errorf("attach: got %q, %v, %v; want %q", dsn, running, err, srv.DSN())
	}
	sockets := strings.TrimPrefix(strings.Fields(srv.DSN())[0], "host=")
	stop()
	if _, err := os.Stat(sockets); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the short directory was left behind: %v", err)
	}
}

func TestServerRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, file, text, want string
	}{
		{"another major version", "data/PG_VERSION", "14\n", "made by PostgreSQL 14, whose programs are not installed: apt-get install postgresql-14"},
		{"a broken version", "data/PG_VERSION", "x\n", `says "x\n", which is no version`},
		{"somebody's files", "data/holiday.jpg", "", "is not empty and not a Postgres data directory"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := serverPlace(t)
			path := filepath.Join(dir, c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := postgres.StartServer(t.Context(), dir, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != c.text {
				t.Errorf("the file was touched: %q, %v", got, err)
			}
		})
	}
}

func TestServerSaysWhyADirectoryWillNotDo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs Postgres: run without -short")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.StartServer(t.Context(), filepath.Join(file, "pg"), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "is not a directory: move what is there away") {
		t.Errorf("below a file: got %v", err)
	}
	private := t.TempDir()
	if os.Geteuid() == 0 { // below root's own directory the server's user has no way
		if err := os.Chmod(private, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err = postgres.StartServer(t.Context(), filepath.Join(private, "pg"), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "use data_dir /var/lib/keepwatch") {
			t.Errorf("not traversable: got %v", err)
		}
		return
	}
	if err := os.Chmod(private, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.StartServer(t.Context(), filepath.Join(private, "pg"), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "cannot be written: make it writable") {
		t.Errorf("not writable: got %v", err)
	}
}

func TestFindBinariesSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := postgres.FindBinaries(t.Context(), 99)
	if !errors.Is(err, postgres.ErrNoBinaries) || !strings.Contains(err.Error(), "apt-get install postgresql, or set database.url") {
		t.Errorf("got %v", err)
	}
}
