package site

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

func TestKnownVisitorsOutliveTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, nil)
		status := func(path, tokens string) int { return b.get(http.MethodGet, path, tokens).Code }
		if got := status("/img/192/1.jpg", readSecret); got != 200 {
			t.Fatalf("before: %d", got)
		}
		b.get(http.MethodGet, "/", readSecret)
		b.store.setAway(errDown)
		for after := time.Duration(0); after < 5*time.Minute; after += 20 * time.Second {
			if got := status("/img/192/1.jpg", readSecret); got != 200 {
				t.Errorf("known visitor after %v: %d, want 200", after, got)
			}
			if got := status("/", readSecret); got != 200 {
				t.Errorf("gallery after %v: %d, want 200", after, got)
			}
			time.Sleep(20 * time.Second)
		}
		time.Sleep(10 * time.Second)
		w := b.get(http.MethodGet, "/img/192/1.jpg", readSecret)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.3") {
			t.Errorf("after more than 5 minutes: %d %s, want 503", w.Code, w.Body)
		}
		if got := status("/img/192/1.jpg", otherSecret); got != 503 {
			t.Errorf("an unknown visitor: %d, want 503", got)
		}
		if got := status("/img/192/1.jpg", ""); got != 403 {
			t.Errorf("no token: %d, want 403", got)
		}
		b.store.setAway(nil)
		if got := status("/img/192/1.jpg", readSecret); got != 200 {
			t.Errorf("after the outage: %d", got)
		}
	})
}

func TestRevocationTakesTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const revocation = 10 * time.Second
		b := setup(t, nil)
		b.get(http.MethodGet, "/img/192/1.jpg", readSecret)
		b.store.grants = nil
		time.Sleep(revocation)
		if got := b.get(http.MethodGet, "/img/192/1.jpg", readSecret).Code; got != 403 {
			t.Errorf("a revoked token after %v: %d, want 403", revocation, got)
		}
	})
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, nil)
		ready := func() (int, string) {
			w := b.get(http.MethodGet, "/readyz", "")
			return w.Code, w.Body.String()
		}
		if code, _ := ready(); code != 503 {
			t.Errorf("before the first look: %d, want 503", code)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.health.run(ctx) })
		synctest.Wait()
		if code, text := ready(); code != 200 || text != "database: ok\noriginals: ok\ncache: ok\n" {
			t.Errorf("healthy: %d %s", code, text)
		}
		b.store.setAway(errDown)
		time.Sleep(time.Minute)
		if code, text := ready(); code != 200 || !strings.Contains(text, "database: away, known visitors are served") {
			t.Errorf("database away for a minute: %d %s", code, text)
		}
		time.Sleep(5 * time.Minute)
		if code, text := ready(); code != 503 || !strings.Contains(text, "database: away since") {
			t.Errorf("database away for six minutes: %d %s", code, text)
		}
		b.store.setAway(nil)
		time.Sleep(healthEvery)
		synctest.Wait()
		if code, _ := ready(); code != 200 {
			t.Errorf("database back: %d", code)
		}
		b.draining.Store(true)
		if code, text := ready(); code != 503 || !strings.Contains(text, "stopping") {
			t.Errorf("draining: %d %s", code, text)
		}
		if w := b.get(http.MethodGet, "/healthz", ""); w.Code != 200 || w.Header().Get("Connection") != "close" {
			t.Errorf("healthz while draining: %d %v", w.Code, w.Header())
		}
		stop()
		wg.Wait()
	})
}

func TestPanicIsOneRequest(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	h := b.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
	b.handler = h
	if w := b.get(http.MethodGet, "/", ""); w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// A stopping site still answers, says that it goes, and lets a request in
// progress end.
func TestDrain(t *testing.T) {
	t.Parallel()
	drain := 300 * time.Millisecond
	b := setup(t, func(c *Config) { c.Drain = &drain })
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, ln) }()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func() (status int, closes bool) {
		if _, err := io.WriteString(conn, "GET /img/192/1.jpg HTTP/1.1\r\nHost: x\r\nCookie: token="+readSecret+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Close
	}
	if status, closes := ask(); status != 200 || closes {
		t.Errorf("before: %d, close %v", status, closes)
	}
	stop()
	for !b.draining.Load() {
		select {
		case err := <-ended:
			t.Fatalf("ended without draining: %v", err)
		default:
		}
	}
	if status, closes := ask(); status != 200 || !closes {
		t.Errorf("while draining, on the idle connection: %d, close %v; want 200 and close", status, closes)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestRunSaysThatThePortIsTaken(t *testing.T) {
	t.Parallel()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	b := setup(t, func(c *Config) { c.Listen = ln.Addr().String() })
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "site.listen") {
		t.Errorf("got %v", err)
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	*b.store = memStore{}
	b.sampleEdge = 600
	code, err := b.Init(t.Context())
	if err != nil || len(code) != 9 || code[4] != '-' {
		t.Fatalf("got %q, %v", code, err)
	}
	if got := b.Stats().Renders; got != int64(len(b.store.photos)) {
		t.Errorf("%d pictures are ready for the first visitor, want all", got)
	}
	again, err := b.Init(t.Context())
	if err != nil || again != code {
		t.Errorf("a second start before the first login says %q, %v; want %q", again, err, code)
	}
	if n := len(b.store.photos); n < 6 || n > 8 {
		t.Errorf("%d pictures", n)
	}
	w := b.post("/servlet/token", map[string][]string{"rc": {code}})
	var got tokenReply
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("login: %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff([]tagReply{{ID: 1, Name: "samples", Level: gallery.Write}}, got.Tags); diff != "" {
		t.Error(diff)
	}
	token := cookieOf(t, w).Value
	seen := map[string]bool{}
	for id, p := range b.store.photos {
		if seen[p.Content] {
			t.Errorf("picture %d is another one again", id)
		}
		seen[p.Content] = true
		if w := b.get(http.MethodGet, fmt.Sprintf("/img/450/%d.jpg", id), token); w.Code != 200 {
			t.Errorf("picture %d: %d %s", id, w.Code, w.Body)
		}
	}
	if last, err := b.Init(t.Context()); last != "" || err != nil {
		t.Errorf("after the first login: %q, %v; want no code", last, err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	var good Config
	good.SetDefaults()
	check := func(c Config) (out []string) {
		c.Validate(func(path, msg string) { out = append(out, path+" "+msg) })
		return out
	}
	if got := check(good); got != nil {
		t.Errorf("the defaults are refused: %v", got)
	}
	if *good.Drain != time.Second || good.Cache.Size.String() != "2GiB" {
		t.Errorf("defaults %+v", good)
	}
	long := time.Minute
	tests := map[string]struct {
		change func(*Config)
		path   string
	}{
		"listen":        {func(c *Config) { c.Listen = "8080" }, "listen "},
		"port":          {func(c *Config) { c.Listen = "localhost:99999" }, "listen "},
		"s3":            {func(c *Config) { c.Originals = "s3://b/p" }, "originals names no bucket"},
		"public_url":    {func(c *Config) { c.PublicURL = "photos.example.com" }, "public_url "},
		"url with path": {func(c *Config) { c.PublicURL = "https://a.example/b" }, "public_url "},
		"proxy":         {func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8", "lb"} }, "trusted_proxies[1] "},
		"drain":         {func(c *Config) { c.Drain = &long }, "drain "},
		"cache":         {func(c *Config) { c.Cache.Size = 5 }, "cache.size "},
	}
	for name, tt := range tests {
		c := good
		tt.change(&c)
		if got := check(c); len(got) != 1 || !strings.HasPrefix(got[0], tt.path) {
			t.Errorf("%s: got %q, want one mistake at %q", name, got, tt.path)
		}
	}
}
