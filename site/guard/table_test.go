package guard

import (
	"math"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func TestTableIsFourMegabytesAtMost(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(table{}); size > 4<<20 {
		t.Errorf("the table has %d bytes", size)
	}
	if n := shards * sets * ways; n != 65536 {
		t.Errorf("%d entries, want 65536", n)
	}
}

func TestBurstAndRefill(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tb := newTable(now)
	b := bucket{1, Rate{10, time.Second, 30, false}, 1}
	for i := range 30 {
		if wait := tb.take(now, 1, b); wait != 0 {
			t.Fatalf("unit %d of the burst waits %v", i, wait)
		}
	}
	if wait := tb.take(now, 1, b); wait != 100*time.Millisecond {
		t.Errorf("behind the burst: waits %v, want 100ms", wait)
	}
	if wait := tb.take(now, 5, b); wait != 500*time.Millisecond {
		t.Errorf("five units: wait %v, want 500ms", wait)
	}
	if wait := tb.take(now.Add(99*time.Millisecond), 1, b); wait <= 0 {
		t.Error("let through before the wait was over")
	}
	if wait := tb.take(now.Add(100*time.Millisecond), 1, b); wait != 0 {
		t.Errorf("after the wait: %v more", wait)
	}
	if wait := tb.take(now.Add(time.Hour), 31, b); wait != 0 {
		t.Errorf("more units than the burst must pass when nothing is owed, else they never do: wait %v", wait)
	}
	if wait := tb.take(now.Add(time.Hour), 1, b); wait <= 0 {
		t.Error("they must cost the whole burst")
	}
	if wait := tb.take(now, 1, bucket{2, Rate{Off: true}, 1}); wait != 0 {
		t.Errorf("off: waits %v", wait)
	}
}

// A refusal by the wide network costs the narrow one nothing.
func TestRefusedByOneCostsNone(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tb := newTable(now)
	rate := Rate{1, time.Second, 2, false}
	narrow, wide := bucket{1, rate, 1}, bucket{2, rate, 1}
	for range 2 {
		tb.take(now, 1, wide)
	}
	for range 5 {
		if tb.take(now, 1, narrow, wide) <= 0 {
			t.Fatal("the wide network was full")
		}
	}
	if left := tb.left(now, narrow); left != 1 {
		t.Errorf("the narrow one has %v left, want all", left)
	}
}

// Whatever comes when: in no window more than burst + rate x window is let through.
func TestNeverMoreThanBurstAndRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{rapid.IntRange(1, 50).Draw(t, "events"), time.Second, rapid.IntRange(1, 50).Draw(t, "burst"), false}
		start := time.Now()
		tb := newTable(start)
		at, passed := time.Duration(0), 0
		for range rapid.IntRange(1, 300).Draw(t, "tries") {
			at += time.Duration(rapid.IntRange(0, 200).Draw(t, "ms")) * time.Millisecond
			wait := tb.take(start.Add(at), 1, bucket{9, rate, 1})
			if wait < 0 {
				t.Fatalf("a negative wait: %v", wait)
			}
			if wait == 0 {
				passed++
			}
			most := float64(rate.Burst) + at.Seconds()*float64(rate.Events)
			if float64(passed) > math.Ceil(most+1e-6) {
				t.Fatalf("%d passed in %v, at most %v may", passed, at, most)
			}
		}
	})
}

// A million clients do not make the table grow, and clients that owe much are not
// forgotten for those that owe little.
func TestTableForgetsTheSmallestDebt(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tb := newTable(now)
	heavy := bucket{tb.prefixKey(Browse, 0, netip.MustParsePrefix("192.0.2.1/32")), Rate{1, time.Hour, 1, false}, 1}
	tb.take(now, 1, heavy)
	light := Rate{1000, time.Second, 1000, false}
	for i := range 1_000_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		tb.take(now, 1, bucket{tb.prefixKey(Browse, 0, Narrow(a)), light, 1})
	}
	if tb.take(now, 1, heavy) <= 0 {
		t.Error("a flood of others made a limited client forgotten")
	}
	if n := tb.tracked(now); n == 0 || n > 65536 {
		t.Errorf("%d tracked", n)
	}
	if n := tb.tracked(now.Add(time.Minute)); n != 1 {
		t.Errorf("%d tracked a minute later, want only the one that still owes", n)
	}
}

func BenchmarkTake(b *testing.B) {
	now := time.Now()
	tb := newTable(now)
	rate := Rate{1000, time.Second, 1000, false}
	a := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		now = now.Add(time.Millisecond)
		tb.take(now, 1, bucket{tb.prefixKey(Image, 0, Narrow(a)), rate, 1}, bucket{tb.prefixKey(Image, 0, Wide(a)), rate, 10})
	}
}
