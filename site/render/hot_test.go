package render

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestHotKeepsWhatIsAskedForAgain(t *testing.T) {
	t.Parallel()
	h := newHot()
	file := func(size int) *os.File {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, bytes.Repeat([]byte{7}, size), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	small, large := file(1000), file(hotLargest+1)
	h.offer("once", small, 1000)
	if h.get("once") != nil {
		t.Error("kept after it was asked for once")
	}
	h.offer("once", small, 1000)
	if got := h.get("once"); len(got) != 1000 || got[999] != 7 {
		t.Errorf("the second time: %d bytes", len(got))
	}
	if at, err := small.Seek(0, 1); at != 0 || err != nil {
		t.Errorf("the file's offset is %d, %v", at, err)
	}
	for range 3 {
		h.offer("large", large, hotLargest+1)
	}
	if h.get("large") != nil {
		t.Error("a large file was kept")
	}
	// A flood of pictures that are asked for once changes nothing.
	for i := range 3 * hotSeen {
		h.offer(fmt.Sprint("flood", i), small, 1000)
	}
	if len(h.items) != 1 || h.get("once") == nil || len(h.seen) > hotSeen {
		t.Errorf("after a flood: %d kept, %d seen", len(h.items), len(h.seen))
	}
	// The bound is bytes, and the one used longest ago goes.
	full := file(hotLargest)
	for i := range hotBytes/hotLargest + 5 {
		key := fmt.Sprint("full", i)
		h.offer(key, full, hotLargest)
		h.offer(key, full, hotLargest)
		h.get("full0")
	}
	if h.bytes > hotBytes || h.get("once") != nil || h.get("full0") == nil || h.get("full1") != nil {
		t.Errorf("%d bytes kept; once %v, full0 %v, full1 %v", h.bytes, h.get("once") != nil, h.get("full0") != nil, h.get("full1") != nil)
	}
	sum := 0
	for _, e := range h.items {
		sum += len(e.Value.(*hotItem).data)
	}
	if sum != h.bytes || len(h.items) != h.order.Len() {
		t.Errorf("counted %d bytes of %d, %d items of %d", h.bytes, sum, len(h.items), h.order.Len())
	}
}
