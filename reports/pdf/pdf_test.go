package pdf

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"keepwatch/reports"
	"keepwatch/reports/sample"
)

var update = flag.Bool("update", false, "write the golden files anew")

func written(tb testing.TB, f reports.Format, r reports.Report) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, r); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, s := range sample.All() {
		got := written(t, PDF{}, s.Report)
		path := filepath.Join("..", "testdata", "formats", s.Name+".pdf")
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes that differ from the %d of the golden file (run with -update, and look at it)", s.Name, len(got), len(want))
		}
	}
}

func BenchmarkPDF(b *testing.B) {
	r := sample.Many(50)
	for b.Loop() {
		written(b, PDF{}, r)
	}
}
