package postgres

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	cases := []struct {
		name string
		err  error
		want string
	}{
		{"full disk", explain(syscall.ENOSPC, "/d"), "the disk of /d is full: free some space"},
		{"quota", explain(syscall.EDQUOT, "/d"), "the disk of /d is full"},
		{"no right", explain(fs.ErrPermission, "/d"), "/d cannot be written: make it writable"},
		{"read-only", explain(syscall.EROFS, "/d"), "/d cannot be written"},
		{"a file in the way", explain(syscall.ENOTDIR, "/d"), "/d is not a directory"},
		{"other", explain(broken, "/d"), "prepare /d: broken"},
		{"initdb on a full disk", explainOutput(broken, "initdb: could not write: No space left on device", "/d"), "the disk of /d is full"},
		{"recovery on a full disk", explainOutput(broken, "ERROR:  wrote only 4096 of 8192 bytes\nHINT:  Check free disk space.", "/d"), "the disk of /d is full"},
		{"no passwd line", explainOutput(broken, "initdb: error: could not look up effective user ID 1234: user does not exist", "/d"), "no line in /etc/passwd"},
		{"stuck backends", explainOutput(broken, "FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", "/d"), "are still alive in /d: end them"},
		{"what nobody foresaw", explainOutput(broken, "FATAL:  out of luck", "/d"), "broken"},
	}
	for _, c := range cases {
		if !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %q, want %q in it", c.name, c.err, c.want)
		}
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]slog.Level{
		"LOG:  checkpoint starting: time":                               slog.LevelDebug,
		"FATAL:  the database system is starting up":                    slog.LevelDebug,
		"FATAL:  terminating connection due to administrator command":   slog.LevelDebug,
		"WARNING:  there is no transaction in progress":                 slog.LevelWarn,
		"ERROR:  duplicate key value violates unique constraint":        slog.LevelWarn,
		"PANIC:  could not write to file: No space left on device":      slog.LevelError,
		"STATEMENT:  SELECT 1":                                          slog.LevelDebug,
		"initdb: hint: If you want to remove the data directory, FATAL": slog.LevelDebug,
	} {
		if got := severity(line); got != want {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
}

func TestLastLinesQuoteTheComplaint(t *testing.T) {
	t.Parallel()
	l := &lastLines{}
	for range 2 * keptLines {
		l.add("LOG:  chatter")
	}
	if got := strings.Count(l.all(), "\n") + 1; got != keptLines {
		t.Errorf("kept %d lines, want %d", got, keptLines)
	}
	l.add("FATAL:  out of luck")
	l.add("HINT:  try again")
	if got, want := l.String(), "FATAL:  out of luck"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
