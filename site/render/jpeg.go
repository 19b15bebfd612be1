package render

import (
	"bytes"
	"context"

	"keepwatch/site/render/plane"
)

const (
	// quality is that of what visitors get.
	quality = 85
	// masterEdge and masterQuality are those of what smaller sizes are made from.
	masterEdge    = 1920
	masterQuality = 94
)

// Spec says how a picture is to be shown.
type Spec struct {
	Edge        int    // the longer edge is at most so many pixels; at least 1
	Orientation int    // EXIF, 1..8; 0 is 1
	Rotation    int    // degrees counter-clockwise after that
	Text        string // drawn when the longer edge is above 400 pixels
}

// JPEG renders the picture in data, a JPEG, PNG or WebP file, as a JPEG. Nothing
// of the file survives but the picture and its colour profile: no EXIF, no
// comments, no bytes after its end. The orientation in the file is not looked at.
// The errors are [ErrNotPicture] and [ErrTooLarge], and [ErrBroken] when ctx ends.
func JPEG(ctx context.Context, data []byte, s Spec) ([]byte, error) {
	h, err := ReadHeader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	src, err := decode(ctx, data, h, s.Edge)
	if err != nil {
		return nil, err
	}
	return src.render(s, quality)
}

// render makes a picture of a source, which it leaves as it is.
func (src source) render(s Spec, quality int) ([]byte, error) {
	turn := plane.TurnOf(s.Orientation, s.Rotation)
	planes := src.shrunk(s.Edge, turn)
	for i, p := range planes {
		planes[i] = turn.Apply(p)
	}
	if s.Text != "" && max(planes[0].W, planes[0].H) > textAbove {
		mark(planes, s.Text)
	}
	out, err := encode(planes, quality)
	if err != nil {
		return nil, err
	}
	return withProfile(out, src.icc), nil
}

// shrunk returns planes of the size that edge asks for, colours at half of it, as
// they must be for the turn that follows. They share nothing with the source.
func (src source) shrunk(edge int, turn plane.Turn) []plane.Plane {
	w, h := Fit(src.w, src.h, edge)
	out := make([]plane.Plane, len(src.planes))
	out[0] = plane.Resize(src.planes[0], plane.Plan(src.planes[0], plane.Shrink{W: w, H: h}))
	if len(out) == 1 {
		return out
	}
	s := plane.Shrink{W: (w + 1) / 2, H: (h + 1) / 2, ExtX: float64(w) / 2, ExtY: float64(h) / 2}
	// A colour sample lies under two columns counted from the left as shown. Where the
	// stored right edge is shown there, an odd picture's first sample is a half one.
	if left, upper := turn.Ends(); left || upper {
		if left {
			s.OffX = float64(s.W) - s.ExtX
		}
		if upper {
			s.OffY = float64(s.H) - s.ExtY
		}
	}
	s = plane.Plan(src.planes[1], s)
	out[1], out[2] = plane.Resize(src.planes[1], s), plane.Resize(src.planes[2], s)
	return out
}

// shrink returns the source as if it had been decoded smaller, with no turn and no
// loss but that of the size.
func (src source) shrink(edge int) source {
	src.planes = src.shrunk(edge, 0)
	return src
}
