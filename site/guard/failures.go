package guard

import (
	"net/netip"
	"sync"
	"time"
)

// failClients is how many clients' failures are remembered; the one that failed
// longest ago is forgotten first.
const failClients = 8192

// failures counts tries of codes that turned out wrong, by client, exactly: so
// many in any window. A try takes a place before it is made and gives it back
// when it succeeds: a hundred tries at once are a hundred tries, and successes
// are free. Safe for concurrent use.
type failures struct {
	rate Rate

	mu    sync.Mutex // guards table
	table *lru[failKey, []time.Time]
}

// failKey is who is counted: a token, or a network.
type failKey struct {
	token  [32]byte
	prefix netip.Prefix
}

// failLimit is how much one key may fail: times the rate.
type failLimit struct {
	key   failKey
	times int
}

func newFailures(rate Rate) *failures {
	return &failures{rate: rate, table: newLRU[failKey, []time.Time](failClients)}
}

// limits says who is counted for one try. A holder is counted by the token, so
// that strangers at the same address cannot use up its tries, and the address by
// ten times as much.
func limits(client netip.Addr, holder Holder) [2]failLimit {
	if holder.Valid() {
		return [2]failLimit{
			{failKey{token: holder.Token}, 1},
			{failKey{token: [32]byte{1}, prefix: Narrow(client)}, neighbours},
		}
	}
	return [2]failLimit{{failKey{prefix: Narrow(client)}, 1}, {failKey{prefix: Wide(client)}, neighbours}}
}

// try takes a place. When there is none it returns how long to wait, always
// positive, and counts nothing.
func (f *failures) try(limits [2]failLimit, now time.Time) (giveBack func(), wait time.Duration) {
	if f.rate.Off {
		return func() {}, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range limits {
		times := f.recent(l.key, now)
		if most := f.rate.Events * l.times; len(times) >= most {
			wait = max(wait, times[len(times)-most].Add(f.rate.Per).Sub(now), time.Second)
		}
	}
	if wait > 0 {
		return nil, wait
	}
	for _, l := range limits {
		times, _ := f.table.get(l.key)
		f.table.put(l.key, append(times, now))
	}
	return func() { f.giveBack(limits, now) }, 0
}

// recent drops what is too old and returns the rest, oldest first.
func (f *failures) recent(key failKey, now time.Time) []time.Time {
	times, _ := f.table.get(key)
	old := 0
	for old < len(times) && now.Sub(times[old]) >= f.rate.Per {
		old++
	}
	switch {
	case old == 0:
	case old == len(times):
		times = nil
		f.table.remove(key)
	default:
		times = append([]time.Time(nil), times[old:]...)
		f.table.put(key, times)
	}
	return times
}

func (f *failures) giveBack(limits [2]failLimit, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range limits {
		times, _ := f.table.get(l.key)
		for i, t := range times {
			if t.Equal(at) {
				times = append(append([]time.Time(nil), times[:i]...), times[i+1:]...)
				break
			}
		}
		if len(times) == 0 {
			f.table.remove(l.key)
		} else {
			f.table.put(l.key, times)
		}
	}
}
