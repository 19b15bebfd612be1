// Package main measures Keepwatch: `go run ./bench` prints the table of
// performance figures; the benchmarks here are the whole-process ones.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/spool"
)

// run is how long each load lasts: three intervals of 10 s.
const run = 30 * time.Second

// TestMain turns the binary into the target when asked to, so that the target's
// processor time is not counted as the prober's.
func TestMain(m *testing.M) {
	if os.Getenv("KEEPWATCH_BENCH_TARGET") != "" {
		serveTarget()
		return
	}
	os.Exit(m.Run())
}

func serveTarget() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, ln.Addr())
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<title>fine</title>")
	}), ReadHeaderTimeout: time.Second}
	_ = srv.Serve(ln)
}

// target starts the target and returns its URL.
func target(b *testing.B) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "KEEPWATCH_BENCH_TARGET=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(line) + "/"
}

// tally is the sink that measures the schedule.
type tally struct {
	next probe.Sink
	mu   sync.Mutex
	lags []time.Duration     // guarded by mu
	busy map[int64]int       // guarded by mu; starts per 100 ms
	slot map[string]struct{} // guarded by mu; distinct (check, slot)
	bad  int                 // guarded by mu: not good
}

func (t *tally) Record(r probe.Result) {
	if t.next != nil {
		t.next.Record(r)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Outcome != probe.Good {
		if r.Cause != "shutdown" {
			t.bad++
		}
		return
	}
	t.lags = append(t.lags, r.Lag)
	t.busy[r.Started.UnixMilli()/100]++
	t.slot[r.Check+r.Slot.String()] = struct{}{}
}

func checks(b *testing.B, n int, url string) []probe.Check {
	b.Helper()
	out := make([]probe.Check, n)
	for i := range out {
		kind := probe.HTTP{URL: url}
		env := probe.Env{Name: "check-" + strconv.Itoa(i), Every: 10 * time.Second, Timeout: 5 * time.Second}
		checker, err := kind.Checker(env)
		if err != nil {
			b.Fatal(err)
		}
		out[i] = probe.Check{
			Name: env.Name, Kind: "http", Target: url, Every: env.Every, Timeout: env.Timeout,
			Quorum: 1, Locations: []string{"here"}, Checker: checker, Spec: "1",
		}
	}
	return out
}

// bare is the yardstick: a goroutine a check, a fresh connection a request, nothing else.
func bare(ctx context.Context, n int, url string) (probes int) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Second * time.Duration(i) / time.Duration(n)):
			}
			tick := time.NewTicker(10 * time.Second)
			defer tick.Stop()
			for {
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				if resp, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					mu.Lock()
					probes++
					mu.Unlock()
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	wg.Wait()
	return probes
}

// selfCPU is the processor time of this process, in seconds.
func selfCPU(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// postgresCPU is the processor time of all Postgres processes below this one, in seconds.
func postgresCPU(b *testing.B) float64 {
	b.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	parent, ticks := map[int]int{}, map[int]int64{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		head, tail, ok := strings.Cut(string(text), ") ")
		if !ok {
			continue
		}
		pid, _ := strconv.Atoi(strings.Fields(head)[0])
		f := strings.Fields(tail)
		parent[pid], _ = strconv.Atoi(f[1])
		if !strings.Contains(head, "(postgres") {
			continue
		}
		for _, i := range []int{11, 12, 13, 14} { // utime stime cutime cstime
			n, _ := strconv.ParseInt(f[i], 10, 64)
			ticks[pid] += n
		}
	}
	var sum int64
	for pid := range ticks {
		for p := pid; p > 1; p = parent[p] {
			if parent[p] == os.Getpid() {
				sum += ticks[pid]
				break
			}
		}
	}
	if sum == 0 {
		b.Fatal("no Postgres process was found below this one: nothing would be measured")
	}
	return float64(sum) / 100 // USER_HZ is 100 on Linux
}

func rssMiB(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}

// BenchmarkWholeStore probes n checks at 10 s with results in Postgres, against
// the bare loop alone in the same run.
func BenchmarkWholeStore(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				wholeStore(b, n)
			}
		})
	}
}

func wholeStore(b *testing.B, n int) {
	b.Helper()
	url := target(b)
	db := pgtest.New(b)
	results := &postgres.Results{DB: db}
	list := checks(b, n, url)
	if err := results.SyncChecks(b.Context(), time.Now().UTC(), list); err != nil {
		b.Fatal(err)
	}
	if _, _, err := results.MaintainPartitions(b.Context(), time.Now().UTC(), 35); err != nil {
		b.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(b.Context(), run)
	before := selfCPU(b)
	bareProbes := bare(ctx, n, url)
	bareCPU := (selfCPU(b) - before) / float64(bareProbes) * 1000
	cancel()

	journal, err := spool.OpenJournal(spool.JournalOptions{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer journal.Close()
	log := slog.New(slog.DiscardHandler)
	recorder := &probe.Recorder{Store: results, Journal: journal, Log: log}
	seen := &tally{next: recorder, busy: map[int64]int{}, slot: map[string]struct{}{}}
	runner := &probe.Runner{Sink: seen, Log: log}
	runner.Apply(list)
	before, beforePG := selfCPU(b), postgresCPU(b)
	var wg sync.WaitGroup
	recording, stopRecording := context.WithCancel(b.Context())
	wg.Go(func() { _ = recorder.Run(recording) })
	probing, stopProbing := context.WithTimeout(b.Context(), run)
	if err := runner.Run(probing); err != nil {
		b.Fatal(err)
	}
	stopProbing()
	stopRecording()
	wg.Wait()
	good := float64(len(seen.slot))
	own, pg := (selfCPU(b)-before)/good*1000, (postgresCPU(b)-beforePG)/good*1000
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((own+pg)/bareCPU, "ratio-cpu")
	b.ReportMetric(own, "own-cpu-s/1000")
	b.ReportMetric(pg, "postgres-cpu-s/1000")
	b.ReportMetric(bareCPU, "bare-cpu-s/1000")
	b.ReportMetric(100*good/(float64(n)*run.Seconds()/10), "slots-%")
	b.ReportMetric(float64(recorder.State().Lost), "lost")
	b.ReportMetric(float64(seen.bad), "not-good")
	b.ReportMetric(rssMiB(b), "rss-MiB")
	slices.Sort(seen.lags)
	b.ReportMetric(float64(seen.lags[len(seen.lags)*99/100].Microseconds())/1000, "p99-lag-ms")
	b.ReportMetric(busiest(seen.busy)/(float64(n)/100), "busiest-100ms/mean")
}

// busiest is the count of the busiest 100 ms. Single intervals vary by chance;
// the same place of all intervals is averaged over the run.
func busiest(byTenth map[int64]int) float64 {
	sum := map[int64]int{}
	for at, n := range byTenth {
		sum[at%100] += n
	}
	most := 0
	for _, n := range sum {
		most = max(most, n)
	}
	return float64(most) / (run.Seconds() / 10)
}
