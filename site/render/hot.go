package render

import (
	"container/list"
	"io"
	"os"
	"sync"
)

// Bounds of the memory for what is asked for again and again: opening, sending and
// closing a file costs more than its bytes, up to some 200 KB (BenchmarkWholeCached).
const (
	hotBytes   = 32 << 20
	hotLargest = 256 << 10 // larger ones leave by sendfile
	hotSeen    = 4096
)

// hot keeps small renditions in memory from the second time on that somebody asks
// for them, so that a flood of pictures that are asked for once pushes nothing out.
// A rendition never changes, so nothing here can be stale. Safe for concurrent use.
type hot struct {
	mu    sync.Mutex // guards all below
	items map[string]*list.Element
	order list.List // of *hotItem, most recently used first
	bytes int
	seen  map[string]bool // keys that were asked for once; begun anew when it is full
}

type hotItem struct {
	key  string
	data []byte
}

func newHot() *hot {
	return &hot{items: map[string]*list.Element{}, seen: map[string]bool{}}
}

// get returns the bytes of a key, or nil. They must not be changed.
func (h *hot) get(key string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.items[key]
	if !ok {
		return nil
	}
	h.order.MoveToFront(e)
	return e.Value.(*hotItem).data
}

// offer may keep what a file of size bytes holds; the file's offset is as before.
func (h *hot) offer(key string, f *os.File, size int64) {
	if size <= 0 || size > hotLargest || !h.again(key) {
		return
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
		return // the file is served as it is
	}
	h.put(key, data)
}

// again reports whether a key was asked for before.
func (h *hot) again(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen[key] {
		delete(h.seen, key)
		return true
	}
	if len(h.seen) >= hotSeen {
		clear(h.seen)
	}
	h.seen[key] = true
	return false
}

func (h *hot) put(key string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.items[key]; ok {
		return
	}
	h.items[key] = h.order.PushFront(&hotItem{key, data})
	h.bytes += len(data)
	for h.bytes > hotBytes {
		it := h.order.Remove(h.order.Back()).(*hotItem)
		delete(h.items, it.key)
		h.bytes -= len(it.data)
	}
}
