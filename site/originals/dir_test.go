package originals

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newDir(t *testing.T) (*Dir, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b")
	d, err := NewDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d, dir
}

// picture returns 100 bytes that a seed decides, and their name.
func picture(seed byte) (data []byte, content string) {
	data = bytes.Repeat([]byte{seed}, 100)
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:])
}

// files lists what is below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The layout is a promise to those who look at the directory by hand.
func TestLayout(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	data, content := picture(1)
	if err := d.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files(t, dir), []string{content[:2] + "/" + content + ".jpg"}); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
	if err := errors.Join(d.Check(t.Context()), d.Delete(t.Context(), content)); err != nil {
		t.Error(err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if folders, err := os.ReadDir(dir); err != nil || len(folders) != 256 {
		t.Errorf("%d folders, %v", len(folders), err)
	}
}

// What failed leaves no temporary file either.
func TestFailedPutLeavesNothing(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	data, content := picture(1)
	if err := d.Put(t.Context(), content, bytes.NewReader(data[:99])); !errors.Is(err, ErrContent) {
		t.Errorf("got %v, want ErrContent", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Put(ctx, content, bytes.NewReader(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// A folder that somebody removed is made again.
func TestFolderRemoved(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	data, content := picture(1)
	if err := os.Remove(filepath.Join(dir, content[:2])); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), content); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open: %v, want ErrNotFound", err)
	}
	list, err := d.List(t.Context(), "", 10)
	if err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v", list, err)
	}
	if err := errors.Join(d.Delete(t.Context(), content), d.Put(t.Context(), content, bytes.NewReader(data))); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("files %v", got)
	}
}

// Security checklist, row 5: names never become paths. The conformance suite tries
// more names; here are the ways that only a directory has.
func TestNamesNeverBecomePaths(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	data, other := picture(1)
	if err := d.Put(t.Context(), other, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(filepath.Dir(dir), "secret.jpg")
	if err := os.WriteFile(outside, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, filepath.Dir(dir))
	for _, name := range []string{"../secret", "../../b/../secret", outside, strings.TrimSuffix(outside, ".jpg")} {
		if _, err := d.Open(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Open %q: %v, want ErrNotFound", name, err)
		}
		if err := d.Put(t.Context(), name, bytes.NewReader(data)); !errors.Is(err, ErrContent) {
			t.Errorf("Put %q: %v, want ErrContent", name, err)
		}
		if err := d.Delete(t.Context(), name); err != nil {
			t.Errorf("Delete %q: %v", name, err)
		}
	}
	if diff := cmp.Diff(files(t, filepath.Dir(dir)), before); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
}

// Neither symbolic links nor pipes nor folders are objects, wherever they lead.
func TestOnlyFilesAreObjects(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(dir, content string) error{
		"link out of the directory": func(dir, content string) error {
			return os.Symlink("/etc/hostname", filepath.Join(dir, content[:2], content+".jpg"))
		},
		"link to another object": func(dir, content string) error {
			_, other := picture(1)
			return os.Symlink("../"+other[:2]+"/"+other+".jpg", filepath.Join(dir, content[:2], content+".jpg"))
		},
		"folder that is a link": func(dir, content string) error {
			real := filepath.Join(dir, "real")
			return errors.Join(os.Rename(filepath.Join(dir, content[:2]), real), os.Symlink("real", filepath.Join(dir, content[:2])),
				os.WriteFile(filepath.Join(real, content+".jpg"), []byte("x"), 0o600))
		},
		"pipe": func(dir, content string) error {
			return syscall.Mkfifo(filepath.Join(dir, content[:2], content+".jpg"), 0o600)
		},
		"folder": func(dir, content string) error {
			return os.Mkdir(filepath.Join(dir, content[:2], content+".jpg"), 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, dir := newDir(t)
			data, other := picture(1)
			if err := d.Put(t.Context(), other, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			_, content := picture(2)
			if err := plant(dir, content); err != nil {
				t.Fatal(err)
			}
			if o, err := d.Open(t.Context(), content); err == nil {
				o.Close()
				t.Error("it was opened")
			}
			list, err := d.List(t.Context(), "", 10)
			if err == nil && (len(list) != 1 || list[0].Content != other) {
				t.Errorf("List says %v", list)
			}
		})
	}
}

func TestFullIsTranslated(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]error{
		&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}:      ErrFull,
		errors.Join(nil, &fs.PathError{Path: "x", Err: syscall.EDQUOT}): ErrFull,
		fs.ErrPermission: fs.ErrPermission,
	} {
		if got := full(err); !errors.Is(got, want) {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}

// Another machine writes the object while this one is told that it is not there.
func TestOpenAsksAgain(t *testing.T) {
	t.Parallel()
	data, content := picture(3)
	for name, tt := range map[string]struct {
		written time.Duration // after the start; 0: never
		ctx     time.Duration // how long the caller waits; 0: for ever
		want    error
		took    time.Duration
	}{
		"there after one second":      {written: time.Second, took: 1500 * time.Millisecond},
		"never there":                 {want: ErrNotFound, took: 3500 * time.Millisecond},
		"the caller does not wait":    {ctx: time.Second, want: context.DeadlineExceeded, took: time.Second},
		"there, but the caller left":  {written: 2 * time.Second, ctx: time.Second, want: context.DeadlineExceeded, took: time.Second},
		"there after the last moment": {written: 4 * time.Second, want: ErrNotFound, took: 3500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := newDir(t)
			d.again = longPatience()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.ctx)
					defer cancel()
				}
				start := time.Now()
				var wg sync.WaitGroup
				if tt.written > 0 {
					wg.Go(func() {
						time.Sleep(tt.written)
						if err := d.Put(context.WithoutCancel(ctx), content, bytes.NewReader(data)); err != nil {
							t.Error(err)
						}
					})
				}
				o, err := d.Open(ctx, content)
				if !errors.Is(err, tt.want) || time.Since(start) != tt.took {
					t.Errorf("got %v after %v, want %v after %v", err, time.Since(start), tt.want, tt.took)
				}
				if err == nil {
					o.Close()
				}
				wg.Wait()
			})
		})
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	t.Parallel()
	_, dir := newDir(t)
	old, young := filepath.Join(dir, "tmp-old"), filepath.Join(dir, "tmp-young")
	for _, f := range []string{old, young} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDir(dir); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 1 || got[0] != "tmp-young" {
		t.Errorf("left %v, want only the young one", got)
	}
}

func TestCheckSeesTrouble(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if d.Check(t.Context()) == nil {
		t.Error("Check says that a removed directory can be used")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"", "https://example.com/x", "s3://", "s3://UPPER"} {
		if _, err := New(place); err == nil {
			t.Errorf("%q was taken", place)
		}
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(blocked); err == nil {
		t.Error("a file was taken as a directory")
	}
}
