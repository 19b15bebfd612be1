// Package originals keeps the untouched pictures people gave, named by the
// hash of their content.
//
// It owns the files and nothing about them: no titles, no owners, no sizes. An
// object is written once and never changed, so two writers of one content
// cannot disagree, and a copy on a second machine is the same object.
package originals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrNotFound is returned for an object that is not there.
var ErrNotFound = errors.New("no such original")

// Object is an open original. Close it after use.
type Object struct {
	io.ReadSeekCloser
	Size int64
	Mod  time.Time // UTC, when it was written
}

// Store keeps originals. A name is the SHA-256 of the content in 64 hex
// digits. All methods are safe for concurrent use, also by several machines.
type Store interface {
	// Put keeps what r yields and returns its name and size in bytes. When it
	// returns nil the content is on stable storage. Putting twice is putting once.
	Put(ctx context.Context, r io.Reader) (name string, size int64, err error)
	// Open returns the object, or ErrNotFound.
	Open(ctx context.Context, name string) (*Object, error)
	// Delete removes the object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Check reports whether the store can be used now.
	Check(ctx context.Context) error
}

// New opens the store at a place: a directory (made when missing). A place
// such as s3://bucket/prefix is refused, because it is not built yet.
func New(place string) (Store, error) {
	if err := Validate(place); err != nil {
		return nil, err
	}
	return NewDir(place)
}

// Validate says what is wrong with a place, without touching it.
func Validate(place string) error {
	switch {
	case place == "":
		return errors.New("is empty; give a directory such as ./data/originals")
	case strings.HasPrefix(place, "s3://"):
		return errors.New("S3 is not built yet; give a directory, such as ./data/originals or a mounted NFS or EFS path")
	case strings.Contains(place, "://"):
		return fmt.Errorf("%q is no directory; give a path such as ./data/originals", place)
	}
	return nil
}
