package render

import (
	"fmt"
	"strconv"
	"strings"
)

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
	r.keep(p.master(), withSize(data, src.w, src.h))
	return small
}

// sizeMark begins the comment that says how large the original of a master is.
// Sizes made from the master are those of the original: rounded once, not twice.
const sizeMark = "keepwatch original "

// withSize puts the size of the original into a master.
func withSize(file []byte, w, h int) []byte {
	text := sizeMark + strconv.Itoa(w) + " " + strconv.Itoa(h)
	out := append([]byte{0xff, markSOI, 0xff, markCOM, 0, byte(2 + len(text))}, text...) //nolint:gosec // a short text
	return append(out, file[2:]...)
}

// originalSize finds the size of the original in a master.
func originalSize(master []byte) (w, h int, ok bool) {
	if len(master) < 6 || int(master[5]) < 2 || len(master) < 4+int(master[5]) {
		return 0, 0, false
	}
	text, ok := strings.CutPrefix(string(master[6:4+int(master[5])]), sizeMark)
	if !ok {
		return 0, 0, false
	}
	_, err := fmt.Sscanf(text, "%d %d", &w, &h)
	return w, h, err == nil && w > 0 && h > 0
}
