package render

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Markers of ITU-T T.81, table B.1.
const (
	markSOF0, markSOF1, markSOF2 = 0xc0, 0xc1, 0xc2 // baseline, extended, progressive
	markDHT, markDAC             = 0xc4, 0xcc
	markSOF15                    = 0xcf
	markRST0, markRST7           = 0xd0, 0xd7
	markSOI, markEOI, markSOS    = 0xd8, 0xd9, 0xda
	markAPP0, markAPP1, markAPP2 = 0xe0, 0xe1, 0xe2
	markAPP14, markCOM           = 0xee, 0xfe
	markTEM                      = 0x01
)

// jpeg walks over the segments and scans of a JPEG.
func (w *walker) jpeg() error {
	_, _ = w.in.Discard(2) // SOI, seen already
	for {
		mark, err := w.marker()
		if err == nil && mark != markEOI {
			err = w.segment(mark)
		}
		switch {
		case endOfFile(err) && w.h.Scans > 0:
			w.h.Truncated = true
		case err != nil:
			return err
		case mark != markEOI:
			continue
		case w.h.Scans == 0:
			return notPicture("there is no picture in the file")
		}
		w.h.ICC = w.profile.whole(w.h.Components)
		return nil
	}
}

func endOfFile(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// marker finds the next marker. What stands between segments is passed over, as
// libjpeg does.
func (w *walker) marker() (byte, error) {
	if w.segments++; w.segments > maxSegments {
		return 0, notPicture("the file has too many parts")
	}
	for {
		if err := w.find(0xff); err != nil {
			return 0, err
		}
		for {
			b, err := w.in.ReadByte()
			if err != nil {
				return 0, err
			}
			if b == 0xff {
				continue // fill bytes
			}
			if b == 0 || b >= markRST0 && b <= markRST7 || b == markTEM {
				break // no segments; in a scan these belong to the data
			}
			return b, nil
		}
	}
}

// find reads up to and with the next byte b.
func (w *walker) find(b byte) error {
	for {
		_, err := w.in.Peek(1)
		if err != nil {
			return err
		}
		chunk, _ := w.in.Peek(w.in.Buffered())
		if i := bytes.IndexByte(chunk, b); i >= 0 {
			_, _ = w.in.Discard(i + 1)
			return nil
		}
		_, _ = w.in.Discard(len(chunk))
	}
}

func (w *walker) segment(mark byte) error {
	var size [2]byte
	if _, err := io.ReadFull(w.in, size[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint16(size[:])) - 2
	if n < 0 {
		return notPicture("one of its parts has a wrong length")
	}
	switch {
	case mark == markSOI:
		return notPicture("it holds a second picture inside")
	case mark == markSOF0, mark == markSOF1, mark == markSOF2:
		return w.frame(mark, n)
	case mark > markSOF2 && mark <= markSOF15 && mark != markDHT && mark != markDAC && mark != 0xc8:
		return notPicture("it is a lossless or arithmetic JPEG, which browsers do not show either")
	case mark == markSOS:
		return w.scan(n)
	case mark == markAPP1 && w.h.Scans == 0:
		b, err := w.take(n, maxExif)
		if rest, ok := bytes.CutPrefix(b, []byte("Exif\x00\x00")); ok && w.h.Orientation == 1 {
			w.h.Orientation = orientation(rest)
		}
		return err
	case mark == markAPP2 && w.h.Scans == 0:
		b, err := w.take(n, 1<<16)
		w.profile.add(b)
		return err
	case mark == markAPP14:
		b, err := w.take(n, 64)
		w.adobe = w.adobe || len(b) >= 12 && string(b[:5]) == "Adobe"
		return err
	}
	return w.skip(n)
}

// frame reads SOF: T.81, B.2.2.
func (w *walker) frame(mark byte, n int64) error {
	if w.h.Components != 0 {
		return notPicture("it holds two pictures")
	}
	b, err := w.take(n, 6+3*4)
	if err != nil {
		return err
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return notPicture("its frame header is broken")
	}
	if b[0] != 8 {
		return notPicture(fmt.Sprintf("it has %d bits for a colour, 8 can be shown", b[0]))
	}
	w.h.Height, w.h.Width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	w.h.Components = int(b[5])
	w.h.Progressive = mark == markSOF2
	switch w.h.Components {
	case 1:
	case 3:
		w.h.Sampling = sampling(b[7], b[10], b[13])
		if w.h.Sampling == "" {
			return notPicture("its colours are stored in an uncommon way")
		}
	case 4: // CMYK: nobody writes other factors, and the decoder knows no other
		if f := [4]byte{b[7], b[10], b[13], b[16]}; f != [4]byte{0x11, 0x11, 0x11, 0x11} && f != [4]byte{0x22, 0x11, 0x11, 0x22} {
			return notPicture("its colours are stored in an uncommon way")
		}
	default:
		return notPicture(fmt.Sprintf("it has %d colour channels; 1, 3 and 4 can be shown", b[5]))
	}
	return w.h.check()
}

// sampling names how much smaller the colours are, from the factors of Y, Cb and
// Cr, each horizontal<<4 + vertical; "" is for what the decoder cannot do.
func sampling(y, cb, cr byte) string {
	yh, yv, ch, cv := y>>4, y&15, cb>>4, cb&15
	possible := func(f byte) bool { return f == 1 || f == 2 || f == 4 }
	if cb != cr || yv == 4 || !possible(yh) || !possible(yv) || !possible(ch) || !possible(cv) || yh%ch != 0 || yv%cv != 0 {
		return ""
	}
	if yh*yv+2*ch*cv > 10 { // T.81, B.2.3
		return ""
	}
	names := map[byte]string{0x11: "4:4:4", 0x21: "4:2:2", 0x22: "4:2:0", 0x12: "4:4:0", 0x41: "4:1:1", 0x42: "4:1:0"}
	return names[yh/ch<<4|yv/cv]
}

// scan reads SOS and counts; the data behind it is passed over by marker.
func (w *walker) scan(n int64) error {
	if w.h.Components == 0 {
		return notPicture("its data come before its frame header")
	}
	if w.h.Components == 4 && !w.adobe {
		return notPicture("it has four colours and does not say which")
	}
	if w.h.Scans++; w.h.Scans > maxScans || !w.h.Progressive && w.h.Scans > w.h.Components {
		return notPicture(fmt.Sprintf("it has more than %d scans", w.h.Scans-1))
	}
	return w.skip(n)
}

// profile collects the chunks of an ICC profile: ICC.1:2022, annex B.4.
type profile struct {
	chunks map[byte][]byte
	count  byte
	bytes  int
	broken bool
}

func (p *profile) add(segment []byte) {
	rest, ok := strings.CutPrefix(string(segment), "ICC_PROFILE\x00")
	if !ok || p.broken {
		return
	}
	if len(rest) < 2 || rest[0] == 0 || rest[0] > rest[1] || p.count != 0 && p.count != rest[1] ||
		p.chunks[rest[0]] != nil || p.bytes+len(rest) > maxProfile {
		p.broken, p.chunks = true, nil
		return
	}
	if p.chunks == nil {
		p.chunks = map[byte][]byte{}
	}
	p.count = rest[1]
	p.chunks[rest[0]] = []byte(rest[2:])
	p.bytes += len(rest)
}

// whole returns the profile if all of it is there and it fits the picture that we
// make of so many channels.
func (p *profile) whole(components int) []byte {
	if p.broken || p.count == 0 || len(p.chunks) != int(p.count) {
		return nil
	}
	var out []byte
	for i := range int(p.count) {
		out = append(out, p.chunks[byte(i+1)]...)
	}
	return fitting(out, components)
}

// fitting returns a profile whose header (ICC.1:2022, 7.2) is whole and whose
// colours are those of the rendition: grey for one channel, RGB for three. A CMYK
// picture becomes RGB, so its profile would be a lie.
func fitting(icc []byte, components int) []byte {
	space := map[int]string{1: "GRAY", 3: "RGB "}[components]
	if len(icc) < 128 || len(icc) > maxProfile || int64(binary.BigEndian.Uint32(icc)) != int64(len(icc)) ||
		string(icc[36:40]) != "acsp" || string(icc[16:20]) != space {
		return nil
	}
	return icc
}

// orientation finds tag 274 in the first directory of EXIF data (TIFF 6.0). What
// it cannot read is orientation 1.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 274 {
			const short = 3
			v := int(order.Uint16(entries[8:]))
			if order.Uint16(entries[2:]) != short || order.Uint32(entries[4:]) != 1 || v < 1 || v > 8 {
				return 1
			}
			return v
		}
		entries = entries[12:]
	}
	return 1
}
