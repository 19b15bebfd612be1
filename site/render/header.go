package render

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Format is a kind of picture file that can be rendered.
type Format string

// The formats.
const (
	JPEGFormat Format = "jpeg"
	PNGFormat  Format = "png"
	WebPFormat Format = "webp"
)

// Limits of a picture file.
const (
	// MaxPixels is the largest picture that is decoded: 50 megapixels, the default
	// cap of imgproxy, about 75 MB of planes.
	MaxPixels = 50_000_000
	// MaxBytes is the largest file that is read; an honest 50-megapixel JPEG is smaller.
	MaxBytes = 64 << 20
	// MaxMemory is the most that decoding one picture may take. Only progressive
	// pictures come near it, which hold four bytes for each sample until their last
	// scan: 50 megapixels of them with halved colours, 33 with whole ones.
	MaxMemory = 512 << 20
	// maxScans is far above what encoders write (jpegtran's richest script has 10)
	// and bounds the work that a few bytes can ask for.
	maxScans    = 64
	maxSegments = 4096 // markers of one file, restarts apart; a large profile has 255
	maxProfile  = 1 << 20
	maxExif     = 64 << 10
)

// Header is what a picture file says about itself before any pixel is decoded.
type Header struct {
	Format        Format
	Width, Height int    // as stored, before the orientation; both at least 1
	Orientation   int    // EXIF 1..8; 1 when the file does not say
	Progressive   bool   // a progressive JPEG or interlaced PNG
	Components    int    // colour channels, transparency apart: 1, 3 or 4
	Sampling      string // of a JPEG's colours: "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0"; else ""
	Scans         int    // scans of a JPEG
	ICC           []byte // the colour profile; nil when there is none that is whole
	Truncated     bool   // the file ends before its picture does
	Memory        int64  // how many bytes decoding takes, estimated
}

// ReadHeader reads the header of a picture and, of a JPEG, walks over all that
// follows up to its end marker. It trusts no length, keeps nothing but what Header
// holds, and reads at most [MaxBytes]. The errors are [ErrNotPicture] and
// [ErrTooLarge], wrapped with the reason in words for people, and those of r.
func ReadHeader(r io.Reader) (Header, error) {
	w := &walker{in: bufio.NewReaderSize(&capped{in: r, left: MaxBytes}, 64<<10)}
	w.h.Orientation = 1
	err := w.walk()
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return Header{}, notPicture("the file ends in the middle of its header")
	case err != nil:
		return Header{}, err
	}
	return w.h, w.h.check()
}

func notPicture(why string) error { return fmt.Errorf("%w: %s", ErrNotPicture, why) }

// check refuses what decodes to too much.
func (h *Header) check() error {
	switch {
	case h.Width < 1 || h.Height < 1:
		return notPicture("its width or height is 0")
	case h.Width > MaxPixels/h.Height:
		return fmt.Errorf("%w: %d by %d pixels, %d megapixels are allowed", ErrTooLarge, h.Width, h.Height, MaxPixels/1_000_000)
	}
	if h.Memory = h.memory(); h.Memory > MaxMemory {
		return fmt.Errorf("%w: decoding it takes %d MB of memory, %d are allowed", ErrTooLarge, h.Memory>>20, MaxMemory>>20)
	}
	return nil
}

// memory estimates the peak of decoding, the file apart.
func (h *Header) memory() int64 {
	pixels := int64(h.Width) * int64(h.Height)
	samples := pixels * int64(h.Components) // of the decoder's planes, whole
	switch h.Sampling {
	case "4:2:2", "4:4:0":
		samples = 2 * pixels
	case "4:2:0", "4:1:1":
		samples = pixels * 3 / 2
	case "4:1:0":
		samples = pixels * 5 / 4
	}
	const fixed = 4 << 20 // what a small picture takes
	if h.Format != JPEGFormat {
		return fixed + pixels*11 // at worst 8 bytes a pixel, then 3 of our planes
	}
	bytes := samples
	if h.Progressive {
		bytes += 4 * samples // a coefficient for each sample
	}
	if h.Components == 4 {
		bytes += 7 * pixels // the CMYK picture and our planes
	}
	return fixed + bytes
}

// capped is a reader of which too much is an error, not an end.
type capped struct {
	in   io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		// One byte more tells a file of exactly the size from a larger one.
		var one [1]byte
		n, err := c.in.Read(one[:])
		if n > 0 {
			return 0, fmt.Errorf("%w: more than %d MB", ErrTooLarge, MaxBytes>>20)
		}
		return 0, err
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// walker reads one file.
type walker struct {
	in       *bufio.Reader
	h        Header
	segments int
	adobe    bool // the marker without which four channels mean nothing
	profile  profile
}

func (w *walker) walk() error {
	magic, err := w.in.Peek(12)
	if len(magic) < 3 {
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return notPicture("the file is empty")
	}
	switch {
	case string(magic[:3]) == "\xff\xd8\xff":
		w.h.Format = JPEGFormat
		return w.jpeg()
	case len(magic) >= 8 && string(magic[:8]) == "\x89PNG\r\n\x1a\n":
		w.h.Format = PNGFormat
		return w.png()
	case len(magic) == 12 && string(magic[:4]) == "RIFF" && string(magic[8:]) == "WEBP":
		w.h.Format = WebPFormat
		return w.webp()
	}
	return notPicture("it is no JPEG, PNG or WebP file")
}

// take reads a part of at most limit bytes and gives its bytes; a larger one is
// passed over and gives nil.
func (w *walker) take(n, limit int64) ([]byte, error) {
	if n > limit {
		return nil, w.skip(n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(w.in, b); err != nil {
		return nil, err
	}
	return b, nil
}

func (w *walker) skip(n int64) error {
	if n > MaxBytes {
		return io.ErrUnexpectedEOF // no file that is read is so long
	}
	_, err := w.in.Discard(int(n))
	return err
}
