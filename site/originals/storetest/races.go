package storetest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/originals"
)

func names(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	_, content := mustPut(t, s, 7, 100)
	for _, name := range []string{
		"", ".", "..", "/", "../secret", "/etc/passwd", "tmp-x", `C:\x`, content[:63], content + "0", content + ".jpg", strings.ToUpper(content),
		content[:2] + "/" + content, strings.Repeat("../", 21) + "a", strings.Repeat("0", 63) + "\x00", strings.Repeat("0", 62) + "é", strings.Repeat("a", 300),
	} {
		if _, err := s.Open(t.Context(), name); !errors.Is(err, originals.ErrNotFound) {
			t.Errorf("Open %q: %v, want ErrNotFound", name, err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("Delete %q: %v", name, err)
		}
		if err := s.Put(t.Context(), name, strings.NewReader("x")); !errors.Is(err, originals.ErrContent) {
			t.Errorf("Put %q: %v, want ErrContent", name, err)
		}
	}
	if diff := cmp.Diff(mustList(t, s), []string{content}); diff != "" {
		t.Errorf("objects (-got +want):\n%s", diff)
	}
}

// A visitor who is being served when the object goes sees it whole, or an error:
// never the half as a whole.
func openThenDelete(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	data, content := mustPut(t, s, 8, 2<<20)
	o := mustOpen(t, s, content)
	defer o.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(o, head); err != nil {
		t.Fatal(err)
	}
	if err := open().Delete(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(o)
	if err == nil && !bytes.Equal(append(head, rest...), data) {
		t.Errorf("read %d bytes without an error, the object has %d", len(head)+len(rest), len(data))
	}
}

func manyAtOnce(t *testing.T, open func() originals.Store) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range 4 {
		s := open()
		wg.Go(func() {
			for n := range 6 {
				data, content := Make(uint64(100+n%3), 50_000) // others write the same
				if err := s.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
					t.Errorf("worker %d: Put: %v", worker, err)
					return
				}
				o, err := s.Open(t.Context(), content)
				if err != nil {
					t.Errorf("worker %d: Open: %v", worker, err)
					return
				}
				got, err := io.ReadAll(o)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("worker %d: read %d bytes, %v", worker, len(got), err)
				}
				_ = o.Close()
			}
		})
	}
	wg.Wait()
	if got := mustList(t, open()); len(got) != 3 {
		t.Errorf("%d objects, want 3", len(got))
	}
}

func check(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	for range 3 {
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
	}
	if got := mustList(t, s); len(got) != 0 {
		t.Errorf("Check left %v", got)
	}
}
