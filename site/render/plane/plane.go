// Package plane shrinks and turns single planes of 8-bit samples.
//
// It owns the resampler (whole boxes first, then Lanczos3 in fixed point) and the
// eight turns of a picture. It knows no file formats and no colours: a JPEG is
// three planes that go through here one by one and never become RGB.
package plane

// Plane is a rectangle of samples that stands for an area of ExtX by ExtY
// samples. The area is not whole for the halved colour planes of an odd picture;
// what the samples hold beyond it does not count less.
type Plane struct {
	Pix        []uint8 // the sample at x, y is Pix[y*Stride+x]
	Stride     int
	W, H       int
	ExtX, ExtY float64
}

// New returns a plane of zeros.
func New(w, h int) Plane {
	return Plane{Pix: make([]uint8, w*h), Stride: w, W: w, H: h, ExtX: float64(w), ExtY: float64(h)}
}

// Row returns the samples of a row; writing to them writes to the plane.
func (p Plane) Row(y int) []uint8 { return p.Pix[y*p.Stride : y*p.Stride+p.W] }

// Fill sets every sample.
func (p Plane) Fill(v uint8) {
	for y := range p.H {
		row := p.Row(y)
		for x := range row {
			row[x] = v
		}
	}
}
