package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// slow is a pager that takes its time. It notes when each page reached it.
type slow struct {
	takes time.Duration
	mu    sync.Mutex
	first time.Time            // guarded by mu
	at    map[string]time.Time // guarded by mu; by service
}

func (s *slow) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	s.mu.Lock()
	now := time.Now()
	if s.first.IsZero() {
		s.first = now
	}
	if _, known := s.at[p.Message.Source]; !known {
		s.at[p.Message.Source] = now
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return alerting.Receipt{Class: alerting.Doubtful}
	case <-time.After(s.takes):
		return alerting.Receipt{Class: alerting.Taken, Status: http.StatusAccepted}
	}
}

// pager is an engine with its deliverer over a store, for n services of one check each.
func pager(store alerting.Store, phone alerting.Notifier, list []probe.Check) (*alerting.Engine, *alerting.Deliverer) {
	log := slog.New(slog.DiscardHandler)
	e := &alerting.Engine{Store: store, Log: log}
	if db, ok := store.(postgres.Incidents); ok {
		e.Ended = db.Ended
	}
	d := &alerting.Deliverer{Store: store, Notifiers: map[string]alerting.Notifier{"pagerduty": phone}, Settled: e.Settled, Log: log}
	e.Wake = d.Wake
	// Everybody has a key of their own: a key is paced at 100 pages a minute, as PagerDuty asks.
	people := map[string]oncall.Person{}
	var rules []alerting.Rule
	for _, c := range list {
		people[c.Name] = oncall.Person{Name: c.Name}
		rules = append(rules, alerting.Rule{
			Service: c.Name, Confirm: 1, Recover: 1, Policy: oncall.Policy{Levels: []oncall.Level{{Page: c.Name}}},
			Checks: []alerting.CheckRule{{Name: c.Name, Locations: c.Locations, Quorum: 1, Every: c.Every, Timeout: c.Timeout}},
		})
	}
	e.Apply(rules, oncall.Roster{People: people}, alerting.Routing{
		Channel: "pagerduty",
		Route:   func(person string) (string, bool) { return "person:" + person, true },
	})
	return e, d
}

// down is a checker of a site that refuses.
type down struct{}

func (down) Check(context.Context) probe.Look {
	return probe.Look{Latency: time.Millisecond, Fault: probe.Fault{Class: probe.ClassConnect, Message: "refused"}}
}

// begun notes when the first bad result was recorded, for all and for each check.
type begun struct {
	next probe.Sink
	mu   sync.Mutex
	n    int                  // guarded by mu; slots
	at   map[string]time.Time // guarded by mu
}

func (s *begun) Record(r probe.Result) {
	s.mu.Lock()
	if !r.Extra && r.Outcome == probe.Bad {
		s.n++
	}
	if _, known := s.at[r.Check]; !known && r.Outcome == probe.Bad {
		s.at[r.Check] = time.Now()
	}
	s.mu.Unlock()
	s.next.Record(r)
}

func failing(n int, every time.Duration) []probe.Check {
	out := make([]probe.Check, n)
	for i := range out {
		out[i] = probe.Check{
			Name: "check-" + strconv.Itoa(i), Kind: "fake", Every: every, Timeout: time.Second,
			Quorum: 1, Locations: []string{"here"}, Checker: down{}, Spec: "1",
		}
	}
	return out
}

// BenchmarkWholeSlowPager fails 1,000 checks at 10 s while the pager takes 5 s a page.
func BenchmarkWholeSlowPager(b *testing.B) {
	for b.Loop() {
		list := failing(1000, 10*time.Second)
		phone := &slow{takes: 5 * time.Second, at: map[string]time.Time{}}
		e, d := pager(&alerting.Memory{}, phone, list)
		sink := &begun{next: e, at: map[string]time.Time{}}
		runner := &probe.Runner{Sink: sink, Log: slog.New(slog.DiscardHandler)}
		runner.Apply(list)
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = e.Run(ctx) })
		wg.Go(func() { _ = d.Run(ctx) })
		probing, stop := context.WithTimeout(ctx, run)
		_ = runner.Run(probing)
		stop()
		cancel()
		wg.Wait()
		var first time.Time
		for _, t := range sink.at {
			if first.IsZero() || t.Before(first) {
				first = t
			}
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(100*float64(sink.n)/(1000*run.Seconds()/10), "rate-%")
		b.ReportMetric(float64(phone.first.Sub(first).Microseconds())/1000, "first-page-ms")
	}
}

// BenchmarkWholeDecide lets 200 services fail one after the other and measures
// from the result that decides to the request that leaves, through Postgres.
func BenchmarkWholeDecide(b *testing.B) {
	for b.Loop() {
		list := failing(200, 10*time.Second)
		phone := &slow{at: map[string]time.Time{}}
		e, d := pager(postgres.Incidents{DB: pgtest.New(b)}, phone, list)
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = e.Run(ctx) })
		wg.Go(func() { _ = d.Run(ctx) })
		var took []float64
		for _, c := range list {
			now := time.Now().UTC()
			slot := now.Truncate(c.Every)
			e.Record(probe.Result{Check: c.Name, Location: "here", Slot: slot, Round: slot.UnixNano(), Started: now, Outcome: probe.Bad, Attempts: 1, Look: down{}.Check(ctx)})
			took = append(took, waitPage(b, phone, c.Name, now))
		}
		cancel()
		wg.Wait()
		slices.Sort(took)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(took[len(took)/2], "p50-ms")
		b.ReportMetric(took[len(took)*99/100], "p99-ms")
	}
}

// waitPage waits for a service's page and returns the milliseconds it took.
func waitPage(b *testing.B, phone *slow, service string, since time.Time) float64 {
	b.Helper()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for range 50_000 {
		phone.mu.Lock()
		at, ok := phone.at[service]
		phone.mu.Unlock()
		if ok {
			return float64(at.Sub(since).Microseconds()) / 1000
		}
		<-tick.C
	}
	b.Fatalf("no page for %s", service)
	return 0
}

// BenchmarkWholeStart starts the built program on an empty data_dir and again on the
// warm one, and waits until it serves (the prober starts beside the console).
func BenchmarkWholeStart(b *testing.B) {
	for b.Loop() {
		dir, err := os.MkdirTemp("", "keepwatch-bench-") //nolint:usetesting // the server's own user must reach it
		if err != nil {
			b.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		bin := filepath.Join(dir, "keepwatch")
		if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, "keepwatch/cmd/keepwatch").CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		config := filepath.Join(dir, "kw.yaml")
		if err := os.WriteFile(config, []byte("version: 1\ndata_dir: "+dir+"/data\nconsole: {}\nchecks: [{name: a, every: 1s, tcp: {address: \"127.0.0.1:1\"}}]\n"), 0o600); err != nil {
			b.Fatal(err)
		}
		cold := start(b, bin, config)
		warm := start(b, bin, config)
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(cold, "cold-ms")
		b.ReportMetric(warm, "warm-ms")
	}
}

// start runs the program until it serves, stops it, and returns the milliseconds that took.
func start(b *testing.B, bin, config string) float64 {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), bin, "run", "--quiet", "--roles", "probe,watch", "--config", config, "--console-listen", addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	took := -1.0
	for took < 0 && time.Since(began) < time.Minute {
		if resp, err := http.Get("http://" + addr + "/livez"); err == nil { //nolint:forbidigo // a benchmark on loopback
			if resp.StatusCode == http.StatusOK {
				took = float64(time.Since(began).Milliseconds())
			}
			_ = resp.Body.Close()
		}
		<-tick.C
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil || took < 0 {
		b.Fatalf("took %v, %v", took, err)
	}
	return took
}
