package spool

import (
	"bytes"
	"reflect"
	"strings"
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
	case v.Type() == reflect.TypeFor[[]byte]():
		v.SetBytes([]byte{byte(*n), 0})
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(t, v.Index(i), n)
		}
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

// TestCodecVersions: what is no journey's is written as a program reads it that
// knows no journeys.
func TestCodecVersions(t *testing.T) {
	t.Parallel()
	var plain, step, steps probe.Result
	step.Look.Fault.Step = "upload"
	steps.Look.Steps = []probe.StepLook{{Name: "log in"}}
	for name, tc := range map[string]struct {
		r    probe.Result
		want byte
	}{"plain": {plain, 1}, "step": {step, 2}, "steps": {steps, 2}} {
		if got := appendBody(nil, tc.r)[0]; got != tc.want {
			t.Errorf("%s: version %d, want %d", name, got, tc.want)
		}
	}
	longest := probe.Result{Check: strings.Repeat("c", 63), Location: strings.Repeat("l", 63)}
	longest.Look.Fault = probe.Fault{Message: strings.Repeat("m", 500), Body: make([]byte, 2<<10)}
	for range 50 {
		longest.Look.Steps = append(longest.Look.Steps, probe.StepLook{Name: strings.Repeat("n", 40), Message: strings.Repeat("m", 500)})
	}
	if appendRecord(nil, longest) == nil {
		t.Error("the largest journey does not fit into a record")
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
	f.Add(appendBody(nil, probe.Result{Check: "x", Look: probe.Look{Steps: []probe.StepLook{{Name: "log in", OK: true}, {Name: "upload"}}}}))
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
