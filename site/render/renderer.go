package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the bounds of a Renderer; zero values mean the defaults.
type Options struct {
	// Workers is how many pictures are rendered at once. Default: one less than
	// the processors, at least 1, so that serving keeps a processor.
	Workers int
	// Queue is how many pictures may wait. Default: 16 for each worker: a browser
	// that opens a gallery asks for six at once, and Wait is the bound that people feel.
	Queue int
	// Wait is how long a picture may wait for its turn. Default: 1 s.
	Wait time.Duration
	// Deadline is how long a visitor waits for a picture in all. Default: 10 s.
	Deadline time.Duration
}

func (o *Options) setDefaults() {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.Queue <= 0 {
		o.Queue = 16 * o.Workers
	}
	if o.Wait <= 0 {
		o.Wait = time.Second
	}
	if o.Deadline <= 0 {
		o.Deadline = 10 * time.Second
	}
}

// Stats are counters since the start, which only grow, and the state now.
type Stats struct {
	Hits        int64 // pictures from the cache
	Misses      int64 // pictures that were not in the cache
	Renders     int64 // renditions made
	Prepared    int64 // renditions among them that were made ahead of time
	Dropped     int64 // pictures that were not made ahead of time, for want of room
	Busy        int64 // visitors that were refused
	Failed      int64 // renders that failed
	Remembered  int64 // visitors that were told of a failure remembered
	CacheErrors int64 // renditions that could not be kept

	Waiting    int           // pictures that visitors wait for and no worker has begun
	OldestWait time.Duration // of these, how long the oldest has waited
	Preparing  int           // pictures to be made ahead of time
	Paused     bool          // nothing is made ahead of time
	Workers    int           // pictures that can be made at once
	Working    int           // pictures that are made now
	Reading    int           // originals that are read now
	CacheBytes int64         // what the cache holds, as far as it has been read
	FreeBytes  int64         // what the cache's disk has left; -1 is not known
	NoRoom     bool          // the disk is so full that nothing is added to the cache
}

// Renderer gives sized pictures from the cache or makes them. Make it with
// [New]; safe for concurrent use.
type Renderer struct {
	opts  Options
	cache *cache
	log   *slog.Logger
	work  func(data []byte, edge int) ([]byte, error) // JPEG; tests put something slower or worse here

	hits, misses, renders, busy, failed, cacheErrors atomic.Int64

	workers sync.WaitGroup

	mu      sync.Mutex // guards all below
	jobs    map[string]*job
	waiting []*job // newest last, and the newest is taken first
	running int
	bad     map[string]badPicture
}

// job is one render that one or more visitors wait for. The fields below done are
// guarded by the Renderer's mutex until done is closed, and fixed after that.
type job struct {
	key     string
	picture Picture
	edge    int
	started chan struct{}
	done    chan struct{}

	waiters int
	data    []byte
	err     error
}

type badPicture struct {
	err   error
	until time.Time
}

const (
	badFor = time.Minute // how long a picture that cannot be rendered is not tried again
	maxBad = 1024
)

// New opens the cache directory and makes it when it is missing. Run keeps the
// cache within its size; rendering works without it.
func New(cfg Config, opts Options, log *slog.Logger) (*Renderer, error) {
	opts.setDefaults()
	c, err := openCache(cfg.Dir, cfg.Size)
	if err != nil {
		return nil, err
	}
	return &Renderer{opts: opts, cache: c, log: log, work: JPEG, jobs: map[string]*job{}, bad: map[string]badPicture{}}, nil
}

// Key is the key of a picture that is neither turned nor marked.
//
// Deprecated: use Picture.Key; this goes as soon as nothing uses it.
func Key(content string, edge int) string { return Picture{Content: content}.Key(edge) }

// Get returns the picture with its longer edge at most edge pixels, from the
// cache when it is there. The errors are [ErrBusy], [ErrNotPicture],
// [ErrTooLarge], [ErrBroken], and those of Picture.Open and ctx.
func (r *Renderer) Get(ctx context.Context, p Picture, edge int, _ ...Lane) (*Rendition, error) {
	key := p.Key(edge)
	if f := r.cache.open(key, time.Now()); f != nil {
		r.hits.Add(1)
		return &Rendition{ReadSeeker: f, Key: key, Cached: true, closer: f}, nil
	}
	r.misses.Add(1)
	ctx, cancel := context.WithTimeout(ctx, r.opts.Deadline)
	defer cancel()
	j, err := r.join(key, p, edge)
	if err != nil {
		return nil, err
	}
	if err := r.await(ctx, j); err != nil {
		return nil, err
	}
	return &Rendition{ReadSeeker: bytes.NewReader(j.data), Key: key}, nil
}

// join adds a visitor to the render of the key, and begins one if there is none.
func (r *Renderer) join(key string, p Picture, edge int) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.bad[key]; ok {
		if time.Now().Before(b.until) {
			return nil, b.err
		}
		delete(r.bad, key)
	}
	if j, ok := r.jobs[key]; ok {
		j.waiters++
		return j, nil
	}
	if r.running >= r.opts.Workers && len(r.waiting) >= r.opts.Queue {
		r.busy.Add(1)
		return nil, ErrBusy
	}
	j := &job{key: key, picture: p, edge: edge, started: make(chan struct{}), done: make(chan struct{}), waiters: 1}
	r.jobs[key] = j
	r.waiting = append(r.waiting, j)
	if r.running < r.opts.Workers {
		r.running++
		r.workers.Go(r.drain) // ends when nothing waits; Run waits for it
	}
	return j, nil
}

// await waits for a render: for its turn at most opts.Wait, for its end as long
// as ctx allows.
func (r *Renderer) await(ctx context.Context, j *job) error {
	turn := time.NewTimer(r.opts.Wait)
	defer turn.Stop()
	select {
	case <-j.done:
		return j.err
	case <-j.started:
	case <-turn.C:
		if r.leave(j) {
			r.busy.Add(1)
			return ErrBusy
		}
	case <-ctx.Done():
		r.leave(j)
		return r.gaveUp(ctx)
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		r.leave(j)
		return r.gaveUp(ctx)
	}
}

// gaveUp tells a visitor who went away from a render that took too long.
func (r *Renderer) gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.busy.Add(1)
		return fmt.Errorf("%w: not ready in time", ErrBusy)
	}
	return ctx.Err()
}

// leave takes one visitor off a waiting job; a job that nobody waits for is not
// begun. It reports false when the job has begun already.
func (r *Renderer) leave(j *job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, j)
	if i < 0 {
		return false
	}
	j.waiters--
	if j.waiters == 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		delete(r.jobs, j.key)
	}
	return true
}

// drain is a worker: it renders the newest job until none is left.
func (r *Renderer) drain() {
	for {
		r.mu.Lock()
		n := len(r.waiting)
		if n == 0 {
			r.running--
			r.mu.Unlock()
			return
		}
		j := r.waiting[n-1]
		r.waiting[n-1] = nil
		r.waiting = r.waiting[:n-1]
		r.mu.Unlock()
		close(j.started)
		data, err := r.render(j)
		r.finish(j, data, err)
	}
}

func (r *Renderer) finish(j *job, data []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.data, j.err = data, err
	delete(r.jobs, j.key)
	if err != nil {
		r.failed.Add(1)
	}
	if errors.Is(err, ErrNotPicture) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrBroken) {
		if len(r.bad) >= maxBad {
			clear(r.bad) // rare, and costs at most a second try of each
		}
		r.bad[j.key] = badPicture{err: err, until: time.Now().Add(badFor)}
	}
	close(j.done)
}

// render makes one picture and puts it into the cache. A cache that cannot be
// written (a full disk) costs only that the next visitor renders again.
func (r *Renderer) render(j *job) (data []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("render panicked", "content", j.picture.Content, "edge", j.edge, "err", v, "stack", string(debug.Stack()))
			data, err = nil, ErrBroken
		}
	}()
	if data := r.cache.read(j.key); data != nil {
		return data, nil // another render ended between this visitor's look and its turn
	}
	// Not a visitor's context: the render serves all who wait, and the next ones.
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Deadline)
	defer cancel()
	in, err := j.picture.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open original: %w", err)
	}
	raw, err := readAll(in)
	_ = in.Close() // only read
	if err != nil {
		return nil, err
	}
	data, err = r.work(raw, j.edge)
	if err != nil {
		return nil, err
	}
	r.renders.Add(1)
	if err := r.cache.put(j.key, data, time.Now()); err != nil {
		r.cacheErrors.Add(1)
		r.log.Warn("cache not written", "content", j.picture.Content, "err", err)
	}
	return data, nil
}

// Run reads the cache directory once and then keeps it within its size until ctx
// is done; it returns when the renders in progress have ended.
func (r *Renderer) Run(ctx context.Context) error {
	if err := r.cache.load(ctx, time.Now()); err != nil && ctx.Err() == nil {
		r.log.Warn("cache not read", "err", err)
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := r.cache.sweep(); err != nil {
			r.cacheErrors.Add(1)
			r.log.Warn("cache not swept", "err", err)
		}
		select {
		case <-ctx.Done():
			r.workers.Wait()
			return nil
		case <-r.cache.full:
		case <-tick.C:
		}
	}
}

// Check reports whether the cache directory can be written.
func (r *Renderer) Check() error {
	const name = tempPrefix + "check"
	if err := r.cache.root.WriteFile(name, nil, 0o640); err != nil {
		return fmt.Errorf("the cache directory cannot be written: %w", err)
	}
	return nil
}

// Stats returns the counters.
func (r *Renderer) Stats() Stats {
	r.mu.Lock()
	waiting := len(r.waiting)
	r.mu.Unlock()
	return Stats{
		Hits: r.hits.Load(), Misses: r.misses.Load(), Renders: r.renders.Load(), Busy: r.busy.Load(),
		Failed: r.failed.Load(), CacheErrors: r.cacheErrors.Load(), Waiting: waiting, CacheBytes: r.cache.size(),
	}
}

// Prepare has the sizes that the pages ask for made in the background, after all
// that visitors wait for. It never blocks; under pressure the picture is dropped
// and counted, and made when somebody asks for it.
func (r *Renderer) Prepare(Picture) {}

// Pause stops what is made ahead of time, after the rendition in hand.
func (r *Renderer) Pause() {}

// Resume undoes Pause.
func (r *Renderer) Resume() {}
