package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listen serves h behind the guard on a real socket, as the site does.
func listen(t *testing.T, g *Guard, h http.Handler) (addr string) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := Server(g.Handler(h), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() { // ends with Close
		defer close(done)
		_ = srv.Serve(g.Listener(ln))
	}()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}

// dial connects from a loopback address of its own: all of 127/8 is ours.
func dial(tb testing.TB, from, to string) net.Conn {
	tb.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	c, err := d.DialContext(tb.Context(), "tcp4", to)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// talks reports whether a connection gets an answer.
func talks(tb testing.TB, c net.Conn) bool {
	tb.Helper()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET /free HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && strings.Contains(line, "200")
}

func TestConnectionsByClient(t *testing.T) {
	t.Parallel()
	g := newGuard(t, func(o *Options) {
		o.Limits.Connections = 4
		o.Clients = clients(t, "127.0.7.0/24")
	})
	addr := listen(t, g, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	var open []net.Conn
	for i := range 4 {
		c := dial(t, "127.0.0.2", addr)
		if !talks(t, c) {
			t.Fatalf("connection %d of 4 was refused", i)
		}
		open = append(open, c)
	}
	if talks(t, dial(t, "127.0.0.2", addr)) {
		t.Error("a fifth connection of one client was served")
	}
	if !talks(t, dial(t, "127.0.0.3", addr)) {
		t.Error("a neighbour was refused")
	}
	for i := range 20 {
		if !talks(t, dial(t, "127.0.7.1", addr)) {
			t.Fatalf("connection %d of a trusted proxy was refused", i)
		}
	}
	if s := g.Stats(); s.Connections != 25 || s.Crowded != 1 {
		t.Errorf("%d open, %d refused; want 25 and 1", s.Connections, s.Crowded)
	}
	_ = open[0].Close()
	for i := 0; ; i++ { // until the server has seen it
		if talks(t, dial(t, "127.0.0.2", addr)) {
			break
		}
		if i == 1000 {
			t.Fatal("a closed connection never gives its place back")
		}
	}
}

func TestConnectionsInAll(t *testing.T) {
	t.Parallel()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(t, nil)
	ln := &capped{Listener: inner, crowd: g.crowd, slots: make(chan struct{}, 2), closed: make(chan struct{})}
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() { // ends with Close
		for {
			c, err := ln.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		dial(t, "127.0.0.1", inner.Addr().String())
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Fatal("a third connection was taken")
	case <-time.After(50 * time.Millisecond): // it can only be late, never wrong
	}
	_ = first.Close()
	_ = first.Close() // twice must free one place only
	third := <-accepted
	_ = second.Close()
	_ = third.Close()
	_ = ln.Close()
	if err := <-ended; err == nil {
		t.Error("Accept ends without an error")
	}
	if n := len(g.crowd.by); n != 0 || g.crowd.open.Load() != 0 {
		t.Errorf("%d clients and %d connections are remembered after all have left", n, g.crowd.open.Load())
	}
}

// Files must leave by sendfile: strace shows it, and here the connection that the
// server sees must be one that it can hand a file to.
func TestSendfileSurvives(t *testing.T) {
	t.Parallel()
	g := newGuard(t, nil)
	path := filepath.Join(t.TempDir(), "picture.jpg")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var direct bool
	addr := listen(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, direct = w.(io.ReaderFrom)
		http.ServeFile(w, r, path)
	}))
	c := dial(t, "127.0.0.1", addr)
	if _, err := io.WriteString(c, "GET /free HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, c)
	if err != nil || n < 1<<20 || !direct {
		t.Errorf("%d bytes, %v; the handler's writer takes files: %t", n, err, direct)
	}
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := g.Listener(inner)
	defer ln.Close()
	dial(t, "127.0.0.1", inner.Addr().String())
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(io.ReaderFrom); !ok {
		t.Errorf("a %T takes no files", conn)
	}
	if _, ok := conn.(syscall.Conn); !ok {
		t.Errorf("a %T hides its socket", conn)
	}
}

// TestSlowlorisRow17: hundreds of sockets that send a byte now and then, read
// nothing, or upload drop by drop, while a visitor is served all the time. With
// KEEPWATCH_LONG=1 they are 2,000 and the timeouts are the real ones.
func TestSlowlorisRow17(t *testing.T) {
	t.Parallel()
	sockets, looks := 300, 40
	if os.Getenv("KEEPWATCH_LONG") != "" {
		sockets, looks = 2000, 700
	}
	g := newGuard(t, func(o *Options) {
		o.Limits.Static = Rate{Off: true}
		o.Limits.Uploads = Rate{Off: true}
	})
	big := make([]byte, 8<<20)
	addr := listen(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/static/big"):
			_, _ = w.Write(big)
		case r.Method == http.MethodPost:
			MinRate(w, r, 16<<10)
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}))
	opening := []string{
		"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",                                             // never ends its header
		"GET /static/big HTTP/1.1\r\nHost: x\r\n\r\n",                                    // never reads
		"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n",          // a drop now and then
		"POST /browse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", // the same in chunks
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dribbling := make(chan struct{}, sockets)
	for i := range sockets {
		c := dial(t, fmt.Sprintf("127.1.%d.%d", i/100, 1+i%100/20), addr) // twenty a client
		if _, err := io.WriteString(c, opening[i%len(opening)]); err != nil {
			t.Fatal(err)
		}
		go func() { // ends with ctx or when the server has had enough
			dribbling <- struct{}{}
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				if _, err := c.Write([]byte{'a'}); err != nil {
					return
				}
			}
		}()
	}
	for range sockets {
		<-dribbling
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range looks {
		resp, err := client.Get("http://" + addr + "/static/" + strconv.Itoa(i))
		if err != nil {
			t.Fatalf("look %d: %v (%d connections open)", i, err, g.Stats().Connections)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("look %d: %d", i, resp.StatusCode)
		}
		<-tick.C
	}
	if n := g.Stats().Connections; os.Getenv("KEEPWATCH_LONG") != "" && n > sockets/3 {
		t.Errorf("%d of %d slow connections are still open", n, sockets)
	}
}
