package config

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"keepwatch/reports"
	"keepwatch/reports/sample"
)

func TestFormatMenu(t *testing.T) {
	t.Parallel()
	var names, ends []string
	for _, f := range Formats() {
		names, ends = append(names, f.Name()), append(ends, f.Ext())
		if got, ok := Format(f.Name()); !ok || got != f {
			t.Errorf("%s is not found by its name", f.Name())
		}
		if !strings.Contains(f.Media(), "/") || !strings.HasPrefix(f.Ext(), ".") {
			t.Errorf("%s: media %q, ending %q", f.Name(), f.Media(), f.Ext())
		}
	}
	if want := []string{"text", "markdown", "html", "mail", "pdf", "csv", "json"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	slices.Sort(ends)
	if len(slices.Compact(ends)) != len(names) {
		t.Error("two formats have one ending")
	}
	if _, ok := Format("doc"); ok {
		t.Error("a format that does not exist was found")
	}
}

// TestFormatsAreStable: the same report gives the same bytes, made by many at once,
// and after it was stored and read again.
func TestFormatsAreStable(t *testing.T) {
	t.Parallel()
	for _, s := range sample.All() {
		if s.Name == "hostile" {
			continue // JSON cannot carry bytes that are no text, so it is another report when it is read again
		}
		body, err := json.Marshal(s.Report)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Formats() {
			var first bytes.Buffer
			if err := f.Write(&first, s.Report); err != nil {
				t.Fatalf("%s of %s: %v", f.Name(), s.Name, err)
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					var stored reports.Report
					var again bytes.Buffer
					if err := json.Unmarshal(body, &stored); err != nil {
						t.Error(err)
					}
					if err := f.Write(&again, stored); err != nil || !bytes.Equal(again.Bytes(), first.Bytes()) {
						t.Errorf("%s of %s is not the same again (%v)", f.Name(), s.Name, err)
					}
				})
			}
			all.Wait()
		}
	}
}

// TestFormatsNeverPrintNaN: whatever is missing.
func TestFormatsNeverPrintNaN(t *testing.T) {
	t.Parallel()
	bare := reports.Report{Zone: "UTC", Services: []reports.ServiceReport{{Name: "bare"}}}
	for _, r := range []reports.Report{bare, {}, sample.NoData(), sample.Empty()} {
		for _, f := range Formats() {
			var b bytes.Buffer
			if err := f.Write(&b, r); err != nil {
				t.Errorf("%s: %v", f.Name(), err)
			}
			for _, bad := range []string{"NaN", "+Inf", "-Inf", "%!"} {
				if f.Name() != "pdf" && f.Name() != "mail" && strings.Contains(b.String(), bad) {
					t.Errorf("%s prints %s", f.Name(), bad)
				}
			}
		}
	}
}

// BenchmarkFormats writes a report of 50 services in every format: 300 ms for all together is the bar.
func BenchmarkFormats(b *testing.B) {
	r := sample.Many(50)
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			for _, f := range Formats() {
				if err := f.Write(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	for _, f := range Formats() {
		b.Run(f.Name(), func(b *testing.B) {
			for b.Loop() {
				if err := f.Write(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
