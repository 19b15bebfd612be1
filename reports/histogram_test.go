package reports

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// nearestRank is the definition: the ceil(q*n)th smallest.
func nearestRank(sorted []time.Duration, permille int) time.Duration {
	return sorted[max((permille*len(sorted)+999)/1000, 1)-1]
}

// within reports whether a figure is at most 1.1 % away from the truth.
func closeTo(got, truth time.Duration) bool {
	return math.Abs(float64(got-truth)) <= 0.011*float64(truth)
}

// TestBucketsHoldTheBound goes through every latency up to 100 ms, then through
// the edges of all octaves.
func TestBucketsHoldTheBound(t *testing.T) {
	t.Parallel()
	var all []uint64
	for us := range uint64(100_000) {
		all = append(all, us+1)
	}
	for octave := range 53 { // 292 years in µs
		for _, edge := range edges {
			us := edge >> (63 - octave)
			all = append(all, max(us-1, 1), us, us+1)
		}
	}
	slices.Sort(all)
	last := int16(0)
	for _, us := range all {
		d := time.Duration(us) * time.Microsecond
		index := bucketOf(us)
		if got := middleOf(index); !closeTo(got, d) {
			t.Fatalf("%s is counted as %s", d, got)
		}
		if index < last {
			t.Fatalf("%s is in bucket %d, a smaller one was in %d", d, index, last)
		}
		last = index
	}
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			us := rapid.Int64Range(0, 1<<rapid.IntRange(0, 40).Draw(t, "octave")).Draw(t, "us")
			return time.Duration(us) * time.Microsecond
		}), 1, 300).Draw(t, "all")
		var h Histogram
		for _, d := range all {
			h.Add(d)
		}
		slices.Sort(all)
		for _, permille := range []int{0, 1, 500, 950, 990, 999, 1000, rapid.IntRange(0, 1000).Draw(t, "permille")} {
			if got, want := h.Quantile(permille), nearestRank(all, permille); !closeTo(got, want) {
				t.Fatalf("quantile %d of %d: %s, nearest rank is %s", permille, len(all), got, want)
			}
		}
		if h.N() != int64(len(all)) {
			t.Fatalf("n is %d, want %d", h.N(), len(all))
		}
	})
}

// TestMergeOrderIsIrrelevant: any split and any order give the same bytes.
func TestMergeOrderIsIrrelevant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var whole Histogram
		parts := make([]Histogram, rapid.IntRange(1, 6).Draw(t, "parts"))
		for range rapid.IntRange(0, 200).Draw(t, "n") {
			d := time.Duration(rapid.Int64Range(-1, 10_000_000).Draw(t, "us")) * time.Microsecond
			whole.Add(d)
			parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].Add(d)
		}
		var merged Histogram
		for _, i := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5}).Draw(t, "order") {
			if i < len(parts) {
				b, _ := parts[i].MarshalBinary()
				var p Histogram
				if err := p.UnmarshalBinary(b); err != nil {
					t.Fatal(err)
				}
				merged.Merge(&p)
			}
		}
		merged.Merge(nil)
		got, _ := merged.MarshalBinary()
		if want, _ := whole.MarshalBinary(); !bytes.Equal(got, want) {
			t.Fatalf("merged %x, at once %x", got, want)
		}
	})
}

// TestHistogramIsSmall: a day of one location at 30 s, log-normal with outliers.
func TestHistogramIsSmall(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []time.Duration
	for range 2880 {
		d := time.Duration(math.Exp(rnd.NormFloat64()*0.5) * float64(80*time.Millisecond))
		if rnd.IntN(100) == 0 {
			d *= 20
		}
		d = d.Truncate(time.Microsecond)
		all = append(all, d)
		h.Add(d)
	}
	slices.Sort(all)
	b, _ := h.MarshalBinary()
	if len(b) > 350 {
		t.Errorf("%d bytes for a day, want about 320", len(b))
	}
	if got, want := h.Quantile(990), nearestRank(all, 990); !closeTo(got, want) {
		t.Errorf("p99 %s, nearest rank is %s", got, want)
	}
}

func TestHistogramWithoutData(t *testing.T) {
	t.Parallel()
	var h Histogram
	if h.N() != 0 || h.Quantile(990) != 0 || h.Latency() != (Latency{}) {
		t.Errorf("got %s of nothing", &h)
	}
	if err := (&Histogram{}).UnmarshalBinary(nil); err == nil {
		t.Error("no bytes were taken for a histogram")
	}
}

func FuzzHistogram(f *testing.F) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, time.Second, math.MaxInt64} {
		h.Add(d)
		b, _ := h.MarshalBinary()
		f.Add(b)
	}
	f.Add([]byte{0, 0x80, 0})
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Histogram
		if h.UnmarshalBinary(b) != nil {
			return
		}
		again, _ := h.MarshalBinary()
		if !bytes.Equal(again, b) {
			t.Fatalf("%x was read and written as %x", b, again)
		}
		for _, permille := range []int{0, 500, 1000} {
			if h.Quantile(permille) < 0 {
				t.Fatalf("quantile %d is negative", permille)
			}
		}
		h.Merge(&h)
	})
}
