package archive_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

// childEnv makes the test binary a site that stops at a step: STEP|DIR|TAG|DSN.
const childEnv = "KEEPWATCH_TEST_ARCHIVE_CHILD"

func TestMain(m *testing.M) {
	order := os.Getenv(childEnv)
	if order == "" {
		os.Exit(m.Run())
	}
	parts := strings.SplitN(order, "|", 4)
	if err := upload(parts[0], parts[1], parts[2], parts[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// upload uploads one picture and hangs after a step.
func upload(step, dir, tagText, dsn string) error {
	ctx := context.Background()
	db, err := postgres.Open(ctx, dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	photos := postgres.Photos{DB: db}
	files, err := originals.New(dir)
	if err != nil {
		return err
	}
	tag, err := strconv.ParseInt(tagText, 10, 64)
	if err != nil {
		return err
	}
	data, content := bytesOf("picture")
	reached := func(name string) {
		if name == step {
			fmt.Println(name) //nolint:forbidigo // the parent reads it
			select {}
		}
	}
	now := time.Now().UTC()
	if err := photos.Intend(ctx, content, "child", now); err != nil {
		return err
	}
	reached("intent")
	if err := files.Put(ctx, content, bytes.NewReader(data)); err != nil {
		return err
	}
	reached("file")
	if strings.HasPrefix(step, "forget") {
		if orphan, err := photos.Forget(ctx, content, "child", now); err != nil || !orphan {
			return fmt.Errorf("forget: %v, %w", orphan, err)
		}
		reached("forget: mark")
		if err := files.Delete(ctx, content); err != nil {
			return err
		}
		reached("forget: file")
	}
	if _, err := add(ctx, photos, "child", content, tag); err != nil {
		return err
	}
	reached("row")
	return errors.New("nobody killed me")
}

// Issue: orphan files are impossible. A site is killed with SIGKILL between any two
// steps of an upload; when it starts again, files and rows agree, and the same
// picture can be uploaded at once.
func TestRecoverAfterKill(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]struct{ removed, photos int }{
		"intent": {0, 0}, "file": {1, 0}, "forget: mark": {1, 0}, "forget: file": {0, 0}, "row": {0, 1},
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.DSN(t)
			s := &site{where: t.TempDir()}
			s.db = postgres.Photos{DB: pgtest.Open(t, dsn)}
			var err error
			if s.files, err = originals.New(s.where); err != nil {
				t.Fatal(err)
			}
			s.tag = makeTag(t, s.db)
			// Another site process is uploading something else, and is not to be hurt.
			_, other := bytesOf("other")
			if err := s.db.Intend(t.Context(), other, "other", time.Now().UTC()); err != nil {
				t.Fatal(err)
			}
			s.put(t, "other", 0)
			killAt(t, fmt.Sprintf("%s|%s|%d|%s", step, s.where, s.tag, dsn))

			removed, err := archive.Recover(t.Context(), s.db, s.files, "child", time.Now().UTC())
			if removed != want.removed || err != nil {
				t.Errorf("Recover removed %d, %v; want %d", removed, err, want.removed)
			}
			_, content := bytesOf("picture")
			keep := []string{other}
			if want.photos == 1 {
				keep = append(keep, content)
			}
			if len(keep) == 2 && keep[0] > keep[1] {
				keep[0], keep[1] = keep[1], keep[0]
			}
			if diff := cmp.Diff(s.contents(t), keep); diff != "" {
				t.Errorf("originals (-got +want):\n%s", diff)
			}
			if n, err := s.db.Count(t.Context(), gallery.Filter{Tags: []int64{s.tag}}); int(n) != want.photos || err != nil {
				t.Errorf("%d photos, %v; want %d", n, err, want.photos)
			}
			s.photo(t, "picture", 0) // no mark is left
			if _, err := add(t.Context(), s.db, "other", other, s.tag); err != nil {
				t.Errorf("the other's upload: %v", err)
			}
			if again, err := archive.Recover(t.Context(), s.db, s.files, "child", time.Now().UTC()); again != 0 || err != nil {
				t.Errorf("a second Recover removed %d, %v", again, err)
			}
			if n := len(s.contents(t)); n != 2 {
				t.Errorf("%d originals, want 2", n)
			}
		})
	}
}

func TestRecoverNeedsAName(t *testing.T) {
	t.Parallel()
	if _, err := archive.Recover(t.Context(), nil, nil, "", time.Time{}); err == nil {
		t.Error("no error")
	}
}

// killAt starts the child and kills it when it says that it hangs.
func killAt(t *testing.T, order string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+order)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	said := in.Scan()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !said {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
}
