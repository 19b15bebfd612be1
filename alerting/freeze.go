package alerting

import (
	"cmp"
	"context"
	"time"
)

// A process that was frozen (SIGSTOP, a paused container, a machine that swaps itself to
// death) wakes up and believes that it still leads, with what it knew before. Another
// daemon may have led for a minute. So whoever acts waits a moment after a freeze: by
// then the Leader has asked, and has ended the context when the lead is gone.
const (
	frozenAfter = 1500 * time.Millisecond // later than this a timer is not late, the process was frozen
	caution     = 2 * time.Second         // the session of the lead is asked once a second
)

// alarmClock is a timer that knows when it should have rung. It belongs to one goroutine.
type alarmClock struct {
	*time.Timer

	now  func() time.Time
	due  time.Time
	most time.Duration // how long it lets sleep
}

// newAlarmClock makes one that rings at once, and then after most at the latest; 0 means
// a second.
func newAlarmClock(most time.Duration, now func() time.Time) *alarmClock {
	return &alarmClock{Timer: time.NewTimer(0), now: now, due: now(), most: cmp.Or(most, time.Second)}
}

// set makes it ring after d, and after a second at the latest unless it was made for
// longer: who sleeps longer cannot tell a freeze from a quiet night.
func (a *alarmClock) set(d time.Duration) {
	d = min(d, a.most)
	a.due = a.now().Add(max(d, 0))
	a.Reset(d)
}

func (a *alarmClock) stop() { a.Stop() }

// awake returns at once, but after a freeze it waits first; false when ctx has ended.
// Its clock goes on while a process is stopped.
func (a *alarmClock) awake(ctx context.Context) bool {
	if a.now().Sub(a.due) > frozenAfter {
		a.due = a.now()
		select {
		case <-ctx.Done():
		case <-time.After(caution):
		}
	}
	return ctx.Err() == nil
}
