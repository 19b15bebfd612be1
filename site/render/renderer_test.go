package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newRenderer(t *testing.T, opts Options) (*Renderer, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	r, err := New(Config{Dir: dir, Size: minCache}, opts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r, dir
}

// stub puts something slower or worse in the place of decoding and encoding.
func stub(r *Renderer, work func(data []byte, edge int) ([]byte, error)) {
	r.engine = engine{
		header: func([]byte) (Header, error) { return Header{Width: 1, Height: 1, Memory: 1}, nil },
		decode: func(_ context.Context, data []byte, _ Header, _ int) (source, error) {
			return source{w: 1, h: 1, icc: bytes.Clone(data)}, nil
		},
		encode: func(src source, s Spec, _ int) ([]byte, error) { return work(src.icc, s.Edge) },
	}
}

func picture(content string) Picture {
	return Picture{Content: content, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(content))), nil
	}}
}

// body reads a rendition to its end.
func body(t *testing.T, rd *Rendition, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	b, err := io.ReadAll(rd)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOneRenderPerKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 2})
		stub(r, func(data []byte, edge int) ([]byte, error) {
			time.Sleep(200 * time.Millisecond)
			return fmt.Appendf(nil, "%s@%d", data, edge), nil
		})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				rd, err := r.Get(t.Context(), picture("a"), 640, Signed)
				if got := body(t, rd, err); got != "a@640" {
					t.Errorf("got %q", got)
				}
			})
		}
		wg.Wait()
		rd, err := r.Get(t.Context(), picture("a"), 640, Signed)
		if err != nil || !rd.Cached || rd.Key != picture("a").Key(640) {
			t.Fatalf("second look: %+v, %v; want it from the cache", rd, err)
		}
		rd.Close()
		if s := r.Stats(); s.Renders != 1 || s.Misses != 50 || s.Hits != 1 {
			t.Errorf("stats %+v, want 1 render, 50 misses, 1 hit", s)
		}
	})
}

// fill starts visitors one after another, so that their order is known.
func fill(t *testing.T, r *Renderer, wg *sync.WaitGroup, names ...string) func() map[string]error {
	t.Helper()
	var mu sync.Mutex
	errs := map[string]error{}
	for _, name := range names {
		wg.Go(func() {
			rd, err := r.Get(t.Context(), picture(name), 1, Signed)
			if err == nil {
				rd.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
		synctest.Wait()
	}
	return func() map[string]error { wg.Wait(); return errs }
}

func TestPoolIsBoundedAndNewestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1, Queue: 3})
		var order []string // written by the one worker only
		stub(r, func(data []byte, _ int) ([]byte, error) {
			order = append(order, string(data))
			time.Sleep(300 * time.Millisecond)
			return data, nil
		})
		var wg sync.WaitGroup
		rd, err := r.Get(t.Context(), picture("cached"), 1, Signed)
		body(t, rd, err)
		errs := fill(t, r, &wg, "w1", "w2", "w3", "w4", "w5")
		if rd, err := r.Get(t.Context(), picture("cached"), 1, Signed); err != nil || !rd.Cached {
			t.Errorf("a cached picture while the pool is full: %v", err)
		} else {
			rd.Close()
		}
		got := errs()
		var busy *BusyError
		if !errors.As(got["w2"], &busy) || !errors.Is(got["w2"], ErrBusy) || busy.After < time.Second {
			t.Errorf("the oldest that waited got %v, want ErrBusy with a hint", got["w2"])
		}
		if want := []string{"cached", "w1", "w5", "w4", "w3"}; !slices.Equal(order, want) {
			t.Errorf("rendered in order %v, want %v", order, want)
		}
	})
}

// A browser asks for six pictures of a cold gallery at once, on the smallest
// machine; none may be shed.
func TestColdGallery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		stub(r, func(data []byte, _ int) ([]byte, error) {
			time.Sleep(150 * time.Millisecond) // measured: 2400 by 1600 to 1280
			return data, nil
		})
		var wg sync.WaitGroup
		for name, err := range fill(t, r, &wg, "1", "2", "3", "4", "5", "6")() {
			if err != nil {
				t.Errorf("picture %s: %v", name, err)
			}
		}
	})
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1, Queue: 3, Wait: time.Second, Deadline: 10 * time.Second})
		var begun []string
		stub(r, func(data []byte, _ int) ([]byte, error) {
			begun = append(begun, string(data))
			time.Sleep(12 * time.Second)
			return data, nil
		})
		start := time.Now()
		var wg sync.WaitGroup
		errs := fill(t, r, &wg, "slow", "waits")
		got := errs()
		if !errors.Is(got["waits"], ErrBusy) || !errors.Is(got["slow"], ErrBusy) {
			t.Errorf("got %v, want ErrBusy for both", got)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("visitors waited %v, want 10s", took)
		}
		time.Sleep(5 * time.Second)
		if want := []string{"slow"}; !slices.Equal(begun, want) {
			t.Errorf("begun %v, want %v: nobody waited for the other any more", begun, want)
		}
		if rd, err := r.Get(t.Context(), picture("slow"), 1, Signed); err != nil || !rd.Cached {
			t.Errorf("the late render was not kept: %v", err)
		}
	})
}

func TestVisitorLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		stub(r, func(data []byte, _ int) ([]byte, error) { time.Sleep(time.Second); return data, nil })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		ctx, stop := context.WithCancel(ctx)
		go func() { time.Sleep(50 * time.Millisecond); stop() }()
		if _, err := r.Get(ctx, picture("a"), 1, Signed); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		calls := 0
		stub(r, func(data []byte, _ int) ([]byte, error) {
			calls++
			if string(data) == "bomb" {
				panic("boom")
			}
			return data, nil
		})
		for range 3 {
			if _, err := r.Get(t.Context(), picture("bomb"), 1, Signed); !errors.Is(err, ErrBroken) {
				t.Errorf("got %v, want ErrBroken", err)
			}
		}
		if calls != 1 {
			t.Errorf("a broken picture was tried %d times in a minute, want once", calls)
		}
		rd, err := r.Get(t.Context(), picture("fine"), 1, Signed)
		if got := body(t, rd, err); got != "fine" {
			t.Errorf("after the panic: %q", got)
		}
		time.Sleep(badFor)
		_, _ = r.Get(t.Context(), picture("bomb"), 1, Signed)
		if calls != 3 {
			t.Errorf("after a minute: %d calls, want 3", calls)
		}
	})
}

// An original that cannot be opened now (a hung mount) must be tried again at once.
func TestTransientErrorIsNotRemembered(t *testing.T) {
	t.Parallel()
	r, _ := newRenderer(t, Options{Workers: 1})
	stub(r, func(data []byte, _ int) ([]byte, error) { return data, nil })
	p := picture("a")
	open := p.Open
	p.Open = func(context.Context) (io.ReadCloser, error) { return nil, os.ErrDeadlineExceeded }
	if _, err := r.Get(t.Context(), p, 1, Signed); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	p.Open = open
	rd, err := r.Get(t.Context(), p, 1, Signed)
	if got := body(t, rd, err); got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	good := map[string]Size{
		"2GiB": 2 << 30, "500 MiB": 500 << 20, "1.5GB": 1_500_000_000, "17": 17, "0B": 0, "64kib": 64 << 10, "3kB": 3000,
	}
	for in, want := range good {
		var got Size
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "GiB", "-1GiB", "2 giga", "1e3MB", "0x10", "NaN", "Inf", "9999999999TiB", "2GiBs", "1_0MB"} {
		var got Size
		if err := got.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was taken as %d", in, got)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("2GiB")
	f.Add("1.5 MB")
	f.Fuzz(func(t *testing.T, in string) {
		var s, back Size
		if s.UnmarshalText([]byte(in)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s || s < 0 {
			t.Errorf("%q is %d, printed %q, read back %d (%v)", in, s, s.String(), back, err)
		}
	})
}
