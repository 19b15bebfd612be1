package originals

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hung is a store whose calls wait until they are let go, whatever their context
// says: a hard mount whose server is away.
type hung struct {
	let     chan struct{}
	running atomic.Int32
	most    atomic.Int32
	closed  atomic.Int32
}

func newHung() *hung { return &hung{let: make(chan struct{})} }

func (h *hung) hang() {
	n := h.running.Add(1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	<-h.let
	h.running.Add(-1)
}

func (h *hung) Put(_ context.Context, _ string, r io.ReadSeeker) error {
	h.hang()
	_, err := io.Copy(io.Discard, r)
	return err
}

func (h *hung) Open(context.Context, string) (*Object, error) {
	h.hang()
	return &Object{ReadSeekCloser: &hungObject{h: h, Reader: bytes.NewReader([]byte("content"))}, Size: 7}, nil
}
func (h *hung) Delete(context.Context, string) error               { h.hang(); return nil }
func (h *hung) Check(context.Context) error                        { h.hang(); return nil }
func (h *hung) List(context.Context, string, int) ([]Entry, error) { h.hang(); return nil, nil }
func (h *hung) calls(s Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Put":    func(ctx context.Context) error { return s.Put(ctx, "x", bytes.NewReader(nil)) },
		"Open":   func(ctx context.Context) error { _, err := s.Open(ctx, "x"); return err },
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, "x") },
		"List":   func(ctx context.Context) error { _, err := s.List(ctx, "", 1); return err },
		"Check":  s.Check,
	}
}

type hungObject struct {
	*bytes.Reader

	h *hung
}

func (o *hungObject) Read(p []byte) (int, error) {
	o.h.hang()
	return o.Reader.Read(p)
}

func (o *hungObject) Close() error {
	o.h.closed.Add(1)
	return nil
}

// Every call comes back after the deadline, or when its caller leaves.
func TestBoundedLeavesWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		s := Bound(h, Limits{Calls: 100, Deadline: 5 * time.Second})
		for name, do := range h.calls(s) {
			start := time.Now()
			if err := do(t.Context()); !errors.Is(err, ErrSlow) || time.Since(start) != 5*time.Second {
				t.Errorf("%s: %v after %v, want ErrSlow after 5 s", name, err, time.Since(start))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start = time.Now()
			if err := do(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%s with a caller that leaves: %v after %v", name, err, time.Since(start))
			}
			cancel()
		}
		if got := h.running.Load(); got != 10 {
			t.Errorf("%d calls hang, want 10", got)
		}
		close(h.let)
		synctest.Wait()
		if h.running.Load() != 0 || h.closed.Load() != 2 {
			t.Errorf("%d calls hang, %d of 2 late objects were closed", h.running.Load(), h.closed.Load())
		}
	})
}

// However many callers there are, no more than the places hang, and the others are
// told soon. When the mount comes back, so do the places.
func TestBoundedPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		s := Bound(h, Limits{Calls: 4, Wait: time.Second, Deadline: time.Minute})
		var slow atomic.Int32
		start := time.Now()
		for range 50 {
			go func() {
				if err := s.Check(t.Context()); errors.Is(err, ErrSlow) && time.Since(start) == time.Second {
					slow.Add(1)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		if h.most.Load() != 4 || slow.Load() != 46 {
			t.Errorf("%d calls hang at most, %d callers were told after a second; want 4 and 46", h.most.Load(), slow.Load())
		}
		close(h.let)
		synctest.Wait()
		for range 8 {
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("after the mount came back: %v", err)
			}
		}
	})
}

// forbidden must not be read after it was closed.
type forbidden struct {
	*bytes.Reader

	t    *testing.T
	over atomic.Bool
}

func (f *forbidden) Read(p []byte) (int, error) {
	if f.over.Load() {
		f.t.Error("read after Put returned")
	}
	return f.Reader.Read(p)
}

// After Put returned its caller may do with the reader what it likes.
func TestBoundedPutLeavesTheReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		s := Bound(h, Limits{Deadline: time.Second, Rate: 10})
		r := &forbidden{Reader: bytes.NewReader(make([]byte, 50)), t: t}
		start := time.Now()
		if err := s.Put(t.Context(), "x", r); !errors.Is(err, ErrSlow) {
			t.Errorf("got %v, want ErrSlow", err)
		}
		if took := time.Since(start); took != 6*time.Second { // 1 s and 50 bytes at 10 a second
			t.Errorf("Put returned after %v, want 6 s", took)
		}
		r.over.Store(true)
		close(h.let)
		synctest.Wait()
	})
}

// A read that hangs comes back, the object is of no more use, and it is closed when
// the read ended, not before.
func TestBoundedRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		s := Bound(h, Limits{Deadline: time.Second})
		go func() { h.let <- struct{}{} }() // Open goes through
		o, err := s.Open(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		p := make([]byte, 7)
		for range 2 {
			if n, err := o.Read(p); n != 0 || !errors.Is(err, ErrSlow) {
				t.Errorf("Read: %d, %v; want ErrSlow", n, err)
			}
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("two reads took %v, want 1 s", took)
		}
		if err := o.Close(); err != nil || h.closed.Load() != 0 {
			t.Errorf("Close: %v; closed %d times while a read hangs", err, h.closed.Load())
		}
		close(h.let)
		synctest.Wait()
		if h.closed.Load() != 1 || !bytes.Equal(p, make([]byte, 7)) {
			t.Errorf("closed %d times; the caller's buffer is %q", h.closed.Load(), p)
		}
	})
}
