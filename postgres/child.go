package postgres

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Of the server's lines so many are kept to find out why it ended, and so many
// of those are quoted.
const (
	keptLines   = 64
	quotedLines = 3
)

// postmaster is a running server: our child, or one that a killed daemon left
// behind.
type postmaster struct {
	pid    int
	done   <-chan struct{} // closed when the process has ended
	said   *lastLines
	killed bool // set before done closes: a signal ended it, not its own will
}

// startChild starts cmd on a thread of its own, which it keeps until the child
// has ended: the child's death signal belongs to the thread, not the process.
func startChild(cmd *exec.Cmd, log *slog.Logger) (*postmaster, error) {
	dieWithParent(cmd.SysProcAttr)
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the server's pipe: %w", err)
	}
	cmd.Stderr = in // a file, so that Wait does not wait for grandchildren that hold it
	child := &postmaster{said: &lastLines{}}
	done := make(chan struct{})
	child.done = done
	started := make(chan error, 1)
	go func() { // ends with the child; Server.Run ends the child
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		defer close(done)
		err := cmd.Start()
		_ = in.Close() // the child has its own
		started <- err
		if err != nil {
			_ = out.Close()
			return
		}
		var relayed sync.WaitGroup
		relayed.Go(func() { relay(out, child.said, log) })
		err = cmd.Wait()
		if cmd.ProcessState != nil {
			state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			child.killed = ok && state.Signaled()
		}
		// A stuck backend may outlive its postmaster and hold the pipe.
		_ = out.SetReadDeadline(time.Now().Add(lastWords))
		relayed.Wait()
		_ = out.Close()
		child.said.add(fmt.Sprintf("the server ended: %v", err))
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	child.pid = cmd.Process.Pid
	return child, nil
}

// lastWords is how long the lines of a server that has ended are waited for.
const lastWords = 200 * time.Millisecond

// relay copies the server's lines into the log until the pipe ends.
func relay(out io.Reader, said *lastLines, log *slog.Logger) {
	lines := bufio.NewReaderSize(out, 4096)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		said.add(text)
		log.Log(context.Background(), severity(text), "postgres says", "line", text)
	}
}

// severity maps the server's words: what it logs as ERROR the statement's
// caller is told anyway, and FATAL ends one session only.
func severity(line string) slog.Level {
	word, rest, _ := strings.Cut(line, ":")
	if strings.HasPrefix(strings.TrimSpace(rest), "the database system is ") {
		return slog.LevelDebug // starting, recovering: we ask until it is ready
	}
	if strings.TrimSpace(rest) == "terminating connection due to administrator command" {
		return slog.LevelDebug // we stop it, and it had not yet noticed that a session was closed
	}
	switch word {
	case "PANIC":
		return slog.LevelError
	case "FATAL", "ERROR", "WARNING":
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// lastLines keeps the last lines of a server. Safe for concurrent use.
type lastLines struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *lastLines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines[max(0, len(l.lines)-keptLines+1):], line)
}

// String quotes the last complaints, or the last lines when there are none.
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var quoted []string
	for _, line := range l.lines {
		if word, _, _ := strings.Cut(line, ":"); word == "PANIC" || word == "FATAL" || word == "ERROR" {
			quoted = append(quoted, line)
		}
	}
	if len(quoted) == 0 {
		quoted = l.lines
	}
	return strings.Join(quoted[max(0, len(quoted)-quotedLines):], "; ")
}

// all is everything that is kept.
func (l *lastLines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// adopt watches a server that is not our child until it ends or ctx does.
func adopt(ctx context.Context, pid int, dataDir string) *postmaster {
	done := make(chan struct{})
	go func() { // ends with the server or with ctx, which Server.Run ends
		defer close(done)
		for runsIn(pid, dataDir) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(adoptPoll):
			}
		}
	}()
	return &postmaster{pid: pid, done: done, said: &lastLines{}}
}

const adoptPoll = 200 * time.Millisecond

// runsIn reports whether process pid is alive and a server of dataDir: a
// postmaster's working directory is its data directory. It errs to false for
// a zombie, another user's process and where there is no /proc.
func runsIn(pid int, dataDir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	cwd, err := os.Readlink(filepath.Join(proc, "cwd")) // fails for a zombie
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(dataDir)
	return err == nil && cwd == real
}

// signalable reports whether a process of that number exists that this user
// may signal, a zombie included: then postgres itself would take it for a
// running server.
func signalable(pid int) bool { return syscall.Kill(pid, 0) == nil }
