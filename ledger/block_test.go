package ledger

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var anHour = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestBlockLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var rs []Packed
		at := anHour
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			rs = append(rs, Packed{
				Slot: at, LatencyUS: rapid.Int32().Draw(t, "latency"), Outcome: rapid.Int16().Draw(t, "outcome"),
				Attempts: rapid.Int16Range(0, 3).Draw(t, "attempts"), Code: rapid.Int16().Draw(t, "code"), ErrID: rapid.Int32().Draw(t, "err"),
			})
			at = at.Add(rapid.SampledFrom([]time.Duration{30 * time.Second, 30 * time.Second, time.Minute, time.Millisecond}).Draw(t, "step"))
		}
		got, err := UnpackBlock(anHour, PackBlock(anHour, rs))
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 && len(got) == 0 {
			return
		}
		if diff := cmp.Diff(got, rs); diff != "" {
			t.Fatalf("unpacked (-got +want):\n%s", diff)
		}
	})
}

// TestBlockIsSmall: an hour at 30 s with an outage of ten slots.
func TestBlockIsSmall(t *testing.T) {
	t.Parallel()
	if b := PackBlock(anHour, ordinaryHour()); len(b) > 400 {
		t.Errorf("%d bytes for 120 results", len(b))
	}
}

func ordinaryHour() []Packed {
	var rs []Packed
	for i := range 120 {
		p := Packed{Slot: anHour.Add(time.Duration(i) * 30 * time.Second), Outcome: 1, Attempts: 1, Code: 200, LatencyUS: int32(80_000 + i*7919%40_000)}
		if i >= 50 && i < 60 {
			p.Outcome, p.Code, p.ErrID = 2, 503, 123_456
		}
		rs = append(rs, p)
	}
	return rs
}

func FuzzBlock(f *testing.F) {
	f.Add(PackBlock(anHour, nil))
	f.Add(PackBlock(anHour, ordinaryHour()))
	f.Add([]byte{1, 2, 2, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := UnpackBlock(anHour, b)
		if err != nil {
			return
		}
		if again := PackBlock(anHour, rs); !bytes.Equal(again, b) {
			t.Fatalf("%x was read and written as %x", b, again)
		}
	})
}
