package probe

import (
	"context"
	"sync"
	"time"
)

const (
	// wakeEvery is how often the sentinel wakes while looks are in flight; 5 ms
	// was measured to cost 1.7 % of a core, this a quarter of it.
	wakeEvery = 20 * time.Millisecond
	// minLag is the least lag of our own that makes a bad result suspect.
	minLag = 25 * time.Millisecond
	// lagShare: so is a tenth of the time that the look was allowed.
	lagShare = 10
	// keptLags bounds the memory of the sentinel.
	keptLags = 512
	// stepLimit is the least difference between the wall and the monotonic clock
	// that counts as a step (or as a sleep of the machine).
	stepLimit = 250 * time.Millisecond
)

// sentinel measures how late this very process runs while it judges others: a
// frozen or starved prober sees time-outs that are its own. The zero value is
// ready once now is set.
type sentinel struct {
	now func() instant

	mu     sync.Mutex // guards all below
	busy   int        // looks in flight
	next   time.Duration
	armed  bool
	before instant // the clocks at the last wake
	lags   [keptLags]lag
	count  int // lags noted since the start
	signal chan struct{}
}

// instant is one reading of both clocks.
type instant struct {
	mono time.Duration // since the runner was made
	wall time.Time     // without a monotonic reading
}

// lag says that the process was late by some time at a moment.
type lag struct{ at, late time.Duration }

// enter notes that a look begins.
func (s *sentinel) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
	if s.armed {
		return
	}
	s.armed = true
	s.before = s.now()
	s.next = s.before.mono + wakeEvery
	select {
	case s.signal <- struct{}{}:
	default: // it is awake already
	}
}

// leave notes that a look has ended.
func (s *sentinel) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
}

// run wakes while looks are in flight and notes how late it does; it ends with ctx.
func (s *sentinel) run(ctx context.Context) {
	s.mu.Lock()
	s.armed = false // a run before this one may have ended in the middle
	s.mu.Unlock()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.signal:
		}
		for wait, busy := s.wake(); busy; wait, busy = s.wake() {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
	}
}

// wake notes the lag of this wake and returns the time to the next one; false
// when there is nothing to watch.
func (s *sentinel) wake() (wait time.Duration, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.mono >= s.next {
		s.noteLocked(now.mono, s.lateness(now))
		s.before = now
		s.next = now.mono + wakeEvery
	}
	if s.busy == 0 {
		s.armed = false
		return 0, false
	}
	return s.next - now.mono, true
}

// lateness is how late it is at now against the wake that is due; a step of the
// wall counts as lateness, for the machine may have slept.
func (s *sentinel) lateness(now instant) time.Duration {
	late := max(0, now.mono-s.next)
	step := now.wall.Sub(s.before.wall) - (now.mono - s.before.mono)
	if step.Abs() > stepLimit {
		late = max(late, step.Abs())
	}
	return late
}

// note records a lag.
func (s *sentinel) note(at, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked(at, late)
}

func (s *sentinel) noteLocked(at, late time.Duration) {
	if late < minLag/5 { // what every timer of a healthy machine shows
		return
	}
	s.lags[s.count%keptLags] = lag{at: at, late: late}
	s.count++
}

// worst returns the worst lag that touches [from, now], including that of a
// wake that is overdue: the frozen look may run before the frozen sentinel.
func (s *sentinel) worst(from time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var worst time.Duration
	if s.armed {
		worst = s.lateness(s.now())
	}
	for i := s.count - 1; i >= 0 && i >= s.count-keptLags; i-- {
		l := s.lags[i%keptLags]
		if l.at < from {
			break // they are in order of time
		}
		worst = max(worst, l.late)
	}
	return worst
}

// suspect reports whether the process was so late since from that a bad look
// which was allowed some time may be our own fault.
func (s *sentinel) suspect(from, allowed time.Duration) bool {
	return s.worst(from) > max(minLag, allowed/lagShare)
}
