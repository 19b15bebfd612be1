package render

import (
	"bytes"
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	suffix      = ".jpg"
	tempPrefix  = "tmp-"
	tempAge     = time.Hour   // a temporary file this old belongs to a killed process
	sweepEvery  = time.Minute // also asked for as soon as the cache is too large
	touchAfter  = time.Hour   // how old a file's time may grow, so that a restart knows what was used
	sweepStep   = 16 << 20    // bytes between two looks at the disk
	sweepTarget = 9           // tenths of the allowed size that a sweep leaves
)

// cache is the directory of renditions. The files are the truth; the index in
// memory only knows sizes and the order of use, and may miss files until the
// first sweep has read the directory.
type cache struct {
	root  *os.Root
	max   int64
	full  chan struct{} // holds one token when the cache or the disk is too full
	space *space

	mu    sync.Mutex // guards all below
	items map[string]*list.Element
	order *list.List // of *item, most recently used first
	total int64
}

type item struct {
	key     string
	bytes   int64
	touched time.Time
}

// errNoRoom means that the disk is too full for more of the cache.
var errNoRoom = errors.New("the disk of the cache is full")

func openCache(cfg Config) (*cache, error) {
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the cache directory: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the cache directory: %w", err)
	}
	return &cache{
		root: root, max: int64(cfg.Size), full: make(chan struct{}, 1),
		space: &space{floor: int64(cfg.KeepFree), look: freeBytes(root)},
		items: map[string]*list.Element{}, order: list.New(),
	}, nil
}

func cacheFile(key string) string { return path.Join(key[:2], key+suffix) }

// open returns the file of a key, or nil when there is none that can be used.
func (c *cache) open(key string, now time.Time) *os.File {
	f, err := c.root.Open(cacheFile(key))
	if err != nil {
		return nil // absent or unreadable: both are mended by rendering again
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		_ = f.Close()
		return nil
	}
	if c.use(key, info.Size(), info.ModTime(), now) {
		_ = c.root.Chtimes(cacheFile(key), now, now) // only makes the order after a restart better
	}
	return f
}

// has reports whether there is a file of a key.
func (c *cache) has(key string) bool {
	info, err := c.root.Stat(cacheFile(key))
	return err == nil && info.Size() > 0
}

// read returns the bytes of a key, or nil when there are none.
func (c *cache) read(key string, now time.Time) []byte {
	f := c.open(key, now)
	if f == nil {
		return nil
	}
	defer f.Close()
	var buf bytes.Buffer
	if info, err := f.Stat(); err == nil {
		buf.Grow(int(info.Size()) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(f); err != nil || buf.Len() == 0 {
		return nil
	}
	return buf.Bytes()
}

// remove takes out a file that is of no use.
func (c *cache) remove(key string) {
	c.mu.Lock()
	if e, ok := c.items[key]; ok {
		c.total -= c.order.Remove(e).(*item).bytes
		delete(c.items, key)
	}
	c.mu.Unlock()
	_ = c.root.Remove(cacheFile(key)) // if it cannot be removed it is found broken again
}

// touch keeps a file from being the next to go whose bytes were taken from memory.
func (c *cache) touch(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.order.MoveToFront(e)
	}
}

// use notes that a key was used and reports whether its file's time is too old.
func (c *cache) use(key string, size int64, mod, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		e = c.order.PushFront(&item{key: key, bytes: size, touched: mod})
		c.items[key] = e
		c.total += size
	}
	c.order.MoveToFront(e)
	it := e.Value.(*item)
	if now.Sub(it.touched) < touchAfter {
		return false
	}
	it.touched = now
	return true
}

// put writes a rendition: temporary file, fsync, rename. Without the fsync a
// power cut could leave a torn file under a name that is never doubted.
func (c *cache) put(key string, data []byte, now time.Time) error {
	if !c.space.room(int64(len(data)), now) {
		c.ask()
		return errNoRoom
	}
	temp := tempPrefix + rand.Text()
	err := c.write(temp, data)
	if err == nil {
		if merr := c.root.Mkdir(key[:2], 0o750); merr != nil && !errors.Is(merr, fs.ErrExist) {
			err = merr
		}
	}
	if err == nil {
		err = c.root.Rename(temp, cacheFile(key))
	}
	if err != nil {
		_ = c.root.Remove(temp) // the first error is the one that matters
		return fmt.Errorf("write to the cache: %w", err)
	}
	c.use(key, int64(len(data)), now, now)
	if c.size() > c.max {
		c.ask()
	}
	return nil
}

// ask asks for a sweep.
func (c *cache) ask() {
	select {
	case c.full <- struct{}{}:
	default: // asked for already
	}
}

func (c *cache) write(name string, data []byte) error {
	f, err := c.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (c *cache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// sweep removes what was used longest ago until the cache fits with room to
// spare, and until the disk does too or the cache is empty.
func (c *cache) sweep(now time.Time) error {
	if _, low := c.space.state(now); c.size() <= c.max && !low {
		return nil
	}
	if c.size() > c.max {
		if err := c.drop(c.size() - c.max/10*sweepTarget); err != nil {
			return err
		}
	}
	for {
		short := c.space.short()
		if short == 0 || c.size() == 0 {
			return nil
		}
		// In steps: others may free the disk meanwhile.
		if err := c.drop(min(short, sweepStep)); err != nil {
			return err
		}
	}
}

// drop removes at least n bytes, if there are so many.
func (c *cache) drop(n int64) error {
	for left := c.size() - n; c.size() > max(left, 0); {
		key, ok := c.forgetOldest()
		if !ok {
			return nil
		}
		if err := c.root.Remove(cacheFile(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove from the cache: %w", err)
		}
	}
	return nil
}

func (c *cache) forgetOldest() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.order.Back()
	if e == nil {
		return "", false
	}
	it := c.order.Remove(e).(*item)
	delete(c.items, it.key)
	c.total -= it.bytes
	return it.key, true
}

// load reads the directory once, so that files of an earlier run count and can
// be removed, and clears leftovers of killed processes.
func (c *cache) load(ctx context.Context, now time.Time) error {
	var found []*item
	err := fs.WalkDir(c.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // removed meanwhile
		}
		key, ours := strings.CutSuffix(d.Name(), suffix)
		switch {
		case ours && len(key) > 2 && name == cacheFile(key):
			found = append(found, &item{key: key, bytes: info.Size(), touched: info.ModTime()})
		case strings.HasPrefix(name, tempPrefix) && now.Sub(info.ModTime()) > tempAge:
			return c.root.Remove(name)
		}
		return nil
	})
	c.add(found)
	if err != nil {
		return fmt.Errorf("read the cache directory: %w", err)
	}
	return nil
}

// add appends files of an earlier run to the order of use. What has been used
// since the start stands before them already.
func (c *cache) add(found []*item) {
	slices.SortFunc(found, func(a, b *item) int { return b.touched.Compare(a.touched) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range found {
		if _, ok := c.items[it.key]; !ok {
			c.items[it.key] = c.order.PushBack(it)
			c.total += it.bytes
		}
	}
}
