package probe

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// The causes of an Unknown result.
const (
	causeLate     = "late"     // it could have started in its slot, but too late to be fair
	causeMissed   = "missed"   // its slot has passed, or there was no room to look
	causeSuspect  = "suspect"  // bad while this process itself was late
	causeBlind    = "blind"    // the checker could not look, or broke
	causeShutdown = "shutdown" // called off by the end of the program
)

// overdueAfter is how long after its deadline a checker may still come back
// before its slot is given up.
const overdueAfter = time.Second

// flight is one look under way: of a slot, or an extra one.
type flight struct {
	entry *entry
	check *Check // as it was when the look began
	slot  int64
	round int64
	extra bool
	again bool          // of a slot that has its result
	asked bool          // by LookAgain
	due   time.Duration // monotonic moment that was planned
	// launched is when the scheduler let it go, began the monotonic moment at which
	// its goroutine ran.
	launched instant
	began    atomic.Int64
	attempt  atomic.Int32
	settled  atomic.Bool // its one result is sent
}

// result makes a result of what is known of the flight.
func (f *flight) result(outcome Outcome, cause string, look Look) Result {
	began := time.Duration(f.began.Load())
	return Result{
		Check: f.check.Name, Location: f.entry.key.location, Slot: time.Unix(0, f.slot).UTC(),
		Extra: f.extra, Repeat: f.again, Round: f.round, Started: f.launched.wall.Add(began - f.launched.mono), Lag: max(0, began-f.due),
		Outcome: outcome, Cause: cause, Attempts: int(f.attempt.Load()), Look: look,
	}
}

// fly looks until the outcome is decided and sends it.
func (r *Runner) fly(ctx context.Context, f *flight) {
	defer r.land(f)
	r.sentinel.enter()
	defer r.sentinel.leave()
	began := r.now().mono
	f.began.Store(int64(began))
	if !f.extra && began-f.due > tolerance(f.check.Every) { // frozen since the scheduler let it go
		r.stats.late.Add(1)
		r.settle(f, f.result(Unknown, causeLate, Look{}))
		return
	}
	look, outcome, cause := r.tryAll(ctx, f)
	r.settle(f, f.result(outcome, cause, look))
}

// tryAll makes the first attempt and the retries that fit into the slot, and one
// more when this process itself was too late to judge; the last attempt decides.
func (r *Runner) tryAll(ctx context.Context, f *flight) (Look, Outcome, string) {
	again := false // a suspect look was repeated already
	for left := f.retries(); ; left-- {
		began := r.now().mono
		look := r.try(ctx, f)
		switch {
		case look.OK:
			look.Fault = Fault{}
			return look, Good, ""
		case look.Blind:
			return look, Unknown, causeBlind
		}
		suspect := r.sentinel.suspect(began, allowed(f.check, look))
		switch {
		case left > 0 && r.pause(ctx, f):
		case !suspect && ctx.Err() == nil:
			return look, Bad, ""
		case suspect && !again && r.clears(ctx, f):
			again = true
			left = 1 // this one attempt more
		case ctx.Err() != nil:
			return look, Unknown, causeShutdown
		default:
			r.stats.suspect.Add(1)
			return look, Unknown, causeSuspect
		}
		r.stats.retries.Add(1)
	}
}

// retries is how many attempts may follow a bad one; extra looks have none.
func (f *flight) retries() int {
	if f.extra {
		return 0
	}
	return f.check.Retries
}

// allowed is the time that a look had before it counted as slow or late.
func allowed(c *Check, look Look) time.Duration {
	if look.Limit > 0 {
		return min(look.Limit, c.Timeout)
	}
	return c.Timeout
}

// try makes one attempt. An attempt that does not come back after its deadline
// is given up: its slot is unknown, for a checker that hangs is our own bug.
func (r *Runner) try(ctx context.Context, f *flight) Look {
	f.attempt.Add(1)
	r.stats.attempts.Add(1)
	attempt, cancel := context.WithTimeout(ctx, f.check.Timeout)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	stop := context.AfterFunc(attempt, func() { r.giveUp(ctx, f, done) })
	defer stop()
	look, stack := lookOnce(attempt, f.check)
	if stack != nil {
		r.stats.broken.Add(1)
		r.Log.ErrorContext(ctx, "checker panicked", "check", f.check.Name, "location", f.entry.key.location,
			"err", look.Fault.Message, "stack", string(stack))
	}
	return look
}

// giveUp settles a flight whose attempt does not end in time; it returns when
// the attempt does, or after the grace.
func (r *Runner) giveUp(ctx context.Context, f *flight, done <-chan struct{}) {
	grace := time.NewTimer(overdueAfter)
	defer grace.Stop()
	select {
	case <-done:
		return
	case <-grace.C:
	}
	r.stats.broken.Add(1)
	if ctx.Err() != nil {
		r.settle(f, f.result(Unknown, causeShutdown, Look{}))
		return
	}
	r.settle(f, f.result(Unknown, causeBlind, Look{Blind: true, Fault: Fault{
		Class: ClassBroken, Message: "the checker did not come back after its deadline",
	}}))
}

// lookOnce runs a checker once. A checker that panics is broken, which says
// nothing about what it looks at: the look is blind, and the stack is returned.
func lookOnce(ctx context.Context, c *Check) (look Look, stack []byte) {
	defer func() {
		if p := recover(); p != nil {
			stack = debug.Stack()
			look = Look{Blind: true, Fault: Fault{Class: ClassBroken, Message: clip(fmt.Sprintf("the checker panicked: %v", p), maxMessage)}}
		}
	}()
	look = c.Checker.Check(ctx)
	look.Fault.Message = clip(look.Fault.Message, maxMessage)
	look.Fault.Body = look.Fault.Body[:min(len(look.Fault.Body), maxEvidence)]
	return look, nil
}

// pause waits a moment before a retry; false when no full attempt fits into the
// rest of the interval any more.
func (r *Runner) pause(ctx context.Context, f *flight) bool {
	return r.wait(ctx, f, pauseMin+jitter(pauseMin))
}

// clears waits until this process has run on time for a moment; false when it
// does not in time.
func (r *Runner) clears(ctx context.Context, f *flight) bool {
	for range clearTries {
		from := r.now().mono
		if !r.wait(ctx, f, clearWindow) {
			return false
		}
		if r.sentinel.worst(from) < minLag {
			return true
		}
	}
	return false
}

const (
	pauseMin    = 100 * time.Millisecond
	clearWindow = 5 * wakeEvery
	clearTries  = 20
)

// wait waits for d; false when ctx ends first, or when no full attempt fits
// before the next look of the entry is due after it.
func (r *Runner) wait(ctx context.Context, f *flight, d time.Duration) bool {
	if r.now().mono+d+f.check.Timeout > f.due+f.check.Every {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// settle sends the one result of a flight.
func (r *Runner) settle(f *flight, res Result) {
	if !f.settled.CompareAndSwap(false, true) {
		return
	}
	r.mu.Lock()
	if !f.entry.fresh(&res) {
		res.Look.Fault.Body = nil
	}
	r.mu.Unlock()
	r.send(res)
}

// fresh reports whether a result's fault differs from that of the look before;
// a look that saw nothing at all leaves the run of faults as it was.
func (e *entry) fresh(res *Result) bool {
	fault := faultKey{class: res.Look.Fault.Class, message: res.Look.Fault.Message}
	switch {
	case res.Outcome == Good:
		e.seen = faultKey{}
	case fault == e.seen:
		return false
	case fault.class != "":
		e.seen = fault
	}
	return true
}

// send hands a result over and counts it.
func (r *Runner) send(res Result) {
	r.stats.count(&res)
	r.Sink.Record(res)
}

// land frees what a flight held, and lets the entry go on if it waited for it.
func (r *Runner) land(f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	if f.asked {
		if r.asked[f.check.Name]--; r.asked[f.check.Name] == 0 {
			delete(r.asked, f.check.Name)
		}
		return
	}
	e := f.entry
	e.flight = nil
	if e.waiting && e.place >= 0 {
		e.at = e.plan.due
		r.queue.fix(e)
		r.poke()
	}
}
