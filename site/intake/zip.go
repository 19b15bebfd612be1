package intake

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
)

const (
	maxPicture  = 64 << 20 // bytes of one file; render reads no more either
	maxPictures = 1000     // in one ZIP, and files in one form
	// maxRecords bounds all entries of a ZIP: some systems add a folder entry or a
	// sidecar file for each picture.
	maxRecords = 4 * maxPictures
	// maxDirectory is how much of a ZIP may be read to list it: room for maxRecords
	// honest entries, while a list that lies about its length ends after about 40,000.
	maxDirectory = 2 << 20
	// maxRatio is how much smaller a packed picture may be; real ones hardly shrink.
	// It counts from ratioFrom bytes: a small picture of one colour shrinks a lot.
	maxRatio  = 100
	ratioFrom = 1 << 20
)

// zipEntry is a picture in a ZIP, by its name.
type zipEntry struct {
	Name string // cleaned, without folders
	file *zip.File
}

// zipContents is what can be known about a ZIP without unpacking anything.
type zipContents struct {
	Pictures []zipEntry
	Ignored  int // entries that are no pictures
}

// listZIP lists the pictures of a ZIP and refuses it as a whole if it lies or
// asks for too much. The errors are [ErrZIP] and [ErrTooLarge], and those of r.
func listZIP(r io.ReaderAt, size, maxTotal int64) (zipContents, error) {
	records, err := zipRecords(r, size)
	if err != nil {
		return zipContents{}, err
	}
	if records > maxRecords {
		return zipContents{}, tooMany()
	}
	listing := &boundedReaderAt{r: r, left: maxDirectory}
	z, err := zip.NewReader(listing, size)
	switch {
	case listing.left < 0:
		return zipContents{}, tooMany()
	case errors.Is(err, zip.ErrInsecurePath): // names never become paths here
	case err != nil:
		return zipContents{}, fmt.Errorf("%w: its list of files is damaged", ErrZIP)
	}
	if len(z.File) > maxRecords {
		return zipContents{}, tooMany()
	}
	listing.unbounded = true // what follows reads the pictures
	var out zipContents
	for _, f := range z.File {
		if !isPictureEntry(f) {
			out.Ignored++
			continue
		}
		out.Pictures = append(out.Pictures, zipEntry{Name: cleanName(f.Name), file: f})
	}
	return out, out.check(size, maxTotal)
}

func tooMany() error {
	return fmt.Errorf("%w: a ZIP may hold %d pictures and %d entries in all", ErrTooLarge, maxPictures, maxRecords)
}

// isPictureEntry judges by name only; what is inside is sniffed later.
func isPictureEntry(f *zip.File) bool {
	if f.Mode().IsDir() || strings.HasSuffix(f.Name, "/") || !f.Mode().IsRegular() {
		return false
	}
	name := strings.ReplaceAll(f.Name, `\`, "/")
	if strings.HasPrefix(name, "__MACOSX/") || strings.Contains(name, "/__MACOSX/") || strings.HasPrefix(path.Base(name), "._") {
		return false // what a Mac keeps beside its files
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".webp":
		return true
	}
	return false
}

// check refuses a ZIP that is made to unpack to more than it holds.
func (c zipContents) check(size, maxTotal int64) error {
	if len(c.Pictures) > maxPictures {
		return tooMany()
	}
	type span struct{ from, to int64 }
	var spans []span
	left := maxTotal
	for _, e := range c.Pictures {
		unpacked, packed := saturated(e.file.UncompressedSize64), saturated(e.file.CompressedSize64)
		if unpacked > left {
			return fmt.Errorf("%w: a ZIP may unpack to %d MB", ErrTooLarge, maxTotal>>20)
		}
		left -= unpacked
		from, err := e.file.DataOffset()
		if err != nil || from > size-packed {
			return fmt.Errorf("%w: a file in it lies outside of it", ErrZIP)
		}
		spans = append(spans, span{from, from + packed})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to || spans[i].from == spans[i-1].from {
			return fmt.Errorf("%w: files in it overlap", ErrZIP)
		}
	}
	return nil
}

// saturated keeps a size that lies from becoming negative.
func saturated(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// open yields the unpacked bytes of an entry. Its errors, also those while
// reading, refuse this entry only.
func (e zipEntry) open(ctx context.Context) (io.ReadCloser, error) {
	f := e.file
	switch {
	case f.Flags&1 != 0:
		return nil, fmt.Errorf("%w: this file in it is encrypted", ErrZIP)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return nil, fmt.Errorf("%w: this file in it is packed in an unknown way", ErrZIP)
	case f.UncompressedSize64 > maxPicture:
		return nil, pictureTooLarge()
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: this file in it is damaged", ErrZIP)
	}
	return &entryReader{ctx: ctx.Err, ReadCloser: r, packed: saturated(f.CompressedSize64)}, nil
}

func pictureTooLarge() error {
	return fmt.Errorf("%w: a picture may have %d MB", ErrTooLarge, maxPicture>>20)
}

func tooDense(unpacked, packed int64) bool {
	return unpacked > ratioFrom && unpacked/maxRatio >= packed
}

// entryReader says in words for people what is wrong with an entry. It trusts the
// sizes in the list no more than archive/zip does.
type entryReader struct {
	io.ReadCloser

	ctx      func() error
	packed   int64
	unpacked int64
}

func (e *entryReader) Read(p []byte) (int, error) {
	if err := e.ctx(); err != nil {
		return 0, err
	}
	n, err := e.ReadCloser.Read(p)
	e.unpacked += int64(n)
	switch {
	case tooDense(e.unpacked, e.packed):
		return 0, fmt.Errorf("%w: this file in it unpacks to %d times its size or more", ErrZIP, maxRatio)
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	}
	return n, fmt.Errorf("%w: this file in it is damaged", ErrZIP)
}

// boundedReaderAt ends, with left below zero, when more was read than was allowed.
type boundedReaderAt struct {
	r         io.ReaderAt
	left      int64
	unbounded bool
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.unbounded {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, io.ErrUnexpectedEOF
		}
	}
	return b.r.ReadAt(p, off)
}
