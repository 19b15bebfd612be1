//go:build turbojpeg

package render

/*
#cgo LDFLAGS: -l:libturbojpeg.a -lm
#include <stdlib.h>
#include <turbojpeg.h>
#include <jconfig.h>

#define KW_TEXT2(x) #x
#define KW_TEXT(x) KW_TEXT2(x)

static const char *kw_version(void) { return KW_TEXT(LIBJPEG_TURBO_VERSION); }

// The arrays of pointers live on C's stack, so that no Go memory holds pointers to Go memory.
static int kw_decode(tjhandle h, const unsigned char *data, unsigned long size, unsigned char *y, unsigned char *cb,
		unsigned char *cr, int ys, int cs, int width, int height) {
	unsigned char *planes[3] = {y, cb, cr};
	int strides[3] = {ys, cs, cs};
	return tjDecompressToYUVPlanes(h, data, size, planes, width, strides, height, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS);
}

static int kw_encode(tjhandle h, const unsigned char *y, const unsigned char *cb, const unsigned char *cr, int ys, int cs,
		int width, int height, int subsamp, int quality, unsigned char *out, unsigned long *size) {
	const unsigned char *planes[3] = {y, cb, cr};
	int strides[3] = {ys, cs, cs};
	return tjCompressFromYUVPlanes(h, planes, width, strides, height, subsamp, &out, size, quality,
		TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC);
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"keepwatch/site/render/plane"
)

// Engine names what decodes and encodes JPEGs.
func Engine() string { return "libjpeg-turbo " + C.GoString(C.kw_version()) }

// decode reads a picture. A JPEG of common colours is decoded at a half, a quarter
// or an eighth when that is still as large as it is wanted; anything else goes the
// way of the standard library.
func decode(ctx context.Context, data []byte, h Header, want int) (source, error) {
	if h.Format != JPEGFormat || h.Components == 4 || ctx.Err() != nil {
		return decodeStd(ctx, data, h)
	}
	src, err := decodeTurbo(data, h, want)
	if errors.Is(err, errOtherWay) {
		return decodeStd(ctx, data, h)
	}
	return src, err
}

// errOtherWay means that the picture is one for the standard library.
var errOtherWay = errors.New("not for this engine")

func decodeTurbo(data []byte, h Header, want int) (source, error) {
	t := C.tjInitDecompress()
	if t == nil {
		return source{}, errOtherWay
	}
	defer C.tjDestroy(t)
	in, size := (*C.uchar)(unsafe.Pointer(&data[0])), C.ulong(len(data))
	var w, height, subsamp, space C.int
	if C.tjDecompressHeader3(t, in, size, &w, &height, &subsamp, &space) != 0 && !warned(t) {
		return source{}, errOtherWay
	}
	switch {
	case int(w) != h.Width || int(height) != h.Height, space != C.TJCS_YCbCr && space != C.TJCS_GRAY,
		subsamp < 0, subsamp == C.TJSAMP_GRAY && space != C.TJCS_GRAY:
		return source{}, errOtherWay
	}
	denom := scaleFor(h, want)
	sw, sh := (h.Width+denom-1)/denom, (h.Height+denom-1)/denom
	src := source{w: h.Width, h: h.Height, icc: h.ICC}
	extent := [2]float64{float64(h.Width) / float64(denom), float64(h.Height) / float64(denom)}
	count := 3
	if space == C.TJCS_GRAY {
		count = 1
	}
	for i := range count {
		src.planes = append(src.planes, turboPlane(i, sw, sh, subsamp, extent))
	}
	p := src.planes
	for len(p) < 3 { // never touched
		p = append(p, p[0])
	}
	if C.kw_decode(t, in, size, first(p[0]), first(p[1]), first(p[2]), C.int(p[0].Stride), C.int(p[1].Stride), C.int(sw), C.int(sh)) != 0 && !warned(t) {
		return source{}, notPicture(C.GoString(C.tjGetErrorStr2(t)))
	}
	return src, nil
}

// warned reports whether the last error was only one that leaves a picture, such
// as a file that ends too early.
func warned(t C.tjhandle) bool { return C.tjGetErrorCode(t) == C.TJERR_WARNING }

// scaleFor returns by how much the picture may be decoded smaller. Other factors
// than these are slow.
func scaleFor(h Header, want int) int {
	w, height := Fit(h.Width, h.Height, want)
	for _, denom := range []int{8, 4, 2} {
		if h.Width/denom >= w && h.Height/denom >= height {
			return denom
		}
	}
	return 1
}

// turboPlane makes room for a plane of a picture of w by h pixels; extent is what
// the whole picture stands for.
func turboPlane(i, w, h int, subsamp C.int, extent [2]float64) plane.Plane {
	stride, rows := int(C.tjPlaneWidth(C.int(i), C.int(w), subsamp)), int(C.tjPlaneHeight(C.int(i), C.int(h), subsamp))
	p := plane.Plane{Pix: make([]uint8, stride*rows), Stride: stride, W: w, H: h, ExtX: extent[0], ExtY: extent[1]}
	if i > 0 {
		sx, sy := 1, 1
		switch subsamp {
		case C.TJSAMP_420:
			sx, sy = 2, 2
		case C.TJSAMP_422:
			sx = 2
		case C.TJSAMP_440:
			sy = 2
		case C.TJSAMP_411:
			sx = 4
		}
		p.W, p.H, p.ExtX, p.ExtY = (w+sx-1)/sx, (h+sy-1)/sy, extent[0]/float64(sx), extent[1]/float64(sy)
	}
	return p
}

func first(p plane.Plane) *C.uchar { return (*C.uchar)(unsafe.Pointer(&p.Pix[0])) }

// encode writes planes as a JPEG.
func encode(planes []plane.Plane, quality int) ([]byte, error) {
	t := C.tjInitCompress()
	if t == nil {
		return encodeStd(planes, quality)
	}
	defer C.tjDestroy(t)
	w, h := C.int(planes[0].W), C.int(planes[0].H)
	subsamp := C.int(C.TJSAMP_GRAY)
	y := planes[0]
	cb, cr := y, y
	if len(planes) == 3 {
		subsamp = C.TJSAMP_420
		y, cb, cr = even(y), planes[1], planes[2]
	}
	size := C.tjBufSize(w, h, subsamp)
	out := make([]byte, int(size))
	if C.kw_encode(t, first(y), first(cb), first(cr), C.int(y.Stride), C.int(cb.Stride), w, h, subsamp, C.int(quality),
		(*C.uchar)(unsafe.Pointer(&out[0])), &size) != 0 {
		return nil, fmt.Errorf("encode picture: %s", C.GoString(C.tjGetErrorStr2(t)))
	}
	return append(make([]byte, 0, int(size)), out[:size]...), nil
}

// even repeats the last column and row of a plane of odd size: libjpeg-turbo reads
// a picture of halved colours two by two.
func even(p plane.Plane) plane.Plane {
	if p.W%2 == 0 && p.H%2 == 0 {
		return p
	}
	out := plane.New(p.W+p.W%2, p.H+p.H%2)
	for y := range out.H {
		row := out.Row(y)
		copy(row, p.Row(min(y, p.H-1)))
		if p.W%2 == 1 {
			row[p.W] = row[p.W-1]
		}
	}
	return out
}
