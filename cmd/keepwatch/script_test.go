package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this very program as the command keepwatch.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"keepwatch": func() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts is the command line as a user meets it.
func TestScripts(t *testing.T) {
	t.Parallel()
	// The server of an embedded database runs as another user when the tests run
	// as root, and must be able to reach the scripts' directories.
	root, err := os.MkdirTemp("", "keepwatch-scripts-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		WorkdirRoot:         root,
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("KEEPWATCH_POSTGRES_BIN", os.Getenv("KEEPWATCH_POSTGRES_BIN"))
			return os.Chmod(env.WorkDir, 0o755)
		},
	})
}
