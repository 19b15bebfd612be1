package history

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func FuzzJTL(f *testing.F) {
	f.Add(head + "1761548400123,210,front,200,OK,T 1-1,text,true,,9,9,1,1,http://x/,200,0,3\r\n")
	f.Add("1761548400000,12,home,503,false,,11,2\n")
	f.Add("timeStamp,elapsed,success,label\n1761548400000,1,true,\"home\n1,2,3,4\n5,6,7,\"8\"\n")
	f.Add("timeStamp;elapsed;success\n2025/10/27 07:00:00;1;true\n\"\"\"\n")
	f.Fuzz(func(t *testing.T, text string) { walk(t, NewJTL, text) })
}

func FuzzCSV(f *testing.F) {
	f.Add("2025-10-27T07:00:00Z,front,west,good,12,200,\n")
	f.Add("time,outcome\n2025-11-02 01:30:00,bad\n")
	f.Add("\ufefftime\toutcome\n\"1761548400000\"\t\"good\n\"\n")
	f.Fuzz(func(t *testing.T, text string) { walk(t, NewCSV, text) })
}

// walk reads a whole text: line numbers grow and lie in it, and an entry is always
// one that may be stored.
func walk(t *testing.T, open func(io.Reader, Options) (*Reader, error), text string) {
	t.Helper()
	r, err := open(strings.NewReader(text), Options{Now: present, Check: "c", Location: "l", Zone: angeles(t)})
	if err != nil {
		return
	}
	before, most, n := 0, strings.Count(text, "\n")+1, 0
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		line, bad := e.Line, (*LineError)(nil)
		if errors.As(err, &bad) {
			line = bad.Line
		} else if err != nil {
			t.Fatal(err)
		}
		if line <= before || line > most {
			t.Fatalf("line %d after %d of %d", line, before, most)
		}
		before = line
		n++
		if bad == nil && (e.Time.Before(earliest) || e.Time.After(present) || e.Outcome < Unknown || e.Outcome > Bad || e.Check == "" || e.Location == "" || e.Latency < 0) {
			t.Fatalf("impossible entry %+v", e)
		}
		if bad == nil && (e.Outcome == Bad && e.Message == "" || e.Outcome == Good && e.Message != "") {
			t.Fatalf("a bad entry says why, a good one does not: %+v", e)
		}
	}
	if c := r.Counts(); c.Entries+c.Bad != n {
		t.Fatalf("counted %+v of %d", c, n)
	}
}

func BenchmarkJTL(b *testing.B) {
	line := "1761548400123,210,front,200,OK,T 1-1,text,true,,9,9,1,1,http://x/,200,0,3\n"
	text := head + strings.Repeat(line, 100_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewJTL(strings.NewReader(text), Options{Now: present})
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
