package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keepwatch/reports"
	"keepwatch/site/nginxtest"
)

// TestNginx runs visitors through a real nginx that writes the log of
// deploy/nginx, follows it, and holds it against what was done. A tenth of a second
// stands for a minute: the lines' times are stretched before they are read.
func TestNginx(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs nginx")
	}
	const minutes, step = 40, 100 * time.Millisecond
	var start time.Time
	started := make(chan struct{}) // start is known
	// Down from the 10th to the 20th minute, and in the 30th.
	bad := func(at time.Duration) bool {
		m := at / step
		return m >= 10 && m < 20 || m == 30
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-started
		if bad(time.Since(start)) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer site.Close()
	dir, err := os.MkdirTemp("", "keepwatch-access-") //nolint:usetesting // nginx's workers must be able to write here
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	format, err := os.ReadFile("../deploy/nginx/access-log.conf")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "access.json")
	addr := nginxtest.Start(t, nginxtest.Front{
		Upstreams: []string{strings.TrimPrefix(site.URL, "http://")},
		HTTP:      string(format), Extra: "access_log " + log + " keepwatch;",
	})

	var wg sync.WaitGroup
	var sent, probes atomic.Int64
	start = time.Now()
	close(started)
	for n := range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; time.Since(start) < minutes*step; i++ {
				agent := "Mozilla/5.0 \"quoted\""
				if n == 0 && i%10 == 0 {
					agent = "keepwatch/1.0"
					probes.Add(1)
				} else {
					sent.Add(1)
				}
				get(t, client, "http://"+addr+"/"+strconv.Itoa(i), agent)
			}
		})
	}
	wg.Wait()

	base := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	stretched := stretch(t, log, sent.Load()+probes.Load(), start, base, int64(time.Minute/step))
	store := &remembering{}
	f := &Follower{Counter: Counter{Config: Config{Name: "front", File: stretched, Format: NginxJSON}}, Store: store, Log: slog.New(slog.DiscardHandler)}
	f.Config.SetDefaults()
	defer f.shut()
	for more := true; more; {
		if more, err = f.Turn(t.Context(), base.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	var spans []reports.Span
	for m := range minutes {
		v := reports.Good
		if bad(time.Duration(m) * step) {
			v = reports.Bad
		}
		spans = reports.AppendSpan(spans, reports.Span{From: base.Add(time.Duration(m) * time.Minute), To: base.Add(time.Duration(m+1) * time.Minute), Verdict: v})
	}
	got := reports.CompareUsers(reports.UserLog{Source: "front", Minutes: store.minutes}, spans, base, base.Add(minutes*time.Minute))
	// A request that is answered as a minute ends may be written in the next: on a busy
	// machine the minutes after a change are nobody's fault.
	edges := 0
	for m := 1; m < minutes; m++ {
		if bad(time.Duration(m)*step) != bad(time.Duration(m-1)*step) {
			edges++
		}
	}
	t.Logf("%d requests, %d probes: %+v", sent.Load(), probes.Load(), got)
	if got.SkippedLines != 0 || store.invalid != probes.Load() {
		t.Errorf("%d lines could not be read, %d requests say nothing; want 0 and the %d of probes", got.SkippedLines, store.invalid, probes.Load())
	}
	if agree := got.AgreeGood + got.AgreeBad; got.Minutes < minutes*9/10 || (agree+edges)*100 < got.Minutes*99 || got.AgreeBad < 10 {
		t.Errorf("%d of %d minutes agree, want 99 %%: %+v", agree, got.Minutes, got)
	}
}

func get(t *testing.T, client *http.Client, url, agent string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("User-Agent", agent)
	res, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// stretch waits for all lines of a log and writes them anew with their times' distance
// from start made longer.
func stretch(t *testing.T, path string, want int64, start, base time.Time, factor int64) string {
	t.Helper()
	var lines [][]byte
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		all, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines = bytes.Split(bytes.TrimSpace(all), []byte("\n")); int64(len(lines)) >= want {
			break
		}
		<-tick.C
	}
	if int64(len(lines)) != want {
		t.Fatalf("nginx wrote %d lines, want %d", len(lines), want)
	}
	var out bytes.Buffer
	for _, line := range lines {
		var all map[string]string
		if err := json.Unmarshal(line, &all); err != nil {
			t.Fatalf("nginx wrote what is no JSON: %s", line)
		}
		at, err := strconv.ParseFloat(all["msec"], 64)
		if err != nil {
			t.Fatal(err)
		}
		after := max(time.UnixMilli(int64(at*1000)).Sub(start), 0)
		all["msec"] = fmt.Sprintf("%.3f", float64(base.Add(after*time.Duration(factor)).UnixMilli())/1000)
		again, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(again, '\n'))
	}
	stretched := filepath.Join(t.TempDir(), "access.json")
	if err := os.WriteFile(stretched, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return stretched
}

// remembering is a Store that keeps every minute.
type remembering struct {
	notebook
	minutes []reports.UserMinute
	invalid int64
}

func (r *remembering) Commit(_ context.Context, _ string, minutes []Minute, p Position) error {
	r.pos = p
	for _, m := range minutes {
		r.invalid += m.Invalid
		n := reports.UserMinute{At: m.At, Good: m.Good, Valid: m.Valid, Skipped: m.Skipped}
		if i := slices.IndexFunc(r.minutes, func(o reports.UserMinute) bool { return o.At.Equal(m.At) }); i >= 0 {
			r.minutes[i].Good, r.minutes[i].Valid, r.minutes[i].Skipped = r.minutes[i].Good+n.Good, r.minutes[i].Valid+n.Valid, r.minutes[i].Skipped+n.Skipped
			continue
		}
		r.minutes = append(r.minutes, n)
	}
	return nil
}
