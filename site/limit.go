package site

import (
	"net/netip"
	"sync"
	"time"
)

// Failures a client may have in an hour: its own address, and ten times as many
// for its wider network, so that a neighbour cannot lock it out cheaply.
const (
	failWindow  = time.Hour
	failNarrow  = 10
	failWide    = 100
	failClients = 8192 // prefixes remembered
)

// failures counts failed logins by client. A try takes a place before it is made
// and gives it back when it succeeds: a hundred tries at once are a hundred
// tries, and successes are free. Safe for concurrent use.
type failures struct {
	mu    sync.Mutex // guards table
	table *lru[[]int64]
}

func newFailures() *failures { return &failures{table: newLRU[[]int64](failClients)} }

// Try takes a place for a client. When there is none it returns how long to
// wait, always positive, and counts nothing.
func (f *failures) Try(client netip.Addr, now time.Time) (giveBack func(), wait time.Duration) {
	keys := [2]string{prefix(client, 32, 64), prefix(client, 24, 48)}
	limits := [2]int{failNarrow, failWide}
	at := now.UnixNano()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, key := range keys {
		times := f.recent(key, now)
		if len(times) >= limits[i] {
			wait = max(wait, time.Unix(0, times[len(times)-limits[i]]).Add(failWindow).Sub(now), time.Second)
		}
	}
	if wait > 0 {
		return nil, wait
	}
	for _, key := range keys {
		times, _ := f.table.get(key)
		f.table.put(key, append(times, at))
	}
	return func() { f.giveBack(keys, at) }, 0
}

// recent drops what is too old and returns the rest, oldest first.
func (f *failures) recent(key string, now time.Time) []int64 {
	times, _ := f.table.get(key)
	old := 0
	for old < len(times) && now.Sub(time.Unix(0, times[old])) >= failWindow {
		old++
	}
	if old > 0 {
		times = append([]int64(nil), times[old:]...)
		f.table.put(key, times)
	}
	return times
}

func (f *failures) giveBack(keys [2]string, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		times, _ := f.table.get(key)
		for i, t := range times {
			if t == at {
				times = append(append([]int64(nil), times[:i]...), times[i+1:]...)
				break
			}
		}
		if len(times) == 0 {
			f.table.remove(key)
		} else {
			f.table.put(key, times)
		}
	}
}

func prefix(a netip.Addr, v4, v6 int) string {
	bits := v6
	if a.Is4() {
		bits = v4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "unknown" // the zero address: all who hide share one place
	}
	return p.String()
}
