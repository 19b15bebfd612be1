// Package main runs the fault suite: `go run ./faults` puts the pager through fourteen
// kinds of harm, has every page judged by one checker, and writes what it found, with
// date and seed, to docs/faults.md. The harm itself is in this folder's tests, and for
// some rows in those of other packages.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// options are what the command line says.
type options struct {
	seed    uint64
	rows    string
	out     string
	figures bool
	jobs    int
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 0, "replay the run with this seed; 0 takes a new one")
	flag.StringVar(&o.rows, "row", "", "run only these rows, separated by commas; the others stay on the page as they were")
	flag.StringVar(&o.out, "out", "docs/faults.md", "page to write; empty writes none")
	flag.BoolVar(&o.figures, "figures", false, "run only the figures")
	flag.IntVar(&o.jobs, "jobs", 4, "rows that run at one time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.seed == 0 {
		o.seed = rand.Uint64N(1 << 53)
	}
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// outcome is how a row ended.
type outcome struct {
	row    row
	passed bool
	took   time.Duration
	counts map[string]string
	order  []string // names of the counts, as printed
	trail  string   // the tests' output, for a failure
	seed   uint64
	when   time.Time
	load   string
}

// kept is an outcome in the file beside the page, from which the page is written: rows may be
// replayed one by one.
type kept struct {
	Row    string            `json:"row"`
	Passed bool              `json:"passed"`
	Took   float64           `json:"took_s"`
	Counts map[string]string `json:"counts"`
	Order  []string          `json:"order"`
	Seed   uint64            `json:"seed"`
	When   time.Time         `json:"when"`
	Load   string            `json:"load"`
}

// keep puts outcomes beside those of earlier runs and returns all of them in the order of
// the table.
func keep(path string, done []outcome) ([]outcome, error) {
	all := map[string]kept{}
	raw, err := os.ReadFile(path) //nolint:gosec // named on the command line
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, o := range done {
		all[o.row.Name] = kept{o.row.Name, o.passed, o.took.Seconds(), o.counts, o.order, o.seed, o.when, o.load}
	}
	if raw, err = json.MarshalIndent(all, "", " "); err != nil {
		return nil, err
	}
	var outs []outcome
	for _, r := range rows {
		if k, ok := all[r.Name]; ok {
			outs = append(outs, outcome{row: r, passed: k.Passed, took: time.Duration(k.Took * float64(time.Second)), counts: k.Counts, order: k.Order, seed: k.Seed, when: k.When, load: k.Load})
		}
	}
	return outs, os.WriteFile(path, append(raw, '\n'), 0o644) //nolint:gosec // figures, for everybody
}

func run(ctx context.Context, w io.Writer, o options) error {
	wanted := map[string]bool{}
	for r := range strings.SplitSeq(o.rows, ",") {
		wanted[strings.TrimSpace(r)] = r != ""
	}
	var chosen, figures []row
	for _, r := range rows {
		switch isFigure := r.Name[0] == 'F'; {
		case o.rows != "" && !wanted[r.Name] || o.figures && !isFigure:
		case isFigure:
			figures = append(figures, r)
		default:
			chosen = append(chosen, r)
		}
	}
	if len(chosen)+len(figures) == 0 {
		return fmt.Errorf("no row is called %q", o.rows)
	}
	fmt.Fprintf(w, "seed %d\n", o.seed)
	// Rows mostly wait, so several run at a time; figures are measured one by one, afterwards.
	done, err := runAll(ctx, w, chosen, o.seed, o.jobs)
	if err != nil {
		return err
	}
	more, err := runAll(ctx, w, figures, o.seed, 1)
	if err != nil {
		return err
	}
	done = append(done, more...)
	failed := slices.ContainsFunc(done, func(o outcome) bool { return !o.passed && !o.row.untried() })
	if o.out != "" {
		all, err := keep(strings.TrimSuffix(o.out, ".md")+".json", done)
		if err != nil {
			return err
		}
		page := document(all)
		if err := os.WriteFile(o.out, page, 0o644); err != nil { //nolint:gosec // a page of documentation
			return err
		}
		fmt.Fprintf(w, "written: %s\n", o.out)
	}
	if failed {
		return errors.New("a row failed")
	}
	return nil
}

// runAll runs rows, some at a time, and returns their outcomes in their order.
func runAll(ctx context.Context, w io.Writer, list []row, seed uint64, jobs int) ([]outcome, error) {
	outs := make([]outcome, len(list))
	errs := make([]error, len(list))
	var printing sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, max(jobs, 1))
	for i, r := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			outs[i], errs[i] = runRow(ctx, r, seed)
			printing.Lock()
			defer printing.Unlock()
			outs[i].tell(w, seed)
		})
	}
	all.Wait()
	return outs, errors.Join(errs...)
}

// tell prints how a row ended.
func (o *outcome) tell(w io.Writer, seed uint64) {
	fmt.Fprintf(w, "row %-3s %s\n        %s in %s%s\n", o.row.Name, o.row.Fault, o.verdict(), o.took.Round(time.Second), o.line())
	if !o.passed && !o.row.untried() {
		fmt.Fprintf(w, "%s\n        replay it: make faults SEED=%d ROW=%s\n", o.trail, seed, o.row.Name)
	}
}

// runRow runs the tests of a row.
func runRow(ctx context.Context, r row, seed uint64) (outcome, error) {
	out := outcome{row: r, passed: !r.untried(), counts: map[string]string{}, load: load()}
	began := time.Now()
	for _, p := range r.Parts {
		args := append([]string{"test", "-count=1", "-v", "-timeout", "40m", "-parallel", "9", "-tags", "failpoints", "-run", p.Run}, p.Pkg)
		cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the table is ours
		cmd.Env = append(os.Environ(), "KEEPWATCH_FAULTS=full",
			"KEEPWATCH_FAULTS_SEED="+strconv.FormatUint(seed, 10), "KEEPWATCH_KILL_SEED="+strconv.FormatUint(seed, 10))
		if p.Long {
			cmd.Env = append(cmd.Env, "KEEPWATCH_LONG=1")
		}
		raw, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		ran := out.read(raw)
		if err != nil || ran == 0 {
			out.passed = false
			out.trail += string(raw)
			if ran == 0 {
				out.trail += fmt.Sprintf("no test of %s is called %s\n", p.Pkg, p.Run)
			}
		}
	}
	out.took, out.when, out.seed = time.Since(began), began.UTC(), seed
	return out, nil
}

var (
	figureLine = regexp.MustCompile(`figures:((?: \S+=\S+)+)`)
	passLine   = regexp.MustCompile(`(?m)^(--- PASS|--- FAIL): `)
)

// read collects the figures of a test's output and returns how many tests ran.
func (o *outcome) read(raw []byte) int {
	in := bufio.NewScanner(bytes.NewReader(raw))
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		m := figureLine.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		for field := range strings.FieldsSeq(m[1]) {
			name, value, _ := strings.Cut(field, "=")
			o.add(name, value)
		}
	}
	return len(passLine.FindAll(raw, -1))
}

// add sums counts of one name; of durations it keeps the longest.
func (o *outcome) add(name, value string) {
	have, known := o.counts[name]
	if !known {
		o.order = append(o.order, name)
	}
	a, errA := strconv.Atoi(have)
	b, errB := strconv.Atoi(value)
	switch {
	case known && errA == nil && errB == nil:
		value = strconv.Itoa(a + b)
	case known: // of durations the worst
		x, errX := time.ParseDuration(have)
		y, errY := time.ParseDuration(value)
		if errX == nil && errY == nil {
			value = max(x, y).String()
		}
	}
	o.counts[name] = value
}

// line is what was counted, without what is nothing and not judged.
func (o *outcome) line() string {
	var b strings.Builder
	for _, name := range o.order {
		if o.counts[name] != "0" || slices.Contains([]string{"lost", "doubled", "left_open", "mismatches"}, name) {
			fmt.Fprintf(&b, " %s=%s", name, o.counts[name])
		}
	}
	return b.String()
}

func (o *outcome) verdict() string {
	switch {
	case o.row.untried():
		return "not tried"
	case o.passed:
		return "passed"
	}
	return "FAILED"
}

// load is the load of the machine, which has its part in every figure.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(raw), " ")
	return one
}

// document is the page.
func document(done []outcome) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, page, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	b.WriteString("| row | fault | incidents | kills | other blows | lost | doubled | left open | more | result | when, seed, load |\n|---|---|---:|---:|---|---:|---:|---:|---|---|---|\n")
	for _, o := range done {
		if o.row.Name[0] == 'F' {
			continue
		}
		c := func(name string) string {
			if v, ok := o.counts[name]; ok {
				return v
			}
			return "–"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s, %s | %s, %d, %s |\n", o.row.Name, o.row.Fault, c("incidents"), c("kills"), o.blows(),
			c("lost"), c("doubled"), c("left_open"), o.more(), o.verdict(), o.took.Round(time.Second),
			o.when.Format("2006-01-02 15:04"), o.seed, o.load)
	}
	b.WriteString("\n" + figuresHead)
	for _, g := range goals {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", g.What, g.Goal, find(done, g))
	}
	b.WriteString("\n" + explanation)
	for _, r := range rows {
		fmt.Fprintf(&b, "- **%s** %s. %s", r.Name, r.Fault, r.How)
		for _, p := range r.Parts {
			fmt.Fprintf(&b, " `%s` in `%s`.", strings.Trim(strings.ReplaceAll(p.Run, "$", ""), "^"), strings.TrimPrefix(p.Pkg, "./"))
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

// blows lists what was done beside kills.
func (o *outcome) blows() string {
	var parts []string
	for _, n := range []struct{ name, words string }{{"stops", "freezes"}, {"pg_crashes", "crashes of Postgres"}, {"late", "events processed late"}} {
		if v := o.counts[n.name]; v != "" && v != "0" {
			parts = append(parts, v+" "+n.words)
		}
	}
	return strings.Join(parts, ", ")
}

// more lists the counts that have no column.
func (o *outcome) more() string {
	columns := []string{"incidents", "kills", "stops", "pg_crashes", "late", "lost", "doubled", "left_open"}
	var parts []string
	for _, name := range o.order {
		if !slices.Contains(columns, name) && o.counts[name] != "0" {
			parts = append(parts, strings.ReplaceAll(name, "_", " ")+" "+o.counts[name])
		}
	}
	return strings.Join(parts, ", ")
}

// find is the measured value of a goal.
func find(done []outcome, g goal) string {
	for _, o := range done {
		if o.row.Name != g.Row {
			continue
		}
		var parts []string
		for _, name := range g.Counts {
			if v, ok := o.counts[name]; ok {
				parts = append(parts, strings.ReplaceAll(name, "_", " ")+" "+v)
			}
		}
		if len(parts) > 0 {
			return strings.Join(parts, ", ")
		}
	}
	return "not measured in this run"
}
