package originals

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

func TestPutOpenDelete(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	ctx := t.Context()
	content := []byte("a picture")
	sum := sha256.Sum256(content)
	want := hex.EncodeToString(sum[:])
	var wg sync.WaitGroup
	for range 8 { // putting twice is putting once, also at once
		wg.Go(func() {
			if err := d.Put(ctx, want, bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := files(t, dir); len(got) != 1 || got[0] != want[:2]+"/"+want+".jpg" {
		t.Errorf("files %v", got)
	}
	o, err := d.Open(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(o)
	if err != nil || !bytes.Equal(got, content) || o.Size != 9 || o.Mod.IsZero() {
		t.Errorf("read %q, %v, %+v", got, err, o)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := d.Delete(ctx, want); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Open(ctx, want); !errors.Is(err, ErrNotFound) {
		t.Errorf("after Delete: %v", err)
	}
	if err := d.Check(ctx); err != nil {
		t.Error(err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestNamesNeverBecomePaths(t *testing.T) {
	t.Parallel()
	d, dir := newDir(t)
	outside := filepath.Join(filepath.Dir(dir), "secret.jpg")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../secret", "/etc/passwd", strings.Repeat("A", 64), strings.Repeat("../", 21) + "a", strings.Repeat("0", 63) + "\x00"} {
		if _, err := d.Open(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v, want ErrNotFound", name, err)
		}
		if err := d.Delete(t.Context(), name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	// A link out of the directory is not followed.
	name := strings.Repeat("ab", 32)
	if err := os.Symlink(outside, filepath.Join(dir, "ab", name+".jpg")); err != nil {
		t.Fatal(err)
	}
	if o, err := d.Open(t.Context(), name); err == nil {
		o.Close()
		t.Error("a link out of the directory was followed")
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
	for _, place := range []string{"", "s3://bucket/prefix", "https://example.com/x"} {
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
