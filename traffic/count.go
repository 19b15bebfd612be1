package traffic

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Verdict is what a request says about the service.
type Verdict int

// The verdicts.
const (
	Invalid Verdict = iota // nothing: a probe, another host, the visitor's own mistake
	GoodOne                // it was answered well
	BadOne                 // it was not
)

// What nginx and AWS write for a visitor who went away.
const (
	goneNginx = 499
	goneALB   = 460
	upgraded  = 101 // a socket: how long it was open is no latency
)

// Judge says what a request was: 5xx, answers slower than slow_over, and visitors
// who left after that long are bad; other 4xx, probes and foreign hosts are invalid.
func (c Config) Judge(r Request) Verdict {
	for _, h := range c.ProbeAgents {
		if containsFold(r.Agent, h) {
			return Invalid
		}
	}
	if len(c.Hosts) > 0 && r.Host != "" && !slices.ContainsFunc(c.Hosts, func(h string) bool { return hostOf(h) == r.Host }) {
		return Invalid
	}
	slow := r.Took > c.SlowOver
	switch {
	case r.Status >= 500:
		return BadOne
	case r.Status == goneNginx || r.Status == goneALB:
		if slow {
			return BadOne
		}
		return Invalid
	case r.Status >= 400:
		return Invalid
	case slow && r.Status != upgraded:
		return BadOne
	}
	return GoodOne
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// Counter adds lines up by minute. One goroutine.
type Counter struct {
	Config Config

	minutes map[int64]*Minute // by unix seconds
	last    time.Time         // of the last line that could be read
}

// future is how far ahead of us a line's clock may be.
const future = time.Hour

// Add counts one line, read at now; false when it cannot be read. Empty lines are none.
func (c *Counter) Add(line []byte, now time.Time) bool {
	if len(strings.TrimSpace(string(line))) == 0 {
		return true
	}
	r, ok := c.Config.Format.Parse(line)
	if !ok || r.At.After(now.Add(future)) {
		c.skip(now)
		return false
	}
	c.last = r.At
	m := c.minute(r.At)
	switch c.Config.Judge(r) {
	case GoodOne:
		m.Good++
		m.Valid++
	case BadOne:
		m.Valid++
	case Invalid:
		m.Invalid++
	}
	return true
}

// skip counts a line that could not be read, in the minute of the line before.
func (c *Counter) skip(now time.Time) {
	at := c.last
	if at.IsZero() {
		at = now
	}
	c.minute(at).Skipped++
}

func (c *Counter) minute(at time.Time) *Minute {
	at = at.UTC().Truncate(time.Minute)
	if c.minutes == nil {
		c.minutes = map[int64]*Minute{}
	}
	m := c.minutes[at.Unix()]
	if m == nil {
		m = &Minute{At: at}
		c.minutes[at.Unix()] = m
	}
	return m
}

// Take returns the minutes counted since the last call, oldest first.
func (c *Counter) Take() []Minute {
	out := make([]Minute, 0, len(c.minutes))
	for _, at := range slices.Sorted(maps.Keys(c.minutes)) {
		out = append(out, *c.minutes[at])
	}
	c.minutes = nil
	return out
}
