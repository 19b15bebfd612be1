package probe

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time of this process so far.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// countSink counts results and does nothing else.
type countSink struct{ good, other atomic.Int64 }

func (s *countSink) Record(r Result) {
	if r.Outcome == Good {
		s.good.Add(1)
	} else {
		s.other.Add(1)
	}
}

// bareLoop is the baseline: one client, a fresh connection for each request,
// the phases traced, the body read.
func bareLoop(ctx context.Context, client *http.Client, url string) error {
	var stamps [6]time.Time
	var mu sync.Mutex
	mark := func(i int) {
		mu.Lock()
		defer mu.Unlock()
		stamps[i] = time.Now()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { mark(0) }, DNSDone: func(httptrace.DNSDoneInfo) { mark(1) },
		ConnectStart: func(_, _ string) { mark(2) }, ConnectDone: func(_, _ string, _ error) { mark(3) },
		GotConn: func(httptrace.GotConnInfo) { mark(4) }, GotFirstResponseByte: func() { mark(5) },
	}), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// BenchmarkEngineCPU compares the processor time of looks through the Runner
// with that of the bare loop, turn about in one run. The server is in the
// process, so its share is in both; "ratio" is theirs together, "engine" what
// the Runner adds, in microseconds a look.
func BenchmarkEngineCPU(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>Photos</title>")
	}))
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	conf := &HTTP{URL: srv.URL, Expect: HTTPExpect{BodyContains: []string{"<title>"}}}
	checker, err := conf.Checker(Env{})
	if err != nil {
		b.Fatal(err)
	}
	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		const looks = 1000
		rounds++
		start := cpu(b)
		for range looks {
			if err := bareLoop(b.Context(), client, srv.URL); err != nil {
				b.Fatal(err)
			}
		}
		middle := cpu(b)
		sink := &countSink{}
		r := &Runner{Sink: sink, Log: slog.New(slog.DiscardHandler)}
		r.start()
		r.Apply([]Check{{Name: "web", Every: time.Hour, Timeout: 5 * time.Second, Quorum: 1, Locations: []string{"here"}, Checker: checker}})
		e := r.entries[key{"web", "here"}]
		for range looks {
			now := r.now()
			t := turn{}
			r.mu.Lock()
			f := &flight{entry: e, check: e.check, slot: e.plan.slot, round: e.plan.slot, due: now.mono}
			r.launch(f, now, &t)
			r.mu.Unlock()
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.fly(b.Context(), f)
			}()
			<-done
		}
		end := cpu(b)
		if got := sink.good.Load(); got != looks {
			b.Fatalf("good looks: got %d, want %d", got, looks)
		}
		spent[0] += middle - start
		spent[1] += end - middle
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
	b.ReportMetric(float64((spent[1]-spent[0]).Microseconds())/float64(rounds*1000), "engine-µs/look")
}

// BenchmarkSchedule runs many checks that do nothing for a while and reports how
// late looks start, how evenly, and what scheduling costs.
func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(map[int]string{1000: "checks=1000", 5000: "checks=5000"}[n], func(b *testing.B) {
			for b.Loop() {
				start := cpu(b)
				acc, err := MeasureSchedule(b.Context(), n, 10*time.Second, 12*time.Second, checkerFunc(good))
				if err != nil {
					b.Fatal(err)
				}
				spent := cpu(b) - start
				b.ReportMetric(acc.Run*100, "%run")
				b.ReportMetric(float64(acc.LagP99.Microseconds()), "p99-lag-µs")
				b.ReportMetric(acc.Busiest, "busiest/mean")
				b.ReportMetric(float64(spent.Microseconds())/float64(acc.Looks), "cpu-µs/look")
				b.ReportMetric(acc.BytesPerCheck, "B/check")
			}
		})
	}
}
