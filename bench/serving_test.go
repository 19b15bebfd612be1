package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"keepwatch/site/nginxtest"
)

// How long the loads of this file last.
const (
	cachedRun = 5 * time.Second
	floodRun  = 20 * time.Second
	courseRun = time.Minute // with KEEPWATCH_LONG=1 the course's own 15 minutes
)

// free is a limit that never refuses, but is counted like any other.
const free = "    images: 1000000/s\n    cold: 1000000/s\n    uploads: 1000000/s\n    codes: off\n    all_codes: off\n"

// BenchmarkWholeCached asks over 50 kept connections for one cached picture, with
// token check, limiter, metrics and view log, and asks nginx for the same file.
func BenchmarkWholeCached(b *testing.B) {
	tests := []struct {
		name        string
		edge, grain int
	}{{"100KB", 1440, 10}, {"18KB", 450, 46}}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				a := newAlbum(b, free)
				p := a.serve(1)
				id := upload(b, p.addr, [][]byte{scene(2000, 1500, tt.grain, 1)})[0]
				cookies := make([]string, 50)
				for i := range cookies {
					cookies[i] = login(b, p.addr, i)
				}
				path := fmt.Sprintf("/img/%d/%d.jpg", tt.edge, id)
				file := body(b, p.addr, path, cookies[0], 0)
				root := b.TempDir()
				openToAll(b, root)
				if err := os.WriteFile(filepath.Join(root, "picture.jpg"), file, 0o644); err != nil {
					b.Fatal(err)
				}
				nginx := nginxtest.Start(b, nginxtest.Front{Root: root, Workers: runtime.NumCPU()})
				raw := make([][]byte, len(cookies))
				for i, c := range cookies {
					raw[i] = request("GET", path, c, visitorAddr(i), "")
					body(b, p.addr, path, c, i) // the token is known from now on
				}
				plain := request("GET", "/picture.jpg", "", "", "")
				var ours, theirs float64
				for range 3 { // in turn, so that both meet the same weather
					ours += rate(b, p.addr, func(conn, _ int) []byte { return raw[conn] })
					theirs += rate(b, nginx, func(int, int) []byte { return plain })
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(len(file))/1000, "KB")
				b.ReportMetric(ours/3, "req/s")
				b.ReportMetric(theirs/3, "nginx-req/s")
				b.ReportMetric(ours/theirs, "ratio")
				b.ReportMetric(p.rss(b), "rss-MiB")
				p.stop()
			}
		})
	}
}

// openToAll lets nginx's workers into a test's directory.
func openToAll(b *testing.B, dir string) {
	b.Helper()
	for d := dir; d != filepath.Dir(d) && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
}

func rate(b *testing.B, addr string, next func(conn, k int) []byte) float64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), cachedRun)
	defer cancel()
	began := time.Now()
	c := hammer(ctx, addr, 50, next)
	if c.good() != c.all() || c.good() == 0 {
		b.Fatalf("answers %v, first error %v", c.status, c.first)
	}
	return float64(c.good()) / time.Since(began).Seconds()
}

// BenchmarkWholeFlood lets 200 signed-in clients ask for pictures that are not
// rendered yet, as fast as they are answered, while 20 others ask for a cached one.
// Strangers does the same with clients that have no token.
func BenchmarkWholeFlood(b *testing.B) {
	for _, signedIn := range []bool{true, false} {
		name := map[bool]string{true: "signed-in", false: "strangers"}[signedIn]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				flood(b, signedIn)
			}
		})
	}
}

func flood(b *testing.B, signedIn bool) {
	b.Helper()
	const bots, visitors, pictures = 200, 20, 12
	a := newAlbum(b, "    images: 1000000/s\n    uploads: 1000000/s\n    codes: off\n    all_codes: off\n") // renders are limited as they are
	p := a.serve(1)
	files := make([][]byte, pictures)
	for i := range files {
		files[i] = scene(4000, 3000, 20, uint64(i+1))
	}
	ids := upload(b, p.addr, files)
	p.stop()
	if err := os.RemoveAll(p.cache); err != nil { // what was rendered at the upload
		b.Fatal(err)
	}
	p = a.serve(2)
	cookies := make([]string, bots+visitors)
	for i := range cookies {
		if i < visitors || signedIn {
			cookies[i] = login(b, p.addr, i)
		}
	}
	cached := fmt.Sprintf("/img/1440/%d.jpg", ids[0])
	size := len(body(b, p.addr, cached, cookies[0], 0))
	ask := make([][]byte, visitors)
	for i := range ask {
		ask[i] = request("GET", cached, cookies[i], visitorAddr(i), "")
		body(b, p.addr, cached, cookies[i], i) // the token is known from now on
	}
	look := func(for_ time.Duration) *counts {
		ctx, cancel := context.WithTimeout(b.Context(), for_)
		defer cancel()
		return hammer(ctx, p.addr, visitors, func(conn, _ int) []byte { return ask[conn] })
	}
	calm := look(cachedRun)
	edges := []int{192, 256, 350, 450, 640, 800, 1024, 1280, 1600, 1920}
	ctx, cancel := context.WithTimeout(b.Context(), floodRun+time.Second)
	defer cancel()
	flooded := make(chan *counts)
	go func() { // ends with ctx
		flooded <- hammer(ctx, p.addr, bots, func(conn, k int) []byte {
			n := conn*7 + k*13
			path := fmt.Sprintf("/img/%d/%d.jpg", edges[n%len(edges)], ids[1+n/len(edges)%(pictures-1)])
			return request("GET", path, cookies[visitors+conn], visitorAddr(visitors+conn), "")
		})
	}()
	peak := make(chan float64)
	go func() { peak <- p.peak(ctx, b) }() // ends with ctx
	seen := look(floodRun)
	bad := <-flooded
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size)/1000, "KB")
	b.ReportMetric(float64(calm.good())/cachedRun.Seconds(), "calm-req/s")
	b.ReportMetric(float64(seen.good())/floodRun.Seconds(), "cached-req/s")
	b.ReportMetric(float64(seen.all()-seen.good()), "cached-failed")
	b.ReportMetric(seen.p(.99), "p99-ms")
	b.ReportMetric(<-peak, "rss-MiB")
	b.ReportMetric(float64(bad.all())/floodRun.Seconds(), "flood-req/s")
	b.ReportMetric(float64(bad.good()), "flood-pictures")
	b.Logf("flood: %v, first error %v; cached: %v, first error %v", bad.status, bad.first, seen.status, seen.first)
	p.stop()
}

// peak is the most memory that the process holds until ctx is done, in MiB.
func (p *siteProcess) peak(ctx context.Context, b *testing.B) (most float64) {
	b.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		most = max(most, p.rss(b))
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
	}
}

// BenchmarkWholeCourse is the load of the course: 1,000 visitors with codes, one
// request each in six seconds, which are 10,000 a minute, through nginx and three
// site processes. Bots adds ten times as many requests of strangers.
func BenchmarkWholeCourse(b *testing.B) {
	for _, bots := range []bool{false, true} {
		name := map[bool]string{false: "visitors", true: "bots"}[bots]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				course(b, bots)
			}
		})
	}
}

func course(b *testing.B, bots bool) {
	b.Helper()
	const visitors, pictures, pause = 1000, 40, 6 * time.Second
	lasts := courseRun
	if os.Getenv("KEEPWATCH_LONG") != "" {
		lasts = 15 * time.Minute
	}
	a := newAlbum(b, "    uploads: 1000000/s\n")
	var sites []*siteProcess
	var addrs []string
	for i := range 3 {
		sites = append(sites, a.serve(i))
		addrs = append(addrs, sites[i].addr)
	}
	files := make([][]byte, pictures)
	for i := range files {
		files[i] = scene(1600, 1200, 20, uint64(i+1))
	}
	ids := upload(b, addrs[0], files)
	nginx := nginxtest.Start(b, nginxtest.Front{Upstreams: addrs, Workers: runtime.NumCPU()})
	cookies := make([]string, visitors)
	for i := range cookies {
		cookies[i] = login(b, nginx, i)
	}
	for _, addr := range addrs { // each has a cache of its own
		for _, id := range ids {
			for _, edge := range []int{350, 1440} {
				body(b, addr, fmt.Sprintf("/img/%d/%d.jpg", edge, id), cookies[0], 0)
			}
		}
	}
	ctx, cancel := context.WithTimeout(b.Context(), lasts)
	defer cancel()
	crowd := make(chan *counts, 1)
	if bots {
		go func() { // ends with ctx
			crowd <- stroll(ctx, nginx, 2000, 1200*time.Millisecond, func(bot, k int) []byte { return botRequest(bot, k, ids) })
		}()
	}
	seen := stroll(ctx, nginx, visitors, pause, func(visitor, k int) []byte {
		path := fmt.Sprintf("/img/%d/%d.jpg", []int{350, 1440}[k%2], ids[(visitor*31+k*7)%len(ids)])
		switch (visitor + k) % 10 {
		case 0:
			path = "/servlet/browserest?mode=r"
		case 1:
			path = "/recent"
		}
		return request("GET", path, cookies[visitor], visitorAddr(visitor), "")
	})
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(seen.all()), "requests")
	b.ReportMetric(float64(seen.all()-seen.good()), "failed")
	b.ReportMetric(100*float64(seen.good())/float64(seen.all()), "good-%")
	b.ReportMetric(seen.p(.5), "p50-ms")
	b.ReportMetric(seen.p(.99), "p99-ms")
	b.Logf("visitors: %v, first error %v", seen.status, seen.first)
	if bots {
		bad := <-crowd
		b.ReportMetric(float64(bad.all())/lasts.Seconds(), "bot-req/s")
		b.Logf("bots: %v, first error %v", bad.status, bad.first)
	}
	most := 0.0
	for _, p := range sites {
		most = max(most, p.rss(b))
		p.stop()
	}
	b.ReportMetric(most, "rss-MiB")
}

// botRequest is what strangers send: pictures, the front page, codes, nonsense.
func botRequest(bot, k int, ids []int64) []byte {
	from := fmt.Sprintf("12.%d.%d.9", bot%200/50, bot%200) // two hundred addresses
	switch (bot + k) % 5 {
	case 0:
		return request("POST", "/servlet/token", "", from, fmt.Sprintf("rc=GUESS%d", bot*1000+k))
	case 1:
		return request("GET", "/", "", from, "")
	case 2:
		return request("GET", fmt.Sprintf("/img/%d/%d.jpg", 100+k, k), "token=guess-number-"+strconv.Itoa(100000+k), from, "")
	case 3:
		return request("GET", fmt.Sprintf("/nothing/%d", k), "", from, "")
	}
	return request("GET", fmt.Sprintf("/img/1440/%d.jpg", ids[k%len(ids)]), "", from, "")
}
