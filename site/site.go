// Package site is the image site: people log in with a code and look at
// pictures.
//
// It owns access rules, login, the pages and the serving of pictures. Sized
// pictures come from site/render, files from site/originals, and everything
// that must be remembered goes through [Store]. It knows no SQL, no YAML and
// no incidents.
package site

import (
	"context"
	"errors"
	"time"
)

// Level is what a visitor may do with a photo. The numbers are stored.
type Level int16

// The levels; each includes the ones before it.
const (
	None     Level = 0
	Read     Level = 1 // see renditions and metadata
	Download Level = 2 // fetch the untouched original
	Write    Level = 3 // change, delete, share
)

// Photo is one original and what is known of it.
type Photo struct {
	ID            int64
	Content       string // name in the store of originals: SHA-256 in hex
	FileName      string // as it was given; never part of a path
	Bytes         int64
	Width, Height int // pixels
	Title         string
	Caption       string
	Taken         time.Time // local wall time, carried as UTC; zero when not known
	Added         time.Time // UTC
	Tags          []int64   // ids, ascending
}

// Tag is a label that is also the group whose holders may see its photos.
type Tag struct {
	ID   int64
	Name string
}

// Grant is what one token allows.
type Grant struct {
	Token   []byte // SHA-256 of the secret
	Tag     Tag
	Level   Level
	Expires time.Time // UTC; zero means never
}

// Redemption asks to turn a code into a token.
type Redemption struct {
	Code  string // normalised, see NormaliseCode
	Token []byte // SHA-256 of the new secret
	Now   time.Time
}

// Seed is what an empty site starts with.
type Seed struct {
	Now    time.Time
	Tag    string
	Level  Level
	Code   string // normalised
	Photos []Photo
}

// Welcome is what the site holds at its start.
type Welcome struct {
	// Empty means that there is neither a photo nor a tag.
	Empty bool
	// Code is the first login code while nobody has used it yet, else "".
	Code string
}

// The errors of a Store.
var (
	// ErrNotFound is returned for a photo that does not exist or is deleted.
	ErrNotFound = errors.New("no such photo")
	// ErrCode is returned for a code that is unknown, expired or used up: one
	// error for all three, so that nobody can tell them apart.
	ErrCode = errors.New("this code is not valid")
)

// Store remembers photos, tags, tokens and codes. All methods are safe for
// concurrent use.
type Store interface {
	// Grants returns the grants of the tokens with these hashes, expired ones
	// included, in no fixed order; unknown hashes are left out.
	Grants(ctx context.Context, hashes [][]byte) ([]Grant, error)
	// Photo returns a photo with its tags, or ErrNotFound.
	Photo(ctx context.Context, id int64) (Photo, error)
	// Photos returns up to limit photos that carry one of the tags, newest first.
	Photos(ctx context.Context, tags []int64, limit int) ([]Photo, error)
	// Redeem counts a use of the code and stores the new token, both or neither,
	// or returns ErrCode. Racing callers cannot use a code more often than it allows.
	Redeem(ctx context.Context, r Redemption) (Grant, error)
	// Welcome tells what the site holds.
	Welcome(ctx context.Context) (Welcome, error)
	// Seed stores the whole seed in one transaction, unless its tag exists already.
	Seed(ctx context.Context, s Seed) error
}
