package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keepwatch/cmd/keepwatch/standin"
)

// process is one daemon's place, and the daemon that runs there, if one does.
type process struct {
	rig     *rig
	home    string
	console string
	log     *os.File

	mu     sync.Mutex
	cmd    *exec.Cmd     // guarded by mu; nil when none runs
	ended  chan struct{} // guarded by mu; closed when cmd has ended
	wanted *atomic.Bool  // guarded by mu: the end of cmd is the test's doing
}

// daemon makes the place of a daemon and starts it.
func (r *rig) daemon(name string) *process {
	r.t.Helper()
	p := &process{rig: r, home: filepath.Join(r.dir, name), console: freeAddress(r.t)}
	if err := os.Mkdir(p.home, 0o755); err != nil {
		r.t.Fatal(err)
	}
	config := cmp.Or(r.config, rigConfig)
	if r.db == "" {
		config = strings.Replace(config, "database: {url: \"${KILL_DATABASE}\"}\n", "", 1)
	}
	if err := os.WriteFile(filepath.Join(p.home, "kw.yaml"), []byte(config), 0o600); err != nil {
		r.t.Fatal(err)
	}
	var err error
	if p.log, err = os.Create(filepath.Join(p.home, "log")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		p.kill()
		p.awaitServerEnd()
		_ = p.log.Close()
	})
	p.start()
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// start starts the daemon; it may be called from the goroutine that kills.
func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command("keepwatch", "run", "--config", "kw.yaml", "--roles", "probe,watch", "--quiet")
	cmd.Dir = p.home
	cmd.Env = append(os.Environ(),
		"PAGERDUTY_ROUTING_KEY="+standin.Key, "KILL_CONSOLE="+p.console, "KILL_TARGET="+p.rig.target.URL,
		"KILL_EVENTS="+p.rig.pdURL, "KILL_SECRET="+rigSecret, "KILL_HOLD="+rigHold.String(), "KILL_DATABASE="+p.rig.db)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		p.rig.t.Errorf("start the daemon: %v", err)
		return
	}
	ended := make(chan struct{})
	wanted := &atomic.Bool{}
	p.cmd, p.ended, p.wanted = cmd, ended, wanted
	go func() { // ends with the daemon, which the test's cleanup kills
		_ = cmd.Wait()
		if !wanted.Load() {
			p.rig.died.Store(true)
		}
		close(ended)
	}()
}

// signal sends a signal to the daemon, if one runs.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(sig)
	}
}

// freeze stops the daemon in the midst of everything while f runs.
func (p *process) freeze(f func()) {
	p.signal(syscall.SIGSTOP)
	defer p.signal(syscall.SIGCONT)
	f()
}

// kill ends the daemon by SIGKILL and waits for that.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	select {
	case <-p.ended:
		p.rig.t.Errorf("%s: the daemon had ended by itself: %v", p.home, p.cmd.ProcessState)
	default:
	}
	p.wanted.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
	p.cmd = nil
}

// stop ends the daemon as an operator does, and requires a clean end.
func (p *process) stop() {
	p.rig.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.rig.t.Fatal("the daemon does not stop")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.rig.t.Errorf("the daemon stopped with code %d, want 0", code)
	}
	p.cmd = nil
}

// serverPID is the process number of the daemon's own Postgres; 0 when there is none.
func (p *process) serverPID() int {
	raw, err := os.ReadFile(filepath.Join(p.home, "data", "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0
	}
	// The file outlives a killed server, and its number may be somebody else's by now.
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	if err != nil || !strings.HasPrefix(cwd, p.home) {
		return 0
	}
	return pid
}

// killServer kills the daemon's own Postgres.
func (p *process) killServer() bool {
	pid := p.serverPID()
	return pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
}

func (p *process) awaitServerEnd() {
	for range 200 {
		if p.serverPID() == 0 {
			return
		}
		linger(50 * time.Millisecond)
	}
	p.killServer()
}

// linger waits: these tests are about real processes in real time.
func linger(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
}

// openThere are the incidents that the daemon shows as open.
func (p *process) openThere() []string {
	body, err := call(context.Background(), http.MethodGet, "http://"+p.console+"/api/v1/status")
	if err != nil {
		return nil
	}
	var st struct {
		Incidents []struct {
			ID string `json:"id"`
		} `json:"incidents"`
	}
	if json.Unmarshal([]byte(body), &st) != nil {
		return nil
	}
	var ids []string
	for _, i := range st.Incidents {
		ids = append(ids, i.ID)
	}
	return ids
}

// says reports whether a page of the console has a text.
func (p *process) says(path, text string) bool {
	body, err := call(context.Background(), http.MethodGet, "http://"+p.console+path)
	return err == nil && strings.Contains(body, text)
}

// leads reports whether the daemon pages now.
func (p *process) leads() bool { return p.says("/metrics", "\nkeepwatch_leader 1") }

// safeBuffer is a buffer for one writer and one reader at a time.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// reader reads a copy of all that was written.
func (b *safeBuffer) reader() io.Reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.NewReader(bytes.Clone(b.buf.Bytes()))
}
