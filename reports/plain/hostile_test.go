package plain

import (
	"encoding/csv"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"keepwatch/reports"
	"keepwatch/reports/sample"
	"keepwatch/reports/sheet"
)

// checkText holds that a terminal shows every line whole and obeys none.
func checkText(t *testing.T, body string) {
	t.Helper()
	for i, line := range strings.Split(body, "\n") {
		if n := sheet.Columns(line); n > columns {
			t.Errorf("line %d has %d columns: %q", i+1, n, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("line %d ends with a space: %q", i+1, line)
		}
		for _, r := range line {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("line %d holds %U", i+1, r)
			}
		}
	}
}

func TestTextFits(t *testing.T) {
	t.Parallel()
	for _, s := range sample.All() {
		for _, p := range []sheet.Page{"", sheet.Manager, sheet.OnCall} {
			body := string(written(t, Text{Page: p}, s.Report))
			checkText(t, body)
			for _, bad := range []string{"NaN", "Inf", "%!"} {
				if strings.Contains(strings.ReplaceAll(body, "%s %!d", ""), bad) {
					t.Errorf("%s: the text holds %q", s.Name, bad)
				}
			}
		}
	}
}

// TestTextSaysTheMock: the head is that of the specification's mock, line for line where the facts are.
func TestTextSaysTheMock(t *testing.T) {
	t.Parallel()
	body := string(written(t, Text{}, sample.Met()))
	for _, want := range []string{
		"MET          availability 98.98 %   target 95.00 %   coverage 99.60 %\n             proven range 98.58–98.98 %",
		"budget       8:27:00   spent 1:43:00 (20.32 %)   left 6:44:00\n             worst case left 6:04:00",
		"trend        W40 99.12   W41 98.40   W42 96.81   W43 94.99 MISSED   W44 98.98",
		"worst        Wed 02:11   0:41:30   8.19 %   ",
		"             Thu 19:40   0:38:00   7.50 %   ",
		"             Sun 11:02   0:20:00   3.95 %   ",
		"             7 more   0:03:30   0.70 %",
		"9 pages to people, 4 out of hours, most 6 (Ana)",
		"agent central unreachable with east in maintenance",
		"31 good only after a retry   blind minutes 2   probe-only minutes 5",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
}

// TestNoFlatteringFigure: what is not proven is printed as "≥", what was not seen as "no data".
func TestNoFlatteringFigure(t *testing.T) {
	t.Parallel()
	for _, f := range []reports.Format{Text{}, Markdown{}} {
		body := strings.ReplaceAll(string(written(t, f, sample.NotProven())), `\`, "")
		for _, bad := range []string{"availability 100.00", "Availability 100.00"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s prints %q of a week with 24 unknown hours", f.Name(), bad)
			}
		}
		if !strings.Contains(body, "≥ 85.71 %") || !strings.Contains(body, "NOT PROVEN") {
			t.Errorf("%s does not say ≥ 85.71 %% and NOT PROVEN", f.Name())
		}
		if body = string(written(t, f, sample.NoData())); !strings.Contains(body, reports.NoData) || strings.Contains(body, "\nMET") || strings.Contains(body, ": MET") {
			t.Errorf("%s of a week without data is wrong", f.Name())
		}
	}
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// checkCSV holds that every row has all columns and no cell is a formula.
func checkCSV(t *testing.T, body string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		for k, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@|%\t\r") && !number.MatchString(cell) {
				t.Errorf("row %d, %s: %q is a formula", i+1, csvHead[k], cell)
			}
			if strings.ContainsAny(cell, "\n\r\t\x00") {
				t.Errorf("row %d, %s: %q has more than one line", i+1, csvHead[k], cell)
			}
		}
	}
}

func TestCSVHasNoFormula(t *testing.T) {
	t.Parallel()
	for _, s := range sample.All() {
		checkCSV(t, string(written(t, CSV{}, s.Report)))
	}
	for _, name := range []string{"=1+1", "+1", "-1+2", "@a", "\t=1", " =1", "＝1", "|x", "%x"} {
		if got := safe(name); !strings.HasPrefix(got, "'") {
			t.Errorf("%q became %q", name, got)
		}
	}
	if got := safe("ordinary-name"); got != "ordinary-name" {
		t.Errorf("got %q", got)
	}
}

// markup counts what a Markdown reader would make of a text beyond text.
func markup(body string) map[string]int {
	src := []byte(body)
	got := map[string]int{}
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src))
	_ = ast.Walk(doc, func(n ast.Node, in bool) (ast.WalkStatus, error) {
		if in && n.Kind() != ast.KindText && n.Kind() != ast.KindString {
			got[n.Kind().String()]++
		}
		return ast.WalkContinue, nil
	})
	return got
}

// hostile is the sample with a text in every place that comes from outside.
func hostile(name string) reports.Report {
	r := sample.Met()
	r.Note = ""
	s := &r.Services[0]
	s.Name = name
	s.Outages = s.Outages[:1:1]
	s.Outages[0].Cause, s.Outages[0].Checks, s.Outages[0].Locations = name, []string{name, name}, []string{name}
	s.Outages[0].AckBy, s.Outages[0].Incident, s.Outages[0].Note = name, "i"+name, name
	s.Gaps[0].Cause, s.Noise[0].Summary, s.CheckFacts[0].Name, r.People[0].Name = name, name, name, name
	return r
}

// TestMarkdownIsText: hostile names are as little markup as plain ones.
func TestMarkdownIsText(t *testing.T) {
	t.Parallel()
	want := markup(string(written(t, Markdown{}, hostile("plain"))))
	for _, bad := range []string{
		"[a](http://b)", "![a](b)", "<b>x</b>", "**x**", "_x_", "`x`", "~~x~~", "a|b", "# x", "- x", "1. x", "http://evil.example", "www.evil.example", "<http://a.b>", "[^1]", "&amp;", `\`, "x\n\n# y",
	} {
		got := markup(string(written(t, Markdown{}, hostile(bad))))
		for kind, n := range got {
			if n != want[kind] {
				t.Errorf("%q: %d %s, want %d", bad, n, kind, want[kind])
			}
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"x", "=1+1", "<script>", "a|b", "\x1b[31m", "\u202e", "张伟", strings.Repeat("y", 500), "", " ", "-", "'", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r := hostile(name)
		checkText(t, string(written(t, Text{}, r)))
		checkCSV(t, string(written(t, CSV{}, r)))
		if md := markup(string(written(t, Markdown{}, r))); md["Link"]+md["Image"]+md["RawHTML"]+md["HTMLBlock"]+md["CodeSpan"] > 0 {
			t.Errorf("%q became markup: %v", name, md)
		}
	})
}
