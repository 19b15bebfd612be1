package access

import "container/list"

// lru is a map that holds at most max entries and forgets the one used longest
// ago. It is not safe for concurrent use: its owner's mutex guards it.
type lru[V any] struct {
	max   int
	items map[string]*list.Element
	order list.List // of *lruItem[V], most recently used first
}

type lruItem[V any] struct {
	key   string
	value V
}

func newLRU[V any](maxEntries int) *lru[V] {
	return &lru[V]{max: maxEntries, items: map[string]*list.Element{}}
}

func (l *lru[V]) get(key string) (value V, ok bool) {
	e, ok := l.items[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruItem[V]).value, true
}

func (l *lru[V]) put(key string, value V) {
	if e, ok := l.items[key]; ok {
		e.Value.(*lruItem[V]).value = value
		l.order.MoveToFront(e)
		return
	}
	l.items[key] = l.order.PushFront(&lruItem[V]{key: key, value: value})
	if l.order.Len() > l.max {
		l.remove(l.order.Back().Value.(*lruItem[V]).key)
	}
}

func (l *lru[V]) remove(key string) {
	if e, ok := l.items[key]; ok {
		l.order.Remove(e)
		delete(l.items, key)
	}
}

func (l *lru[V]) clear() {
	clear(l.items)
	l.order.Init()
}
