package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"keepwatch/steady"
	"keepwatch/web"
)

const (
	clockEvery = 500 * time.Millisecond // how often the host's clock is looked at
	clockLimit = 500 * time.Millisecond // less is no step
	// believeAfter is how long a clock that was set must stand before it is taken over: one
	// that is set back at once must not cost an hour of the ledger.
	believeAfter = time.Minute
)

// hostClock notices that the clock of this host was set, and lets the daemon's clock
// follow it as soon as nothing depends on that.
type hostClock struct {
	clock *steady.Clock
	// rebase calls move while nothing is open and nothing is owed, else it returns false.
	rebase func(move func()) bool
	moved  func(by time.Duration) // called at once after that; it must not block
	log    *slog.Logger

	mu    sync.Mutex
	steps int           // guarded by mu: since the start
	ahead time.Duration // guarded by mu: of the host's clock, when it was last seen to be set
	since time.Time     // guarded by mu: when that was, with a monotonic reading
	at    time.Time     // guarded by mu: the same by the daemon's clock
	last  steady.Move   // guarded by mu: the newest
}

// Run looks twice a second until ctx ends.
func (h *hostClock) Run(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.look(ctx)
		}
	}
}

func (h *hostClock) look(ctx context.Context) {
	if !h.stands(ctx) {
		return
	}
	var m steady.Move
	if !h.rebase(func() {
		m = h.clock.Move()
		h.moved(m.By())
	}) {
		return // it stays as it is, and health says why
	}
	h.mu.Lock()
	h.ahead, h.last = 0, m
	h.mu.Unlock()
	h.log.WarnContext(ctx, "the clock of this host is taken over: nothing is open and nothing is owed", "moved_ms", m.By().Milliseconds())
}

// stands notes a step, and reports whether there was one and the clock stands since.
func (h *hostClock) stands(ctx context.Context) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	ahead := h.clock.Ahead()
	if step := ahead - h.ahead; step.Abs() > clockLimit {
		h.steps++
		h.ahead, h.since, h.at = ahead, time.Now(), h.clock.Now()
		h.log.WarnContext(ctx, "the clock of this host was set; timers go on as they were", "step_ms", step.Milliseconds(), "ahead_ms", ahead.Milliseconds())
		return false
	}
	return h.ahead.Abs() > clockLimit && time.Since(h.since) >= believeAfter
}

// count is how many steps were noticed since the start.
func (h *hostClock) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.steps
}

// line says in health what there is to say; false when the clock was never set.
func (h *hostClock) line() (web.Line, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := web.Line{Name: "clock", Level: web.OK}
	switch {
	case h.ahead.Abs() > clockLimit:
		l.Level = web.Amber
		l.Text = fmt.Sprintf("the clock of this host was set at %s and differs by %s from the time that Keepwatch goes by: if it is wrong now, set it by NTP (timedatectl); "+
			"if it is right, close what is open, for it is taken over when it stood for a minute while no incident is open and no page is owed",
			h.at.Format(time.RFC3339), steady.Signed(h.ahead))
	case !h.last.To.IsZero():
		l.Text = fmt.Sprintf("set %d times since the start; taken over last at %s: %s", h.steps, h.last.To.Format(time.RFC3339), h.last)
	case h.steps > 0:
		l.Text = fmt.Sprintf("set %d times since the start, and right again", h.steps)
	default:
		return l, false
	}
	return l, true
}

// makeClock makes the part that watches the host's clock.
func (d *daemon) makeClock() {
	d.clock.Asleep = steady.Suspended
	d.host = &hostClock{clock: &d.clock, log: d.Log, rebase: d.rebase, moved: func(by time.Duration) {
		d.database.beats.Shift(by)
		if d.runner != nil {
			d.runner.Follow()
		}
	}}
}

// rebase moves the clock when nothing depends on it.
func (d *daemon) rebase(move func()) bool {
	if d.engine == nil { // this process only serves the site
		move()
		return true
	}
	return d.engine.Rebase(d.failover.Owes, move)
}

// stepCause names the slots that the clock jumped over; "" when the host slept.
func (d *daemon) stepCause(step time.Duration) string {
	moves := d.clock.Moves()
	if len(moves) == 0 {
		return ""
	}
	last := moves[len(moves)-1]
	if (last.By() - step).Abs() > time.Second {
		return ""
	}
	return last.String()
}
