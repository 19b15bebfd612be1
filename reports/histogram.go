package reports

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Histogram counts latencies in buckets of OpenTelemetry's base-2 exponential
// form, 32 buckets an octave: bucket i holds [2^(i/32), 2^((i+1)/32)) µs, so that a
// quantile is at most 1.1 % away from the nearest rank of what was added. Counts
// add up, so the order of adding and merging changes nothing, on any machine. The
// zero value is empty and ready. Not safe for concurrent use.
type Histogram struct {
	zero    uint64 // below 1 µs
	indexes []int16
	counts  []uint64 // of indexes; never 0
	n       uint64
}

// perOctave is the number of buckets between a latency and its double; octaves is
// more than an int64 of microseconds has.
const (
	perOctave = 32
	octaves   = 64
)

// errHistogram means that bytes are no histogram.
var errHistogram = errors.New("these bytes are no histogram")

// edges are the lower edges of an octave's buckets, times 2^63, rounded up: integers,
// because a logarithm is not the same to the last bit on every machine.
//
//nolint:gochecknoglobals // a table
var edges = [perOctave]uint64{
	0x8000000000000000, 0x82cd8698ac2ba1d8, 0x85aac367cc487b15, 0x88980e8092da8528,
	0x8b95c1e3ea8bd6e7, 0x8ea4398b45cd53c1, 0x91c3d373ab11c337, 0x94f4efa8fef70962,
	0x9837f0518db8a970, 0x9b8d39b9d54e5539, 0x9ef5326091a111ae, 0xa27043030c496819,
	0xa5fed6a9b15138eb, 0xa9a15ab4ea7c0ef9, 0xad583eea42a14ac7, 0xb123f581d2ac2590,
	0xb504f333f9de6485, 0xb8fbaf4762fb9eea, 0xbd08a39f580c36bf, 0xc12c4cca66709457,
	0xc5672a115506dade, 0xc9b9bd866e2f27a3, 0xce248c151f8480e4, 0xd2a81d91f12ae45b,
	0xd744fccad69d6af5, 0xdbfbb797daf23756, 0xe0ccdeec2a94e112, 0xe5b906e77c8348a9,
	0xeac0c6e7dd24392f, 0xefe4b99bdcdaf5cc, 0xf5257d152486cc2d, 0xfa83b2db722a033b,
}

// middles are the geometric middles of the same buckets, times 2^63.
//
//nolint:gochecknoglobals // a table
var middles = [perOctave]uint64{
	0x8164d1f3bc030773, 0x843a28c3acde4046, 0x871f61969e8d1010, 0x8a14d575496efd9a,
	0x8d1adf5b7e5ba9e6, 0x9031dc431466b1dc, 0x935a2b2f13e6e92c, 0x96942d3720185a00,
	0x99e0459320b7fa65, 0x9d3ed9a72cffb751, 0xa0b0510fb9714fc2, 0xa43515ae09e6809e,
	0xa7cd93b4e965356a, 0xab7a39b5a93ed337, 0xaf3b78ad690a4375, 0xb311c412a9112489,
	0xb6fd91e328d17791, 0xbaff5ab2133e45fb, 0xbf1799b67a731083, 0xc346ccda24976407,
	0xc78d74c8abb9b15d, 0xcbec14fef2727c5d, 0xd06333daef2b2595, 0xd4f35aabcfedfa1f,
	0xd99d15c278afd7b6, 0xde60f4825e0e9124, 0xe33f8972be8a5a51, 0xe8396a503c4bdc68,
	0xed4f301ed9942b84, 0xf281773c59ffb13a, 0xf7d0df730ad13bb9, 0xfd3e0c0cf486c175,
}

// bucketOf is the bucket of at least 1 µs.
func bucketOf(us uint64) int16 {
	octave := bits.Len64(us) - 1
	mantissa := us << (63 - octave)
	lo, hi := 0, perOctave
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; edges[mid] <= mantissa {
			lo = mid
		} else {
			hi = mid
		}
	}
	return int16(octave*perOctave + lo) //nolint:gosec // below octaves*perOctave
}

// middleOf is the latency that stands for a bucket.
func middleOf(index int16) time.Duration {
	octave, k := int(index)/perOctave, int(index)%perOctave
	hi, lo := bits.Mul64(middles[k], uint64(time.Microsecond)) // ns, times 2^63
	shift := 63 - octave
	ns := lo >> shift
	if shift > 0 {
		ns |= hi << (64 - shift)
	}
	if hi>>shift != 0 || ns > math.MaxInt64 {
		return math.MaxInt64 // 292 years
	}
	return time.Duration(ns)
}

// Add counts one latency; below 1 µs, and below none at all, it is 0.
func (h *Histogram) Add(d time.Duration) {
	if us := d.Microseconds(); us > 0 {
		h.put(bucketOf(uint64(us)), 1)
	} else {
		h.zero++
	}
	h.n++
}

// put adds to the count of a bucket.
func (h *Histogram) put(index int16, count uint64) {
	at, found := slices.BinarySearch(h.indexes, index)
	if !found {
		h.indexes = slices.Insert(h.indexes, at, index)
		h.counts = slices.Insert(h.counts, at, 0)
	}
	h.counts[at] += count
}

// Merge adds what o counted; a nil o is an empty one.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil {
		return
	}
	for i, index := range o.indexes {
		h.put(index, o.counts[i])
	}
	h.zero += o.zero
	h.n += o.n
}

// N is how many latencies were counted.
func (h *Histogram) N() int64 { return int64(min(h.n, math.MaxInt64)) }

// Quantile is the nearest rank of permille/1000, the ceil(q*n)th smallest of what was
// added, to 1.1 %; 0 when nothing was added.
func (h *Histogram) Quantile(permille int) time.Duration {
	if h.n == 0 {
		return 0
	}
	q := uint64(min(max(permille, 0), 1000))
	hi, lo := bits.Mul64(q, h.n)
	lo, carry := bits.Add64(lo, 999, 0)
	rank, _ := bits.Div64(hi+carry, lo, 1000)
	rank = max(rank, 1)
	if rank <= h.zero {
		return 0
	}
	rank -= h.zero
	for i, index := range h.indexes {
		if rank <= h.counts[i] {
			return middleOf(index)
		}
		rank -= h.counts[i]
	}
	return 0 // never: the counts add up to n
}

// Latency is what reports print: nearest ranks in microseconds, rounded.
func (h *Histogram) Latency() Latency {
	us := func(permille int) int64 { return h.Quantile(permille).Round(time.Microsecond).Microseconds() }
	return Latency{N: h.N(), P50: us(500), P95: us(950), P99: us(990)}
}

// MarshalBinary writes the histogram in two or three bytes for each bucket that is
// in use. Equal histograms give equal bytes. There is no error.
func (h *Histogram) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 16+3*len(h.indexes))
	b = binary.AppendUvarint(b, h.zero)
	next := int16(0)
	for i, index := range h.indexes {
		b = binary.AppendUvarint(b, uint64(index-next)) //nolint:gosec // indexes ascend
		b = binary.AppendUvarint(b, h.counts[i])
		next = index + 1
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote, and nothing else.
func (h *Histogram) UnmarshalBinary(b []byte) error {
	var out Histogram
	var ok bool
	if out.zero, b, ok = takeUvarint(b); !ok {
		return errHistogram
	}
	out.n = out.zero
	next := uint64(0)
	for len(b) > 0 {
		var gap, count uint64
		if gap, b, ok = takeUvarint(b); !ok || gap >= octaves*perOctave || next+gap >= octaves*perOctave {
			return errHistogram
		}
		if count, b, ok = takeUvarint(b); !ok || count == 0 || out.n+count < count {
			return errHistogram
		}
		out.indexes = append(out.indexes, int16(next+gap))
		out.counts = append(out.counts, count)
		out.n += count
		next += gap + 1
	}
	*h = out
	return nil
}

// takeUvarint takes a number off b, only in its shortest form.
func takeUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// String is for people.
func (h *Histogram) String() string {
	return fmt.Sprintf("n=%d p50=%s p95=%s p99=%s", h.n, h.Quantile(500), h.Quantile(950), h.Quantile(990))
}

// Clone returns a copy that shares nothing; of nil it is nil.
func (h *Histogram) Clone() *Histogram {
	if h == nil {
		return nil
	}
	return &Histogram{zero: h.zero, indexes: slices.Clone(h.indexes), counts: slices.Clone(h.counts), n: h.n}
}
