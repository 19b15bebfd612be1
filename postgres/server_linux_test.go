package postgres_test

import (
	"syscall"
	"testing"

	"keepwatch/postgres"
)

// TestServerBesideAZombie: in a container nobody reaps a killed postmaster, and
// postgres takes the zombie for a running server.
func TestServerBesideAZombie(t *testing.T) {
	t.Parallel()
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER: orphans become ours, and we reap nobody
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
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
	// Stopped first, so that it cannot shut down when its daemon dies; killed only when the
	// daemon is gone, which would reap it with its last breath on a busy machine.
	for _, step := range []func() error{
		func() error { return syscall.Kill(pid, syscall.SIGSTOP) },
		owner.Process.Kill,
		func() error { _ = owner.Wait(); return syscall.Kill(pid, syscall.SIGKILL) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the postmaster is a zombie", func() bool { return !alive(pid) && syscall.Kill(pid, 0) == nil })
	srv, _ := startServer(t, dir)
	if got := count(t, srv.DSN(), `SELECT sum(n) FROM kept`); got != 7 {
		t.Errorf("after the crash: got %d, want 7", got)
	}
	_, _ = syscall.Wait4(pid, nil, 0, nil)
}
