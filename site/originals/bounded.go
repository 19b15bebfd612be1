package originals

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// Limits bounds the calls to a store; zero fields have the defaults.
type Limits struct {
	Calls    int           // how many may run, or hang, at once; default 64
	Wait     time.Duration // how long a call waits for its turn; default 1 s
	Deadline time.Duration // how long a call may take, and each read of an object; default 10 s
	// Rate is what Put may take longer for its bytes: bytes a second; default 1 MiB.
	Rate int64
}

func (l *Limits) setDefaults() {
	if l.Calls <= 0 {
		l.Calls = 64
	}
	if l.Wait <= 0 {
		l.Wait = time.Second
	}
	if l.Deadline <= 0 {
		l.Deadline = 10 * time.Second
	}
	if l.Rate <= 0 {
		l.Rate = 1 << 20
	}
}

// Bounded is a store whose callers never wait longer than its limits, also when
// the store below hangs, as a hard NFS mount does whose server is gone: such a
// call cannot be cancelled, but it can be left. Then the caller gets [ErrSlow],
// and the call keeps its place until it returns; when all places hang, new calls
// get [ErrSlow] after the short wait. What a call does that was left may still
// happen: an object may appear after Put said ErrSlow.
type Bounded struct {
	inner  Store
	limits Limits
	places chan struct{} // one for each call that runs
}

// Bound wraps a store.
func Bound(inner Store, limits Limits) *Bounded {
	limits.setDefaults()
	return &Bounded{inner: inner, limits: limits, places: make(chan struct{}, limits.Calls)}
}

// call runs do in a goroutine of its own. It returns when do does, when ctx ends, or
// after the deadline. When it returned early, late gets what do returns at last.
// The goroutine ends with do; there are never more than Limits.Calls of them.
func call[T any](ctx context.Context, b *Bounded, deadline time.Duration, do func() (T, error), late func(T)) (T, error) {
	var zero T
	if err := b.enter(ctx); err != nil {
		return zero, err
	}
	type outcome struct {
		value T
		err   error
	}
	done, left := make(chan outcome), make(chan struct{})
	go func() {
		value, err := do()
		<-b.places
		select {
		case done <- outcome{value, err}:
		case <-left:
			if err == nil && late != nil {
				late(value)
			}
		}
	}()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		close(left)
		return zero, ctx.Err()
	case <-timer.C:
		close(left)
		return zero, ErrSlow
	}
}

// enter waits for a place.
func (b *Bounded) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	timer := time.NewTimer(b.limits.Wait)
	defer timer.Stop()
	select {
	case b.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ErrSlow
	}
}

// Put implements [Store].
func (b *Bounded) Put(ctx context.Context, content string, r io.ReadSeeker) error {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a Put that was left stops at its next step
	gate := &gate{r: r}
	defer gate.shut() // the caller may use r again
	deadline := b.limits.Deadline + time.Duration(size/b.limits.Rate)*time.Second
	_, err = call(ctx, b, deadline, func() (struct{}, error) {
		return struct{}{}, b.inner.Put(ctx, content, gate)
	}, nil)
	return err
}

// Open implements [Store]. The reads of the object are bounded too; one that was
// left makes the object unusable.
func (b *Bounded) Open(ctx context.Context, content string) (*Object, error) {
	ctx, cancel := context.WithCancel(ctx) // cancelled by Close
	o, err := call(ctx, b, b.limits.Deadline,
		func() (*Object, error) { return b.inner.Open(ctx, content) },
		func(o *Object) { _ = o.Close() }) // nobody waits for it any more
	if err != nil {
		cancel()
		return nil, err
	}
	shared := &shared{object: o}
	fill := func(buf []byte, at int64) (int, error) {
		return call(ctx, b, b.limits.Deadline, func() (int, error) { return shared.readAt(buf, at) }, nil)
	}
	shut := func() error {
		cancel()
		return shared.close()
	}
	return &Object{ReadSeekCloser: &boundedObject{fill: fill, close: shut, size: o.Size}, Size: o.Size, Mod: o.Mod}, nil
}

// shared is an object that a read which was left may still be using: then that
// read closes it.
type shared struct {
	object *Object // used by one readAt at a time

	mu           sync.Mutex // guards what follows
	busy, closed bool
}

func (s *shared) readAt(buf []byte, at int64) (int, error) {
	if !s.begin() {
		return 0, errClosed
	}
	defer s.end()
	if _, err := s.object.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := s.object.Read(buf)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil // it comes again
	}
	return n, err
}

func (s *shared) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = !s.closed
	return s.busy
}

func (s *shared) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if s.closed {
		_ = s.object.Close() // nobody waits for it any more
	}
}

func (s *shared) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.busy {
		return nil
	}
	return s.object.Close()
}

// Delete implements [Store].
func (b *Bounded) Delete(ctx context.Context, content string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := call(ctx, b, b.limits.Deadline, func() (struct{}, error) {
		return struct{}{}, b.inner.Delete(ctx, content)
	}, nil)
	return err
}

// List implements [Store].
func (b *Bounded) List(ctx context.Context, after string, limit int) ([]Entry, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return call(ctx, b, b.limits.Deadline, func() ([]Entry, error) { return b.inner.List(ctx, after, limit) }, nil)
}

// Check implements [Store].
func (b *Bounded) Check(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := call(ctx, b, b.limits.Deadline, func() (struct{}, error) {
		return struct{}{}, b.inner.Check(ctx)
	}, nil)
	return err
}

// bufferBytes is what one bounded read asks for: few goroutines for a picture,
// little memory for a visitor.
const bufferBytes = 128 << 10

// boundedObject reads an object in pieces through calls that can be left.
type boundedObject struct {
	fill  func(buf []byte, at int64) (int, error)
	close func() error
	size  int64

	at    int64  // where the caller is
	have  []byte // what was read ahead and not yet given, it begins at at
	buf   []byte // what have is part of; nil before the first read
	left  error  // of a read that was left: it may still be using the object
	ended bool
}

var errClosed = errors.New("read of a closed original")

// Read implements io.Reader.
func (o *boundedObject) Read(p []byte) (int, error) {
	switch {
	case o.ended:
		return 0, errClosed
	case o.left != nil:
		return 0, o.left
	case len(p) == 0:
		return 0, nil
	}
	if len(o.have) == 0 {
		if o.at >= o.size {
			return 0, io.EOF
		}
		if o.buf == nil {
			o.buf = make([]byte, min(bufferBytes, o.size))
		}
		n, err := o.fill(o.buf, o.at)
		if err != nil {
			if errors.Is(err, io.EOF) { // shorter than it said it was
				err = ErrContent
			}
			o.left, o.buf = err, nil
			return 0, err
		}
		o.have = o.buf[:n]
	}
	n := copy(p, o.have)
	o.have = o.have[n:]
	o.at += int64(n)
	return n, nil
}

// Seek implements io.Seeker. It asks nothing of the store.
func (o *boundedObject) Seek(offset int64, whence int) (int64, error) {
	at, err := seek(o.at, o.size, offset, whence)
	if err != nil {
		return 0, err
	}
	if step := at - o.at; step >= 0 && step <= int64(len(o.have)) {
		o.have = o.have[step:]
	} else {
		o.have = nil
	}
	o.at = at
	return at, nil
}

// Close implements io.Closer. Closing what was only read does not wait for an NFS
// server.
func (o *boundedObject) Close() error {
	if o.ended {
		return errClosed
	}
	o.ended = true
	return o.close()
}

// gate lets reads through until it is shut. Afterwards nobody touches r.
type gate struct {
	mu   sync.Mutex // guards r
	r    io.ReadSeeker
	over bool
}

func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return 0, ErrSlow
	}
	return g.r.Read(p)
}

func (g *gate) Seek(offset int64, whence int) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return 0, ErrSlow
	}
	return g.r.Seek(offset, whence)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}
