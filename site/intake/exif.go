package intake

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bep/imagemeta"

	"keepwatch/site/gallery"
)

const (
	exifTime  = 2 * time.Second // a camera's file takes a tenth of a millisecond
	exifBytes = 1 << 20         // read at most; in a JPEG the block is at most 64 KiB
	exifTags  = 2000            // looked at; a camera writes about a hundred
	exifValue = 256             // bytes of a value; longer ones are no text that is kept
)

// ReadEXIF reads what a JPEG, PNG or WebP says about itself, from the start of r.
// Other files are [ErrNotPicture]. A damaged or hostile block gives an error and
// what was read before it; it is no reason to refuse a picture. It ends within
// 2 s, reads at most 1 MiB and never looks at thumbnails and makers' notes.
func ReadEXIF(ctx context.Context, r io.ReadSeeker) (gallery.FromFile, error) {
	ctx, cancel := context.WithTimeout(ctx, exifTime)
	defer cancel()
	format, err := exifFormat(r)
	if err != nil {
		return gallery.FromFile{}, err
	}
	tags := tagMap{}
	_, err = imagemeta.Decode(imagemeta.Options{ // turns every panic into an error
		R:               &boundedReader{ctx: ctx.Err, r: r, left: exifBytes},
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
	if err != nil {
		err = fmt.Errorf("read EXIF: %w", err)
	}
	return tags.meta(), err
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
