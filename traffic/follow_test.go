package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// notebook is a Store in memory that can fail before and after it has written.
type notebook struct {
	pos          Position
	valid        int64
	skipped      int64
	refuse, lose bool // before, after
}

var errAway = errors.New("the database is away")

func (n *notebook) Position(context.Context, string) (Position, error) { return n.pos, nil }

func (n *notebook) Commit(_ context.Context, _ string, minutes []Minute, p Position) error {
	if n.refuse {
		return errAway
	}
	if p.Version != n.pos.Version+1 {
		return ErrMoved
	}
	n.pos = p
	for _, m := range minutes {
		n.valid += m.Valid
		n.skipped += m.Skipped
	}
	if n.lose {
		return errAway
	}
	return nil
}

// weblog is a server's log on a disk, with a clock of its own.
type weblog struct {
	t       testing.TB
	path    string
	now     time.Time
	written int64
	store   *notebook
	f       *Follower
}

func newWeblog(tb testing.TB, dir string) *weblog {
	tb.Helper()
	w := &weblog{t: tb, path: filepath.Join(dir, "access.log"), now: time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC), store: &notebook{}}
	w.restart()
	w.create()
	return w
}

func (w *weblog) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// restart is a follower that knows what the store knows.
func (w *weblog) restart() {
	if w.f != nil {
		w.f.shut()
	}
	w.f = &Follower{Counter: Counter{Config: Config{Name: "front", File: w.path}}, Store: w.store, Log: slog.New(slog.DiscardHandler)}
	w.f.Config.SetDefaults()
}

func (w *weblog) create() { w.check(os.WriteFile(w.path, nil, 0o600)) }

// write appends n lines; the last one may lack its end.
func (w *weblog) write(path string, n int, text string) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	w.check(err)
	for range n {
		w.written++
		_, err = fmt.Fprintf(file, "127.0.0.1 - - [%s] \"GET /%d HTTP/1.1\" 200 5 \"-\" \"Mozilla\"\n", w.now.Format(nginxTime), w.written)
		w.check(err)
	}
	_, err = io.WriteString(file, text)
	w.check(err)
	w.check(file.Close())
	w.check(os.Chtimes(path, w.now, w.now))
}

// shift makes room for access.log.1.
func (w *weblog) shift() {
	for i := 8; i > 0; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", w.path, i), fmt.Sprintf("%s.%d", w.path, i+1)) // most are not there
	}
}

func (w *weblog) rename() {
	w.shift()
	w.check(os.Rename(w.path, w.path+".1"))
	w.create()
	w.now = w.now.Add(time.Second)
	w.check(os.Chtimes(w.path, w.now, w.now))
}

func (w *weblog) copyTruncate() {
	w.shift()
	all, err := os.ReadFile(w.path)
	w.check(err)
	w.now = w.now.Add(time.Second)
	w.check(os.WriteFile(w.path+".1", all, 0o600))
	w.check(os.Chtimes(w.path+".1", w.now, w.now))
	w.check(os.Truncate(w.path, 0))
	w.now = w.now.Add(time.Second)
	w.check(os.Chtimes(w.path, w.now, w.now))
}

// catchUp turns until nothing more comes, over the time that renamed files are kept.
func (w *weblog) catchUp() {
	w.t.Helper()
	for idle := 0; idle < 3; {
		more, err := w.f.Turn(w.t.Context(), w.now)
		w.check(err)
		if idle++; more {
			idle = 0
		}
		w.now = w.now.Add(linger)
	}
}

func (w *weblog) expect(valid, skipped int64) {
	w.t.Helper()
	if w.store.valid != valid || w.store.skipped != skipped {
		w.t.Fatalf("counted %d requests and %d bad lines, want %d and %d", w.store.valid, w.store.skipped, valid, skipped)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	line := "127.0.0.1 - - [22/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"Mozilla\""
	tests := []struct {
		name           string
		do             func(w *weblog)
		valid, skipped int64
	}{
		{"grows", func(w *weblog) { w.write(w.path, 3, ""); w.catchUp(); w.write(w.path, 4, ""); w.catchUp() }, 7, 0},
		{"a line in two parts", func(w *weblog) {
			w.write(w.path, 1, line[:20])
			w.catchUp()
			w.write(w.path, 0, line[20:]+"\n")
			w.catchUp()
		}, 2, 0},
		{"a part is no line yet", func(w *weblog) { w.write(w.path, 1, line); w.catchUp() }, 1, 0},
		{"bad lines", func(w *weblog) { w.write(w.path, 1, "hello\n\n"); w.write(w.path, 1, ""); w.catchUp() }, 2, 1},
		{"a line without end", func(w *weblog) {
			w.write(w.path, 1, string(make([]byte, 200<<10)))
			w.catchUp()
			w.write(w.path, 0, "\n")
			w.write(w.path, 2, "")
			w.catchUp()
		}, 3, 1},
		{"renamed", func(w *weblog) { w.write(w.path, 2, ""); w.catchUp(); w.rename(); w.write(w.path, 3, ""); w.catchUp() }, 5, 0},
		{"renamed, and written on for a moment", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.rename()
			_, err := w.f.Turn(w.t.Context(), w.now)
			w.check(err)
			w.write(w.path+".1", 2, line)
			w.write(w.path, 3, "")
			w.catchUp()
		}, 8, 0},
		{"no new file yet", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.check(os.Rename(w.path, w.path+".1"))
			w.catchUp()
			w.create()
			w.write(w.path, 3, "")
			w.catchUp()
		}, 5, 0},
		{"not there at first", func(w *weblog) {
			w.check(os.Remove(w.path))
			w.catchUp()
			w.create()
			w.write(w.path, 3, "")
			w.catchUp()
		}, 3, 0},
		{"emptied without a copy", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.check(os.Truncate(w.path, 0))
			w.write(w.path, 3, "")
			w.catchUp()
		}, 5, 0},
		{"emptied, and longer than before", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.check(os.Truncate(w.path, 0))
			w.write(w.path, 30, "")
			w.catchUp()
		}, 32, 0},
		{"copied and emptied with unread lines", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.write(w.path, 2, "")
			w.copyTruncate()
			w.write(w.path, 30, "")
			w.catchUp()
		}, 34, 0},
		{"rotated three times while nobody looked", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.write(w.path, 2, "")
			for range 3 {
				w.rename()
				w.write(w.path, 3, "")
			}
			w.restart()
			w.catchUp()
		}, 13, 0},
		{"another file of that name", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			w.check(os.Remove(w.path))
			w.create()
			w.write(w.path, 5, "")
			w.restart()
			w.catchUp()
		}, 7, 0},
		{"a backup is no rotated log", func(w *weblog) {
			w.write(w.path, 2, "")
			w.catchUp()
			all, err := os.ReadFile(w.path)
			w.check(err)
			w.check(os.WriteFile(w.path+".bak", all, 0o600))
			w.check(os.Chtimes(w.path+".bak", w.now, w.now))
			w.rename()
			w.write(w.path, 3, "")
			w.catchUp()
		}, 5, 0},
		{"more than one read holds", func(w *weblog) { w.write(w.path, 40_000, ""); w.catchUp() }, 40_000, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWeblog(t, t.TempDir())
			tt.do(w)
			w.expect(tt.valid, tt.skipped)
			w.restart()
			w.catchUp()
			w.expect(tt.valid, tt.skipped)
			w.f.shut()
		})
	}
}

// TestFollowNeitherLosesNorDoubles: whatever happens to the log, the database and
// the program, and in whatever order, each line is counted once.
func TestFollowNeitherLosesNorDoubles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newWeblog(t, t.TempDir())
		w.write(w.path, 1, "") // an empty log has nothing to be known by
		w.catchUp()
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"write", "write", "turn", "turn", "rename", "copy", "kill", "refuse", "lose", "heal"}).Draw(r, "step") {
			case "write":
				w.write(w.path, rapid.IntRange(1, 40).Draw(r, "lines"), "")
			case "turn":
				_, _ = w.f.Turn(t.Context(), w.now) // it may fail: the store may be away
				w.now = w.now.Add(time.Second)
			case "rename":
				w.rename()
				w.write(w.path, 1, "")
			case "copy":
				if w.store.refuse || w.store.lose {
					continue
				}
				w.catchUp() // what was never seen in a log cannot be missed when it is emptied
				w.write(w.path, rapid.IntRange(0, 3).Draw(r, "unread"), "")
				w.copyTruncate()
				w.write(w.path, 1, "")
			case "kill":
				w.restart()
			case "refuse":
				w.store.refuse = true
			case "lose":
				w.store.lose = true
			case "heal":
				w.store.refuse, w.store.lose = false, false
			}
		}
		w.store.refuse, w.store.lose = false, false
		w.now = w.now.Add(time.Minute)
		w.catchUp()
		if w.store.valid != w.written || w.store.skipped != 0 {
			r.Fatalf("counted %d of %d lines, %d bad", w.store.valid, w.written, w.store.skipped)
		}
		w.f.shut()
	})
}

// TestTwoFollowers of one log count it once.
func TestTwoFollowers(t *testing.T) {
	t.Parallel()
	w := newWeblog(t, t.TempDir())
	w.write(w.path, 5, "")
	other := newWeblog(t, t.TempDir())
	other.store, other.path = w.store, w.path
	other.restart()
	for i := range 20 {
		w.write(w.path, 1, "")
		for _, f := range []*Follower{w.f, other.f} {
			if _, err := f.Turn(t.Context(), w.now); err != nil && !errors.Is(err, ErrMoved) {
				t.Fatalf("turn %d: %v", i, err)
			}
		}
	}
	w.catchUp()
	w.expect(25, 0)
}
