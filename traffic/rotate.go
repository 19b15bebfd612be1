package traffic

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// open takes a file up at an offset. The position keeps its fingerprint only when
// the file is the one that it was taken of.
func (f *Follower) open(path string, p Position, past bool) error {
	file, err := os.Open(path) // #nosec G304 -- the operator names the log
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was rotated this moment, or is not there yet
	}
	if err != nil {
		return fmt.Errorf("open access log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("open access log: %w", err)
	}
	f.shut()
	p.Version, p.File = f.pos.Version, idOf(info)
	f.file, f.pos, f.past = file, p, past
	return nil
}

// resume finds the file that the position is in: the log itself, or what became of
// it when it was rotated meanwhile.
func (f *Follower) resume(ctx context.Context) error {
	if f.pos.File == "" {
		return f.open(f.Config.File, Position{}, false)
	}
	live, err := os.Stat(f.Config.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at access log: %w", err)
	}
	if err == nil && idOf(live) == f.pos.File && f.holds(f.Config.File) {
		return f.open(f.Config.File, f.pos, false)
	}
	path, err := f.former()
	if err != nil {
		return err
	}
	if path != "" {
		return f.open(path, f.pos, true)
	}
	f.Log.WarnContext(ctx, "the access log was rotated away before it was read to its end; those lines are missing", "log", f.Config.Name)
	return f.open(f.Config.File, Position{}, false)
}

// holds reports whether a file is long enough and begins as the position remembers.
func (f *Follower) holds(path string) bool {
	file, err := os.Open(path) // #nosec G304 -- beside the log that the operator names
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < f.pos.Offset {
		return false
	}
	same, err := begins(file, f.pos)
	return err == nil && same
}

// sibling is a rotated log.
type sibling struct {
	path string
	id   string
	at   time.Time // of its last line
}

// siblings are the rotated logs that can be read, oldest first.
func (f *Follower) siblings() ([]sibling, error) {
	dir, base := filepath.Split(f.Config.File)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		return nil, fmt.Errorf("look for rotated logs: %w", err)
	}
	var out []sibling
	for _, e := range entries {
		name := e.Name()
		tail, rotated := strings.CutPrefix(name, base)
		if !rotated || tail == "" || (tail[0] != '.' && tail[0] != '-') || strings.HasSuffix(name, ".gz") {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone this moment
		}
		out = append(out, sibling{filepath.Join(dir, name), idOf(info), info.ModTime()})
	}
	slices.SortStableFunc(out, func(a, b sibling) int { return a.at.Compare(b.at) })
	return out, nil
}

// former is the rotated file that the position is in: renamed, or copied before the
// log was emptied. "" when there is none.
func (f *Follower) former() (string, error) {
	all, err := f.siblings()
	if err != nil {
		return "", err
	}
	copied := ""
	for _, s := range all {
		if (s.id != f.pos.File && f.pos.PrintLen == 0) || !f.holds(s.path) {
			continue
		}
		if s.id == f.pos.File {
			return s.path, nil
		}
		copied = s.path
	}
	return copied, nil
}

// truncated goes on after the log was emptied. What was written to it since it was
// last read is in the copy that the rotation made, if it made one: that is read to its
// end, and then what is younger.
func (f *Follower) truncated(ctx context.Context) error {
	before := f.pos
	path, err := f.former()
	if err != nil {
		return err
	}
	if path != "" && f.pos.PrintLen > 0 {
		if err := f.open(path, f.pos, true); err != nil || f.file == nil {
			return err
		}
	} else {
		f.Log.InfoContext(ctx, "the access log was emptied", "log", f.Config.Name)
		f.pos.Offset, f.pos.Print, f.pos.PrintLen = 0, nil, 0
	}
	return f.commit(ctx, before)
}

// next goes on with the file after a finished one: another rotated log that is
// younger, or the log itself.
func (f *Follower) next(ctx context.Context) error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("look at access log: %w", err)
	}
	all, err := f.siblings()
	if err != nil {
		return err
	}
	path, past := f.Config.File, false
	for _, s := range all {
		if s.id != f.pos.File && s.at.After(info.ModTime()) && !f.holds(s.path) { // else it is a copy of this one
			path, past = s.path, true
			break
		}
	}
	before := f.pos
	if err := f.open(path, Position{}, past); err != nil || f.file == nil {
		return err
	}
	return f.commit(ctx, before)
}
