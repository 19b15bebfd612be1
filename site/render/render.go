// Package render makes sized JPEGs of pictures and keeps them.
//
// It owns decoding, the planar resampler, encoding, the content-keyed cache
// directory and the bounded pool of workers. It knows no photos, people or
// HTTP: a picture is a content hash and a way to read it.
package render

import (
	"context"
	"errors"
	"io"
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

// Config is the block `cache` of the site.
type Config struct {
	// Dir is the directory of rendered pictures; it is local to this machine, made when it is
	// missing, and may be emptied at any time. Default: ./data/cache. Example: /var/cache/keepwatch.
	Dir string `yaml:"dir"`
	// Size is how much the directory may hold; the pictures not looked at for longest go first.
	// Default: 2GiB. Range: 16MiB or more. Example: 500MiB.
	Size Size `yaml:"size"`
}

// Limits of this package.
const (
	minCache     Size = 16 << 20
	defaultCache Size = 2 << 30
)

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	if c.Dir == "" {
		c.Dir = "./data/cache"
	}
	if c.Size == 0 {
		c.Size = defaultCache
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

// Picture is what is to be rendered.
type Picture struct {
	// Content is the hash of the bytes that Open yields, in hex. It names the picture in the cache.
	Content string
	// Open yields the bytes of the original.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Rendition is a rendered picture. Close it after use.
type Rendition struct {
	io.ReadSeeker
	Key    string // the same value as the package's Key of the picture and edge
	Cached bool   // it came from the cache directory
	closer io.Closer
}

// Close releases the file under the rendition, if there is one.
func (r *Rendition) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}
