package render

import (
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	badFor = time.Minute // how long a picture that cannot be rendered is not tried again
	maxBad = 1024
)

// pool decides who is next. A picture goes through two stages: its original is
// read, which takes no worker, so that a mount that hangs takes none; then it is
// rendered. The renderer's small masters are on the local disk and skip the first.
type pool struct {
	mu      sync.Mutex // guards all below and every task and flight
	flights map[string]*flight
	waiting []*task // visitors' tasks, newest last
	ready   []*task // tasks whose original has been read, newest last
	ahead   []*task // what is to be made ahead of time, oldest first
	doing   []*task // of that, what is being read or made
	working int
	aheads  int // of those working, what is made ahead of time
	reading int
	memory  int64
	paused  bool
	bad     map[string]badPicture
}

func newPool() pool {
	return pool{flights: map[string]*flight{}, bad: map[string]badPicture{}}
}

// flight is one rendition that is to be made, for one or more visitors. data and
// err are fixed once done is closed.
type flight struct {
	key     string
	started chan struct{} // closed when a worker has it
	done    chan struct{}
	task    *task // nil while it is made ahead of time
	waiters int
	data    []byte
	err     error
}

// task is what a worker does in one go: one rendition for visitors, or several of
// one picture ahead of time.
type task struct {
	picture Picture
	lane    Lane
	since   time.Time
	local   bool     // made from the master in the cache, not from the original
	reading bool     // the original is being read
	raw     original // once read
	memory  int64    // what decoding takes

	key    string // of a visitor's task
	edge   int
	flight *flight

	edges []int // of what is made ahead of time
}

type badPicture struct {
	err   error
	until time.Time
}

// localMemory is what a rendition made from a master takes, generously.
const localMemory = 24 << 20

// join adds a visitor to the render of the task's key, and queues it if there is none.
func (r *Renderer) join(t *task) (*flight, error) {
	p := &r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if b, ok := p.bad[t.picture.Content]; ok {
		if now.Before(b.until) {
			r.remembered.Add(1)
			return nil, b.err
		}
		delete(p.bad, t.picture.Content)
	}
	if f, ok := p.flights[t.key]; ok {
		f.waiters++
		if f.task != nil && t.lane < f.task.lane {
			f.task.lane = t.lane
			r.dispatch()
		}
		return f, nil
	}
	if len(p.waiting) >= r.opts.Queue && !r.displace(t.lane) {
		return nil, full()
	}
	f := &flight{key: t.key, started: make(chan struct{}), done: make(chan struct{}), task: t, waiters: 1}
	t.flight, t.since, t.memory = f, now, localMemory
	p.flights[t.key] = f
	p.waiting = append(p.waiting, t)
	r.dispatch()
	return f, nil
}

func full() error { return &BusyError{After: 2 * time.Second, Why: "the queue is full"} }

// displace makes room in a full queue for one of the lane: who has waited longest
// in the last lane goes, unless all are of better lanes. Under overload the newest
// are served in time; the oldest have the least patience left.
func (r *Renderer) displace(lane Lane) bool {
	p := &r.pool
	last := -1
	for i, t := range p.waiting {
		if t.lane >= lane && (last < 0 || t.lane > p.waiting[last].lane) {
			last = i
		}
	}
	if last < 0 {
		return false
	}
	t := p.waiting[last]
	p.waiting = slices.Delete(p.waiting, last, last+1)
	r.land(t.flight, nil, full())
	return true
}

// stage is how far a visitor's flight has come.
type stage uint8

const (
	queued  stage = iota // it waits for a reader or for a worker
	reading              // its original is being read
	begun                // a worker has it, or it has landed
)

// leave takes one visitor off a flight that is queued, or off one that is being
// read when gone says so; one that nobody waits for is not begun. It returns how
// far the flight has come.
func (r *Renderer) leave(f *flight, gone bool) stage {
	p := &r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	t := f.task
	if t == nil || p.flights[f.key] != f {
		return begun
	}
	if t.reading {
		if gone {
			f.waiters--
		}
		return reading
	}
	for _, list := range []*[]*task{&p.waiting, &p.ready} {
		i := slices.Index(*list, t)
		if i < 0 {
			continue
		}
		if f.waiters--; f.waiters == 0 {
			*list = slices.Delete(*list, i, i+1)
			r.drop(t)
			r.dispatch()
		}
		return queued
	}
	return begun
}

// drop forgets a task that nobody waits for any more. The pool's mutex is held.
func (r *Renderer) drop(t *task) {
	r.done(t.raw)
	t.raw = original{}
	r.land(t.flight, nil, full()) // nobody sees it
}

// land ends a flight, once: a panic after it must not end it again. The pool's
// mutex is held.
func (r *Renderer) land(f *flight, data []byte, err error) {
	if r.pool.flights[f.key] != f {
		return
	}
	f.data, f.err = data, err
	delete(r.pool.flights, f.key)
	close(f.done)
}

// dispatch begins whatever can begin. The pool's mutex is held.
func (r *Renderer) dispatch() {
	for r.beginReady() || r.beginWaiting() || r.beginAhead() {
	}
}

// beginReady gives a worker to the best of those whose original has been read.
func (r *Renderer) beginReady() bool {
	p := &r.pool
	i := best(p.ready, func(t *task) bool { return t.lane != background || r.quiet() })
	if i < 0 || p.working >= r.opts.Workers {
		return false
	}
	t := p.ready[i]
	if p.memory > 0 && p.memory+t.memory > r.opts.Memory {
		return false // nobody overtakes, or a large picture would never have its turn
	}
	p.ready = slices.Delete(p.ready, i, i+1)
	r.work(t)
	return true
}

// beginWaiting takes up the best of those that wait and can go on.
func (r *Renderer) beginWaiting() bool {
	p := &r.pool
	i := best(p.waiting, func(t *task) bool {
		if t.local {
			return p.working < r.opts.Workers
		}
		return p.reading+len(p.ready) < r.readers(t.lane)
	})
	if i < 0 {
		return false
	}
	t := p.waiting[i]
	p.waiting = slices.Delete(p.waiting, i, i+1)
	r.begin(t)
	return true
}

// beginAhead makes something ahead of time while no visitor waits.
func (r *Renderer) beginAhead() bool {
	p := &r.pool
	if len(p.ahead) == 0 || !r.quiet() || p.reading+len(p.ready) >= r.readers(background) {
		return false
	}
	t := p.ahead[0]
	p.ahead = slices.Delete(p.ahead, 0, 1)
	p.doing = append(p.doing, t)
	r.begin(t)
	return true
}

// quiet reports whether something may be made ahead of time: at most half of the
// workers do that, so that a visitor seldom waits for the end of it.
func (r *Renderer) quiet() bool {
	p := &r.pool
	return !p.paused && len(p.waiting) == 0 && p.working < r.opts.Workers && p.aheads < max(1, r.opts.Workers/2)
}

// readers is how many originals may be read or wait for a worker for a lane to add
// another: some ahead of the workers, and always some for visitors with a token.
func (r *Renderer) readers(l Lane) int {
	switch l {
	case Signed:
		return r.opts.Workers + 3
	case Stranger:
		return r.opts.Workers + 1
	default:
		return 1
	}
}

// best finds the newest task of the best lane among those that can go on.
func best(tasks []*task, can func(*task) bool) int {
	found := -1
	for i, t := range tasks {
		if (found < 0 || t.lane <= tasks[found].lane) && can(t) {
			found = i
		}
	}
	return found
}

// begin starts the first stage of a task.
func (r *Renderer) begin(t *task) {
	if t.local {
		r.work(t)
		return
	}
	t.reading = true
	r.pool.reading++
	go r.read(t) // ends by opts.Read; Run does not wait, for what hangs in the kernel cannot be ended
}

// work starts the second stage of a task.
func (r *Renderer) work(t *task) {
	p := &r.pool
	if f := t.flight; f != nil && !closed(f.started) { // begun before if its master was gone
		close(f.started)
	}
	p.working++
	p.memory += t.memory
	if t.lane == background {
		p.aheads++
	}
	r.workers.Go(r.worker(t, t.memory, t.lane)) // ends with its task; Run waits for it
}

// worker returns one worker's go at a task, with what it takes while it lasts: the
// task may go back to the queue and change.
func (r *Renderer) worker(t *task, memory int64, lane Lane) func() {
	return func() {
		r.do(t)
		p := &r.pool
		p.mu.Lock()
		defer p.mu.Unlock()
		p.working--
		p.memory -= memory
		if lane == background {
			p.aheads--
			p.forget(t)
		}
		r.dispatch()
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// fail ends a task that could not be done, and remembers why if it would be the
// same again.
func (r *Renderer) fail(t *task, err error) {
	r.failed.Add(1)
	if t.flight == nil { // nobody else is told
		r.log.Warn("picture not made ahead of time", "content", t.picture.Content, "err", err)
	}
	p := &r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(err, ErrNotPicture) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrBroken) {
		if len(p.bad) >= maxBad {
			clear(p.bad) // rare, and costs at most a second try of each
		}
		p.bad[t.picture.Content] = badPicture{err: err, until: time.Now().Add(badFor)}
	}
	if t.flight != nil {
		r.land(t.flight, nil, err)
	}
	p.forget(t)
}

// forget takes a task off those that are made ahead of time.
func (p *pool) forget(t *task) {
	p.doing = slices.DeleteFunc(p.doing, func(other *task) bool { return other == t })
}

// again puts a visitor's task back because its master is gone: now it needs the original.
func (r *Renderer) again(t *task) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	t.local = false
	r.pool.waiting = append(r.pool.waiting, t) // the caller's worker ends and looks for work
}

// ahead queues what is to be made ahead of time.
func (r *Renderer) ahead(pic Picture, edges []int) {
	local := r.cache.has(pic.master())
	p := &r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	same := func(t *task) bool {
		q := t.picture
		return q.Content == pic.Content && q.Orientation == pic.Orientation && q.Rotation == pic.Rotation &&
			q.Text == pic.Text && len(t.edges) >= len(edges)
	}
	if slices.ContainsFunc(p.ahead, same) || slices.ContainsFunc(p.doing, same) {
		return
	}
	if len(p.ahead) >= r.opts.Ahead {
		r.dropped.Add(1)
		return
	}
	p.ahead = append(p.ahead, &task{
		picture: pic, lane: background, since: time.Now(), edges: edges, local: local, memory: localMemory,
	})
	r.dispatch()
}

func (r *Renderer) setPaused(paused bool) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.pool.paused = paused
	r.dispatch()
}
