package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
