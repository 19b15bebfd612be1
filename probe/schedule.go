package probe

import (
	"hash/fnv"
	"math"
	"math/bits"
	"time"
)

const (
	// room is the share of an interval in which looks start; the last tenth is
	// left free, so that a look that starts late is still in its slot.
	room = 0.9
	// minTolerance and toleranceShare: a look may start this much late before its slot is unknown.
	minTolerance   = time.Second
	toleranceShare = 10 // a tenth of the interval
	// maxSteer is how much a look may be moved at once on its way back to its
	// home phase after a clock step.
	maxSteer = time.Second
	// maxMissedEach bounds the results sent for the slots that one check at one
	// location missed in one go (a long freeze); maxMissedAll for all of them.
	maxMissedEach = 10
	maxMissedAll  = 10_000
	// never is before every slot.
	never = math.MinInt64
)

// tolerance is how late a look may start: a tenth of the interval, at least 1 s.
func tolerance(every time.Duration) time.Duration {
	return max(minTolerance, every/toleranceShare)
}

// key names what is scheduled: one check at one location.
type key struct{ check, location string }

// hash is a stable number for a key: the order in which phases are given out.
func (k key) hash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(k.check + "\x00" + k.location)) // a hash never fails
	return h.Sum64()
}

// spread gives out places in one interval so that any number of them is even:
// the ranks, read backwards bit by bit, are the van der Corput sequence. A place
// is kept until it is given back, so a reload moves nobody.
type spread struct {
	taken []bool
	free  int // no rank below this one is free
}

// take returns the lowest free rank.
func (s *spread) take() uint32 {
	for s.free < len(s.taken) && s.taken[s.free] {
		s.free++
	}
	if s.free == len(s.taken) {
		s.taken = append(s.taken, false)
	}
	s.taken[s.free] = true
	s.free++
	return uint32(s.free - 1) //nolint:gosec // there are far fewer than 2^32 checks
}

// give returns a rank.
func (s *spread) give(rank uint32) {
	s.taken[rank] = false
	s.free = min(s.free, int(rank))
}

// phaseOf is the place of a rank in an interval. Intervals are turned against
// each other: the first check of each length must not start with the others.
func phaseOf(rank uint32, every time.Duration) time.Duration {
	turn := uint32(uint64(every) * 0x9E3779B97F4A7C15 >> 32) //nolint:gosec // the cut is the point: Fibonacci hashing
	share := float64(bits.Reverse32(rank)+turn) / (1 << 32)
	return time.Duration(share * room * float64(every))
}

// plan is when one check at one location looks next. Slots are counted on the
// wall, starts on the monotonic clock, and a step of the wall moves the one
// against the other: the starts keep their rhythm, the labels follow the wall.
type plan struct {
	every time.Duration
	home  time.Duration // the phase that the spread gave it
	phase time.Duration // the phase now: home, but for a while after a clock step
	slot  int64         // start of the next slot, unix nanoseconds
	due   time.Duration // monotonic moment of the next start
	last  int64         // start of the newest slot that has its result; never when there is none
}

// floorTo returns the start of the interval that t lies in.
func floorTo(t int64, every time.Duration) int64 {
	e := int64(every)
	r := t % e
	if r < 0 {
		r += e
	}
	return t - r
}

// begin plans the first look at or after now: at the home phase, but never more
// than one interval away. wall is now in unix nanoseconds.
func (p *plan) begin(now time.Duration, wall int64) {
	p.phase = p.home
	p.slot = floorTo(wall, p.every)
	if p.slot+int64(p.phase) < wall {
		p.slot += int64(p.every)
	}
	if p.slot <= p.last && p.slot <= wall {
		// This slot has its result, of another interval: the phases of the next one
		// are pressed together into the time that is left of one interval.
		p.slot += int64(p.every)
		left := float64(wall+int64(p.every)-p.slot) / float64(p.every)
		p.phase = time.Duration(left * float64(p.home))
	}
	p.due = now + time.Duration(p.slot+int64(p.phase)-wall)
}

// advance plans the next slot, a step nearer to the home phase.
func (p *plan) advance() {
	most := min(maxSteer, p.every/toleranceShare)
	move := max(-most, min(most, p.home-p.phase))
	p.slot += int64(p.every)
	p.phase += move
	p.due += p.every + move
}

// end is the monotonic end of the planned slot.
func (p *plan) end() time.Duration { return p.due - p.phase + p.every }

// timely reports whether a look may still start at now for the planned slot.
func (p *plan) timely(now time.Duration) bool {
	return now-p.due <= tolerance(p.every) && now < p.end()
}

// shift follows a step of the wall clock: the start stays, slot and phase are
// read anew. It returns the slots that the step jumped over.
func (p *plan) shift(step time.Duration) (jumped span) {
	before := p.slot
	at := p.slot + int64(p.phase) + int64(step)
	p.slot = floorTo(at, p.every)
	p.phase = time.Duration(at - p.slot)
	return span{from: max(before, p.last+1), to: p.slot, every: p.every}
}

// repeats reports whether the planned slot has its result already: the wall was
// set back.
func (p *plan) repeats() bool { return p.slot <= p.last }

// skip passes over every slot whose start can no longer be timely and returns them.
func (p *plan) skip(now time.Duration) (passed span) {
	passed = span{from: p.slot, to: p.slot, every: p.every}
	for !p.timely(now) && now >= p.due {
		if n := int64((now-p.due)/p.every) - 1; n > 0 { // a long freeze: not slot by slot
			p.slot += n * int64(p.every)
			p.due += time.Duration(n * int64(p.every))
		}
		p.advance()
	}
	passed.to = p.slot
	passed.from = max(passed.from, p.last+1)
	return passed
}

// span is the slots that start in [from, to).
type span struct {
	from, to int64
	every    time.Duration
}

// count is how many slots there are.
func (s span) count() int64 {
	if s.to <= s.from || s.every <= 0 {
		return 0
	}
	first := floorTo(s.from+int64(s.every)-1, s.every)
	return max(0, (s.to-first+int64(s.every)-1)/int64(s.every))
}

// newest returns the starts of the last slots, at most limit, oldest first.
func (s span) newest(limit int64) []int64 {
	n := min(s.count(), limit)
	starts := make([]int64, 0, max(n, 0))
	for i := n; i > 0; i-- {
		starts = append(starts, floorTo(s.to-1, s.every)-(i-1)*int64(s.every))
	}
	return starts
}

// queue is a binary heap of entries by the moment they are to be looked at next.
type queue []*entry

func (q queue) less(i, j int) bool { return q[i].at < q[j].at }

func (q queue) swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// add puts an entry in.
func (q *queue) add(e *entry) {
	e.place = len(*q)
	*q = append(*q, e)
	q.up(e.place)
}

// remove takes an entry out.
func (q *queue) remove(e *entry) {
	last := len(*q) - 1
	at := e.place
	q.swap(at, last)
	(*q)[last] = nil
	*q = (*q)[:last]
	if at < last {
		q.fix((*q)[at])
	}
	e.place = -1
}

// fix moves an entry whose moment has changed.
func (q queue) fix(e *entry) {
	q.up(e.place)
	q.down(e.place)
}

func (q queue) up(i int) {
	for i > 0 && q.less(i, (i-1)/2) {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (q queue) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(q); c++ {
			if q.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}
