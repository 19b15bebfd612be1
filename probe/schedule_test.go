package probe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// evenness is the busiest window of 100 ms against the mean.
func evenness(phases []time.Duration, every time.Duration) float64 {
	const window = 100 * time.Millisecond
	bins := make([]int, every/window)
	for _, p := range phases {
		bins[p/window]++
	}
	return float64(slices.Max(bins)) / (float64(len(phases)) / float64(len(bins)))
}

func TestSpreadIsEven(t *testing.T) {
	t.Parallel()
	const every = 10 * time.Second
	for _, n := range []int{1000, 1024, 1500, 2500, 3000, 5000, 10_000} {
		t.Run(fmt.Sprintf("%d checks", n), func(t *testing.T) {
			t.Parallel()
			var s spread
			var phases []time.Duration
			for range n {
				phases = append(phases, phaseOf(s.take(), every))
			}
			if got := evenness(phases, every); got > 1.3 {
				t.Errorf("busiest 100 ms: got %.2f of the mean, want at most 1.3", got)
			}
			if got := slices.Max(phases); got >= every*9/10 {
				t.Errorf("phase %v: want the last tenth of the interval free", got)
			}
		})
	}
}

func TestSpreadReusesPlaces(t *testing.T) {
	t.Parallel()
	var s spread
	for range 100 {
		s.take()
	}
	for _, rank := range []uint32{42, 7, 99} {
		s.give(rank)
	}
	for _, want := range []uint32{7, 42, 99, 100} {
		if got := s.take(); got != want {
			t.Errorf("take: got %d, want %d", got, want)
		}
	}
}

// Whatever the clock does, no slot is planned twice without being known as a
// repeat, and every start but the first is an interval after the one before.
func TestPlanProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute, 15 * time.Minute, 24 * time.Hour}).Draw(t, "every")
		wall := rapid.Int64Range(0, 4e18).Draw(t, "wall")
		rank := rapid.Uint32Range(0, 5000).Draw(t, "rank")
		p := plan{every: every, home: phaseOf(rank, every), last: never}
		var mono time.Duration
		if rapid.Bool().Draw(t, "reload") {
			p.last = floorTo(wall, rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "old"))
		}
		p.begin(mono, wall)
		if p.due < 0 || p.due > every {
			t.Fatalf("the first look is %v away, want 0 to %v", p.due, every)
		}
		if p.last <= wall && p.repeats() {
			t.Fatalf("the first slot planned, %d, has its result already", p.slot)
		}
		done := map[int64]bool{p.last: true}
		for range 30 {
			if p.phase < 0 || p.phase >= every || floorTo(p.slot, every) != p.slot {
				t.Fatalf("slot %d, phase %v: not in an interval of %v", p.slot, p.phase, every)
			}
			if got := wall + int64(p.due-mono); got != p.slot+int64(p.phase) {
				t.Fatalf("due at wall %d, but slot and phase say %d", got, p.slot+int64(p.phase))
			}
			if rapid.IntRange(0, 4).Draw(t, "event") == 0 {
				step := time.Duration(rapid.Int64Range(int64(-2*time.Hour), int64(2*time.Hour)).Draw(t, "step"))
				wall += int64(step)
				before := p.due
				for _, start := range p.shift(step).newest(1 << 20) {
					if done[start] {
						t.Fatalf("slot %d was jumped over and done", start)
					}
					done[start] = true
					p.last = max(p.last, start)
				}
				if p.due != before {
					t.Fatalf("a step of %v moved the start by %v", step, p.due-before)
				}
				continue
			}
			wall, mono = wall+int64(p.due-mono), p.due
			if !p.repeats() {
				if done[p.slot] {
					t.Fatalf("slot %d is planned twice", p.slot)
				}
				done[p.slot] = true
				p.last = p.slot
			}
			before := p.due
			p.advance()
			if gap := p.due - before - every; gap.Abs() > time.Second {
				t.Fatalf("the next start is %v off its rhythm", gap)
			}
		}
	})
}

// Skipping in one go is the same as skipping slot by slot.
func TestPlanSkip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute}).Draw(t, "every")
		p := plan{every: every, last: never, home: phaseOf(rapid.Uint32Range(0, 100).Draw(t, "rank"), every)}
		p.begin(0, rapid.Int64Range(0, 1e12).Draw(t, "wall"))
		slow := p
		now := p.due + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "late"))
		var want []int64
		for !slow.timely(now) && now >= slow.due {
			want = append(want, slow.slot)
			slow.advance()
		}
		if got := p.skip(now).newest(1 << 20); !slices.Equal(got, want) {
			t.Fatalf("skipped: got %v, want %v", got, want)
		}
		if p != slow {
			t.Fatalf("after skipping: got %+v, want %+v", p, slow)
		}
	})
}

func TestQueueOrder(t *testing.T) {
	t.Parallel()
	var q queue
	var entries []*entry
	for range 500 {
		e := &entry{at: time.Duration(rand.IntN(100))}
		entries = append(entries, e)
		q.add(e)
	}
	for _, e := range entries[:100] {
		q.remove(e)
	}
	for _, e := range entries[100:200] {
		e.at = time.Duration(rand.IntN(100))
		q.fix(e)
	}
	before := time.Duration(-1)
	for n := 400; n > 0; n-- {
		if len(q) != n {
			t.Fatalf("length: got %d, want %d", len(q), n)
		}
		first := q[0]
		if first.at < before {
			t.Fatalf("got %v after %v", first.at, before)
		}
		before = first.at
		q.remove(first)
	}
}
