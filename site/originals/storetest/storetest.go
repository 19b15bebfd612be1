// Package storetest is what every store of originals must do, as tests that each
// implementation runs.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/originals"
)

// Fresh returns an empty place and a function that opens it: each call is what
// another process, or another machine, would open.
type Fresh func(t *testing.T) (open func() originals.Store)

// Run runs all tests.
func Run(t *testing.T, fresh Fresh) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func() originals.Store){
		"put open delete":                putOpenDelete,
		"putting twice is putting once":  putTwice,
		"other bytes are refused":        otherBytes,
		"a reader that fails":            failingReader,
		"a context that is over":         contextOver,
		"ranges":                         ranges,
		"served with ranges over HTTP":   served,
		"list pages in order":            listPages,
		"names never become paths":       names,
		"an open object outlives Delete": openThenDelete,
		"many at once":                   manyAtOnce,
		"check leaves nothing":           check,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// Make returns bytes that a seed decides, and their name.
func Make(seed uint64, size int) (data []byte, content string) {
	data = make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	_, _ = rand.NewChaCha8(key).Read(data) // it never fails
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:])
}

func mustPut(t *testing.T, s originals.Store, seed uint64, size int) ([]byte, string) {
	t.Helper()
	data, content := Make(seed, size)
	if err := s.Put(t.Context(), content, bytes.NewReader(data)); err != nil {
		t.Fatalf("Put: %v", err)
	}
	return data, content
}

func mustOpen(t *testing.T, s originals.Store, content string) *originals.Object {
	t.Helper()
	o, err := s.Open(t.Context(), content)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return o
}

func mustList(t *testing.T, s originals.Store) []string {
	t.Helper()
	list, err := s.List(t.Context(), "", 100_000)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	out := []string{}
	for _, e := range list {
		out = append(out, e.Content)
	}
	return out
}

func putOpenDelete(t *testing.T, open func() originals.Store) {
	t.Helper()
	one, two := open(), open()
	for seed, size := range []int{0, 1, 4096, 3<<20 + 17} {
		data, content := mustPut(t, one, uint64(seed), size)
		checkObject(t, mustOpen(t, two, content), data)
		for range 2 { // deleting what is gone is no error
			if err := two.Delete(t.Context(), content); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}
		for name, s := range map[string]originals.Store{"one": one, "two": two} {
			if _, err := s.Open(t.Context(), content); !errors.Is(err, originals.ErrNotFound) {
				t.Errorf("Open by %s after Delete: %v, want ErrNotFound", name, err)
			}
		}
	}
	if got := mustList(t, one); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// checkObject reads and closes an object that was just put.
func checkObject(t *testing.T, o *originals.Object, data []byte) {
	t.Helper()
	got, err := io.ReadAll(o)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes: read %d, %v", len(data), len(got), err)
	}
	if o.Size != int64(len(data)) || o.Mod.Location() != time.UTC || time.Since(o.Mod).Abs() > time.Hour {
		t.Errorf("%d bytes: the object says %d, written %v", len(data), o.Size, o.Mod)
	}
	if err := o.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := o.Read(make([]byte, 1)); err == nil {
		t.Error("a closed object can be read")
	}
}

func putTwice(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	data, content := Make(1, 100_000)
	var wg sync.WaitGroup
	for range 8 {
		mine := open()
		wg.Go(func() {
			for range 3 {
				r := bytes.NewReader(data)
				if _, err := r.Seek(50_000, io.SeekStart); err != nil { // Put starts at the start
					t.Error(err)
				}
				if err := mine.Put(t.Context(), content, r); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(mustList(t, s), []string{content}); diff != "" {
		t.Errorf("objects (-got +want):\n%s", diff)
	}
	got, err := io.ReadAll(mustOpen(t, s, content))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	// After it was deleted it can be put again.
	if err := errors.Join(s.Delete(t.Context(), content), s.Put(t.Context(), content, bytes.NewReader(data))); err != nil {
		t.Fatal(err)
	}
	_ = mustOpen(t, s, content).Close()
}

func otherBytes(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	data, content := Make(1, 5000)
	for name, wrong := range map[string][]byte{
		"one byte": append([]byte{^data[0]}, data[1:]...), "shorter": data[:4999], "longer": append(slices.Clone(data), 0), "empty": nil,
	} {
		if err := s.Put(t.Context(), content, bytes.NewReader(wrong)); !errors.Is(err, originals.ErrContent) {
			t.Errorf("%s: %v, want ErrContent", name, err)
		}
		if _, err := s.Open(t.Context(), content); !errors.Is(err, originals.ErrNotFound) {
			t.Errorf("%s: Open: %v, want ErrNotFound", name, err)
		}
	}
	// An object that is there is not hurt by wrong bytes under its name.
	mustPut(t, s, 1, 5000)
	if err := s.Put(t.Context(), content, bytes.NewReader(data[1:])); !errors.Is(err, originals.ErrContent) {
		t.Errorf("over an object: %v, want ErrContent", err)
	}
	got, err := io.ReadAll(mustOpen(t, s, content))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("the object is now %d bytes, %v", len(got), err)
	}
}

// brokenSeeker fails in the middle.
type brokenSeeker struct {
	io.Reader
	io.Seeker
}

func failingReader(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	data, content := Make(2, 100_000)
	r := bytes.NewReader(data)
	half := io.MultiReader(io.LimitReader(r, 50_000), iotest.ErrReader(io.ErrClosedPipe))
	if err := s.Put(t.Context(), content, brokenSeeker{half, r}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Put: %v, want the reader's error", err)
	}
	if got := mustList(t, s); len(got) != 0 {
		t.Errorf("half of an object is there: %v", got)
	}
	if _, err := s.Open(t.Context(), content); !errors.Is(err, originals.ErrNotFound) {
		t.Errorf("Open: %v, want ErrNotFound", err)
	}
}

func contextOver(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	_, content := mustPut(t, s, 3, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, openErr := s.Open(ctx, content)
	_, listErr := s.List(ctx, "", 1)
	data, other := Make(4, 1000)
	for name, err := range map[string]error{
		"Open": openErr, "List": listErr, "Put": s.Put(ctx, other, bytes.NewReader(data)),
		"Delete": s.Delete(ctx, content), "Check": s.Check(ctx),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	if diff := cmp.Diff(mustList(t, s), []string{content}); diff != "" {
		t.Errorf("objects (-got +want):\n%s", diff)
	}
}

func ranges(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	const size = 600_000
	data, content := mustPut(t, s, 5, size)
	o := mustOpen(t, s, content)
	defer o.Close()
	if err := iotest.TestReader(o, data); err != nil {
		t.Error(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		at, n := random.IntN(size), random.IntN(200_000)
		if _, err := o.Seek(int64(at), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		want := data[at:min(at+n, size)]
		got := make([]byte, len(want))
		if _, err := io.ReadFull(o, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes at %d: wrong, %v", n, at, err)
		}
	}
	if at, err := o.Seek(-1, io.SeekEnd); at != size-1 || err != nil {
		t.Errorf("Seek to the last byte: %d, %v", at, err)
	}
	if _, err := o.Seek(-size-1, io.SeekEnd); err == nil {
		t.Error("Seek before the start is taken")
	}
	if _, err := o.Seek(10, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if n, err := o.Read(make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read behind the end: %d, %v", n, err)
	}
}

func served(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	data, content := mustPut(t, s, 6, 300_000)
	for header, want := range map[string]struct {
		status int
		body   []byte
	}{
		"":                   {http.StatusOK, data},
		"bytes=0-9":          {http.StatusPartialContent, data[:10]},
		"bytes=200000-":      {http.StatusPartialContent, data[200_000:]},
		"bytes=-5":           {http.StatusPartialContent, data[299_995:]},
		"bytes=299999-":      {http.StatusPartialContent, data[299_999:]},
		"bytes=400000-":      {http.StatusRequestedRangeNotSatisfiable, nil},
		"bytes=100000-99999": {http.StatusRequestedRangeNotSatisfiable, nil},
	} {
		o := mustOpen(t, s, content)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("Range", header)
		}
		w := httptest.NewRecorder()
		http.ServeContent(w, r, "x.jpg", o.Mod, o)
		if w.Code != want.status || want.body != nil && !bytes.Equal(w.Body.Bytes(), want.body) {
			t.Errorf("%q: %d with %d bytes, want %d with %d", header, w.Code, w.Body.Len(), want.status, len(want.body))
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

func listPages(t *testing.T, open func() originals.Store) {
	t.Helper()
	s := open()
	if list, err := s.List(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Fatalf("an empty store lists %v, %v", list, err)
	}
	want := []string{}
	sizes := map[string]int64{}
	for size := range 25 {
		_, content := mustPut(t, s, uint64(size), size)
		want, sizes[content] = append(want, content), int64(size)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 7, 25, 26, 5000} {
		if diff := cmp.Diff(pages(t, s, limit, sizes), want); diff != "" {
			t.Errorf("limit %d (-got +want):\n%s", limit, diff)
		}
	}
	// After need not be there itself, nor be a name.
	if list, err := s.List(t.Context(), want[9]+"~", 2); err != nil || len(list) != 2 || list[0].Content != want[10] {
		t.Errorf("after a string that is no name: %v, %v", list, err)
	}
	if list, err := s.List(t.Context(), strings.Repeat("f", 64), 2); err != nil || len(list) != 0 {
		t.Errorf("after the last possible name: %v, %v", list, err)
	}
}

// pages lists everything, so many at once.
func pages(t *testing.T, s originals.Store, limit int, sizes map[string]int64) []string {
	t.Helper()
	for out, after := []string{}, ""; ; {
		page, err := s.List(t.Context(), after, limit)
		if err != nil || len(page) > limit {
			t.Fatalf("limit %d: %d objects, %v", limit, len(page), err)
		}
		for _, e := range page {
			if e.Bytes != sizes[e.Content] || e.Mod.Location() != time.UTC || time.Since(e.Mod).Abs() > time.Hour {
				t.Errorf("entry %+v, want %d bytes", e, sizes[e.Content])
			}
			out = append(out, e.Content)
			after = e.Content
		}
		if len(page) < limit {
			return out
		}
	}
}
