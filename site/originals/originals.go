// Package originals keeps the untouched pictures people gave, named by the
// hash of their content.
//
// It owns the files and nothing about them: no titles, no owners, no sizes. An
// object is written once and never changed, so two writers of one content
// cannot disagree, and a copy on a second machine is the same object.
package originals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// The errors that callers tell apart. Other errors mean that the store is away.
var (
	// ErrNotFound is returned for an object that is not there.
	ErrNotFound = errors.New("no such original")
	// ErrContent is returned by Put for bytes that are not the content they were
	// said to be, and by Open or Put for an object that is damaged in the store.
	ErrContent = errors.New("the original is not what its name says")
	// ErrFull is returned by Put when the store has no room left.
	ErrFull = errors.New("there is no room left for originals")
	// ErrSlow is returned when the store did not answer in time, or when so many
	// calls hang already that it was not asked.
	ErrSlow = errors.New("the store of originals does not answer")
)

// Object is an open original. Close it after use. It may be read while the
// context lives that it was opened with. Not safe for concurrent use.
type Object struct {
	io.ReadSeekCloser
	Size int64     // bytes
	Mod  time.Time // UTC, when it was written
}

// Entry is an object of a list.
type Entry struct {
	Content string
	Bytes   int64
	Mod     time.Time // UTC, when it was put; putting it again may make it younger
}

// Store keeps originals. content is the SHA-256 of an object in 64 lower-case
// hex digits; anything else names no object and never becomes part of a path.
// All methods are safe for concurrent use, also by several machines.
type Store interface {
	// Put keeps what r yields from its start to its end, under a content that the
	// caller has computed before. It is verified: other bytes are ErrContent. When it
	// returns nil the object is on stable storage; when it fails nothing new is there.
	// Putting twice is putting once. ErrFull when there is no room.
	Put(ctx context.Context, content string, r io.ReadSeeker) error
	// Open returns the object, or ErrNotFound.
	Open(ctx context.Context, content string) (*Object, error)
	// Delete removes the object; one that is not there is no error.
	Delete(ctx context.Context, content string) error
	// List returns up to limit objects whose content is greater than after ("" starts),
	// in ascending order. Fewer than limit means that there are no more.
	List(ctx context.Context, after string, limit int) ([]Entry, error)
	// Check reports whether the store can be used now. It is cheap.
	Check(ctx context.Context) error
}

// Content returns the name of what r yields from its start to its end, and its size.
func Content(r io.ReadSeeker) (content string, bytes int64, err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", 0, fmt.Errorf("read picture: %w", err)
	}
	sum := sha256.New()
	bytes, err = io.Copy(sum, r)
	if err != nil {
		return "", 0, fmt.Errorf("read picture: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), bytes, nil
}

// valid reports whether a name can be one of ours, so that nothing else ever
// becomes part of a path.
func valid(content string) bool {
	if len(content) != 2*sha256.Size {
		return false
	}
	for _, c := range content {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
