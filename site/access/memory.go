package access

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"keepwatch/site/gallery"
)

const (
	freshFor   = 10 * time.Second // how long an answer of the store is taken as true without asking
	retryAfter = time.Second      // how long a failed question is not repeated for what is still believed
	askFor     = 2 * time.Second  // deadline of one question to the store
	askAtOnce  = 8                // questions of one kind to the store at one time
)

// StaleFor is how long an answer is still believed while the store is away, unless
// [Gate.Believe] says otherwise.
const StaleFor = 5 * time.Minute

// memory remembers answers of the store, so that a picture costs no query and
// known visitors see pictures while the store is away. Answers that say "no"
// have room of their own: guesses cannot push out what is known. Safe for
// concurrent use.
type memory[V any] struct {
	no    func(V) bool // whether an answer is a refusal
	stale time.Duration
	// Questions at one time. What was never known waits in a row of its own: guesses
	// must not hold up those whose answer only has to be asked again.
	slots, guesses chan struct{}

	asking singleflight.Group

	mu      sync.Mutex // guards yes, nope
	yes     *lru[remembered[V]]
	nope    *lru[remembered[V]]
	retryAt time.Time // guarded by mu: when a failed store may be asked again
	gen     uint64    // guarded by mu: grows when something was forgotten; older questions are not kept
	doubted time.Time // guarded by mu: answers not newer than this are asked again
}

type remembered[V any] struct {
	value V
	at    time.Time
}

func newMemory[V any](entries int, no func(V) bool) *memory[V] {
	return &memory[V]{
		no: no, stale: StaleFor, slots: make(chan struct{}, askAtOnce), guesses: make(chan struct{}, askAtOnce),
		yes: newLRU[remembered[V]](entries), nope: newLRU[remembered[V]](entries),
	}
}

// weigh bounds what is remembered by weight in place of number: extra is what an
// entry weighs beyond 1. Call it before the first use.
func (m *memory[V]) weigh(extra func(V) int) {
	m.yes.weight = func(r remembered[V]) int { return 1 + extra(r.value) }
}

// get returns what is known of key, and asks when that is nothing or too old. All
// who want the same key share one question. An error means that nothing is known
// and the store could not be asked.
func (m *memory[V]) get(ctx context.Context, key string, ask func(context.Context) (V, error)) (V, error) {
	now := time.Now()
	old, ok, state := m.look(key, now)
	fresh := now.Sub(old.at) < freshFor && old.at.After(state.doubted)
	if ok && (fresh || (state.wait && now.Sub(old.at) < m.stale)) {
		return old.value, nil
	}
	flight := strconv.FormatUint(state.gen, 36) + " " + key
	slots := m.guesses
	if ok {
		slots = m.slots
	}
	answer := m.asking.DoChan(flight, func() (any, error) { return m.question(key, state.gen, slots, ask) })
	select {
	case <-ctx.Done():
		return old.value, ctx.Err()
	case res := <-answer:
		if res.Err == nil {
			return res.Val.(V), nil
		}
		if ok && now.Sub(old.at) < m.stale {
			return old.value, nil
		}
		var none V
		return none, res.Err
	}
}

// state is how things stood when a key was looked up.
type state struct {
	wait    bool // the store failed just now
	gen     uint64
	doubted time.Time
}

func (m *memory[V]) look(key string, now time.Time) (old remembered[V], ok bool, st state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok = m.yes.get(key); !ok {
		old, ok = m.nope.get(key)
	}
	return old, ok, state{wait: now.Before(m.retryAt), gen: m.gen, doubted: m.doubted}
}

// forget drops one key, because it is known to have changed.
func (m *memory[V]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gen++
	m.yes.remove(key)
	m.nope.remove(key)
}

// clear drops everything.
func (m *memory[V]) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gen++
	m.yes.clear()
	m.nope.clear()
}

// doubt makes the next look at each key ask the store, but keeps what is known
// for the case that the store is away.
func (m *memory[V]) doubt(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gen++
	m.doubted = now
}

// question asks the store, in nobody's context: the answer serves all who wait.
func (m *memory[V]) question(key string, gen uint64, slots chan struct{}, ask func(context.Context) (V, error)) (V, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	var none V
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	at := time.Now() // before the question: the answer is at least this old
	value, err := ask(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if !answered(err) {
			m.retryAt = time.Now().Add(retryAfter)
		}
		return none, err
	}
	if m.gen != gen {
		return value, nil // it may have changed since it was asked
	}
	m.yes.remove(key)
	m.nope.remove(key)
	if m.no(value) {
		m.nope.put(key, remembered[V]{value, at})
	} else {
		m.yes.put(key, remembered[V]{value, at})
	}
	return value, nil
}

// answered reports whether an error is the store's answer to a wrong question: it
// is not away then.
func answered(err error) bool {
	_, wrong := errors.AsType[gallery.InputError](err)
	return wrong || errors.Is(err, gallery.ErrForbidden)
}
