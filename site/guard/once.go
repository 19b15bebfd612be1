package guard

import (
	"sync"
	"time"
)

// once remembers words for a while, to use each only once. It holds at most max.
// Safe for concurrent use.
type once struct {
	max     int
	hold    time.Duration
	forgets bool // when full the oldest is forgotten; else new ones are refused

	mu    sync.Mutex           // guards seen, queue
	seen  map[string]time.Time // when it may be forgotten
	queue []string             // oldest first
}

func newOnce(most int, hold time.Duration, forgets bool) *once {
	return &once{max: most, hold: hold, forgets: forgets, seen: map[string]time.Time{}}
}

// first reports whether the word was not seen before, and remembers it.
func (o *once) first(word string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) > 0 && now.After(o.seen[o.queue[0]]) {
		o.drop()
	}
	if _, ok := o.seen[word]; ok {
		return false
	}
	if len(o.queue) >= o.max {
		if !o.forgets {
			return false
		}
		o.drop()
	}
	o.seen[word] = now.Add(o.hold)
	o.queue = append(o.queue, word)
	return true
}

// drop forgets the oldest; append moves the rest to new memory now and then.
func (o *once) drop() {
	delete(o.seen, o.queue[0])
	o.queue = o.queue[1:]
}
