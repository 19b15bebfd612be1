package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mark is a place in the file. A zero Line means that there is none: the value
// came from a flag or the environment.
type Mark struct {
	Line, Col int // from 1
}

// Problem is one mistake (or one warning), with its place.
type Problem struct {
	File string // as the user named it, or the flag or variable that a value came from
	Mark
	Where string // the block, as in `checks[1] "front-page"`; "" for the whole file
	Text  string // what is wrong and what would be right; never a secret
}

// String reads like a compiler's message: file:line:col: where: text.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, max(p.Col, 1))
	}
	if p.Where != "" {
		b.WriteString(": " + p.Where)
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

// Problems is every mistake of a file, in file order. It is the error of [Load]
// for a file that could be opened; get it with errors.As.
type Problems []Problem //nolint:errname // one is a Problem, and warnings are too

// Error is one line per mistake.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// inFileOrder sorts by place and drops what was said twice. What came from
// flags and the environment has no place and comes first.
func inFileOrder(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(ps)
}
