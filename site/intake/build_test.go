package intake

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
)

// A builder of EXIF blocks, as small as the standard allows.

const (
	typeByte     = 1
	typeASCII    = 2
	typeShort    = 3
	typeLong     = 4
	typeRational = 5
	typeSigned   = 10 // rational
)

// field is one entry of a directory; data is in the block's byte order already.
type field struct {
	tag, kind uint16
	count     uint32
	data      []byte
}

// block is an EXIF block.
type block struct {
	order           binary.AppendByteOrder
	main, exif, gps []field
	thumbnail       []field
}

func newBlock() *block { return &block{order: binary.LittleEndian} }

func text(tag uint16, s string) field {
	return field{tag, typeASCII, uint32(len(s) + 1), append([]byte(s), 0)}
}

func (b *block) short(tag uint16, values ...uint16) field {
	var data []byte
	for _, v := range values {
		data = b.order.AppendUint16(data, v)
	}
	return field{tag, typeShort, uint32(len(values)), data}
}

func (b *block) long(tag uint16, v uint32) field {
	return field{tag, typeLong, 1, b.order.AppendUint32(nil, v)}
}

func (b *block) rational(tag uint16, parts ...uint32) field {
	var data []byte
	for _, p := range parts {
		data = b.order.AppendUint32(data, p)
	}
	return field{tag, typeRational, uint32(len(parts) / 2), data}
}

func (b *block) signed(tag uint16, num, den int32) field {
	return field{tag, typeSigned, 1, b.order.AppendUint32(b.order.AppendUint32(nil, uint32(num)), uint32(den))}
}

// bytes lays the block out: header, main directory, EXIF directory, GPS directory, thumbnail's.
func (b *block) bytes() []byte {
	out := []byte("II*\x00")
	if b.order.String() == "BigEndian" {
		out = []byte("MM\x00*")
	}
	out = b.order.AppendUint32(out, 8)
	main := slices.Clone(b.main)
	size := func(fields []field) int {
		n := 2 + 12*len(fields) + 4
		for _, f := range fields {
			if len(f.data) > 4 {
				n += len(f.data) + len(f.data)%2
			}
		}
		return n
	}
	at := 8 + size(main)
	if b.exif != nil {
		at += 12
	}
	if b.gps != nil {
		at += 12
	}
	if b.exif != nil {
		main = append(main, b.long(0x8769, uint32(at)))
		at += size(b.exif)
	}
	if b.gps != nil {
		main = append(main, b.long(0x8825, uint32(at)))
		at += size(b.gps)
	}
	next := 0
	if b.thumbnail != nil {
		next = at
	}
	out = b.directory(out, main, next)
	for _, fields := range [][]field{b.exif, b.gps, b.thumbnail} {
		if fields != nil {
			out = b.directory(out, fields, 0)
		}
	}
	return out
}

func (b *block) directory(out []byte, fields []field, next int) []byte {
	out = b.order.AppendUint16(out, uint16(len(fields)))
	data := len(out) + 12*len(fields) + 4
	var tail []byte
	for _, f := range fields {
		out = b.order.AppendUint16(out, f.tag)
		out = b.order.AppendUint16(out, f.kind)
		out = b.order.AppendUint32(out, f.count)
		if len(f.data) <= 4 {
			out = append(out, append(f.data, 0, 0, 0, 0)[:4]...)
			continue
		}
		out = b.order.AppendUint32(out, uint32(data+len(tail)))
		tail = append(tail, f.data...)
		if len(f.data)%2 == 1 {
			tail = append(tail, 0)
		}
	}
	out = b.order.AppendUint32(out, uint32(next))
	return append(out, tail...)
}

// picture draws something that differs by seed.
func drawn(w, h int, seed uint8) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x*7) + seed, uint8(y * 5), uint8(x * y), 255})
		}
	}
	return img
}

func jpegOf(tb testing.TB, w, h int, seed uint8) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, drawn(w, h, seed), &jpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// segment is a JPEG segment with its marker and length.
func segment(marker byte, data []byte) []byte {
	return append([]byte{0xff, marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
}

// withEXIF puts an EXIF block at the start of a JPEG.
func withEXIF(picture, exif []byte) []byte {
	return slices.Concat(picture[:2], segment(0xe1, append([]byte("Exif\x00\x00"), exif...)), picture[2:])
}

func pngOf(tb testing.TB, w, h int, seed uint8) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, drawn(w, h, seed)); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// pngWithEXIF puts an EXIF chunk behind the header of a PNG.
func pngWithEXIF(picture, exif []byte) []byte {
	chunk := append([]byte("eXIf"), exif...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk))
	const header = 8 + 25
	return slices.Concat(picture[:header], binary.BigEndian.AppendUint32(nil, uint32(len(exif))), chunk, picture[header:])
}

// tinyWebP is a lossless picture of one pixel.
func tinyWebP() []byte {
	return []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")
}

// webpWithEXIF makes an extended file of a lossless one.
func webpWithEXIF(picture, exif []byte) []byte {
	chunk := func(name string, data []byte) []byte {
		out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data)))
		out = append(out, data...)
		if len(data)%2 == 1 {
			out = append(out, 0)
		}
		return out
	}
	body := slices.Concat([]byte("WEBP"), chunk("VP8X", []byte{8, 0, 0, 0, 0, 0, 0, 0, 0, 0}), picture[12:], chunk("EXIF", exif))
	return slices.Concat(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body)
}
