package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestNoFailpointsInTheProgram looks into this very test binary, which holds the whole
// program built as everybody builds it: neither the variable that chooses a failpoint nor
// the names of the points may be there. The words are put together at run time, or the
// test would find its own.
func TestNoFailpointsInTheProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(strings.Join([]string{"pages", "not", "claimed"}, " "))) {
		t.Fatal("a text of the deliverer is not found: the test looks at the wrong file")
	}
	for _, words := range [][]string{
		{"KW", "FAILPOINT"},
		{"before", "commit"},
		{"after", "commit"},
		{"after", "claim"},
		{"after", "write"},
		{"after", "reply"},
		{"during", "mark"},
	} {
		if name := strings.Join(words, "_"); bytes.Contains(raw, []byte(name)) {
			t.Errorf("%s is in the program: was it built with the tag failpoints?", name)
		}
	}
}
