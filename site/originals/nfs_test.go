package originals_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/site/originals"
	"keepwatch/site/originals/storetest"
)

// mountsEnv names two mounts of one directory, "/mnt/a:/mnt/b": make test-nfs sets it.
const mountsEnv = "KEEPWATCH_TEST_MOUNTS"

// onMount makes a folder on a mount; the mount goes as a whole.
func onMount(t *testing.T, mount string) string {
	t.Helper()
	dir, err := os.MkdirTemp(mount, "store-") //nolint:usetesting // t.TempDir is not on the mount
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func mounts(t *testing.T) (a, b string) {
	t.Helper()
	a, b, ok := strings.Cut(os.Getenv(mountsEnv), ":")
	if !ok {
		t.Skip("needs two mounts of one directory: run make test-nfs")
	}
	return a, b
}

func TestMountsConform(t *testing.T) {
	t.Parallel()
	a, b := mounts(t)
	storetest.Run(t, func(t *testing.T) func() originals.Store {
		t.Helper()
		dir := onMount(t, a)
		turn := 0
		return func() originals.Store {
			turn++
			return mustNew(t, filepath.Join([]string{a, b}[turn%2], filepath.Base(dir)))
		}
	})
}

// TestMountsSeeWhatOthersWrote: machine B has looked for an object before machine A
// wrote it, and remembers that it is not there. B's store finds it all the same.
func TestMountsSeeWhatOthersWrote(t *testing.T) {
	t.Parallel()
	a, b := mounts(t)
	dir := onMount(t, a)
	one, two := mustNew(t, dir), mustNew(t, filepath.Join(b, filepath.Base(dir)))
	var took []time.Duration
	trapped := 0
	for n := range 40 {
		data, content := storetest.Make(uint64(n), 10_000)
		plain := filepath.Join(b, filepath.Base(dir), content[:2], content+".jpg")
		if _, err := os.Stat(plain); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("before it was written: %v", err)
		}
		if err := one.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			// The trap is real: whoever just looks is told that there is nothing.
			if _, err := os.Stat(plain); errors.Is(err, fs.ErrNotExist) {
				trapped++
			}
		}
		start := time.Now()
		o, err := two.Open(t.Context(), content)
		if err != nil {
			t.Fatalf("object %d: %v", n, err)
		}
		took = append(took, time.Since(start))
		got, err := io.ReadAll(o)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("object %d: read %d bytes, %v", n, len(got), err)
		}
		_ = o.Close()
	}
	slices.Sort(took)
	t.Logf("a plain look was told that there is nothing %d of 20 times; the store opened all 40, median %v, worst %v", trapped, took[20], took[39])
	if trapped == 0 {
		t.Error("the mounts do not remember what is absent: this test proves nothing here")
	}
}

// serverEnv names a program that stops (argument "stop") and starts ("start") the NFS server.
const serverEnv = "KEEPWATCH_TEST_NFS_SERVER"

// TestHardMountHangs: the server of a hard mount is gone. No caller waits longer than
// the limits say, no more calls hang than there are places, and all is well when the
// server is back.
//
//nolint:paralleltest // the server is everybody's
func TestHardMountHangs(t *testing.T) {
	a, _ := mounts(t)
	program := os.Getenv(serverEnv)
	if program == "" {
		t.Skip("needs a server that can be stopped: run make test-nfs")
	}
	server := func(what string) {
		if out, err := exec.CommandContext(t.Context(), program, what).CombinedOutput(); err != nil {
			t.Fatalf("%s the server: %v\n%s", what, err, out)
		}
	}
	dir := onMount(t, a)
	inner, err := originals.NewDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := originals.Bound(inner, originals.Limits{Calls: 4, Wait: 200 * time.Millisecond, Deadline: time.Second})
	data, content := storetest.Make(1, 300_000)
	if err := s.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	server("stop")
	other, otherContent := storetest.Make(2, 300_000)
	start := time.Now()
	for n := range 12 {
		var err error
		switch n % 4 {
		case 0:
			err = s.Put(t.Context(), otherContent, bytes.NewReader(other))
		case 1:
			_, err = s.Open(t.Context(), content)
		case 2:
			_, err = s.List(t.Context(), "", 10)
		case 3:
			err = s.Check(t.Context())
		}
		if !errors.Is(err, originals.ErrSlow) {
			t.Errorf("call %d while the server is gone: %v, want ErrSlow", n, err)
		}
	}
	t.Logf("12 calls came back in %v while the server was gone", time.Since(start))
	server("start")
	deadline := time.Now().Add(2 * time.Minute) // a server that starts waits for its old clients
	for {
		o, err := s.Open(t.Context(), content)
		if err == nil {
			got, err := io.ReadAll(o)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			_ = o.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is back, the store is not: %v", err)
		}
	}
	t.Logf("read again %v after the server was gone", time.Since(start))
	if err := s.Put(t.Context(), otherContent, bytes.NewReader(other)); err != nil {
		t.Errorf("Put: %v", err)
	}
}
