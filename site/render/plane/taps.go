package plane

import "math"

const lobes = 3 // Lanczos3

// tap is the span of source samples that make one of ours.
type tap struct {
	first   int
	weights []int64 // they sum to exactly 1<<weightBits
}

// taps computes the spans for one direction: n source samples shrunk to m of
// ours, each scale source samples long; the first begins off samples before the
// source does.
func taps(n, m int, scale, off float64) []tap {
	stretch := max(scale, 1)
	out := make([]tap, m)
	span := int(2*lobes*stretch) + 3
	raw := make([]float64, span)
	store := make([]int64, 0, m*span)
	for i := range out {
		// The area's edge can lie beyond the samples by a part of one of ours; a centre
		// out there would have hardly any weights.
		centre := min(max((float64(i)+0.5-off)*scale, 0), float64(n))
		first := max(int(math.Floor(centre-lobes*stretch)), 0)
		last := min(int(math.Ceil(centre+lobes*stretch)), n)
		first = min(first, n-1)
		last = max(last, first+1)
		raw := raw[:last-first]
		sum := 0.0
		for k := range raw {
			raw[k] = Lanczos((float64(first+k) + 0.5 - centre) / stretch)
			sum += raw[k]
		}
		begin := len(store)
		store = fixed(store, raw, sum)
		out[i] = tap{first: first, weights: store[begin:len(store):len(store)]}
	}
	return out
}

// fixed appends weights as integers with an exact sum, so that a plane of one
// value stays a plane of that value.
func fixed(out []int64, raw []float64, sum float64) []int64 {
	rest, largest := int64(1<<weightBits), len(out)
	for _, v := range raw {
		w := int64(math.Round(v / sum * (1 << weightBits)))
		rest -= w
		out = append(out, w)
		if w > out[largest] {
			largest = len(out) - 1
		}
	}
	out[largest] += rest
	return out
}

// Lanczos is the Lanczos3 window: the weight at a distance of x samples of ours.
func Lanczos(x float64) float64 {
	x = math.Abs(x)
	if x < 1e-9 {
		return 1
	}
	if x >= lobes {
		return 0
	}
	px := math.Pi * x
	return lobes * math.Sin(px) * math.Sin(px/lobes) / (px * px)
}
