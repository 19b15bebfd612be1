package archive

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The page for people names every column, and no other.
func TestDocsNameEveryColumn(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(page), "## photos.csv")
	photos, codes, _ := strings.Cut(tables, "## codes.csv")
	for part, want := range map[string][]string{photos: photoColumns(), codes: codeColumns()} {
		var got []string
		for line := range strings.SplitSeq(part, "\n") {
			cells := strings.Split(line, "|")
			if len(cells) < 3 || !strings.HasPrefix(cells[1], " `") {
				continue
			}
			for name := range strings.SplitSeq(cells[1], ",") {
				got = append(got, strings.Trim(name, " `"))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("the page names %v, the reader knows %v", got, want)
		}
	}
}
