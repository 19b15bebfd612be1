package traffic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"
)

const (
	pollEvery = time.Second
	chunk     = 1 << 20  // bytes read at once
	maxLine   = 64 << 10 // bytes; a longer line is skipped
	printLen  = 1 << 10  // bytes of a file's beginning that tell it apart
	// linger is how long a renamed log is read on: the server's processes let go of it
	// one after the other.
	linger  = 5 * time.Second
	maxTurn = 30 * time.Second // deadline of one turn's reading and storing
)

// Follower counts what is written to one log. Set Counter.Config, Store and Log;
// Run it once at a time.
type Follower struct {
	Counter
	Store Store
	Log   *slog.Logger

	loaded  bool // pos is that of the store
	pos     Position
	file    *os.File  // nil: none is open
	renamed time.Time // when it was found that file is no longer the log; zero while it is
	past    bool      // file is a rotated one, which ends
	failing bool
	buf     []byte
}

// Run follows the log until ctx ends; it returns nil. What was read and not yet
// stored is read again at the next start.
func (f *Follower) Run(ctx context.Context) error {
	defer f.drop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		more, err := f.Turn(ctx, time.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !f.failing:
			f.Log.WarnContext(ctx, "access log not read, will try again", "log", f.Config.Name, "err", err)
		case err == nil && f.failing:
			f.Log.InfoContext(ctx, "access log is read again", "log", f.Config.Name)
		}
		f.failing = err != nil
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Turn reads what is there, up to a bound, and stores it with the position; more
// says that there is more. After an error everything since the last commit is read again.
func (f *Follower) Turn(ctx context.Context, now time.Time) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxTurn)
	defer cancel()
	if more, err = f.turn(ctx, now); err != nil {
		f.drop()
	}
	return more, err
}

func (f *Follower) turn(ctx context.Context, now time.Time) (more bool, err error) {
	if err := f.ready(ctx); err != nil || f.file == nil {
		return false, err
	}
	before := f.pos
	n, err := f.read(now)
	if err != nil {
		return false, err
	}
	// Looked at after reading, so that what was read is known to be of this file.
	if whole, err := f.intact(); err != nil {
		return false, err
	} else if !whole { // emptied, and perhaps filled anew
		f.minutes, f.pos = nil, before
		return true, f.truncated(ctx)
	}
	done := false
	if n == 0 {
		if done, err = f.ended(now); err != nil {
			return false, err
		}
	}
	if err := f.commit(ctx, before); err != nil {
		return false, err
	}
	if done {
		return true, f.next(ctx)
	}
	return n > 0, nil
}

// ready makes sure that the position is known and its file open; without a log
// there is none.
func (f *Follower) ready(ctx context.Context) (err error) {
	if !f.loaded {
		if f.pos, err = f.Store.Position(ctx, f.Config.Name); err != nil {
			return err
		}
		f.loaded = true
	}
	if f.file == nil {
		return f.resume(ctx)
	}
	return nil
}

// drop forgets all that is not in the store.
func (f *Follower) drop() {
	f.shut()
	f.minutes, f.loaded, f.pos = nil, false, Position{}
}

func (f *Follower) shut() {
	if f.file != nil {
		_ = f.file.Close() // it was only read
		f.file = nil
	}
	f.renamed, f.past = time.Time{}, false
}

// commit stores counts and position when there is something new.
func (f *Follower) commit(ctx context.Context, before Position) error {
	if err := f.fingerprint(); err != nil {
		return err
	}
	if f.pos.File == before.File && f.pos.Offset == before.Offset && f.pos.PrintLen == before.PrintLen && len(f.minutes) == 0 {
		return nil
	}
	f.pos.Version++
	return f.Store.Commit(ctx, f.Config.Name, f.Take(), f.pos)
}

// read counts the complete lines behind the position; n is how far it got.
func (f *Follower) read(now time.Time) (n int, err error) {
	if f.buf == nil {
		f.buf = make([]byte, chunk)
	}
	got, err := f.file.ReadAt(f.buf, f.pos.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read access log: %w", err)
	}
	data := f.buf[:got]
	for {
		end := bytes.IndexByte(data[n:], '\n')
		if end < 0 {
			break
		}
		if end > maxLine {
			f.skip(now)
		} else {
			f.Add(data[n:n+end], now)
		}
		n += end + 1
	}
	if rest := got - n; rest > maxLine && n == 0 { // what is behind it is another line
		f.skip(now)
		n = got
	}
	f.pos.Offset += int64(n)
	return n, nil
}

// lastLine counts what a finished file has behind its last line's end.
func (f *Follower) lastLine(now time.Time) error {
	rest := make([]byte, maxLine)
	n, err := f.file.ReadAt(rest, f.pos.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read access log: %w", err)
	}
	if n > 0 {
		f.Add(rest[:n], now)
		f.pos.Offset += int64(n)
	}
	return nil
}

// ended reports whether nothing more will come in this file: it was renamed, and
// its successor has been there for a while.
func (f *Follower) ended(now time.Time) (bool, error) {
	if f.past {
		info, err := f.file.Stat()
		if err != nil {
			return false, fmt.Errorf("look at access log: %w", err)
		}
		if now.Sub(info.ModTime()) < linger {
			return false, nil // it was renamed a moment ago
		}
		return true, f.lastLine(now)
	}
	live, err := os.Stat(f.Config.File)
	switch {
	case errors.Is(err, fs.ErrNotExist): // between two files
		f.renamed = time.Time{}
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at access log: %w", err)
	case idOf(live) == f.pos.File:
		f.renamed = time.Time{}
		return false, nil
	}
	if f.renamed.IsZero() {
		f.renamed = now
	}
	if now.Sub(f.renamed) < linger {
		return false, nil
	}
	return true, f.lastLine(now)
}

// intact reports whether the file still begins as it did, and is as long as was read.
func (f *Follower) intact() (bool, error) {
	info, err := f.file.Stat()
	if err != nil {
		return false, fmt.Errorf("look at access log: %w", err)
	}
	if info.Size() < f.pos.Offset {
		return false, nil
	}
	return begins(f.file, f.pos)
}

// begins reports whether a file begins as the position remembers.
func begins(r io.ReaderAt, p Position) (bool, error) {
	if p.PrintLen == 0 {
		return true, nil
	}
	head := make([]byte, min(p.PrintLen, printLen))
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read access log: %w", err)
	}
	sum := sha256.Sum256(head[:n])
	return n == p.PrintLen && bytes.Equal(sum[:], p.Print), nil
}

// fingerprint remembers the beginning of the file, of what was read already.
func (f *Follower) fingerprint() error {
	want := int(min(f.pos.Offset, printLen))
	if f.file == nil || f.pos.PrintLen >= want {
		return nil
	}
	head := make([]byte, want)
	if _, err := f.file.ReadAt(head, 0); err != nil {
		return fmt.Errorf("read access log: %w", err)
	}
	sum := sha256.Sum256(head)
	f.pos.Print, f.pos.PrintLen = sum[:], want
	return nil
}

// idOf names a file whatever its name is.
func idOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return info.Name()
}
