// Package steady owns the clock that a running process counts by: the host's clock as
// it was at the start, and from then on what has really passed. A step of the host's
// clock does not move it, until somebody decides that it shall. It knows nothing of
// incidents: when it may move is for the one who wires it.
package steady

import (
	"slices"
	"sync"
	"time"
)

const (
	// rereadEvery bounds how often the host is asked how long it slept: twice two system calls.
	rereadEvery = 100 * time.Millisecond
	// sleepLimit is the least sleep that counts; less is the time between two readings.
	sleepLimit = 50 * time.Millisecond
)

// Clock is a clock that goes on evenly. The zero value is ready; it starts when it is
// first read. Safe for concurrent use.
type Clock struct {
	// Wall reads the host's clock; nil means time.Now. Set it before the first use.
	Wall func() time.Time
	// Asleep tells for how long the host has been suspended in all, which the clock that
	// Go measures with leaves out: see [Suspended]. nil means that it never is.
	Asleep func() time.Duration

	mu    sync.Mutex
	start time.Time     // guarded by mu: with its monotonic reading; zero before the first use
	base  time.Time     // guarded by mu: what this clock showed at start, with what it was moved by since
	asked time.Duration // guarded by mu: when Asleep was asked last, since start
	awake time.Duration // guarded by mu: what Asleep said at the start
	slept time.Duration // guarded by mu: since the start
	moves []Move        // guarded by mu
}

// Move is one time that the clock was set to the host's.
type Move struct {
	From, To time.Time // what it showed before and after, UTC
}

// By is how far the clock was moved; negative when backwards.
func (m Move) By() time.Duration { return m.To.Sub(m.From) }

// String says it for people: what stands as the cause of time that nobody saw.
func (m Move) String() string { return "the clock of this host was set by " + Signed(m.By()) }

// Signed prints a difference with its sign, in whole seconds unless it is less than ten.
func Signed(d time.Duration) string {
	round := time.Second
	if d.Abs() < 10*time.Second {
		round = time.Millisecond
	}
	text := d.Round(round).String()
	if d >= 0 {
		text = "+" + text
	}
	return text
}

// Now is the instant, UTC, without a monotonic reading: instants of this clock are
// compared with each other, never with those of time.Now.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *Clock) nowLocked() time.Time {
	if c.start.IsZero() {
		c.start = time.Now()
		c.base = c.wall()
		if c.Asleep != nil {
			c.awake = c.Asleep()
		}
	}
	passed := time.Since(c.start)
	if c.Asleep != nil && passed-c.asked >= rereadEvery {
		c.asked = passed
		if slept := c.Asleep() - c.awake; slept-c.slept > sleepLimit {
			c.slept = slept
		}
	}
	return c.base.Add(passed + c.slept)
}

func (c *Clock) wall() time.Time {
	if c.Wall == nil {
		return time.Now().UTC() // UTC takes the monotonic reading off
	}
	return c.Wall().UTC().Round(0)
}

// Ahead is how far the host's clock is ahead of this one; negative when it is behind.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.nowLocked()
	return c.wall().Sub(now)
}

// Move sets this clock to the host's.
func (c *Clock) Move() Move {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := Move{From: c.nowLocked(), To: c.wall()}
	c.base = c.base.Add(m.By())
	c.moves = append(c.moves, m)
	return m
}

// Moves are all times that the clock was moved, oldest first.
func (c *Clock) Moves() []Move {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clip(c.moves)
}
