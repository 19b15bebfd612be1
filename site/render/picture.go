package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strconv"

	"keepwatch/site/render/plane"
)

// version is part of every key: raise it when the same picture would come out
// differently, and every cached file is simply never asked for again.
const version = "2"

// textAbove is the longer edge above which a picture carries its text.
const textAbove = 400

// Edges returns the longer edges, in pixels, that are made; each other number
// would be a file of its own in the cache.
func Edges() []int { return []int{192, 256, 350, 450, 640, 800, 1024, 1280, 1440, 1600, 1920} }

// Allowed reports whether edge is one of [Edges].
func Allowed(edge int) bool { return slices.Contains(Edges(), edge) }

// Fit returns the size of a w by h picture whose longer edge is at most edge;
// it never enlarges and is at least 1 by 1.
func Fit(w, h, edge int) (int, int) {
	long := max(w, h)
	if long <= edge {
		return w, h
	}
	scaled := func(v int) int { return max((v*edge+long/2)/long, 1) }
	return scaled(w), scaled(h)
}

// Shown returns the size of a stored w by h picture after its EXIF orientation
// (1..8; 0 is 1) and its rotation (degrees counter-clockwise) have been applied.
func Shown(w, h, orientation, rotation int) (int, int) {
	if turned := orientation >= 5 && orientation <= 8; turned != (rotation%180 != 0) {
		return h, w
	}
	return w, h
}

// Picture is what is to be rendered.
type Picture struct {
	// Content is the hash of the bytes that Open yields, in hex. It names the picture in the cache.
	Content string
	// Open yields the bytes of the original.
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Orientation is the EXIF orientation of the original, 1 to 8; 0 is 1.
	Orientation int
	// Rotation is how far the picture is turned counter-clockwise after its
	// orientation has been applied: 0, 90, 180 or 270 degrees.
	Rotation int
	// Text is the watermark as it is to be read, all templates expanded. It is drawn
	// on pictures whose longer edge is above 400 pixels, where there is room for it.
	Text string
	// Longer is the longer edge of the original in pixels; 0 is not known. It only saves
	// renditions: sizes above it are one and the same.
	Longer int
	// Admit is asked before work is done for a visitor because the rendition is not in
	// the cache; its error is that of Get. nil lets everybody in. It is no part of the key.
	Admit func() error
}

// Key names the rendition with the given longer edge: 32 hex digits that change
// with anything that would change the bytes. It is the name in the cache and the ETag.
func (p Picture) Key(edge int) string {
	if p.Longer > 0 {
		edge = min(edge, p.Longer)
	}
	text := p.Text
	if edge <= textAbove {
		text = ""
	}
	return hash("rendition", Engine(), "q"+strconv.Itoa(quality), p.Content, p.turn(), strconv.Itoa(edge), text)
}

// Version is the part of a picture's address that changes with the picture: 8
// hex digits, the same for all sizes and on all servers.
func (p Picture) Version() string { return hash("version", p.Content, p.turn(), p.Text)[:8] }

// turn names what orientation and rotation do together: pairs that come to the
// same give the same name.
func (p Picture) turn() string {
	return strconv.Itoa(int(plane.TurnOf(p.Orientation, p.Rotation)))
}

// hash is asked for three times in each request for a picture: it makes one piece
// of memory and no more.
func hash(parts ...string) string {
	buf := make([]byte, 0, 512)
	add := func(part string) {
		buf = strconv.AppendInt(buf, int64(len(part)), 10) // the lengths keep parts apart
		buf = append(buf, ':')
		buf = append(buf, part...)
	}
	add("keepwatch")
	add(version)
	for _, part := range parts {
		add(part)
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16])
}

// Lane says who waits for a picture: those of a lower lane are served first.
type Lane uint8

// The lanes.
const (
	Signed     Lane = iota // a visitor with a valid token
	Stranger               // anybody else
	background             // nobody: pictures made ahead of time
)

// Rendition is a rendered picture. Close it after use.
type Rendition struct {
	io.ReadSeeker
	Data   []byte // all of it, when it is in memory; nil when it is a file. It must not be changed
	Key    string // the same value as Picture.Key
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
