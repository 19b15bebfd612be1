package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secrets are the values that no message and no print of a File may show.
var testEnviron = []string{
	"HOST=secret-host-name", "LOWER=secretmethod", "BAD_EVERY=secretly-often", "BAD_REGEXP=(secret-regexp",
	"SHORT_KEY=secretshortkey", "LICENSE=secret-licence-of-the-wrong-length", "EMPTY=",
}

// said is all that Load says about a file: mistakes, or warnings.
func said(t *testing.T, opts Options) string {
	t.Helper()
	f, err := Load(opts)
	if err != nil {
		if _, ok := errors.AsType[Problems](err); !ok {
			t.Fatalf("Load returned %v, which is not Problems", err)
		}
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, w := range f.Warnings {
		b.WriteString("warning: " + w.String() + "\n")
	}
	return b.String()
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "mistakes", "*.yaml"))
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			got := said(t, Options{Path: file, Environ: testEnviron})
			if strings.Contains(got, "secret-") || strings.Contains(got, "secretly") || strings.Contains(got, "secretshort") || strings.Contains(got, "hunter2") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", got)
		})
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, string(want)); diff != "" {
		t.Errorf("%s (-got +want):\n%s", path, diff)
	}
}
