package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestReadsFigures(t *testing.T) {
	t.Parallel()
	o := outcome{counts: map[string]string{}}
	ran := o.read([]byte("    rows_test.go:75: figures: incidents=40 kills=15 lost=0 late_p99=3ms\n--- PASS: TestRow2 (1s)\n    figures: incidents=2 kills=1 lost=0 late_p99=2ms\n    --- PASS: a part\n--- FAIL: TestOther (0s)\n"))
	if ran != 2 || o.counts["incidents"] != "42" || o.counts["kills"] != "16" || o.counts["late_p99"] != "3ms" {
		t.Errorf("%d tests, %v", ran, o.counts)
	}
	if got := o.line(); got != " incidents=42 kills=16 lost=0 late_p99=3ms" {
		t.Errorf("line %q", got)
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	got := string(document([]outcome{
		{
			row: row{Name: "2", Fault: "kills", Parts: []part{{Pkg: "./faults", Run: "^TestRow2"}}}, passed: true, took: time.Minute, order: []string{"incidents", "kills", "lost", "doubled", "left_open", "stops", "points"},
			seed: 7, load: "0.1", counts: map[string]string{"incidents": "1000", "kills": "70", "lost": "0", "doubled": "0", "left_open": "0", "stops": "3", "points": "18"},
		},
		{row: row{Name: "3", Fault: "zombies", Parts: []part{{Pkg: "./faults", Run: "^TestRow3"}}}, counts: map[string]string{"doubled": "7"}},
		{row: row{Name: "9", Fault: "clocks"}},
	}))
	for _, want := range []string{
		"| 2 | kills | 1000 | 70 | 3 freezes | 0 | 0 | 0 | points 18 | passed, 1m0s | 0001-01-01 00:00, 7, 0.1 |", "| 3 | zombies | – | – |  | – | 7 | – |  | FAILED, 0s | ", "not tried",
		"not measured in this run",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestUnknownRow(t *testing.T) {
	t.Parallel()
	if err := run(context.Background(), io.Discard, options{rows: "77"}); err == nil || !strings.Contains(err.Error(), `"77"`) {
		t.Errorf("got %v", err)
	}
}
