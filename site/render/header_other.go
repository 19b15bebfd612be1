package render

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
)

// png reads the chunks of a PNG up to its picture (PNG, third edition, 5 and 11).
func (w *walker) png() error {
	_, _ = w.in.Discard(8) // the signature, seen already
	for first := true; ; first = false {
		if w.segments++; w.segments > maxSegments {
			return notPicture("the file has too many parts")
		}
		var head [8]byte
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			return err
		}
		n, kind := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
		if first != (kind == "IHDR") {
			return notPicture("its header is missing")
		}
		switch kind {
		case "IDAT":
			return nil
		case "acTL":
			return notPicture("it moves; only still pictures can be shown")
		case "IHDR", "eXIf", "iCCP":
			b, err := w.take(n, maxProfile)
			if err != nil {
				return err
			}
			if err := w.pngChunk(kind, b); err != nil {
				return err
			}
		default:
			if err := w.skip(n); err != nil {
				return err
			}
		}
		if err := w.skip(4); err != nil { // the checksum, which the decoder looks at
			return err
		}
	}
}

func (w *walker) pngChunk(kind string, b []byte) error {
	switch kind {
	case "eXIf":
		w.h.Orientation = orientation(b)
	case "iCCP":
		_, rest, _ := bytes.Cut(b, []byte{0}) // a name, then one byte for the method
		if len(rest) > 1 {
			w.h.ICC = fitting(inflate(rest[1:]), w.h.Components)
		}
	default:
		if len(b) != 13 {
			return notPicture("its header is broken")
		}
		w.h.Width = int(min(binary.BigEndian.Uint32(b), 1<<31-1))
		w.h.Height = int(min(binary.BigEndian.Uint32(b[4:]), 1<<31-1))
		w.h.Components = 3
		if b[9] == 0 { // grey
			w.h.Components = 1
		}
		w.h.Progressive = b[12] == 1
		return w.h.check()
	}
	return nil
}

// inflate returns nothing for a profile that is broken or too large.
func inflate(b []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(z, maxProfile+1))
	if err != nil || len(out) > maxProfile {
		return nil
	}
	return out
}

// webp reads the chunks of a WebP file (RFC 9649).
func (w *walker) webp() error {
	_, _ = w.in.Discard(12) // the signature, seen already
	w.h.Components = 3
	for {
		if w.segments++; w.segments > maxSegments {
			return notPicture("the file has too many parts")
		}
		var head [8]byte
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			if w.h.Scans > 0 { // the picture itself was there
				return nil
			}
			return err
		}
		err := w.webpPart(string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:])))
		if endOfFile(err) && w.h.Scans > 0 {
			return nil // as above
		}
		if err != nil {
			return err
		}
	}
}

// webpPart reads a chunk of n bytes, which are padded to an even number.
func (w *walker) webpPart(kind string, n int64) error {
	padded := n + n&1
	switch kind {
	case "VP8X", "ICCP", "EXIF":
		b, err := w.take(padded, maxProfile)
		if err != nil {
			return err
		}
		return w.webpChunk(kind, b[:min(int64(len(b)), n)])
	case "VP8 ", "VP8L":
		return w.webpPicture(kind, padded)
	case "ANIM", "ANMF":
		return notPicture("it moves; only still pictures can be shown")
	}
	return w.skip(padded)
}

func (w *walker) webpChunk(kind string, b []byte) error {
	switch {
	case kind == "ICCP":
		w.h.ICC = fitting(b, w.h.Components)
	case kind == "EXIF":
		w.h.Orientation = orientation(bytes.TrimPrefix(b, []byte("Exif\x00\x00")))
	case len(b) < 10:
		return notPicture("its header is broken")
	default:
		// The canvas; the picture's own header must agree, or the decoder refuses it.
		w.h.Width, w.h.Height = 1+uint24(b[4:]), 1+uint24(b[7:])
		return w.h.check()
	}
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// webpPicture reads the size out of the picture's first bytes: RFC 6386, 9.1 for
// VP8; RFC 9649, 3.4 for VP8L.
func (w *walker) webpPicture(kind string, n int64) error {
	var head [10]byte
	if n < int64(len(head)) {
		return notPicture("its picture is broken")
	}
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return err
	}
	var width, height int
	switch {
	case kind == "VP8L" && head[0] == 0x2f:
		bits := binary.LittleEndian.Uint32(head[1:])
		width, height = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)
	case kind == "VP8 " && head[3] == 0x9d && head[4] == 0x01 && head[5] == 0x2a:
		width = int(binary.LittleEndian.Uint16(head[6:]) & 0x3fff)
		height = int(binary.LittleEndian.Uint16(head[8:]) & 0x3fff)
	default:
		return notPicture("its picture is broken")
	}
	if w.h.Width != 0 && (w.h.Width != width || w.h.Height != height) {
		return notPicture("its two sizes do not agree")
	}
	w.h.Width, w.h.Height = width, height
	w.h.Scans++
	if err := w.h.check(); err != nil {
		return err
	}
	err := w.skip(n - int64(len(head)))
	if endOfFile(err) {
		w.h.Truncated = true
	}
	return err
}
