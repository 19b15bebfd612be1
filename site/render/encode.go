package render

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"keepwatch/site/render/plane"
)

// encodeStd writes planes (grey, or Y, Cb and Cr with colours of half the size) as
// a JPEG with the standard library.
func encodeStd(planes []plane.Plane, quality int) ([]byte, error) {
	y := planes[0]
	rect := image.Rect(0, 0, y.W, y.H)
	var img image.Image = &image.Gray{Pix: y.Pix, Stride: y.Stride, Rect: rect}
	if len(planes) == 3 {
		img = &image.YCbCr{
			Y: y.Pix, Cb: planes[1].Pix, Cr: planes[2].Pix, YStride: y.Stride, CStride: planes[1].Stride,
			SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: rect,
		}
	}
	var out bytes.Buffer
	out.Grow(y.W*y.H/4 + 1024)
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return out.Bytes(), nil
}

// withProfile puts an ICC profile behind the first marker of a JPEG, and behind the
// JFIF header if there is one, in as many segments as it needs (ICC.1:2022, annex B.4).
func withProfile(file, icc []byte) []byte {
	const name, most = "ICC_PROFILE\x00", 65535 - 2 - 14
	if len(icc) == 0 || len(icc) > 255*most {
		return file
	}
	at := 2
	if file[3] == markAPP0 {
		at += 2 + int(file[4])<<8 + int(file[5])
	}
	count := (len(icc) + most - 1) / most
	out := make([]byte, 0, len(file)+len(icc)+count*18)
	out = append(out, file[:at]...)
	for i := range count {
		part := icc[i*most : min((i+1)*most, len(icc))]
		n := len(part) + 2 + 14
		out = append(out, 0xff, markAPP2, byte(n>>8), byte(n)) //nolint:gosec // below 65536
		out = append(out, name...)
		out = append(out, byte(i+1), byte(count)) //nolint:gosec // at most 255
		out = append(out, part...)
	}
	return append(out, file[at:]...)
}
