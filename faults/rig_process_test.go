package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// process is one pager's place, and the process that runs there, if one does.
type process struct {
	rig *rig
	dir string
	log *os.File

	mu     sync.Mutex
	cmd    *exec.Cmd     // guarded by mu; nil when none runs
	ended  chan struct{} // guarded by mu; closed when cmd has ended
	wanted *atomic.Bool  // guarded by mu: the end of cmd is the test's doing
}

// pager makes a place and starts a pager there.
func (r *rig) pager(env ...string) *process {
	r.t.Helper()
	p := &process{rig: r, dir: filepath.Join(r.dir, "pager"+strconv.Itoa(len(r.pagers)))}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	var err error
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		r.t.Fatal(err)
	}
	r.pagers = append(r.pagers, p)
	r.t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.kill()
		if r.t.Failed() {
			raw, _ := os.ReadFile(p.log.Name())
			r.t.Logf("end of the log of %s:\n%s", p.dir, raw[max(0, len(raw)-40000):])
		}
		_ = p.log.Close()
	})
	p.start(env...)
	return p
}

// start starts the process; it may be called from the goroutine that kills.
func (p *process) start(env ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.rig.settings
	s.Dir = p.dir
	raw, err := json.Marshal(s)
	if err != nil {
		p.rig.t.Error(err)
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), pagerEnv+"="+string(raw)), env...)
	cmd.Stderr = p.log
	// A pager ends when its input does, so with this test. (A signal at the death of the
	// parent would come when only the thread that started it ends.)
	if _, err := cmd.StdinPipe(); err != nil {
		p.rig.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		p.rig.t.Errorf("start a pager: %v", err)
		return
	}
	ended, wanted := make(chan struct{}), &atomic.Bool{}
	p.cmd, p.ended, p.wanted = cmd, ended, wanted
	if len(env) > 0 {
		wanted.Store(true) // a failpoint may end it
	}
	go func() { // ends with the process, which the test's cleanup kills
		_ = cmd.Wait()
		if !wanted.Load() {
			p.rig.t.Errorf("a pager ended by itself: %v", cmd.ProcessState)
		}
		close(ended)
	}()
}

func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(sig)
	}
}

// kill ends the process by SIGKILL and waits for that.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	p.wanted.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
	p.cmd = nil
}

// over waits until the process has ended by itself.
func (p *process) over(limit time.Duration) bool {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	select {
	case <-ended:
		p.mu.Lock()
		p.cmd = nil
		p.mu.Unlock()
		return true
	case <-time.After(limit):
		return false
	}
}

// buffer is a buffer for one writer and one reader at a time.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *buffer) reader() io.Reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.NewReader(bytes.Clone(b.buf.Bytes()))
}
