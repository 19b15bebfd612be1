package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// desk is a renderer whose work takes a known time and writes down its order.
type desk struct {
	*Renderer
	mu    sync.Mutex
	order []string
	most  int64 // the most memory that was taken at once
}

func newDesk(t *testing.T, opts Options, took time.Duration) *desk {
	t.Helper()
	r, _ := newRenderer(t, opts)
	d := &desk{Renderer: r}
	stub(r, func(data []byte, edge int) ([]byte, error) {
		d.mu.Lock()
		d.order = append(d.order, string(data))
		d.most = max(d.most, r.Stats().Memory)
		d.mu.Unlock()
		time.Sleep(took)
		return fmt.Appendf(nil, "%s@%d", data, edge), nil
	})
	return d
}

// visit asks for a picture and, at the end, puts the error at its place.
func (d *desk) visit(t *testing.T, wg *sync.WaitGroup, name string, lane Lane) *error {
	t.Helper()
	err := new(error)
	wg.Go(func() {
		rd, e := d.Get(t.Context(), picture(name), 1, lane)
		if e == nil {
			rd.Close()
		}
		*err = e
	})
	synctest.Wait()
	return err
}

func TestSignedBeforeStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1, Queue: 4, Wait: 5 * time.Second}, 300*time.Millisecond)
		var wg sync.WaitGroup
		d.visit(t, &wg, "first", Stranger)
		signed := d.visit(t, &wg, "signed", Signed)
		for _, name := range []string{"s1", "s2", "s3", "s4", "s5", "s6", "s7"} {
			d.visit(t, &wg, name, Stranger)
		}
		if s := d.Stats(); s.Waiting < 4 || s.Working != 1 || s.Workers != 1 || s.Places != 4 {
			t.Errorf("stats %+v", s)
		}
		d.visit(t, &wg, "s1", Signed) // the same picture for a better lane: it has waited longest, if it was not displaced
		late := d.visit(t, &wg, "late", Signed)
		wg.Wait()
		if *signed != nil || *late != nil {
			t.Errorf("signed visitors got %v and %v", *signed, *late)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if got := d.order[0]; got != "first" {
			t.Errorf("order %v", d.order)
		}
		if i := slices.Index(d.order, "signed"); i < 0 || i > 3 {
			t.Errorf("order %v, want the signed visitors right after the first", d.order)
		}
		for i, name := range d.order[4:] {
			if !strings.HasPrefix(name, "s") || name == "signed" {
				t.Errorf("order %v: %s at %d", d.order, name, i+4)
			}
		}
	})
}

// A full queue gives its oldest stranger up for a visitor with a token, and never
// the other way round.
func TestFullQueueKeepsSigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1, Queue: 2, Wait: time.Minute, Deadline: time.Minute}, 300*time.Millisecond)
		var wg sync.WaitGroup
		for i := range 5 { // one worker, two read ahead, and those for visitors with a token
			d.visit(t, &wg, fmt.Sprint("busy", i), Signed)
		}
		var strangers, signed []*error
		strangers = append(strangers, d.visit(t, &wg, "old", Stranger), d.visit(t, &wg, "newer", Stranger))
		signed = append(signed, d.visit(t, &wg, "a", Signed))
		if !errors.Is(*strangers[0], ErrBusy) {
			t.Error("the older stranger was not displaced")
		}
		signed = append(signed, d.visit(t, &wg, "b", Signed))
		if !errors.Is(*strangers[1], ErrBusy) {
			t.Error("the newer stranger was not displaced")
		}
		if late := d.visit(t, &wg, "late", Stranger); !errors.Is(*late, ErrBusy) {
			t.Error("a stranger was let into a queue of better visitors")
		}
		wg.Wait()
		for i, err := range signed {
			if *err != nil {
				t.Errorf("signed visitor %d: %v", i, *err)
			}
		}
		if s := d.Stats(); s.Busy != 3 {
			t.Errorf("%d busy, want 3", s.Busy)
		}
	})
}

// A mount that hangs takes neither the workers nor the pictures that have a master.
func TestHungOriginals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1}, 100*time.Millisecond)
		release := make(chan struct{})
		hung := func(name string) Picture {
			p := picture(name)
			open := p.Open
			p.Open = func(ctx context.Context) (io.ReadCloser, error) {
				<-release // like a read of a dead NFS server: no context ends it
				return open(ctx)
			}
			return p
		}
		withMaster := picture("known")
		if err := d.cache.put(withMaster.master(), withSize([]byte("..known"), 1, 1), time.Now()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		start := time.Now()
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = d.Get(t.Context(), hung(strconv.Itoa(i)), 1, Stranger)
			})
		}
		synctest.Wait()
		for range 3 {
			rd, err := d.Get(t.Context(), withMaster, 1, Stranger)
			if got := body(t, rd, err); got != string(withSize([]byte("..known"), 1, 1))+"@1" {
				t.Errorf("got %q", got)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("a picture with a master took %v beside a hung mount", took)
		}
		rd, err := d.Get(t.Context(), picture("elsewhere"), 1, Signed) // some readers are kept for visitors with a token
		body(t, rd, err)
		wg.Wait()
		for i, err := range errs {
			if !errors.Is(err, ErrBusy) {
				t.Errorf("visitor %d got %v, want ErrBusy", i, err)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("visitors waited %v for a hung mount, want 5s at most", took)
		}
		if s := d.Stats(); s.Working != 0 || s.Reading == 0 {
			t.Errorf("%d working, %d reading; want no worker taken, and the readers that hang", s.Working, s.Reading)
		}
		close(release)
		synctest.Wait()
		rd, err = d.Get(t.Context(), hung("0"), 1, Stranger) // not remembered as broken
		if got := body(t, rd, err); got != "0@1" {
			t.Errorf("after the mount came back: %q", got)
		}
		if s := d.Stats(); s.Reading != 0 {
			t.Errorf("%d still reading", s.Reading)
		}
	})
}

// Two large pictures are not decoded at once; one larger than the budget goes alone.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 4, Memory: 100, Wait: time.Minute, Deadline: time.Minute}, 100*time.Millisecond)
		d.engine.header = func(data []byte) (Header, error) {
			return Header{Width: 1, Height: 1, Memory: int64(len(data))}, nil
		}
		var wg sync.WaitGroup
		for i, size := range []int{60, 60, 30, 250, 60, 30, 10} {
			d.visit(t, &wg, strings.Repeat(strconv.Itoa(i), size), Signed)
		}
		wg.Wait()
		if d.most != 250 {
			t.Errorf("%d bytes at once, want 250, the one that is larger than the budget", d.most)
		}
		d.most = 0
		for i, size := range []int{60, 60, 30, 60, 30, 10} {
			d.visit(t, &wg, strings.Repeat(strconv.Itoa(i+5), size), Signed)
		}
		wg.Wait()
		if d.most > 100 || d.most < 60 {
			t.Errorf("%d bytes at once, want at most 100", d.most)
		}
	})
}

// Row 6 of the security checklist, through the pool: what the header refuses is
// never decoded, and remembered for a while.
func TestFloodIsNotDecoded(t *testing.T) {
	t.Parallel()
	r, _ := newRenderer(t, Options{Workers: 1})
	r.engine.decode = func(context.Context, []byte, Header, int) (source, error) {
		t.Error("decoded")
		return source{}, ErrBroken
	}
	opened := 0
	p := Picture{Content: "flood", Open: func(context.Context) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(bytes.NewReader(sized(t, 64250, 64250))), nil
	}}
	for _, edge := range []int{640, 640, 1024} {
		if _, err := r.Get(t.Context(), p, edge, Stranger); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	}
	if s := r.Stats(); opened != 1 || s.Remembered != 2 || s.Failed != 1 {
		t.Errorf("opened %d times, %+v; want once, for all sizes", opened, s)
	}
}

func TestRememberedFailuresAreBounded(t *testing.T) {
	t.Parallel()
	r, _ := newRenderer(t, Options{Workers: 1})
	stub(r, func([]byte, int) ([]byte, error) { return nil, ErrNotPicture })
	for i := range maxBad + 50 {
		_, _ = r.Get(t.Context(), picture(strconv.Itoa(i)), 1, Stranger)
	}
	if len(r.pool.bad) > maxBad {
		t.Errorf("%d failures are remembered, want at most %d", len(r.pool.bad), maxBad)
	}
}

// Originals larger than what is read are refused, in bounded memory.
func TestEndlessOriginal(t *testing.T) {
	t.Parallel()
	r, _ := newRenderer(t, Options{Workers: 1, Read: time.Minute, Deadline: time.Minute})
	p := Picture{Content: "endless", Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }}
	if _, err := r.Get(t.Context(), p, 1, Stranger); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// A visitor with a token who asks for what a stranger waits for takes it along.
func TestBetterLaneTakesAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1, Wait: time.Minute, Deadline: time.Minute}, 100*time.Millisecond)
		var wg sync.WaitGroup
		for _, name := range []string{"busy", "a", "b", "c", "d"} {
			d.visit(t, &wg, name, Stranger)
		}
		d.visit(t, &wg, "a", Signed)
		wg.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.order) != 5 || d.order[1] != "a" {
			t.Errorf("order %v, want a right after busy", d.order)
		}
	})
}

// A panic after a visitor has been served (of the master that is made with what is
// decoded) ends nothing twice.
func TestPanicAfterServing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		stub(r, nil)
		r.engine.decode = func(context.Context, []byte, Header, int) (source, error) {
			return split(image.NewGray(image.Rect(0, 0, 2000, 1))), nil
		}
		r.engine.encode = func(_ source, _ Spec, q int) ([]byte, error) {
			if q == masterQuality {
				panic("boom")
			}
			return []byte("served"), nil
		}
		rd, err := r.Get(t.Context(), picture("a"), 640, Signed)
		if got := body(t, rd, err); got != "served" {
			t.Errorf("got %q", got)
		}
		synctest.Wait()
		if s := r.Stats(); s.Failed != 1 || s.Working != 0 {
			t.Errorf("stats %+v, want the failure counted and the worker free", s)
		}
	})
}

// slowly is a picture whose original takes a while to come.
func slowly(name string, took time.Duration) Picture {
	p := picture(name)
	open := p.Open
	p.Open = func(ctx context.Context) (io.ReadCloser, error) {
		time.Sleep(took)
		return open(ctx)
	}
	return p
}

// Reading does not count as waiting for a turn; but what nobody waits for any
// more when it has been read is not rendered.
func TestSlowOriginals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1, Wait: time.Second, Read: 3 * time.Second}, 100*time.Millisecond)
		rd, err := d.Get(t.Context(), slowly("a", 2500*time.Millisecond), 1, Signed)
		if got := body(t, rd, err); got != "a@1" {
			t.Errorf("got %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := d.Get(ctx, slowly("b", time.Second), 1, Signed); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		time.Sleep(5 * time.Second)
		if s := d.Stats(); s.Renders != 1 || s.Reading != 0 || s.Working != 0 {
			t.Errorf("stats %+v, want one render: nobody waited for the other", s)
		}
	})
}

// What is made ahead of time long after a request does not hold on to it.
func TestAheadHoldsNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1}, 0)
		d.engine.decode = func(context.Context, []byte, Header, int) (source, error) {
			return source{w: 4000, h: 1, planes: split(image.NewGray(image.Rect(0, 0, 1, 1))).planes}, nil
		}
		d.Pause()
		p := picture("a")
		p.Admit = func() error { return nil }
		rd, err := d.Get(t.Context(), p, 640, Signed)
		body(t, rd, err)
		synctest.Wait()
		d.pool.mu.Lock()
		defer d.pool.mu.Unlock()
		if len(d.pool.ahead) != 1 || d.pool.ahead[0].picture.Admit != nil {
			t.Errorf("ahead: %+v, want the master of the picture and no request", d.pool.ahead)
		}
	})
}
