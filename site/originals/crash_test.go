package originals_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"keepwatch/site/originals"
	"keepwatch/site/originals/storetest"
)

// childEnv makes the test binary a victim: DIR, or DIR:BYTES to stop in the middle.
const childEnv = "KEEPWATCH_TEST_ORIGINALS_CHILD"

const crashSize = 200_000

func TestMain(m *testing.M) {
	where := os.Getenv(childEnv)
	if where == "" {
		if err := setCredentials(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if err := putForEver(where); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// putForEver prints the number of each object that Put has returned from.
func putForEver(where string) error {
	dir, at, stops := strings.Cut(where, ":")
	d, err := originals.NewDir(dir)
	if err != nil {
		return err
	}
	for n := range uint64(1_000_000) {
		data, content := storetest.Make(n, crashSize)
		var r io.ReadSeeker = bytes.NewReader(data)
		if stops {
			limit, err := strconv.Atoi(at)
			if err != nil {
				return err
			}
			r = brokenSeeker{io.MultiReader(bytes.NewReader(data[:limit]), blocker{}), bytes.NewReader(data)}
		}
		if err := d.Put(context.Background(), content, r); err != nil {
			return err
		}
		fmt.Println(n) //nolint:forbidigo // the parent reads it
	}
	return errors.New("nobody killed me")
}

type brokenSeeker struct {
	io.Reader
	io.Seeker
}

// blocker says that it was reached and never returns.
type blocker struct{}

func (blocker) Read([]byte) (int, error) {
	fmt.Println(0) //nolint:forbidigo // the parent reads it
	select {}
}

// killAfter starts a victim, kills it with SIGKILL after it printed so many lines,
// and returns how many it printed.
func killAfter(t *testing.T, where string, lines int) int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+where)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := 0
	for in := bufio.NewScanner(out); in.Scan(); {
		said++
		if said == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		} // and read on: what stood in the pipe was said before the kill
	}
	if err := cmd.Wait(); err == nil || said < lines {
		t.Fatalf("the victim ended by itself: %v\n%s", err, stderr.String())
	}
	return said
}

// verify reads every file that has a final name, and returns how many there are.
func verify(t *testing.T, dir string) int {
	t.Helper()
	count := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), "tmp-") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		content, _, err := originals.Content(f)
		if err != nil || content+".jpg" != e.Name() {
			t.Errorf("%s holds something else: %v", e.Name(), err)
		}
		count++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// Killed while it copies, at exact places: nothing has a final name.
func TestKilledWhileCopying(t *testing.T) {
	t.Parallel()
	for _, at := range []int{0, 1, crashSize / 2, crashSize} {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			killAfter(t, fmt.Sprintf("%s:%d", dir, at), 1)
			if n := verify(t, dir); n != 0 {
				t.Errorf("%d files have final names", n)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "tmp-*")); err != nil || len(left) != 1 {
				t.Errorf("the victim was killed before it wrote: %v, %v", left, err)
			}
		})
	}
}

// Killed at any moment: what Put returned from is there, and nothing is half there.
// (What a power cut would do is not tested: kill -9 keeps the kernel's buffers.)
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, lines := range []int{1, 2, 5, 9, 14, 20, 33, 50} {
		t.Run(strconv.Itoa(lines), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			said := killAfter(t, dir, lines)
			d, err := originals.NewDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for n := range uint64(said) {
				_, content := storetest.Make(n, crashSize)
				o, err := d.Open(t.Context(), content)
				if err != nil {
					t.Fatalf("object %d of %d that Put returned from: %v", n, said, err)
				}
				_ = o.Close()
			}
			if got := verify(t, dir); got != said && got != said+1 {
				t.Errorf("%d files, the victim said %d", got, said)
			}
		})
	}
}
