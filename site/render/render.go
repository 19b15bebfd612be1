// Package render makes sized JPEGs of pictures and keeps them.
//
// It owns decoding, the planar resampler, encoding, the content-keyed cache
// directory and the bounded pool of workers. It knows no photos, people or
// HTTP: a picture is a content hash and a way to read it.
package render

import (
	"errors"
	"time"
)

// The errors of this package.
var (
	// ErrBusy means that the pool is full or the picture waited too long for its
	// turn; the caller should ask again in a second.
	ErrBusy = errors.New("the renderer is busy")
	// ErrNotPicture means that the bytes are no picture that can be decoded.
	ErrNotPicture = errors.New("not a picture that can be shown")
	// ErrTooLarge means that the picture has more pixels or bytes than are allowed.
	ErrTooLarge = errors.New("the picture is too large")
	// ErrBroken means that the renderer itself failed on this picture.
	ErrBroken = errors.New("the picture could not be rendered")
)

// BusyError is an [ErrBusy] that says when to ask again.
type BusyError struct {
	After time.Duration // at least a second
	Why   string        // for logs
}

// Error is the text of ErrBusy with the reason.
func (e *BusyError) Error() string { return ErrBusy.Error() + ": " + e.Why }

// Unwrap makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Unwrap() error { return ErrBusy }

// Config is the block `cache` of the site.
type Config struct {
	// Dir is the directory of rendered pictures; it is local to this machine, made when it is
	// missing, and may be emptied at any time. Default: ./data/cache. Example: /var/cache/keepwatch.
	Dir string `yaml:"dir"`
	// Size is how much the directory may hold; the pictures not looked at for longest go first.
	// Default: 2GiB. Range: 16MiB or more. Example: 500MiB.
	Size Size `yaml:"size"`
	// KeepFree is how much of the disk is left to others: below it nothing is added to the
	// directory and the pictures not looked at for longest go, while pictures are still shown.
	// Default: 512MiB. Example: 5GiB.
	KeepFree Size `yaml:"keep_free"`
}

// Limits of this package.
const (
	minCache        Size = 16 << 20
	defaultCache    Size = 2 << 30
	defaultKeepFree Size = 512 << 20
)

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	if c.Dir == "" {
		c.Dir = "./data/cache"
	}
	if c.Size == 0 {
		c.Size = defaultCache
	}
	if c.KeepFree == 0 {
		c.KeepFree = defaultKeepFree
	}
}

// Validate reports every mistake; it expects defaults to be set.
func (c *Config) Validate(report func(path, msg string)) {
	if c.Dir == "" {
		report("dir", "is empty; give a directory such as ./data/cache")
	}
	if c.Size < minCache {
		report("size", "is "+c.Size.String()+", which is too little to be useful; give 16MiB or more, such as 2GiB")
	}
}
