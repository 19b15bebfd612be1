package render

import "strconv"

// The master is the picture at 1920 pixels in a high quality, neither turned nor
// marked, in the cache like everything else. Smaller sizes are made from it: it is
// decoded several times faster than an original, and the original may stay on a
// slow mount. The 1920 pixels that visitors see are made from the original, encoded
// once.

// fromMaster reports whether an edge may be made from the master: all below its
// own. On detail of all sizes the second encoding costs 0.0024 of SSIM at 1600
// pixels, 0.0016 at 1440, 0.0003 at 640 (TestMasterLoss).
func fromMaster(edge int) bool { return edge < masterEdge }

// master is the key of the picture's master.
func (p Picture) master() string {
	return hash("master", Engine(), "q"+strconv.Itoa(masterQuality), p.Content)
}

// spec is how the picture is shown at an edge.
func (p Picture) spec(edge int) Spec {
	return Spec{Edge: edge, Orientation: p.Orientation, Rotation: p.Rotation, Text: p.Text}
}

// larger reports whether a master is worth keeping.
func (src source) larger() bool { return max(src.w, src.h) > masterEdge }

// whole reports whether the source was decoded large enough to make a master.
func (src source) whole() bool {
	return max(src.planes[0].W, src.planes[0].H) >= masterEdge
}

// master makes and keeps the master of a picture and returns it as it was before
// it was encoded. It may fail: then the original is read again.
func (r *Renderer) master(p Picture, src source) source {
	small := src.shrink(masterEdge)
	data, err := r.engine.encode(small, Spec{Edge: masterEdge}, masterQuality)
	if err != nil {
		r.log.Warn("master not made", "content", p.Content, "err", err)
		return small
	}
	r.keep(p.master(), data)
	return small
}
