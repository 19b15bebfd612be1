package postgres

// Inside the package: the migrations of these tests are not those of the program.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

func files(texts ...string) fstest.MapFS {
	fs := fstest.MapFS{}
	for i, text := range texts {
		fs[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

func mustLoad(t *testing.T, fs fstest.MapFS) []migration {
	t.Helper()
	ms, err := loadMigrations(fs)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func TestLoadMigrations(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, file, want string
	}{
		{"no number", "migrations/first.sql", `"first.sql" is not named NNNN_what.sql`},
		{"the same number", "migrations/0001_other.sql", "two migrations have the number of 0001_step.sql"},
		{"upper case", "migrations/0002_What.sql", `"0002_What.sql" is not named`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fs := files("SELECT 1")
			fs[c.file] = &fstest.MapFile{}
			if _, err := loadMigrations(fs); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	ms := mustLoad(t, files("SELECT 1", "-- no transaction\nSELECT 2", "-- no transactions\nSELECT 3"))
	for i, plain := range []bool{false, true, false} {
		if ms[i].plain != plain || ms[i].version != i+1 {
			t.Errorf("migration %d: got %+v, want plain %v", i+1, ms[i], plain)
		}
	}
}

// MigrateFiles is Migrate with other files, for the tests outside the package.
func (db *DB) MigrateFiles(ctx context.Context, texts ...string) error {
	ms, err := loadMigrations(files(texts...))
	if err != nil {
		return err
	}
	return db.migrate(ctx, ms)
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	if got := translate(nil); got != nil {
		t.Errorf("nil: got %v", got)
	}
	for _, known := range []error{ErrUnavailable, ErrNotFound, ErrNewer, ErrUnreachable, ErrAuth, context.Canceled} {
		if got := translate(known); !errors.Is(got, known) || got.Error() != known.Error() {
			t.Errorf("%v: got %v, want it unchanged", known, got)
		}
	}
	if got := translate(fmt.Errorf("read: %w", context.DeadlineExceeded)); !errors.Is(got, ErrUnavailable) || !errors.Is(got, context.DeadlineExceeded) {
		t.Errorf("deadline: got %v, want ErrUnavailable and the deadline", got)
	}
}
