package intake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The fixed parts of the records at the end of a ZIP file: APPNOTE.TXT 6.3.10,
// sections 4.3.14 to 4.3.16.
const (
	endLen       = 22
	end64Len     = 56
	locator64Len = 20
	endSearch    = 65 << 10 // a comment of 64 KiB may follow; as far as archive/zip looks
)

// zipRecords returns how many entries a ZIP file says it has, which archive/zip
// makes room for before it has seen one of them. It looks for the record in the
// way archive/zip does.
func zipRecords(r io.ReaderAt, size int64) (uint64, error) {
	end, at, err := findEnd(r, size)
	if err != nil {
		return 0, err
	}
	records := uint64(binary.LittleEndian.Uint16(end[10:]))
	dirSize := binary.LittleEndian.Uint32(end[12:])
	dirOffset := binary.LittleEndian.Uint32(end[16:])
	if records != math.MaxUint16 && dirSize != math.MaxUint16 && dirOffset != math.MaxUint32 {
		return records, nil // the second comparison is that of archive/zip
	}
	return records64(r, at, records)
}

// findEnd returns the end record and where it is.
func findEnd(r io.ReaderAt, size int64) (end []byte, at int64, err error) {
	length := min(size, endSearch)
	buf := make([]byte, length)
	if _, err := r.ReadAt(buf, size-length); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("read the end of the ZIP: %w", err)
	}
	for i := len(buf) - endLen; i >= 0; i-- {
		if !bytes.HasPrefix(buf[i:], []byte("PK\x05\x06")) {
			continue
		}
		if comment := int(binary.LittleEndian.Uint16(buf[i+20:])); i+endLen+comment > len(buf) {
			break
		}
		return buf[i : i+endLen], size - length + int64(i), nil
	}
	return nil, 0, fmt.Errorf("%w: it has no end; perhaps the upload broke off", ErrZIP)
}

// records64 reads the count of a large ZIP, whose records stand before the end
// record at at.
func records64(r io.ReaderAt, at int64, small uint64) (uint64, error) {
	locator := make([]byte, locator64Len)
	if at < locator64Len {
		return small, nil
	}
	if _, err := r.ReadAt(locator, at-locator64Len); err != nil {
		return 0, fmt.Errorf("read the end of the ZIP: %w", err)
	}
	if !bytes.HasPrefix(locator, []byte("PK\x06\x07")) ||
		binary.LittleEndian.Uint32(locator[4:]) != 0 || binary.LittleEndian.Uint32(locator[16:]) != 1 {
		return small, nil
	}
	end := make([]byte, end64Len)
	where := binary.LittleEndian.Uint64(locator[8:])
	if where > math.MaxInt64 {
		return 0, fmt.Errorf("%w: its end is damaged", ErrZIP)
	}
	if _, err := r.ReadAt(end, int64(where)); err != nil || !bytes.HasPrefix(end, []byte("PK\x06\x06")) {
		return 0, fmt.Errorf("%w: its end is damaged", ErrZIP)
	}
	return binary.LittleEndian.Uint64(end[32:]), nil
}
