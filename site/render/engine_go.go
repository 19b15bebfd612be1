//go:build !turbojpeg

package render

import (
	"context"

	"keepwatch/site/render/plane"
)

// Engine names what decodes and encodes JPEGs.
func Engine() string { return "go" }

// decode reads a picture; this engine decodes whole pictures only, so how large
// it is wanted does not matter.
func decode(ctx context.Context, data []byte, h Header, _ int) (source, error) {
	return decodeStd(ctx, data, h)
}

// encode writes planes as a JPEG.
func encode(planes []plane.Plane, quality int) ([]byte, error) { return encodeStd(planes, quality) }
