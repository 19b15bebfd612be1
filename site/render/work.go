package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// original is a file that has been read, in a buffer that is used again.
type original struct {
	buf    *bytes.Buffer
	header Header
}

const maxBuffer = 16 << 20 // a buffer that has grown larger is not kept

// read is the first stage: it reads and looks at the original, and then lets the
// task wait for a worker. When the file does not come in time the visitors are
// told so; the slot is only free again when the operating system gives it back.
func (r *Renderer) read(t *task) {
	// Not a visitor's context: the render serves all who wait, and the next ones.
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Read)
	defer cancel()
	type result struct {
		original original
		err      error
	}
	got := make(chan result, 1)
	go func() { // owns the buffer; what it finds after the deadline nobody takes
		o, err := r.fetch(ctx, t.picture)
		got <- result{o, err}
		r.pool.mu.Lock()
		defer r.pool.mu.Unlock()
		r.pool.reading--
		r.dispatch() //nolint:contextcheck // the context is that of this reading
	}()
	var res result
	select {
	case res = <-got:
	case <-ctx.Done():
		res.err = &BusyError{After: 2 * time.Second, Why: "the original was not read in time"}
		r.log.Warn("original not read in time", "content", t.picture.Content, "took_ms", r.opts.Read.Milliseconds())
	}
	if res.err != nil {
		r.fail(t, res.err)
		return
	}
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	t.reading = false
	if t.flight != nil && t.flight.waiters == 0 {
		t.raw = res.original
		r.drop(t)
		return
	}
	t.raw, t.memory = res.original, res.original.header.Memory
	r.pool.ready = append(r.pool.ready, t)
	r.dispatch()
}

func (r *Renderer) fetch(ctx context.Context, p Picture) (o original, err error) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("read panicked", "content", p.Content, "err", v, "stack", string(debug.Stack()))
			err = ErrBroken
		}
	}()
	in, err := p.Open(ctx)
	if err != nil {
		return original{}, fmt.Errorf("open original: %w", err)
	}
	defer in.Close()
	buf, ok := r.buffers.Get().(*bytes.Buffer)
	if !ok {
		buf = &bytes.Buffer{}
	}
	buf.Reset()
	if _, err := buf.ReadFrom(&capped{in: in, left: MaxBytes}); err != nil {
		return original{}, fmt.Errorf("read original: %w", err)
	}
	h, err := r.engine.header(buf.Bytes())
	if err != nil {
		return original{}, err
	}
	return original{buf: buf, header: h}, nil
}

// done gives the buffer of an original back.
func (r *Renderer) done(o original) {
	if o.buf != nil && o.buf.Cap() <= maxBuffer {
		r.buffers.Put(o.buf)
	}
}

// do is the second stage: a worker's go at a task.
func (r *Renderer) do(t *task) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("render panicked", "content", t.picture.Content, "err", v, "stack", string(debug.Stack()))
			r.fail(t, ErrBroken)
		}
	}()
	if t.flight != nil {
		// Another render may have ended between this visitor's look and its turn.
		if data := r.cache.read(t.key, time.Now()); data != nil {
			r.landed(t.flight, data)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Deadline)
	defer cancel()
	src, err := r.source(ctx, t)
	switch {
	case errors.Is(err, errNoMaster) && t.flight != nil:
		r.again(t)
	case errors.Is(err, errNoMaster):
		r.later(t, t.edges)
	case err != nil:
		r.fail(t, err)
	case t.flight != nil:
		r.visitor(t, src)
	default:
		r.make(t, src)
	}
}

// errNoMaster means that the master has gone since it was seen.
var errNoMaster = errors.New("the master is gone")

// source decodes the master or the original.
func (r *Renderer) source(ctx context.Context, t *task) (source, error) {
	want := t.edge
	if t.flight == nil {
		want = masterEdge
	}
	if !t.local {
		defer r.done(t.raw)
		return r.engine.decode(ctx, t.raw.buf.Bytes(), t.raw.header, want)
	}
	data := r.cache.read(t.picture.master(), time.Now())
	if data == nil {
		return source{}, errNoMaster
	}
	src, err := r.fromMaster(ctx, data, want)
	if err == nil {
		return src, nil
	}
	r.log.Warn("master not usable", "content", t.picture.Content, "err", err)
	r.cache.remove(t.picture.master())
	return source{}, errNoMaster
}

// fromMaster decodes a master; it stands for the original and has its size.
func (r *Renderer) fromMaster(ctx context.Context, data []byte, want int) (source, error) {
	w, h, ok := originalSize(data)
	if !ok {
		return source{}, notPicture("it does not say how large its original is")
	}
	header, err := r.engine.header(data)
	if err != nil {
		return source{}, err
	}
	src, err := r.engine.decode(ctx, data, header, want)
	src.w, src.h = w, h
	return src, err
}

// visitor makes the one rendition that visitors wait for.
func (r *Renderer) visitor(t *task, src source) {
	data, err := r.engine.encode(src, t.picture.spec(t.edge), quality)
	if err != nil {
		r.fail(t, err)
		return
	}
	r.renders.Add(1)
	r.keep(t.key, data)
	r.landed(t.flight, data)
	if t.local || !src.larger() || r.cache.has(t.picture.master()) {
		return
	}
	// The next size of this picture should not need the original again.
	if r.mayGoOn() && src.whole() {
		r.master(t.picture, src)
		return
	}
	r.ahead(t.picture, nil)
}

// landed gives visitors their rendition.
func (r *Renderer) landed(f *flight, data []byte) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.land(f, data, nil)
}

// keep writes to the cache. A cache that cannot be written (a full disk) costs
// only that the next visitor renders again.
func (r *Renderer) keep(key string, data []byte) {
	if err := r.cache.put(key, data, time.Now()); err != nil && !errors.Is(err, errNoRoom) {
		r.cacheErrors.Add(1)
		r.log.Warn("cache not written", "err", err)
	}
}

// make makes what is to be made ahead of time: the master, then sizes of it, until
// a visitor waits.
func (r *Renderer) make(t *task, src source) {
	if !t.local && src.larger() {
		src = r.master(t.picture, src)
	}
	for i, edge := range t.edges {
		if !r.mayGoOn() {
			r.later(t, t.edges[i:])
			return
		}
		if err := r.one(t.picture, edge, src); err != nil {
			r.fail(t, err)
			return
		}
	}
}

// one makes one rendition ahead of time, unless it is there or being made.
func (r *Renderer) one(p Picture, edge int, src source) error {
	key := p.Key(edge)
	if r.cache.has(key) {
		return nil
	}
	f := &flight{key: key, started: make(chan struct{}), done: make(chan struct{})}
	close(f.started)
	r.pool.mu.Lock()
	_, made := r.pool.flights[key]
	if !made {
		r.pool.flights[key] = f
	}
	r.pool.mu.Unlock()
	if made {
		return nil
	}
	data, err := r.engineSafely(src, p.spec(edge))
	if err == nil {
		r.renders.Add(1)
		r.prepared.Add(1)
		r.keep(key, data)
	}
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.land(f, data, err)
	return err
}

// engineSafely encodes; a panic must not leave a flight that never lands.
func (r *Renderer) engineSafely(src source, s Spec) (data []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("render panicked", "err", v, "stack", string(debug.Stack()))
			err = ErrBroken
		}
	}()
	return r.engine.encode(src, s, quality)
}

// later puts back what is left to be made, before all else that is made ahead of
// time; the master is there by now, or the original is small.
func (r *Renderer) later(t *task, edges []int) {
	local := r.cache.has(t.picture.master())
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	rest := &task{picture: t.picture, lane: background, since: t.since, edges: edges, local: local, memory: localMemory}
	r.pool.ahead = append([]*task{rest}, r.pool.ahead...)
}

// mayGoOn reports whether no visitor waits and nothing is paused.
func (r *Renderer) mayGoOn() bool {
	p := &r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused || len(p.waiting) > 0 {
		return false
	}
	for _, t := range p.ready {
		if t.lane != background {
			return false
		}
	}
	return true
}
