package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rogpeppe/go-internal/testscript"

	"keepwatch/postgres/pgtest"
)

// withBadDays adds the commands with which scripts make things go wrong.
func withBadDays(t *testing.T, cmds map[string]func(ts *testscript.TestScript, neg bool, args []string)) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	t.Helper()
	maps.Copy(cmds, map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"hold": hold, "refuse": refuseLogin, "gate": switchGate, "sql": runSQL, "catch": catch,
		"post": post, "paint": paint, "dribble": dribble, "tmpfs": mountTmpfs, "collector": runCollector, "lintmetrics": lintMetrics,
		"database": func(ts *testscript.TestScript, _ bool, _ []string) { giveDatabase(t, ts) },
	})
	return cmds
}

// scriptCondition knows [long] (KEEPWATCH_LONG is set), [tmpfs] (this user may mount
// one) and [root]. What is missing is said, so that nobody takes a skip for a proof.
func scriptCondition(cond string) (bool, error) {
	switch cond {
	case "long":
		return os.Getenv("KEEPWATCH_LONG") != "", nil
	case "root":
		return os.Geteuid() == 0, nil
	case "tmpfs":
		dir, err := os.MkdirTemp("", "keepwatch-mount-")
		if err != nil {
			return false, err
		}
		defer os.Remove(dir)
		if exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).Run() != nil {
			return false, nil
		}
		return true, exec.Command("umount", dir).Run()
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// badDay is what the commands of one script share; it ends with the script.
type badDay struct {
	mu      sync.Mutex
	closers []func() error // guarded by mu

	dsn    string // of the script's database, not through the gate
	gate   *gateway
	caught bytes.Buffer // guarded by mu: what the fallback target got
	fake   *newRelicFake
}

type badDayKey struct{}

func setupBadDays(env *testscript.Env) {
	b := &badDay{}
	env.Values[badDayKey{}] = b
	env.Defer(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, end := range b.closers {
			_ = end()
		}
	})
}

func dayOf(ts *testscript.TestScript) *badDay {
	b, ok := ts.Value(badDayKey{}).(*badDay)
	if !ok {
		ts.Fatalf("the script has no bad day")
	}
	return b
}

func (b *badDay) atEnd(f func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closers = append(b.closers, f)
}

// hold is `hold ADDR`: the address is taken, and whoever connects hears nothing.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hold ADDR")
	}
	ln, err := net.Listen("tcp", args[0])
	ts.Check(err)
	dayOf(ts).atEnd(ln.Close)
}

// refuseLogin is `refuse ADDR CODE MESSAGE`: a server that answers every start of a
// Postgres session with one error, as one with a password rule does.
func refuseLogin(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: refuse ADDR CODE MESSAGE")
	}
	ln, err := net.Listen("tcp", args[0])
	ts.Check(err)
	dayOf(ts).atEnd(ln.Close)
	fields := "SFATAL\x00VFATAL\x00C" + args[1] + "\x00M" + args[2] + "\x00\x00"
	reply := append([]byte{'E', 0, 0, 0, byte(len(fields) + 4)}, fields...)
	go func() { // ends with the listener
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 512)) // the start message fits
			_, _ = conn.Write(reply)
			_ = conn.Close()
		}
	}()
}

// giveDatabase is `database`: one of the script's own, in DATABASE_URL, behind a gate on $GATE that is shut.
func giveDatabase(t *testing.T, ts *testscript.TestScript) {
	t.Helper()
	b := dayOf(ts)
	b.dsn = pgtest.DSN(t)
	cfg, err := pgconn.ParseConfig(b.dsn)
	ts.Check(err)
	network, addr := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	b.gate = &gateway{listen: ts.Getenv("GATE"), network: network, addr: addr}
	b.atEnd(func() error { b.gate.shut(); return nil })
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: ts.Getenv("GATE"),
		Path: cfg.Database, RawQuery: "sslmode=disable",
	}
	ts.Setenv("DATABASE_URL", u.String())
}

// switchGate is `gate open|shut`: a shut gate refuses, and cuts who is inside.
func switchGate(ts *testscript.TestScript, _ bool, args []string) {
	g := dayOf(ts).gate
	if g == nil || len(args) != 1 {
		ts.Fatalf("usage: gate open|shut, after database")
	}
	g.shut()
	if args[0] == "open" {
		ts.Check(g.open())
	}
}

// gateway passes connections on while it is open.
type gateway struct {
	listen, network, addr string

	mu    sync.Mutex
	ln    net.Listener // guarded by mu
	conns []net.Conn   // guarded by mu
}

func (g *gateway) open() error {
	ln, err := net.Listen("tcp", g.listen)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.ln = ln
	g.mu.Unlock()
	go func() { // ends with shut
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(g.network, g.addr)
			if err != nil {
				_ = in.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, in, out)
			g.mu.Unlock()
			go relay(out, in) // end with either connection
			go relay(in, out)
		}
	}()
	return nil
}

func relay(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

func (g *gateway) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ln != nil {
		_ = g.ln.Close()
	}
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.ln, g.conns = nil, nil
}

// runSQL is `sql STATEMENT [REGEXP]`: it runs one statement in the script's database,
// past the gate; with a regexp until the first column of the first row matches.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	b := dayOf(ts)
	if b.dsn == "" || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: sql STATEMENT [REGEXP], after database")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.dsn)
	ts.Check(err)
	defer conn.Close(ctx)
	if len(args) == 1 {
		_, err := conn.Exec(ctx, args[0])
		ts.Check(err)
		return
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	poll(ctx, ts, args[0], func() (string, bool) {
		var got string
		err := conn.QueryRow(ctx, args[0]).Scan(&got)
		return fmt.Sprint(got, " ", err), err == nil && want.MatchString(got) != neg
	})
}

// poll asks until the answer is the wanted one; the last answer is in the failure.
func poll(ctx context.Context, ts *testscript.TestScript, what string, ask func() (string, bool)) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last, ok := ask()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s: never as wanted; last:\n%s", what, last)
		case <-tick.C:
		}
	}
}

// catch is `catch`: the fallback's target on $CATCH; GET answers all it has got.
func catch(ts *testscript.TestScript, _ bool, _ []string) {
	b := dayOf(ts)
	ln, err := net.Listen("tcp", ts.Getenv("CATCH"))
	ts.Check(err)
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.Method == http.MethodGet {
			_, _ = w.Write(b.caught.Bytes())
			return
		}
		fmt.Fprintf(&b.caught, "%s %s %v\n", r.Method, body, err)
	})}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	b.atEnd(srv.Close)
}

// post is `post URL [BODY]`, and `post -delete URL`; a status of 400 and more fails.
func post(ts *testscript.TestScript, neg bool, args []string) {
	method := http.MethodPost
	if len(args) > 0 && args[0] == "-delete" {
		method, args = http.MethodDelete, args[1:]
	}
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: post [-delete] URL [BODY]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, args[0], strings.NewReader(strings.Join(args[1:], "")))
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test, with a deadline
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if (resp.StatusCode >= http.StatusBadRequest) != neg {
		ts.Fatalf("%s %s: status %d: %s", method, args[0], resp.StatusCode, body)
	}
	ts.Logf("%d %s", resp.StatusCode, body)
}

// lintMetrics is `lintmetrics URL`: what a live daemon shows is good by Prometheus's own rules.
func lintMetrics(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: lintmetrics URL")
	}
	body, err := call(context.Background(), http.MethodGet, args[0])
	ts.Check(err)
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	ts.Check(err)
	for _, p := range problems {
		ts.Logf("%s: %s", p.Metric, p.Text)
	}
	if len(problems) > 0 || !strings.Contains(body, "# TYPE") {
		ts.Fatalf("%s: %d problems", args[0], len(problems))
	}
}

// dribble is `dribble ADDR PATH`: a visitor who sends half of a form and then nothing.
func dribble(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: dribble ADDR PATH")
	}
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	dayOf(ts).atEnd(conn.Close)
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ncode=", args[1], args[0])
	ts.Check(err)
}

// mountTmpfs is `tmpfs DIR SIZE`: a small disk of its own, gone with the script.
func mountTmpfs(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Clean(dir), 0o755))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=755,size="+args[1], "tmpfs", dir).CombinedOutput()
	if err != nil {
		ts.Fatalf("mount: %v: %s", err, out)
	}
	dayOf(ts).atEnd(exec.Command("umount", "-l", dir).Run)
}
