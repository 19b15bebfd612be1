package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

// draw draws a JPEG in which every corner has a colour of its own, so that a site
// which turns or cuts it is found out.
func draw(width, height int) ([]byte, error) {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for y := range height {
		for x := range width {
			m.Y[m.YOffset(x, y)] = byte(16 + 200*x/width) //nolint:gosec // below 216
			if c := m.COffset(x, y); x%2 == 0 && y%2 == 0 {
				m.Cb[c] = byte(64 + 128*y/height) //nolint:gosec // below 192
				m.Cr[c] = byte(192 - 128*x/width) //nolint:gosec // below 193
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		return nil, fmt.Errorf("draw a picture: %w", err)
	}
	return b.Bytes(), nil
}

// remark puts a comment behind the beginning of a JPEG: its pixels stay, its bytes
// are others (ITU T.81, B.2.4.5).
func remark(picture []byte, comment string) []byte {
	const begins = 2 // the marker SOI
	out := make([]byte, 0, len(picture)+4+len(comment))
	out = append(out, picture[:begins]...)
	out = append(out, 0xff, 0xfe)
	out = binary.BigEndian.AppendUint16(out, uint16(2+len(comment))) //nolint:gosec // a short text of our own
	out = append(out, comment...)
	return append(out, picture[begins:]...)
}
