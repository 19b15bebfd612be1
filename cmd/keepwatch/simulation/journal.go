package simulation

import (
	"sync"
	"time"

	"keepwatch/probe"
)

// pocket is a [probe.Journal] in memory: a simulation that is killed is begun anew,
// so nothing of it needs a disk. The zero value is empty. Safe for concurrent use.
type pocket struct {
	mu      sync.Mutex // guards all below
	results []probe.Result
	first   int64 // number of results[0]
}

// Append implements [probe.Journal].
func (p *pocket) Append(rs []probe.Result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results = append(p.results, rs...)
	return nil
}

// Next implements [probe.Journal].
func (p *pocket) Next(limit int) ([]probe.Result, probe.Mark, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(limit, len(p.results))
	return append([]probe.Result(nil), p.results[:n]...), probe.Mark{Offset: p.first + int64(n)}, nil
}

// Done implements [probe.Journal].
func (p *pocket) Done(m probe.Mark) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results = p.results[m.Offset-p.first:]
	p.first = m.Offset
	return nil
}

// Pending implements [probe.Journal].
func (p *pocket) Pending() (count int, oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.results) > 0 {
		oldest = p.results[0].Slot
	}
	return len(p.results), oldest
}

// Sync implements [probe.Journal]: there is nothing to be made safe.
func (p *pocket) Sync() error { return nil }
