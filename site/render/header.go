package render

import "io"

// Format is a kind of picture file that can be rendered.
type Format string

// The formats.
const (
	JPEGFormat Format = "jpeg"
	PNGFormat  Format = "png"
	WebPFormat Format = "webp"
)

// Header is what a picture file says about itself before any pixel is decoded.
type Header struct {
	Format        Format
	Width, Height int    // as stored, before the orientation; both at least 1
	Orientation   int    // EXIF 1..8; 1 when the file does not say
	Progressive   bool   // a progressive JPEG or interlaced PNG
	Components    int    // colour channels: 1, 3 or 4
	Sampling      string // of a JPEG's colours: "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0" or "" for none of these
	Scans         int    // scans of a JPEG
	ICC           []byte // the colour profile; nil when there is none that is whole
	Truncated     bool   // the file ends before its picture does
	Memory        int64  // how many bytes decoding takes, estimated
}

// ReadHeader reads the header of a picture and, of a JPEG, walks over all that
// follows. It trusts no length, keeps nothing but what Header holds, and reads at
// most 64 MB. The errors are [ErrNotPicture] and [ErrTooLarge], wrapped with the
// reason in words for people, and those of r.
func ReadHeader(r io.Reader) (Header, error) { return readHeader(r) }
