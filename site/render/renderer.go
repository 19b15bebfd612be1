package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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
	// Read is how long reading an original may take. Default: 3 s.
	Read time.Duration
	// Memory is how many bytes all decoding together may take, by estimate. A picture
	// that needs more is decoded alone. Default: 256 MB.
	Memory int64
	// Ahead is how many pictures may wait to be made ahead of time. Default: 1024, of
	// a few hundred bytes each.
	Ahead int
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
	if o.Read <= 0 {
		o.Read = 3 * time.Second
	}
	if o.Memory <= 0 {
		o.Memory = 256 << 20
	}
	if o.Ahead <= 0 {
		o.Ahead = 1024
	}
}

// Renderer gives sized pictures from the cache or makes them. Make it with
// [New]; safe for concurrent use.
type Renderer struct {
	opts    Options
	cache   *cache
	hot     *hot
	log     *slog.Logger
	engine  engine
	buffers sync.Pool // of *bytes.Buffer, for originals
	workers sync.WaitGroup

	hits, misses, renders, prepared, dropped, busy, failed, remembered, cacheErrors atomic.Int64

	pool pool
}

// engine is what turns bytes into pictures; tests put something slower or worse here.
type engine struct {
	header func(data []byte) (Header, error)
	decode func(ctx context.Context, data []byte, h Header, want int) (source, error)
	encode func(src source, s Spec, quality int) ([]byte, error)
}

// New opens the cache directory and makes it when it is missing. Run keeps the
// cache within its size; rendering works without it.
func New(cfg Config, opts Options, log *slog.Logger) (*Renderer, error) {
	opts.setDefaults()
	c, err := openCache(cfg)
	if err != nil {
		return nil, err
	}
	return &Renderer{
		opts: opts, cache: c, hot: newHot(), log: log,
		engine: engine{
			header: func(data []byte) (Header, error) { return ReadHeader(bytes.NewReader(data)) },
			decode: decode, encode: source.render,
		},
		pool: newPool(),
	}, nil
}

// Get returns the picture with its longer edge at most edge pixels, from the
// cache when it is there. The errors are [ErrBusy] (as a [BusyError]),
// [ErrNotPicture], [ErrTooLarge], [ErrBroken], and those of Picture.Admit, Picture.Open and ctx.
func (r *Renderer) Get(ctx context.Context, p Picture, edge int, lane Lane) (*Rendition, error) {
	key := p.Key(edge)
	if data := r.hot.get(key); data != nil {
		r.hits.Add(1)
		r.cache.touch(key)
		return &Rendition{ReadSeeker: bytes.NewReader(data), Data: data, Key: key, Cached: true}, nil
	}
	if f := r.cache.open(key, time.Now()); f != nil {
		r.hits.Add(1)
		if info, err := f.Stat(); err == nil {
			r.hot.offer(key, f, info.Size())
		}
		return &Rendition{ReadSeeker: f, Key: key, Cached: true, closer: f}, nil
	}
	r.misses.Add(1)
	if p.Admit != nil {
		if err := p.Admit(); err != nil {
			return nil, err
		}
		p.Admit = nil // it may hold a whole request, and the picture may wait to be made ahead of time
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Deadline)
	defer cancel()
	local := fromMaster(edge) && r.cache.has(p.master())
	f, err := r.join(&task{picture: p, edge: edge, lane: lane, local: local, key: key}) //nolint:contextcheck // a render serves all who wait, and the next ones
	if err == nil {
		err = r.await(ctx, f)
	}
	if errors.Is(err, ErrBusy) {
		r.busy.Add(1)
	}
	if err != nil {
		return nil, err
	}
	return &Rendition{ReadSeeker: bytes.NewReader(f.data), Data: f.data, Key: key}, nil
}

// await waits for a render: for its turn at most opts.Wait, not counting the
// reading of the original, and for its end as long as ctx allows.
func (r *Renderer) await(ctx context.Context, f *flight) error {
	turn := time.NewTimer(r.opts.Wait)
	defer turn.Stop()
	started := f.started
	for {
		select {
		case <-f.done:
			return f.err
		case <-started:
			started = nil // only its end counts now
		case <-turn.C:
			switch r.leave(f, false) { //nolint:contextcheck // a render serves all who wait, and the next ones
			case queued:
				return &BusyError{After: time.Second, Why: "no turn in time"}
			case reading:
				turn.Reset(r.opts.Wait)
			case begun:
			}
		case <-ctx.Done():
			r.leave(f, true) //nolint:contextcheck // a render serves all who wait, and the next ones
			return gaveUp(ctx)
		}
	}
}

// gaveUp tells a visitor who went away from a render that took too long.
func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &BusyError{After: 2 * time.Second, Why: "not ready in time"}
	}
	return ctx.Err()
}

// Prepare has the sizes that the pages ask for made in the background, after all
// that visitors wait for. It never blocks; without room in its queue the picture
// is dropped and counted, and made when somebody asks for it.
func (r *Renderer) Prepare(p Picture) { r.ahead(p, standard()) }

// standard are the edges that the pages ask for, those of lists first.
func standard() []int { return []int{192, 350, 640, 1024, 1440, 1920} }

// Pause stops what is made ahead of time, after the rendition in hand.
func (r *Renderer) Pause() { r.setPaused(true) }

// Resume undoes Pause.
func (r *Renderer) Resume() { r.setPaused(false) }

// Run reads the cache directory once and then keeps it within its bounds until ctx
// is done; it returns when the renders in progress have ended.
func (r *Renderer) Run(ctx context.Context) error {
	if err := r.cache.load(ctx, time.Now()); err != nil && ctx.Err() == nil {
		r.log.Warn("cache not read", "err", err)
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := r.cache.sweep(time.Now()); err != nil {
			r.cacheErrors.Add(1)
			r.log.Warn("cache not swept", "err", err)
		}
		select {
		case <-ctx.Done():
			r.Pause() //nolint:contextcheck // what is made ahead of time ends with the rendition in hand
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
