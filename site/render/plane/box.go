package plane

import "encoding/binary"

// shrink averages boxes of n by n samples; boxes at the right and lower edge may
// be smaller.
func shrink(src Plane, n int) Plane {
	dst := boxed(src, n)
	dst.Stride = dst.W
	dst.Pix = make([]uint8, dst.W*dst.H)
	if n == 2 {
		halve(dst, src)
		return dst
	}
	sums := make([]uint32, dst.W)
	for y := range dst.H {
		clear(sums)
		rows := min(n, src.H-y*n)
		for k := range rows {
			addBoxes(sums, src.Row(y*n+k), n)
		}
		mean(dst.Row(y), sums, rows, src.W, n)
	}
	return dst
}

// mean divides sums over boxes of rows by n samples.
func mean(out []uint8, sums []uint32, rows, width, n int) {
	whole := width / n
	count := uint32(rows * n)                             //nolint:gosec // at most the samples of a box, far below 2^32
	factor := (1<<32 + uint64(count) - 1) / uint64(count) // one division a row, exact for boxes up to 64 by 64
	for x, sum := range sums[:whole] {
		out[x] = uint8((uint64(sum+count/2) * factor) >> 32) //nolint:gosec // a mean of bytes
	}
	if whole < len(out) {
		count := uint32(rows * (width - whole*n))           //nolint:gosec // as above
		out[whole] = uint8((sums[whole] + count/2) / count) //nolint:gosec // a mean of bytes
	}
}

func addBoxes(sums []uint32, row []uint8, n int) {
	for x := range sums {
		for _, v := range row[x*n : min((x+1)*n, len(row))] {
			sums[x] += uint32(v)
		}
	}
}

// halve is shrink for boxes of two, the common case: eight samples of two rows at
// a time, summed in four lanes of 16 bits.
func halve(dst, src Plane) {
	const even, two = 0x00ff00ff_00ff00ff, 0x00020002_00020002
	for y := range dst.H {
		a := src.Row(2 * y)
		b := a // the last row of an odd plane is averaged with itself
		if 2*y+1 < src.H {
			b = src.Row(2*y + 1)
		}
		out := dst.Row(y)
		x := 0
		for ; 2*x+8 <= len(a); x += 4 {
			v, w := binary.LittleEndian.Uint64(a[2*x:]), binary.LittleEndian.Uint64(b[2*x:])
			s := (v&even + v>>8&even + w&even + w>>8&even + two) >> 2
			o := out[x : x+4 : x+4]
			o[0], o[1], o[2], o[3] = uint8(s), uint8(s>>16), uint8(s>>32), uint8(s>>48) //nolint:gosec // lanes
		}
		for ; x < len(out); x++ {
			i, j := 2*x, min(2*x+1, len(a)-1)
			out[x] = uint8((uint32(a[i]) + uint32(a[j]) + uint32(b[i]) + uint32(b[j]) + 2) / 4) //nolint:gosec // a mean of bytes
		}
	}
}
