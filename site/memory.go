package site

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	freshFor   = 10 * time.Second // how long an answer of the store is taken as true without asking
	staleFor   = 5 * time.Minute  // how long it is still believed while the store is away
	retryAfter = time.Second      // how long a failed question is not repeated for what is still believed
	askFor     = 2 * time.Second  // deadline of one question to the store
	askAtOnce  = 8                // questions to the store at one time
)

// memory remembers answers of the store, so that a picture costs no query and
// known visitors see pictures while the store is away. Answers that say "no"
// have room of their own: guesses cannot push out what is known. Safe for
// concurrent use.
type memory[V any] struct {
	no    func(V) bool // whether an answer is a refusal
	slots chan struct{}

	asking singleflight.Group

	mu      sync.Mutex // guards yes, nope
	yes     *lru[remembered[V]]
	nope    *lru[remembered[V]]
	retryAt time.Time // guarded by mu: when a failed store may be asked again
}

type remembered[V any] struct {
	value V
	at    time.Time
}

func newMemory[V any](entries int, no func(V) bool) *memory[V] {
	return &memory[V]{
		no: no, slots: make(chan struct{}, askAtOnce),
		yes: newLRU[remembered[V]](entries), nope: newLRU[remembered[V]](entries),
	}
}

// get returns what is known of key, and asks when that is nothing or too old. All
// who want the same key share one question. An error means that nothing is known
// and the store could not be asked.
func (m *memory[V]) get(ctx context.Context, key string, ask func(context.Context) (V, error)) (V, error) {
	now := time.Now()
	old, ok, wait := m.look(key, now)
	if ok && (now.Sub(old.at) < freshFor || (wait && now.Sub(old.at) < staleFor)) {
		return old.value, nil
	}
	answer := m.asking.DoChan(key, func() (any, error) { return m.question(key, ask) })
	select {
	case <-ctx.Done():
		return old.value, ctx.Err()
	case res := <-answer:
		if res.Err == nil {
			return res.Val.(V), nil
		}
		if ok && now.Sub(old.at) < staleFor {
			return old.value, nil
		}
		var none V
		return none, res.Err
	}
}

func (m *memory[V]) look(key string, now time.Time) (old remembered[V], ok, wait bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok = m.yes.get(key); !ok {
		old, ok = m.nope.get(key)
	}
	return old, ok, now.Before(m.retryAt)
}

// question asks the store, in nobody's context: the answer serves all who wait.
func (m *memory[V]) question(key string, ask func(context.Context) (V, error)) (V, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	var none V
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	at := time.Now() // before the question: the answer is at least this old
	value, err := ask(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.retryAt = time.Now().Add(retryAfter)
		return none, err
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
