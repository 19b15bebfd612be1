package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"keepwatch/probe"
)

// A record in a segment is
//
//	magic (4) | length of the body (4) | CRC-32C of length and body (4) | body
//
// big endian. The body is a version byte and the fields of a probe.Result:
// varints, and strings with their length before them. JSON took 6 times as long.
const (
	recordMagic   = 0x4b575231 // "KWR1"
	recordHeader  = 12
	recordMaxBody = 64 << 10 // a fault's body is 2 KiB; anything larger is damage
	// bodyVersion is the version of most bodies. One of a journey is of
	// journeyVersion: the same with the steps behind it, so that a program which knows
	// no journeys still reads everything else.
	bodyVersion    = 1
	journeyVersion = 2
	maxSteps       = 1_000 // more are damage
)

var errBadBody = errors.New("a record that this version of keepwatch cannot read")

//nolint:gochecknoglobals // a constant table
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends r to buf as one record; nil when r is too large to be sane.
func appendRecord(buf []byte, r probe.Result) []byte {
	start := len(buf)
	buf = append(buf, make([]byte, recordHeader)...)
	buf = appendBody(buf, r)
	head := buf[start:]
	size := len(head) - recordHeader
	if size > recordMaxBody {
		return nil
	}
	binary.BigEndian.PutUint32(head, recordMagic)
	binary.BigEndian.PutUint32(head[4:], uint32(size)) //nolint:gosec // checked above
	binary.BigEndian.PutUint32(head[8:], recordSum(head, size))
	return buf
}

func recordSum(b []byte, size int) uint32 {
	return crc32.Update(crc32.Checksum(b[4:8], castagnoli), castagnoli, b[recordHeader:recordHeader+size])
}

// recordAt returns the body of the record at the start of b, and false when
// there is no whole and sound one.
func recordAt(b []byte) (body []byte, ok bool) {
	if len(b) < recordHeader || binary.BigEndian.Uint32(b) != recordMagic {
		return nil, false
	}
	size := int(binary.BigEndian.Uint32(b[4:]))
	if size > recordMaxBody || size > len(b)-recordHeader {
		return nil, false
	}
	if recordSum(b, size) != binary.BigEndian.Uint32(b[8:]) {
		return nil, false
	}
	return b[recordHeader : recordHeader+size], true
}

func appendBody(b []byte, r probe.Result) []byte {
	version := byte(bodyVersion)
	if r.Look.Fault.Step != "" || len(r.Look.Steps) > 0 {
		version = journeyVersion
	}
	b = append(b, version, flags(r))
	b = appendString(b, r.Check)
	b = appendString(b, r.Location)
	b = appendTime(b, r.Slot)
	b = binary.AppendVarint(b, r.Round)
	b = appendTime(b, r.Started)
	b = binary.AppendVarint(b, int64(r.Lag))
	b = binary.AppendVarint(b, int64(r.Outcome))
	b = appendString(b, r.Cause)
	b = binary.AppendVarint(b, int64(r.Attempts))
	l := r.Look
	b = appendString(b, string(l.Fault.Class))
	b = appendString(b, l.Fault.Phase)
	b = appendString(b, l.Fault.Message)
	b = appendString(b, string(l.Fault.Body))
	b = binary.AppendVarint(b, int64(l.Code))
	b = binary.AppendVarint(b, int64(l.Latency))
	b = binary.AppendVarint(b, int64(l.Limit))
	b = appendPhases(b, l.Phases)
	b = binary.AppendVarint(b, l.Bytes)
	b = appendString(b, l.RemoteAddr)
	b = appendTime(b, l.CertNotAfter)
	if version == bodyVersion {
		return b
	}
	b = appendString(b, l.Fault.Step)
	b = binary.AppendUvarint(b, uint64(len(l.Steps)))
	for i := range l.Steps {
		b = appendStep(b, &l.Steps[i])
	}
	return b
}

func appendPhases(b []byte, p probe.Phases) []byte {
	for _, d := range [...]time.Duration{p.DNS, p.Connect, p.TLS, p.FirstByte, p.Transfer} {
		b = binary.AppendVarint(b, int64(d))
	}
	return b
}

const (
	stepCleanup = 1 << iota
	stepSkipped
	stepOK
)

func appendStep(b []byte, s *probe.StepLook) []byte {
	b = appendString(b, s.Name)
	var f byte
	for bit, set := range map[byte]bool{stepCleanup: s.Cleanup, stepSkipped: s.Skipped, stepOK: s.OK} {
		if set {
			f |= bit
		}
	}
	b = append(b, f)
	b = binary.AppendVarint(b, int64(s.Code))
	b = binary.AppendVarint(b, int64(s.Began))
	b = binary.AppendVarint(b, int64(s.Latency))
	b = appendPhases(b, s.Phases)
	b = binary.AppendVarint(b, s.Bytes)
	return appendString(b, s.Message)
}

const (
	flagExtra = 1 << iota
	flagOK
	flagBlind
	flagBody // Fault.Body is there, though it may be empty
	flagRepeat
)

func flags(r probe.Result) byte {
	var f byte
	for bit, set := range map[byte]bool{
		flagExtra: r.Extra, flagOK: r.Look.OK, flagBlind: r.Look.Blind, flagBody: r.Look.Fault.Body != nil, flagRepeat: r.Repeat,
	} {
		if set {
			f |= bit
		}
	}
	return f
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime writes seconds, so that every year fits, and nanoseconds.
func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond())) //nolint:gosec // never negative
}

// decoder reads a body; after the first mistake everything is zero and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func decodeBody(b []byte) (probe.Result, error) {
	var r probe.Result
	if len(b) < 2 || b[0] != bodyVersion && b[0] != journeyVersion {
		return r, errBadBody
	}
	f, d := b[1], &decoder{b: b[2:]}
	r.Extra, r.Repeat, r.Look.OK, r.Look.Blind = f&flagExtra != 0, f&flagRepeat != 0, f&flagOK != 0, f&flagBlind != 0
	r.Check, r.Location, r.Slot = d.string(), d.string(), d.time()
	r.Round, r.Started, r.Lag = d.int(), d.time(), d.duration()
	r.Outcome = probe.Outcome(d.small(math.MinInt16, math.MaxInt16)) //nolint:gosec // bounded
	r.Cause, r.Attempts = d.string(), d.small(math.MinInt32, math.MaxInt32)
	l := &r.Look
	l.Fault.Class, l.Fault.Phase, l.Fault.Message = probe.Class(d.string()), d.string(), d.string()
	if body := d.string(); f&flagBody != 0 {
		l.Fault.Body = []byte(body)
	}
	l.Code, l.Latency, l.Limit = d.small(math.MinInt32, math.MaxInt32), d.duration(), d.duration()
	l.Phases = d.phases()
	l.Bytes, l.RemoteAddr, l.CertNotAfter = d.int(), d.string(), d.time()
	if b[0] == journeyVersion {
		l.Fault.Step, l.Steps = d.string(), d.steps()
	}
	if d.bad || len(d.b) != 0 {
		return probe.Result{}, errBadBody
	}
	return r, nil
}

func (d *decoder) phases() probe.Phases {
	return probe.Phases{
		DNS: d.duration(), Connect: d.duration(), TLS: d.duration(),
		FirstByte: d.duration(), Transfer: d.duration(),
	}
}

func (d *decoder) steps() []probe.StepLook {
	n := d.uint()
	if n > maxSteps || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
	}
	if n == 0 || d.bad {
		return nil
	}
	steps := make([]probe.StepLook, n)
	for i := range steps {
		s := &steps[i]
		s.Name = d.string()
		f := d.byte()
		s.Cleanup, s.Skipped, s.OK = f&stepCleanup != 0, f&stepSkipped != 0, f&stepOK != 0
		s.Code, s.Began, s.Latency = d.small(math.MinInt32, math.MaxInt32), d.duration(), d.duration()
		s.Phases, s.Bytes, s.Message = d.phases(), d.int(), d.string()
	}
	return steps
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) small(lowest, highest int64) int {
	v := d.int()
	if v < lowest || v > highest {
		d.bad = true
		return 0
	}
	return int(v)
}

func (d *decoder) duration() time.Duration { return time.Duration(d.int()) }

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) time() time.Time {
	sec, nsec := d.int(), d.uint()
	if nsec >= uint64(time.Second) {
		d.bad = true
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}
