package access

import "container/list"

// lru is a map that holds at most max entries, or entries of that weight, and
// forgets the one used longest ago. It is not safe for concurrent use: its
// owner's mutex guards it.
type lru[V any] struct {
	max    int
	weight func(V) int // of one entry, at least 1; nil means 1
	load   int         // weight of all entries
	items  map[string]*list.Element
	order  list.List // of *lruItem[V], most recently used first
}

type lruItem[V any] struct {
	key    string
	value  V
	weight int
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
	l.remove(key)
	item := &lruItem[V]{key: key, value: value, weight: 1}
	if l.weight != nil {
		item.weight = l.weight(value)
	}
	l.items[key] = l.order.PushFront(item)
	l.load += item.weight
	for l.load > l.max {
		l.remove(l.order.Back().Value.(*lruItem[V]).key)
	}
}

func (l *lru[V]) remove(key string) {
	if e, ok := l.items[key]; ok {
		l.load -= e.Value.(*lruItem[V]).weight
		l.order.Remove(e)
		delete(l.items, key)
	}
}

func (l *lru[V]) clear() {
	clear(l.items)
	l.order.Init()
	l.load = 0
}
