package spool_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/spool"
)

func TestTrailKeepsTheOrderOverARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outbox")
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if texts, _, err := o.Trail().Oldest(5); err != nil || len(texts) != 0 {
		t.Errorf("at first: got %q, %v; want nothing", texts, err)
	}
	for n := range 300 { // over the 256 of a byte: keys sort as numbers
		if err := o.Trail().Keep(fmt.Append(nil, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.Trail().Keep([]byte("late")); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("kept when closed: %v, want ErrClosed", err)
	}
	o = openOutbox(t, path)
	texts, mark, err := o.Trail().Oldest(299)
	if err != nil || len(texts) != 299 || string(texts[0]) != "0" || string(texts[298]) != "298" {
		t.Fatalf("got %d texts, %v; want 0 to 298", len(texts), err)
	}
	if err := o.Trail().Keep([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := o.Trail().Taken(mark); err != nil {
		t.Fatal(err)
	}
	texts, mark, err = o.Trail().Oldest(5)
	if diff := cmp.Diff([]string{"299", "new"}, asStrings(texts)); diff != "" || err != nil {
		t.Errorf("after what was taken: %v (-want +got):\n%s", err, diff)
	}
	if err := o.Trail().Taken(mark); err != nil {
		t.Fatal(err)
	}
	if err := o.Trail().Keep([]byte("after")); err != nil {
		t.Fatal(err)
	}
	if texts, next, err := o.Trail().Oldest(5); err != nil || next <= mark || len(texts) != 1 {
		t.Errorf("got %q, mark %d, %v; want one text, and no mark twice", texts, next, err)
	}
}

func TestTrailFull(t *testing.T) {
	t.Parallel()
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(t.TempDir(), "outbox"), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	kept := 0
	for ; err == nil && kept < 1000; kept++ {
		err = o.Trail().Keep(make([]byte, 50_000), make([]byte, 10))
	}
	if !errors.Is(err, spool.ErrFull) {
		t.Fatalf("after %d: %v, want ErrFull", kept, err)
	}
	if texts, _, err := o.Trail().Oldest(1000); err != nil || len(texts) != 2*(kept-1) {
		t.Errorf("got %d texts, %v; want the %d that were kept", len(texts), err, 2*(kept-1))
	}
}

func asStrings(texts [][]byte) []string {
	var out []string
	for _, t := range texts {
		out = append(out, string(t))
	}
	return out
}
