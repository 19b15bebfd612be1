package intake

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bep/imagemeta"

	"keepwatch/site/gallery"
)

const (
	exifTime  = 2 * time.Second // a camera's file takes a tenth of a millisecond
	exifBytes = 256 << 10       // read at most; in a JPEG the block is at most 64 KiB
	exifTags  = 2000            // looked at; a camera writes about a hundred
	exifValue = 256             // bytes of a value; longer texts are not kept, and longer lists of directories cost seconds
)

// ReadEXIF reads what a JPEG, PNG or WebP says about itself, from the start of r.
// Other files are [ErrNotPicture]. A damaged or hostile block gives an error and
// what was read before it; it is no reason to refuse a picture. It ends within
// 2 s, reads at most 256 KiB and never looks at thumbnails and makers' notes.
func ReadEXIF(ctx context.Context, r io.ReadSeeker) (gallery.FromFile, error) {
	ctx, cancel := context.WithTimeout(ctx, exifTime)
	defer cancel()
	format, err := exifFormat(r)
	if err != nil {
		return gallery.FromFile{}, err
	}
	r = &boundedReader{ctx: ctx.Err, r: r, left: exifBytes}
	if format == imagemeta.WebP {
		if r, err = webpEXIF(r); err != nil {
			return gallery.FromFile{}, fmt.Errorf("read EXIF: %w", err)
		}
		if r == nil {
			return gallery.FromFile{}, nil
		}
	}
	tags := tagMap{}
	_, err = imagemeta.Decode(imagemeta.Options{ // turns every panic into an error
		R:               r,
		ImageFormat:     format,
		Sources:         imagemeta.EXIF,
		LimitNumTags:    exifTags,
		LimitTagSize:    exifValue,
		ShouldHandleTag: wanted,
		HandleTag: func(t imagemeta.TagInfo) error {
			if _, ok := tags[t.Tag]; !ok { // the main picture's come first
				tags[t.Tag] = t.Value
			}
			return ctx.Err()
		},
		Warnf: func(format string, _ ...any) {
			// Degrees that cannot be read come as zero, which is a place.
			if tag, _, ok := strings.Cut(format, ":"); ok && strings.HasPrefix(tag, "GPS") {
				tags[tag] = nil
			}
		},
	})
	if err == nil {
		err = ctx.Err() // the library takes some errors for the end of the file
	}
	if err != nil {
		err = fmt.Errorf("read EXIF: %w", err)
	}
	return tags.meta(), err
}

// webpEXIF yields a WebP that holds nothing but the EXIF chunk of r, or nil when r
// has none: the library loses its way behind a chunk of odd length, which a byte follows that does not
// count (RFC 9649, section 2.3).
func webpEXIF(r io.ReadSeeker) (io.ReadSeeker, error) {
	at := int64(len("RIFF....WEBP"))
	var head [8]byte
	for range exifTags {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return nil, nil //nolint:nilnil // nothing and no mistake
		} else if err != nil {
			return nil, err
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		if string(head[:4]) != "EXIF" {
			at += int64(len(head)) + size + size%2
			continue
		}
		data, err := io.ReadAll(io.LimitReader(r, min(size, exifBytes)))
		data = bytes.TrimPrefix(data, []byte("Exif\x00\x00"))                                                  // some programs put JPEG's mark here too
		out := append([]byte("RIFF....WEBPEXIF"), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...) //nolint:gosec // at most exifBytes
		return bytes.NewReader(append(out, data...)), err
	}
	return nil, errors.New("too many chunks")
}

// exifFormat sniffs the file and goes back to its start.
func exifFormat(r io.ReadSeeker) (imagemeta.ImageFormat, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("read EXIF: %w", err)
	}
	head := make([]byte, SniffLen)
	n, err := io.ReadFull(r, head)
	if err != nil && n == 0 {
		return 0, ErrNotPicture
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("read EXIF: %w", err)
	}
	switch Sniff(head[:n]) {
	case JPEG:
		return imagemeta.JPEG, nil
	case PNG:
		return imagemeta.PNG, nil
	case WebP:
		return imagemeta.WebP, nil
	default:
		return 0, ErrNotPicture
	}
}

// wanted picks the tags that are mapped. The number of a GPS tag means something
// else elsewhere, so those count in their own block only.
func wanted(t imagemeta.TagInfo) bool {
	if t.Source != imagemeta.EXIF || !strings.HasPrefix(t.Namespace, "IFD0") {
		return false // IFD1 is the thumbnail
	}
	if strings.HasPrefix(t.Tag, "GPS") {
		return strings.HasSuffix(t.Namespace, "/GPSInfoIFD")
	}
	switch t.Tag {
	case "Make", "Model", "Orientation",
		"DateTimeOriginal", "CreateDate", "ModifyDate", "OffsetTimeOriginal", "OffsetTimeDigitized", "OffsetTime",
		"FNumber", "ApertureValue", "ExposureTime", "ShutterSpeedValue",
		"ISO", "RecommendedExposureIndex", "StandardOutputSensitivity", "ISOSpeed",
		"FocalLength", "FocalLengthIn35mmFormat", "Flash", "MeteringMode",
		"ExposureCompensation", "ExposureProgram", "ExposureMode":
		return true
	}
	return false
}

// boundedReader ends when its context is done or when enough was read.
type boundedReader struct {
	ctx  func() error
	r    io.ReadSeeker
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *boundedReader) Seek(offset int64, whence int) (int64, error) {
	if err := b.ctx(); err != nil {
		return 0, err
	}
	return b.r.Seek(offset, whence)
}
