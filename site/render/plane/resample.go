package plane

import "encoding/binary"

// A plane is shrunk by whole boxes while that leaves at least three source
// samples for one of ours, then by one Lanczos3 pass per direction in fixed
// point. The vertical pass runs first, two output rows at a time, so that no
// second plane is needed. Both passes do two multiplications in one: two numbers
// of 32 bits share an int64, whose halves are taken apart again with their signs.

const (
	weightBits = 14 // a weight of 1
	rowBits    = 7  // fraction kept between the two passes
	keepRatio  = 3  // what the box step leaves for the filter
)

// Shrink is what Resize makes of a plane.
type Shrink struct {
	W, H         int     // samples of the result
	ExtX, ExtY   float64 // what they stand for; 0 is W and H
	OffX, OffY   float64 // where the area begins in the result, in its samples: 0, or a half where an odd plane is turned
	crossX, down []tap
}

// Plan works out the weights for planes of the size of src, so that several such
// planes can share them.
func Plan(src Plane, s Shrink) Shrink {
	if s.ExtX == 0 {
		s.ExtX = float64(s.W)
	}
	if s.ExtY == 0 {
		s.ExtY = float64(s.H)
	}
	if box := boxOf(src, s); box > 1 {
		src = boxed(src, box)
	}
	s.crossX = taps(src.W, s.W, src.ExtX/s.ExtX, s.OffX)
	s.down = taps(src.H, s.H, src.ExtY/s.ExtY, s.OffY)
	return s
}

// boxOf returns the edge of the boxes that are averaged first; 1 or less is none.
func boxOf(src Plane, s Shrink) int {
	return int(min(src.ExtX/s.ExtX, src.ExtY/s.ExtY) / keepRatio)
}

// boxed returns the shape of src after the box step.
func boxed(src Plane, n int) Plane {
	return Plane{W: (src.W + n - 1) / n, H: (src.H + n - 1) / n, ExtX: src.ExtX / float64(n), ExtY: src.ExtY / float64(n)}
}

// Resize returns src as the plan says; src has the size that the plan was made for.
func Resize(src Plane, s Shrink) Plane {
	if src.W == s.W && src.H == s.H && src.ExtX == s.ExtX && src.ExtY == s.ExtY && s.OffX == 0 && s.OffY == 0 {
		return clone(src)
	}
	if box := boxOf(src, s); box > 1 {
		src = shrink(src, box)
	}
	dst := New(s.W, s.H)
	dst.ExtX, dst.ExtY = s.ExtX, s.ExtY
	line := make([]int64, src.W)
	for y := 0; y < s.H; y += 2 {
		// The last row of an odd number is made twice.
		next := min(y+1, s.H-1)
		vertical(line, src, pairOf(s.down[y], s.down[next]))
		horizontal(dst.Row(y), dst.Row(next), line, s.crossX)
	}
	return dst
}

// pair is two taps over one span of rows.
type pair struct {
	first   int
	weights [][2]int64
}

// pairOf lays two taps over each other: neighbours have most rows in common.
func pairOf(a, b tap) pair {
	first := min(a.first, b.first)
	last := max(a.first+len(a.weights), b.first+len(b.weights))
	ws := make([][2]int64, last-first)
	for k, w := range a.weights {
		ws[a.first-first+k][0] = w
	}
	for k, w := range b.weights {
		ws[b.first-first+k][1] = w
	}
	return pair{first: first, weights: ws}
}

// vertical sums the rows of two taps into the lower and the upper halves of line,
// eight columns at a time.
func vertical(line []int64, src Plane, t pair) {
	n := len(line)
	if n < 8 {
		narrow(line, src, t)
		return
	}
	base := src.Pix[t.first*src.Stride:]
	for x := 0; ; x = min(x+8, n-8) { // the last eight may overlap those before
		const every4 = 0x000000ff_000000ff
		var a0, b0, c0, d0, a1, b1, c1, d1 int64
		at := x
		for k := range t.weights {
			w := &t.weights[k]
			w0, w1 := w[0], w[1]
			v := int64(binary.LittleEndian.Uint64(base[at:])) //nolint:gosec // bytes, not a number
			p := v & every4
			a0 += w0 * p
			a1 += w1 * p
			p = v >> 8 & every4
			b0 += w0 * p
			b1 += w1 * p
			p = v >> 16 & every4
			c0 += w0 * p
			c1 += w1 * p
			p = v >> 24 & every4
			d0 += w0 * p
			d1 += w1 * p
			at += src.Stride
		}
		out := (*[8]int64)(line[x:])
		out[0], out[4] = join(a0, a1)
		out[1], out[5] = join(b0, b1)
		out[2], out[6] = join(c0, c1)
		out[3], out[7] = join(d0, d1)
		if x == n-8 {
			return
		}
	}
}

// join takes the sums of two columns for two output rows and returns, for each
// column, both rows in one number.
func join(row0, row1 int64) (left, right int64) {
	l0, r0 := halves(row0)
	l1, r1 := halves(row1)
	return round(l0) + round(l1)<<32, round(r0) + round(r1)<<32
}

// halves takes the two signed numbers of an int64 apart.
func halves(v int64) (lower, upper int64) {
	lower = int64(int32(v)) //nolint:gosec // that is how the lower half is taken off
	return lower, (v - lower) >> 32
}

// round leaves rowBits of fraction.
func round(sum int64) int64 {
	const drop = weightBits - rowBits
	return (sum + 1<<(drop-1)) >> drop
}

// narrow is vertical for planes of less than eight columns.
func narrow(line []int64, src Plane, t pair) {
	for x := range line {
		var sum0, sum1 int64
		for k, w := range t.weights {
			v := int64(src.Pix[(t.first+k)*src.Stride+x])
			sum0 += w[0] * v
			sum1 += w[1] * v
		}
		line[x] = round(sum0) + round(sum1)<<32
	}
}

// horizontal makes two output rows of a line.
func horizontal(dst0, dst1 []uint8, line []int64, across []tap) {
	across = across[:len(dst0)]
	dst1 = dst1[:len(dst0)]
	for x := range dst0 {
		t := &across[x]
		ws := t.weights
		in := line[t.first:]
		in = in[:len(ws)]
		var a, b int64
		k := 0
		for ; k+1 < len(ws); k += 2 {
			a += ws[k] * in[k]
			b += ws[k+1] * in[k+1]
		}
		if k < len(ws) {
			a += ws[k] * in[k]
		}
		a += b
		lo, hi := halves(a)
		dst0[x] = clamp(lo)
		dst1[x] = clamp(hi)
	}
}

func clamp(sum int64) uint8 {
	const drop = weightBits + rowBits
	v := (sum + 1<<(drop-1)) >> drop
	return uint8(min(max(v, 0), 255))
}

func clone(src Plane) Plane {
	dst := New(src.W, src.H)
	dst.ExtX, dst.ExtY = src.ExtX, src.ExtY
	for y := range src.H {
		copy(dst.Row(y), src.Row(y))
	}
	return dst
}
