// Package main measures Keepwatch: `go run ./bench` runs the benchmarks behind
// the table of performance figures on this machine, prints figure, baseline and
// goal, and writes them to bench.json. Absolute times are noise on a shared
// machine: every row that can be is a ratio against a baseline of the same run.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	What  string // in words
	Pkg   string
	Bench string // full name of the benchmark, sub-benchmarks with slashes
	Unit  string // of the metric that is the figure
	Base  string // when set, the figure is the ratio to this benchmark's same metric
	Goal  float64
	More  bool   // more is better
	Note  string // against what
	Time  string // -benchtime; "" means 1s
}

// figure is a measured row.
type figure struct {
	What  string  `json:"what"`
	Bench string  `json:"benchmark"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Goal  float64 `json:"goal"`
	Met   bool    `json:"met"`
	Note  string  `json:"baseline"`
}

func main() {
	short := flag.Bool("short", false, "leave out the whole-process rows (they take minutes)")
	out := flag.String("out", "bench.json", "where to write the figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, os.Stdout, *short, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, w io.Writer, short bool, out string) error {
	fmt.Fprintf(w, "Keepwatch on %s/%s, %d processors, %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().UTC().Format(time.RFC3339))
	fmt.Fprintf(w, "%-58s %12s %12s  %s\n", "what", "figure", "goal", "against")
	var figures []figure
	var failures []error
	done := map[string]map[string]float64{} // what each benchmark reported
	for _, r := range rows() {
		if short && strings.HasPrefix(r.Bench, "BenchmarkWhole") {
			continue
		}
		key := r.Pkg + " " + r.Bench + " " + r.Base
		if done[key] == nil {
			metrics, err := runBench(ctx, r)
			if err != nil {
				failures = append(failures, err)
				fmt.Fprintf(w, "%-58s %12s\n", r.What, "failed")
				continue
			}
			done[key] = metrics
		}
		v, err := value(done[key], r)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", key, err))
			continue
		}
		f := figure{What: r.What, Bench: key, Value: v, Unit: r.Unit, Goal: r.Goal, Note: r.Note, Met: v <= r.Goal}
		if r.More {
			f.Met = v >= r.Goal
		}
		figures = append(figures, f)
		f.print(w, r)
	}
	return errors.Join(append(failures, save(out, figures))...)
}

func (f figure) print(w io.Writer, r row) {
	sign, missed := "<=", ""
	if r.More {
		sign = ">="
	}
	if !f.Met {
		missed = "   MISSED"
	}
	fmt.Fprintf(w, "%-58s %12.4g %2s %9.4g  %s (%s)%s\n", f.What, f.Value, sign, f.Goal, f.Note, f.Unit, missed)
}

func save(path string, figures []figure) error {
	b, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

// runBench runs one benchmark and returns its metrics by unit.
func runBench(ctx context.Context, r row) (map[string]float64, error) {
	pattern := levels(r.Bench)
	if r.Base != "" {
		pattern = "(" + pattern + ")|(" + levels(r.Base) + ")"
		if strings.Contains(r.Bench, "/") {
			pattern = both(r.Bench, r.Base)
		}
	}
	benchtime := r.Time
	if benchtime == "" {
		benchtime = "1s"
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", benchtime, "-benchmem", "-timeout", "20m", "./"+r.Pkg) //nolint:gosec // our own table
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", r.Bench, err, text.String())
	}
	metrics := map[string]float64{}
	for line := range strings.Lines(text.String()) {
		name, found := parse(line)
		for unit, v := range found {
			if name == r.Base {
				unit = "base " + unit
			}
			metrics[unit] = v
		}
	}
	if len(metrics) == 0 {
		return nil, fmt.Errorf("%s in %s: no such benchmark\n%s", r.Bench, r.Pkg, text.String())
	}
	return metrics, nil
}

// levels is the -bench pattern of one benchmark.
func levels(name string) string {
	var parts []string
	for p := range strings.SplitSeq(name, "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(p)+"$")
	}
	return strings.Join(parts, "/")
}

// both is the pattern of two sub-benchmarks of one benchmark: go test splits a
// pattern at its slashes, so alternatives stand inside each level.
func both(a, b string) string {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	var parts []string
	for i := range min(len(as), len(bs)) {
		parts = append(parts, "^("+regexp.QuoteMeta(as[i])+"|"+regexp.QuoteMeta(bs[i])+")$")
	}
	return strings.Join(parts, "/")
}

// value is the row's figure: the metric, or its ratio to the baseline's.
func value(metrics map[string]float64, r row) (float64, error) {
	v, ok := metrics[r.Unit]
	if !ok {
		return 0, fmt.Errorf("no metric %s", r.Unit)
	}
	if r.Base == "" {
		return v, nil
	}
	base, ok := metrics["base "+r.Unit]
	if !ok || base == 0 {
		return 0, fmt.Errorf("no baseline %s", r.Base)
	}
	return v / base, nil
}

// parse reads the name and the "value unit" pairs of a benchmark's line; nothing of other lines.
func parse(line string) (name string, metrics map[string]float64) {
	f := strings.Fields(line)
	if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
		return "", nil
	}
	name = f[0]
	if i := strings.LastIndex(name, "-"); i > 0 {
		name = name[:i] // the number of processors
	}
	metrics = map[string]float64{}
	for i := 2; i+1 < len(f); i += 2 {
		v, err := strconv.ParseFloat(f[i], 64)
		if err != nil {
			return "", nil
		}
		metrics[f[i+1]] = v
	}
	return name, metrics
}
