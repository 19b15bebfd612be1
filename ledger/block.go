package ledger

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"keepwatch/reports"
)

// Packed is one result as it is archived: all that probe_result keeps of it but check
// and location.
type Packed struct {
	Slot      time.Time
	LatencyUS int32
	Outcome   int16
	Attempts  int16
	Code      int16
	ErrID     int32
}

// Row is the result as a fold takes it; the failure is to be looked up by ErrID.
func (p Packed) Row(check string, loc int16) Row {
	return Row{
		Check: check, Latency: time.Duration(p.LatencyUS) * time.Microsecond,
		Row: reports.Row{Slot: p.Slot, Location: loc, Outcome: p.Outcome, Attempts: p.Attempts, ErrID: p.ErrID},
	}
}

// errBlock means that bytes are no block.
var errBlock = errors.New("these bytes are no block of results")

const (
	blockVersion = 1
	// blockResults bounds a block: an hour of slots of a millisecond is not archived.
	blockResults = 1 << 20
)

// PackBlock writes results of one hour, ordered by slot, without loss. Slots, outcomes
// with attempts, codes and error ids are runs of equal steps or values; latencies are
// differences from the one before. An ordinary hour of 120 results takes about 3 bytes each.
func PackBlock(hour time.Time, rs []Packed) []byte {
	b := []byte{blockVersion}
	b = binary.AppendUvarint(b, uint64(len(rs)))
	columns := [4]func(i int) int64{
		func(i int) int64 { // µs since the slot before
			last := hour
			if i > 0 {
				last = rs[i-1].Slot
			}
			return rs[i].Slot.UnixMicro() - last.UnixMicro()
		},
		func(i int) int64 { return int64(rs[i].Attempts)<<16 | int64(uint16(rs[i].Outcome)) }, //nolint:gosec // both halves are kept
		func(i int) int64 { return int64(rs[i].Code) },
		func(i int) int64 { return int64(rs[i].ErrID) },
	}
	for _, value := range columns {
		for i := 0; i < len(rs); {
			n := i + 1
			for n < len(rs) && value(n) == value(i) {
				n++
			}
			b = binary.AppendUvarint(b, uint64(n-i)) //nolint:gosec // positive
			b = binary.AppendVarint(b, value(i))
			i = n
		}
	}
	last := int64(0)
	for _, r := range rs {
		b = binary.AppendVarint(b, int64(r.LatencyUS)-last)
		last = int64(r.LatencyUS)
	}
	return b
}

// UnpackBlock reads what PackBlock wrote, and nothing else.
func UnpackBlock(hour time.Time, b []byte) ([]Packed, error) {
	if len(b) == 0 || b[0] != blockVersion {
		return nil, errBlock
	}
	r := blockReader{b: b[1:]}
	n := r.uvarint()
	if r.bad || n > blockResults || n > 1 && n > uint64(len(r.b)) {
		return nil, errBlock
	}
	rs := make([]Packed, n)
	at := hour.UnixMicro()
	r.runs(len(rs), func(i int, v int64) bool {
		at += v
		rs[i].Slot = time.UnixMicro(at).UTC()
		return v >= 0 || i == 0
	})
	r.runs(len(rs), func(i int, v int64) bool {
		rs[i].Outcome, rs[i].Attempts = int16(v), int16(v>>16) //nolint:gosec // both halves
		return v>>16 >= math.MinInt16 && v>>16 <= math.MaxInt16
	})
	r.runs(len(rs), func(i int, v int64) bool {
		rs[i].Code = int16(v) //nolint:gosec // checked
		return v >= math.MinInt16 && v <= math.MaxInt16
	})
	r.runs(len(rs), func(i int, v int64) bool {
		rs[i].ErrID = int32(v) //nolint:gosec // checked
		return v >= math.MinInt32 && v <= math.MaxInt32
	})
	last := int64(0)
	for i := range rs {
		if last += r.varint(); last < math.MinInt32 || last > math.MaxInt32 {
			return nil, errBlock
		}
		rs[i].LatencyUS = int32(last)
	}
	if r.bad || len(r.b) > 0 {
		return nil, errBlock
	}
	return rs, nil
}

// blockReader takes numbers off bytes; bad is set when one is not there.
type blockReader struct {
	b   []byte
	bad bool
}

func (r *blockReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blockReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// runs reads n values in runs and gives each to set, which says whether it can be.
func (r *blockReader) runs(n int, set func(i int, v int64) bool) {
	last, any := int64(0), false
	for i := 0; i < n && !r.bad; {
		count := r.uvarint()
		v := r.varint()
		if count == 0 || count > uint64(n-i) || any && v == last { //nolint:gosec // positive
			r.bad = true
			return
		}
		last, any = v, true
		for range count {
			if !set(i, v) {
				r.bad = true
				return
			}
			i++
		}
	}
}
