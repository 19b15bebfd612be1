package spool

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
)

// fill gives every field a value of its own, so that a field that is added to
// probe.Result later and forgotten here fails the test.
func fill(t *testing.T, v reflect.Value, n *int64) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+*n, *n).UTC()))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString(string(rune('a'+*n)) + "\x00\xff")
	case v.CanInt():
		v.SetInt(-*n)
	case v.Kind() == reflect.Slice:
		v.SetBytes([]byte{byte(*n), 0})
	default:
		t.Fatalf("no sample for a %v", v.Type())
	}
}

func TestCodecKeepsEveryField(t *testing.T) {
	t.Parallel()
	var full probe.Result
	var n int64
	fill(t, reflect.ValueOf(&full).Elem(), &n)
	empty := probe.Result{}
	empty.Look.Fault.Body = []byte{}
	for name, want := range map[string]probe.Result{"full": full, "zero": {}, "empty body": empty} {
		b := appendRecord(nil, want)
		body, ok := recordAt(b)
		if !ok || len(body) != len(b)-recordHeader {
			t.Fatalf("%s: record is not sound", name)
		}
		got, err := decodeBody(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

func TestCodecRefusesTheHuge(t *testing.T) {
	t.Parallel()
	r := probe.Result{}
	r.Look.Fault.Body = make([]byte, recordMaxBody)
	if got := appendRecord(nil, r); got != nil {
		t.Errorf("a record of %d bytes was made", len(got))
	}
}

// FuzzDecode: whatever stands in a file, decoding ends without a panic, and what
// it accepts can be written again and means the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{bodyVersion, 0xff})
	f.Add(appendBody(nil, probe.Result{Check: "front-page", Slot: time.Unix(1, 2).UTC()}))
	full := appendBody(nil, probe.Result{Check: "x", Look: probe.Look{Fault: probe.Fault{Body: []byte("<html>")}}})
	f.Add(full)
	f.Add(full[:len(full)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeBody(b)
		if err != nil {
			return
		}
		again := appendBody(nil, r)
		r2, err := decodeBody(again)
		if err != nil {
			t.Fatalf("what was accepted cannot be read again: %v", err)
		}
		if !bytes.Equal(again, appendBody(nil, r2)) {
			t.Fatalf("reading and writing again changed it")
		}
	})
}
