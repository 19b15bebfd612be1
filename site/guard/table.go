package guard

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The table of limits is of fixed size: 65,536 entries of 16 bytes in 64 shards.
const (
	shards = 64
	sets   = 128 // in a shard
	ways   = 8   // entries in a set
	// neighbours is how many times as much a wide prefix may have.
	neighbours = 10
)

// table keeps, by the generic cell rate algorithm (GCRA, ITU-T I.371), one
// instant for each key: when all that was spent will be paid off. An entry whose
// instant is past says the same as no entry, so that making room for a new one
// forgets nothing unless thousands are being limited at once; then the one
// nearest to being paid off goes. Safe for concurrent use.
type table struct {
	seed   maphash.Seed
	start  time.Time
	shards [shards]shard
}

type shard struct {
	mu   sync.Mutex // guards sets
	sets [sets][ways]entry
}

type entry struct {
	key  uint64
	paid time.Duration // since table.start
}

func newTable(now time.Time) *table { return &table{seed: maphash.MakeSeed(), start: now} }

// bucket is one limit of one client: a key and how often, times its width.
type bucket struct {
	key   uint64
	rate  Rate
	times int
}

// prefixKey is the key of a network; lane keeps apart what has limits of its own.
func (t *table) prefixKey(c Class, lane byte, p netip.Prefix) uint64 {
	raw := p.Addr().As16()
	buf := [19]byte{byte(c), lane, byte(p.Bits())} //nolint:gosec // -1 to 128: all of them differ
	copy(buf[3:], raw[:])
	return maphash.Bytes(t.seed, buf[:])
}

func (t *table) tokenKey(c Class, lane byte, token [32]byte) uint64 {
	buf := [34]byte{byte(c), lane}
	copy(buf[2:], token[:])
	return maphash.Bytes(t.seed, buf[:])
}

// take spends units of all buckets, or of none and says how long to wait; the
// wait is then positive.
func (t *table) take(now time.Time, units int, buckets ...bucket) (wait time.Duration) {
	for i, b := range buckets {
		if wait = t.spend(now, b, units); wait > 0 {
			for _, spent := range buckets[:i] {
				t.giveBack(spent, units)
			}
			return wait
		}
	}
	return 0
}

// costs returns what units of a bucket cost and how far it may be in debt.
func (b bucket) costs(units int) (cost, debt time.Duration) {
	each := b.rate.Per / time.Duration(b.rate.Events*b.times)
	burst := b.rate.Burst * b.times
	return each * time.Duration(min(units, burst)), each * time.Duration(burst)
}

func (t *table) spend(now time.Time, b bucket, units int) (wait time.Duration) {
	if b.rate.Off {
		return 0
	}
	at := now.Sub(t.start)
	cost, debt := b.costs(units)
	s, set := t.place(b.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := find(set, b.key)
	paid := at
	if e.key == b.key {
		paid = max(paid, e.paid)
	}
	if wait = paid + cost - debt - at; wait > 0 {
		return wait
	}
	*e = entry{b.key, paid + cost}
	return 0
}

// left returns the share of the burst that could be spent now, 0 to 1.
func (t *table) left(now time.Time, b bucket) float64 {
	if b.rate.Off {
		return 1
	}
	_, debt := b.costs(1)
	s, set := t.place(b.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := find(set, b.key)
	if e.key != b.key {
		return 1
	}
	return min(1, 1-float64(e.paid-now.Sub(t.start))/float64(debt))
}

func (t *table) giveBack(b bucket, units int) {
	if b.rate.Off {
		return
	}
	cost, _ := b.costs(units)
	s, set := t.place(b.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := find(set, b.key); e.key == b.key {
		e.paid -= cost
	}
}

func (t *table) place(key uint64) (*shard, *[ways]entry) {
	s := &t.shards[key%shards]
	return s, &s.sets[key/shards%sets]
}

// find returns the entry of a key, or the one that may be overwritten: that which
// is paid off first.
func find(set *[ways]entry, key uint64) *entry {
	first := &set[0]
	for i := range set {
		e := &set[i]
		if e.key == key {
			return e
		}
		if e.paid < first.paid {
			first = e
		}
	}
	return first
}

// tracked counts the clients that owe something.
func (t *table) tracked(now time.Time) (n int) {
	at := now.Sub(t.start)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for j := range s.sets {
			for _, e := range s.sets[j] {
				if e.paid > at {
					n++
				}
			}
		}
		s.mu.Unlock()
	}
	return n
}
