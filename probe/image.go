package probe

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // formats that sites serve
	_ "image/jpeg" // formats that sites serve
	_ "image/png"  // formats that sites serve
	"strconv"

	_ "golang.org/x/image/webp" // formats that sites serve
)

// maxPixels bounds the pictures that are decoded; one that claims more is a trap
// or a mistake.
const maxPixels = 50_000_000

// judgeImage judges a body of which at most limit bytes were read.
func judgeImage(e ImageExpect, body []byte, limit int64) Fault {
	if e == (ImageExpect{}) {
		return Fault{}
	}
	conf, format, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		return unmet(ClassBody, "the body is not a picture (JPEG, PNG, GIF or WebP) with a sound beginning")
	}
	if conf.Width <= 0 || conf.Height <= 0 || conf.Width > maxPixels/conf.Height {
		return unmet(ClassBody, "the picture claims %d x %d pixels: not more than %d million are decoded", conf.Width, conf.Height, maxPixels/1_000_000)
	}
	if e.Decodes {
		if _, _, err := image.Decode(bytes.NewReader(body)); err != nil {
			if int64(len(body)) >= limit {
				return unmet(ClassBody, "the picture is larger than %s and was not read to its end: raise max_body", Size(limit))
			}
			return unmet(ClassBody, "the picture (%s, %d x %d) is damaged: %v", format, conf.Width, conf.Height, err)
		}
	}
	longer := max(conf.Width, conf.Height)
	if e.LongerEdge == 0 || longer == e.LongerEdge || e.OrNative && longer < e.LongerEdge {
		return Fault{}
	}
	want := strconv.Itoa(e.LongerEdge)
	if e.OrNative {
		want += " or less"
	}
	return unmet(ClassBody, "the picture has %d x %d pixels: its longer edge is not %s", conf.Width, conf.Height, want)
}

// validate reports mistakes.
func (e ImageExpect) validate(path string, report func(path, msg string)) {
	switch {
	case e.LongerEdge < 0 || e.LongerEdge > 65_535:
		report(path+".longer_edge", fmt.Sprintf("%d is out of range: write 1 to 65535 pixels", e.LongerEdge))
	case e.OrNative && e.LongerEdge == 0:
		report(path+".or_native", "or_native has no meaning without longer_edge: write how long the edge was asked to be")
	}
}
