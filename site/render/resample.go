package render

import (
	"math"
)

// The resampler works on one plane of bytes at a time, so a JPEG is never
// turned into RGB and back: shrink by whole boxes while that leaves at least
// three source samples for one of ours, then one Lanczos3 pass per direction in
// fixed point. The vertical pass runs first, one output row at a time, so that
// no second plane is needed.

const (
	weightBits = 14 // a weight of 1
	rowBits    = 7  // fraction kept between the two passes
	lobes      = 3  // Lanczos3
	keepRatio  = 3  // what the box step leaves for the filter
)

// plane is a rectangle of samples; extent is its true size in samples, which is
// not whole for the halved colour planes of an odd picture.
type plane struct {
	pix        []uint8
	stride     int
	w, h       int
	extX, extY float64
}

func newPlane(w, h int) plane {
	return plane{pix: make([]uint8, w*h), stride: w, w: w, h: h, extX: float64(w), extY: float64(h)}
}

func (p plane) row(y int) []uint8 { return p.pix[y*p.stride : y*p.stride+p.w] }

// tap is the span of source samples that make one of ours.
type tap struct {
	first   int
	weights []int32 // they sum to exactly 1<<weightBits
}

// taps computes the spans for one direction: n source samples that stand for
// extent, shrunk to m samples that stand for want.
func taps(n, m int, extent, want float64) []tap {
	scale := extent / want
	stretch := max(scale, 1)
	out := make([]tap, m)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		first := max(int(math.Floor(centre-lobes*stretch)), 0)
		last := min(int(math.Ceil(centre+lobes*stretch)), n)
		first = min(first, n-1) // an extent below the samples' number can put the last centre outside
		last = max(last, first+1)
		raw := make([]float64, last-first)
		sum := 0.0
		for k := range raw {
			raw[k] = lanczos((float64(first+k) + 0.5 - centre) / stretch)
			sum += raw[k]
		}
		out[i] = tap{first: first, weights: fixed(raw, sum)}
	}
	return out
}

// fixed turns weights into integers with an exact sum, so that a plane of one
// value stays a plane of that value.
func fixed(raw []float64, sum float64) []int32 {
	if sum == 0 { // cannot happen for spans with a sample in them; a flat filter is still right
		for k := range raw {
			raw[k] = 1
		}
		sum = float64(len(raw))
	}
	out := make([]int32, len(raw))
	rest, largest := int32(1<<weightBits), 0
	for k, v := range raw {
		out[k] = int32(math.Round(v / sum * (1 << weightBits)))
		rest -= out[k]
		if out[k] > out[largest] {
			largest = k
		}
	}
	out[largest] += rest
	return out
}

func lanczos(x float64) float64 {
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

// resize returns src as w by h samples that stand for the extents wantX, wantY.
func resize(src plane, w, h int, wantX, wantY float64) plane {
	if box := int(min(src.extX/wantX, src.extY/wantY) / keepRatio); box > 1 {
		src = shrink(src, box)
	}
	dst := newPlane(w, h)
	across := taps(src.w, w, src.extX, wantX)
	down := taps(src.h, h, src.extY, wantY)
	line := make([]int32, src.w)
	for y, t := range down {
		vertical(line, src, t)
		horizontal(dst.row(y), line, across)
	}
	return dst
}

// vertical sums the rows of one tap into line, four rows at a time: that is what
// the compiler turns into the fewest loads and stores.
func vertical(line []int32, src plane, t tap) {
	clear(line)
	y, ws := t.first, t.weights
	for ; len(ws) >= 4; y, ws = y+4, ws[4:] {
		w0, w1, w2, w3 := ws[0], ws[1], ws[2], ws[3]
		a, b, c, d := src.row(y), src.row(y+1), src.row(y+2), src.row(y+3)
		a, b, c, d = a[:len(line)], b[:len(line)], c[:len(line)], d[:len(line)]
		for x := range line {
			line[x] += w0*int32(a[x]) + w1*int32(b[x]) + w2*int32(c[x]) + w3*int32(d[x])
		}
	}
	for k, w := range ws {
		a := src.row(y + k)
		a = a[:len(line)]
		for x := range line {
			line[x] += w * int32(a[x])
		}
	}
	const drop = weightBits - rowBits
	for x, v := range line {
		line[x] = (v + 1<<(drop-1)) >> drop
	}
}

// horizontal makes one output row of a line.
func horizontal(dst []uint8, line []int32, across []tap) {
	const drop = weightBits + rowBits
	across = across[:len(dst)]
	for x := range dst {
		t := &across[x]
		ws := t.weights
		in := line[t.first:]
		in = in[:len(ws)]
		var a, b int32
		k := 0
		for ; k+1 < len(ws); k += 2 {
			a += ws[k] * in[k]
			b += ws[k+1] * in[k+1]
		}
		if k < len(ws) {
			a += ws[k] * in[k]
		}
		v := (a + b + 1<<(drop-1)) >> drop
		dst[x] = uint8(min(max(v, 0), 255))
	}
}

// shrink averages boxes of n by n samples; boxes at the right and lower edge may
// be smaller.
func shrink(src plane, n int) plane {
	dst := newPlane((src.w+n-1)/n, (src.h+n-1)/n)
	dst.extX, dst.extY = src.extX/float64(n), src.extY/float64(n)
	sums := make([]uint32, dst.w)
	for y := range dst.h {
		clear(sums)
		rows := min(n, src.h-y*n)
		for k := range rows {
			addBoxes(sums, src.row(y*n+k), n)
		}
		out := dst.row(y)
		for x := range out {
			count := uint32(rows * min(n, src.w-x*n))   //nolint:gosec // at most the samples of a box, far below 2^32
			out[x] = uint8((sums[x] + count/2) / count) //nolint:gosec // a mean of bytes
		}
	}
	return dst
}

func addBoxes(sums []uint32, row []uint8, n int) {
	if n == 2 { // the common case, worth its own loop
		full := len(row) / 2
		for x := range sums[:full] {
			pair := row[2*x : 2*x+2]
			sums[x] += uint32(pair[0]) + uint32(pair[1])
		}
		if len(row)%2 == 1 {
			sums[full] += uint32(row[len(row)-1])
		}
		return
	}
	for x := range sums {
		for _, v := range row[x*n : min((x+1)*n, len(row))] {
			sums[x] += uint32(v)
		}
	}
}
