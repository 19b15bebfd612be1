package postgres_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/postgres/pgtest"
)

// forbidden finds what a statement must not say: the time is a parameter, and
// columns are listed.
var forbidden = regexp.MustCompile(`(?i)\bnow\s*\(|'now'|\bcurrent_(date|time|timestamp)\b|\bclock_timestamp\b|\blocaltime(stamp)?\b|` +
	`\b(statement|transaction)_timestamp\b|\btimeofday\b|\bselect\s+(\w+\.)?\*|\breturning\s+(\w+\.)?\*`)

// asksTheClock may, because comparing clocks is its job.
var asksTheClock = map[string]bool{"sqlClock": true}

var sqlComment = regexp.MustCompile(`--[^\n]*`)

func TestForbiddenWords(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"SELECT a FROM b WHERE c < now()":          true,
		"SELECT a FROM b WHERE c < NOW ( )":        true,
		"DEFAULT current_timestamp":                true,
		"SELECT localtimestamp":                    true,
		"SELECT 'now'::timestamptz":                true,
		"SELECT * FROM b":                          true,
		"SELECT b.* FROM b":                        true,
		"INSERT INTO b (a) VALUES (1) RETURNING *": true,
		"SELECT count(*) FROM b":                   false,
		"SELECT snow(a), current_setting('x')":     false,
		"SELECT known, now_playing FROM b":         false,
	} {
		if got := forbidden.MatchString(sql); got != want {
			t.Errorf("%s: got %v, want %v", sql, got, want)
		}
	}
}

// TestEveryQueryPrepares reads this package's source: each constant that begins
// with sql is prepared on a migrated database, and no statement is written
// where it is run.
func TestEveryQueryPrepares(t *testing.T) {
	t.Parallel()
	consts := map[string]string{}
	for _, path := range glob(t, "*.go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		collectConsts(t, f, consts)
		findLiterals(t, path, f)
	}
	if len(consts) < 20 {
		t.Fatalf("only %d statements were found: the search is broken", len(consts))
	}
	conn, err := pgx.Connect(t.Context(), pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for name, sql := range consts {
		if word := forbidden.FindString(sqlComment.ReplaceAllString(sql, "")); word != "" && !asksTheClock[name] {
			t.Errorf("%s says %q", name, word)
		}
		positional, _, err := pgx.NamedArgs{}.RewriteQuery(t.Context(), conn, sql, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := conn.Prepare(t.Context(), name, positional); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	return paths
}

// collectConsts notes the value of every constant of f that begins with sql.
func collectConsts(t *testing.T, f *ast.File, into map[string]string) {
	t.Helper()
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !strings.HasPrefix(name.Name, "sql") {
				continue
			}
			if name.Obj != nil && name.Obj.Kind != ast.Con {
				continue
			}
			if i >= len(spec.Values) {
				t.Errorf("%s has no value of its own", name.Name)
				continue
			}
			into[name.Name] = text(t, name.Name, spec.Values[i])
		}
		return true
	})
}

// text is the value of a string constant's expression: a literal, or literals
// and other constants of the same kind joined by +.
func text(t *testing.T, name string, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return s
	case *ast.BinaryExpr:
		return text(t, name, e.X) + text(t, name, e.Y)
	case *ast.Ident:
		if e.Obj != nil {
			if spec, ok := e.Obj.Decl.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				return text(t, e.Name, spec.Values[0])
			}
		}
	}
	t.Errorf("%s is not a plain string: write the statement out", name)
	return ""
}

// findLiterals complains about statements that are written where they are run.
func findLiterals(t *testing.T, path string, f *ast.File) {
	t.Helper()
	runs := map[string]bool{"Exec": true, "Query": true, "QueryRow": true, "Queue": true, "Prepare": true}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || !runs[sel.Sel.Name] {
			return true
		}
		for _, arg := range call.Args {
			switch arg.(type) {
			case *ast.BasicLit, *ast.BinaryExpr:
				t.Errorf("%s: a statement is written where it is run: make it a constant that begins with sql", path)
			}
		}
		return true
	})
}

func TestMigrationsDoNotAskTheClock(t *testing.T) {
	t.Parallel()
	for _, path := range glob(t, "migrations/*.sql") {
		sql, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if word := forbidden.FindString(sqlComment.ReplaceAllString(string(sql), "")); word != "" {
			t.Errorf("%s says %q", path, word)
		}
	}
}

func TestClockOffset(t *testing.T) {
	t.Parallel()
	got, err := pgtest.New(t).ClockOffset(t.Context(), time.Now)
	if err != nil || got.Abs().Seconds() > 1 { // the same machine's clock, but a busy one
		t.Errorf("got %v, %v; want almost nothing", got, err)
	}
}
