package probe

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// defaultInFlight is MaxInFlight when that is zero.
	defaultInFlight = 10_000
	// tickAtLeast is the longest time between two turns of the scheduler, so that
	// Stats.Turned tells a living one from a stuck one.
	tickAtLeast = 5 * time.Second
	// stopWithin is how long Run waits for looks that were called off.
	stopWithin = 2 * time.Second
)

// Runner probes checks in their slots and sends every result to its Sink. While
// it runs, each slot of each (check, location) gets exactly one result that is
// not Extra: what could not be looked at in time is Unknown. It never catches up.
//
// Fill the exported fields before the first method is called; they must not
// change afterwards. The methods are safe for concurrent use; Run must not run
// twice at one time.
type Runner struct {
	// Sink receives every result. Required.
	Sink Sink
	// Log hears of broken checkers and clock steps. Required.
	Log *slog.Logger
	// Locations are the locations that this process probes from; nil means all
	// that the checks name.
	Locations []string
	// MaxInFlight bounds the looks under way at one time; beyond it a slot is
	// missed, not queued. Zero means 10,000.
	MaxInFlight int

	// Now is the clock that slots are counted on; nil means time.Now.
	Now func() time.Time

	// StepCause names the slots that a step of that clock jumped over; nil or "" is "missed".
	StepCause func(step time.Duration) string

	skew     func() time.Duration // tests step the wall clock with it; nil means none
	stats    counters
	sentinel sentinel
	once     sync.Once
	base     time.Time     // when the Runner was made; monotonic moments count from it
	wake     chan struct{} // holds one: the scheduler has something new to see

	mu       sync.Mutex // guards all below
	running  bool
	step     time.Duration // how far the wall has been stepped against the monotonic clock since base
	turned   time.Time     // the last turn, UTC
	entries  map[key]*entry
	byCheck  map[string][]*entry
	queue    queue
	spreads  map[time.Duration]*spread
	asks     map[string]instant // extra looks asked for and not begun, by check
	asked    map[string]int     // extra looks in flight, by check
	inFlight int
}

// entry is one check at one location.
type entry struct {
	key     key
	check   *Check // never changed, only replaced
	rank    uint32 // its place in the spread of its interval
	plan    plan
	at      time.Duration // when the scheduler looks at it next: plan.due, or later while a look is in flight
	place   int           // in the queue; -1 when removed
	flight  *flight       // of a slot, under way; nil when none
	waiting bool          // the plan is due but a look is still in flight
	seen    faultKey      // the fault of the last bad look
}

// faultKey tells faults apart; only the first of equal ones carries its evidence.
type faultKey struct {
	class   Class
	message string
}

// start makes what New would make; every exported method calls it.
func (r *Runner) start() {
	r.once.Do(func() {
		r.base = time.Now()
		r.wake = make(chan struct{}, 1)
		r.entries = map[key]*entry{}
		r.spreads = map[time.Duration]*spread{}
		r.asks = map[string]instant{}
		r.asked = map[string]int{}
		r.sentinel.now = r.now
		r.sentinel.signal = make(chan struct{}, 1)
		if r.MaxInFlight == 0 {
			r.MaxInFlight = defaultInFlight
		}
	})
}

// wallAt is the wall clock at a monotonic moment as the plans have it: a step
// that no turn has seen yet is not in it, nor is it in the plans.
func (r *Runner) wallAt(mono time.Duration) int64 {
	return r.base.UnixNano() + int64(mono+r.step)
}

// now reads both clocks at once.
func (r *Runner) now() instant {
	now := time.Now()
	i := instant{mono: now.Sub(r.base), wall: now.Round(0).UTC()}
	if r.Now != nil {
		i.wall = r.Now().UTC()
	}
	if r.skew != nil {
		i.wall = i.wall.Add(r.skew())
	}
	return i
}

// Follow makes the scheduler look at its clocks at once: the one that slots are counted
// on was moved.
func (r *Runner) Follow() {
	r.start()
	r.poke()
}

// poke makes the scheduler take a turn.
func (r *Runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it has been told
	}
}

// Run probes until ctx is done, then calls off the looks in flight (their slots
// are Unknown, "shutdown"), waits up to 2 s for them and returns nil. Slots are
// planned from the moment it is called.
func (r *Runner) Run(ctx context.Context) error {
	r.start()
	r.open()
	var looks sync.WaitGroup
	watching := make(chan struct{})
	sentinelCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { // ends with stop, below; joined there
		defer close(watching)
		r.sentinel.run(sentinelCtx)
	}()
	r.loop(ctx, &looks)
	r.shut(&looks)
	stop()
	<-watching
	return nil
}

// loop takes turns until ctx is done.
func (r *Runner) loop(ctx context.Context, looks *sync.WaitGroup) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		}
		t := r.turn()
		for _, res := range t.results {
			r.send(res)
		}
		for _, f := range t.flights {
			looks.Go(func() { r.fly(ctx, f) }) // ends soon after ctx does; joined in shut
		}
		timer.Reset(t.wait)
	}
}

// open plans every entry from now on.
func (r *Runner) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = true
	now := r.now()
	r.step = now.wall.Sub(r.base.Round(0)) - now.mono
	for _, e := range r.entries {
		e.plan.begin(now.mono, r.wallAt(now.mono))
		e.at = e.plan.due
	}
	for i := len(r.queue)/2 - 1; i >= 0; i-- {
		r.queue.down(i)
	}
	r.turned = now.wall
}

// shut waits for the looks in flight, but not for a checker that hangs: its
// slot is settled without it.
func (r *Runner) shut(looks *sync.WaitGroup) {
	r.mu.Lock()
	r.running = false
	clear(r.asks)
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends when the last look does; a checker that hangs holds it
		looks.Wait()
		close(done)
	}()
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	r.mu.Lock()
	var hung []*flight
	for _, e := range r.entries {
		if e.flight != nil {
			hung = append(hung, e.flight)
		}
	}
	r.mu.Unlock()
	for _, f := range hung {
		r.settle(f, f.result(Unknown, causeShutdown, Look{}))
	}
}

// turn is what the scheduler found to do in one go.
type turn struct {
	flights []*flight
	results []Result // of slots without a look
	wait    time.Duration
	missed  int // results among them; bounded
}

// turn sees to clock steps, to extra looks and to every entry that is due.
func (r *Runner) turn() turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	var t turn
	r.follow(now, &t)
	r.answer(now, &t)
	for len(r.queue) > 0 && r.queue[0].at <= now.mono {
		r.serve(r.queue[0], now, &t)
	}
	r.turned = now.wall
	t.wait = tickAtLeast
	if len(r.queue) > 0 {
		t.wait = min(t.wait, r.queue[0].at-now.mono)
	}
	return t
}

// follow re-labels every plan when the wall clock has been stepped.
func (r *Runner) follow(now instant, t *turn) {
	step := now.wall.Sub(r.base.Round(0)) - now.mono - r.step
	if step.Abs() <= stepLimit {
		return
	}
	r.step += step
	r.stats.steps.Add(1)
	r.Log.Warn("clock stepped", "step_ms", step.Milliseconds())
	cause := causeMissed
	if r.StepCause != nil {
		cause = cmp.Or(r.StepCause(step), cause)
	}
	for _, e := range r.entries {
		r.miss(e, gap{span: e.plan.shift(step), cause: cause}, now, t)
	}
}

// answer begins the extra looks that were asked for.
func (r *Runner) answer(now instant, t *turn) {
	for check, when := range r.asks {
		for _, e := range r.byCheck[check] {
			f := &flight{entry: e, check: e.check, extra: true, asked: true, round: when.wall.UnixNano(), due: when.mono}
			f.slot = floorTo(f.round, e.check.Every)
			if r.launch(f, now, t) {
				r.asked[check]++
				r.stats.extra.Add(1)
			}
		}
	}
	clear(r.asks)
}

// serve deals with an entry whose moment has come.
func (r *Runner) serve(e *entry, now instant, t *turn) {
	defer func() {
		e.at = e.plan.due
		if e.waiting { // look again when it is too late; land comes earlier
			e.at = max(now.mono+time.Millisecond, min(e.plan.due+tolerance(e.plan.every), e.plan.end()-1)+1)
		}
		r.queue.fix(e)
	}()
	if !e.plan.timely(now.mono) {
		g := gap{cause: causeMissed}
		if now.mono < e.plan.end() && !e.waiting {
			g.cause, g.lag = causeLate, now.mono-e.plan.due
		}
		e.waiting = false
		g.span = e.plan.skip(now.mono)
		r.miss(e, g, now, t)
		return
	}
	if e.flight != nil {
		e.waiting = true
		return
	}
	e.waiting = false
	f := &flight{entry: e, check: e.check, slot: e.plan.slot, round: e.plan.slot, due: e.plan.due}
	if e.plan.repeats() {
		// The wall was set back into slots that have their results. Looking goes on
		// for the incidents, but not for the ledger. The round is the slot's end: an
		// id that all locations share, and a moment by which none is late.
		f.extra, f.again, f.round = true, true, e.plan.slot+int64(e.plan.every)
	}
	switch {
	case r.launch(f, now, t):
		if !f.extra {
			e.plan.last = f.slot
		}
		e.flight = f
		e.plan.advance()
	default:
		passed := span{from: max(e.plan.slot, e.plan.last+1), every: e.plan.every}
		e.plan.advance()
		passed.to = e.plan.slot
		r.miss(e, gap{span: passed, cause: causeMissed}, now, t)
	}
}

// launch adds a flight to the turn; false when there are too many.
func (r *Runner) launch(f *flight, now instant, t *turn) bool {
	if r.inFlight >= r.MaxInFlight {
		return false
	}
	r.inFlight++
	f.launched = now
	f.began.Store(int64(now.mono))
	t.flights = append(t.flights, f)
	return true
}

// miss counts slots that got no look, and makes a result of each: but for a
// bounded number, those of a long freeze are only counted. The ledger shows a
// slot without a result as unknown too.
func (r *Runner) miss(e *entry, g gap, now instant, t *turn) {
	n := g.count()
	if n == 0 {
		return
	}
	if g.cause == causeLate {
		r.stats.late.Add(n)
	} else {
		r.stats.missed.Add(n)
	}
	starts := g.newest(min(maxMissedEach, int64(maxMissedAll-t.missed)))
	t.missed += len(starts)
	r.stats.unsent.Add(n - int64(len(starts)))
	for _, start := range starts {
		t.results = append(t.results, Result{
			Check: e.check.Name, Location: e.key.location, Slot: time.Unix(0, start).UTC(), Round: start,
			Started: now.wall, Lag: g.lag, Outcome: Unknown, Cause: g.cause,
		})
	}
	e.plan.last = max(e.plan.last, floorTo(g.to-1, g.every))
}

// gap is slots without a look, and why.
type gap struct {
	span
	cause string
	lag   time.Duration // how late it is for a look; zero where that says nothing
}

// LookAgain asks every location of a check that this process serves for an extra
// look at once; it returns at once. While one is in flight, or the Runner does
// not run, asking changes nothing.
func (r *Runner) LookAgain(check string) {
	r.start()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running || r.asked[check] > 0 || len(r.byCheck[check]) == 0 {
		return
	}
	if _, ok := r.asks[check]; !ok {
		r.asks[check] = r.now()
		r.poke()
	}
}

// jitter is a random time below d.
func jitter(d time.Duration) time.Duration { return rand.N(d) }
