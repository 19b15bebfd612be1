package site

import (
	"image"
	"image/color"
	"math"

	"keepwatch/site/gallery"
)

// The pictures of a new site are drawn, not shipped: the same every time, and
// nobody's.

type rgb struct{ r, g, b float64 }

func paint(v uint32) rgb {
	return rgb{float64(v >> 16 & 255), float64(v >> 8 & 255), float64(v & 255)}
}

func mix(a, b rgb, t float64) rgb {
	t = min(max(t, 0), 1)
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

func (c rgb) bytes() color.RGBA {
	v := func(f float64) uint8 { return uint8(min(max(f+0.5, 0), 255)) }
	return color.RGBA{R: v(c.r), G: v(c.g), B: v(c.b), A: 255}
}

// hash01 is a number in [0,1) that depends on nothing but its arguments.
func hash01(x, y, seed int) float64 {
	h := uint32(x)*0x9E3779B1 ^ uint32(y)*0x85EBCA77 ^ uint32(seed)*0xC2B2AE3D //nolint:gosec // wrapping is the point
	h = (h ^ h>>15) * 0x2C1B3C6D
	h = (h ^ h>>12) * 0x297A2D39
	return float64(h^h>>15) / (1 << 32)
}

// noise is smooth value noise in [0,1).
func noise(x, y float64, seed int) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	ease := func(t float64) float64 { return t * t * (3 - 2*t) }
	u, v := ease(x-fx), ease(y-fy)
	top := hash01(ix, iy, seed)*(1-u) + hash01(ix+1, iy, seed)*u
	low := hash01(ix, iy+1, seed)*(1-u) + hash01(ix+1, iy+1, seed)*u
	return top*(1-v) + low*v
}

// fbm sums noise of growing fineness.
func fbm(x, y float64, octaves, seed int) float64 {
	sum, amp, norm := 0.0, 1.0, 0.0
	for o := range octaves {
		sum += amp * noise(x, y, seed+o)
		norm += amp
		x, y, amp = x*2.03, y*2.03, amp*0.5
	}
	return sum / norm
}

// landscape is ridges behind ridges under a sky.
type landscape struct {
	seed            int
	top, low        rgb     // the sky at the top and at the horizon
	far, near       rgb     // the ridges
	sun             rgb     // its glow
	sunX, sunY      float64 // in widths and heights
	sunSize         float64 // radius in heights; 0 has none
	layers          int
	rough           float64 // height of the ridges, in heights
	lake            float64 // where water begins, in heights; 0 has none
	stars           bool
	firstRow, lastY float64 // where the farthest and nearest ridge lie, in heights
}

// ridges returns the height of each layer's edge for each column, in rows.
func (l landscape) ridges(w, h int) [][]float64 {
	out := make([][]float64, l.layers)
	for i := range out {
		depth := float64(i) / float64(max(l.layers-1, 1)) // 0 far, 1 near
		base := l.firstRow + (l.lastY-l.firstRow)*depth
		out[i] = make([]float64, w)
		for x := range out[i] {
			at := float64(x) / float64(h) * (1.6 + 1.4*(1-depth))
			ridge := fbm(at+float64(7*i), float64(i)*3.7, 6, l.seed+11*i)
			out[i][x] = float64(h) * (base - l.rough*(ridge-0.5)*(0.6+0.4*depth)*2)
		}
	}
	return out
}

func (l landscape) draw(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	edges := l.ridges(w, h)
	water := h
	if l.lake > 0 {
		water = int(l.lake * float64(h))
	}
	for y := range h {
		for x := range w {
			sx, sy, dim := x, y, 0.0
			if y >= water { // the water shows what is above it, in ripples
				deep := float64(y-water) / float64(h-water)
				ripple := (fbm(float64(x)/90, float64(y)/(4+14*deep), 2, l.seed+90) - 0.5) * (6 + 50*deep)
				sx = min(max(x+int(ripple), 0), w-1)
				sy = max(2*water-y+int(ripple*0.6), 0)
				dim = 0.18 + 0.25*deep
			}
			img.SetRGBA(x, y, mix(l.at(sx, sy, w, h, edges), mulRGB(l.near, 0.5), dim).bytes())
		}
	}
	return img
}

func mulRGB(c rgb, k float64) rgb { return rgb{c.r * k, c.g * k, c.b * k} }

// at is the colour of a point above the water.
func (l landscape) at(x, y, w, h int, edges [][]float64) rgb {
	fy := float64(y)
	c := l.sky(x, y, w, h)
	for i, edge := range edges {
		cover := min(fy-edge[x]+0.5, 1) // soft edges
		if cover <= 0 {
			continue
		}
		depth := float64(i) / float64(max(len(edges)-1, 1))
		ground := mix(l.far, l.near, depth)
		grain := fbm(float64(x)/37, fy/23, 3, l.seed+50+i) - 0.5
		shade := min((fy-edge[x])/(0.25*float64(h)), 1) // haze rises from the valleys
		ground = mix(mulRGB(ground, 1+0.22*grain), mix(ground, l.low, 0.55*(1-depth)), 0.8*shade)
		c = mix(c, ground, cover)
	}
	return c
}

func (l landscape) sky(x, y, w, h int) rgb {
	fx, fy := float64(x)/float64(w), float64(y)/float64(h)
	c := mix(l.top, l.low, math.Pow(fy/max(l.firstRow, 0.1), 1.2))
	if l.stars && hash01(x/2, y/2, l.seed) > 0.9985 {
		c = mix(c, rgb{255, 255, 240}, (1-fy)*hash01(x/2, y/2, l.seed+1))
	}
	cloud := fbm(fx*5, fy*16, 4, l.seed+70)
	c = mix(c, l.sun, 0.5*max(cloud-0.52, 0)*2)
	if l.sunSize > 0 {
		dx, dy := (fx-l.sunX)*float64(w)/float64(h), fy-l.sunY
		d := math.Sqrt(dx*dx+dy*dy) / l.sunSize
		c = mix(c, l.sun, 0.75/(1+d*d*0.5))
		c = mix(c, mix(l.sun, rgb{255, 255, 250}, 0.7), (1-d)*float64(h)*l.sunSize/2)
	}
	return c
}

// contours is a map of a country that does not exist.
func contours(w, h int) *image.RGBA {
	const seed = 8
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	bands := []rgb{paint(0x2a6f97), paint(0x61a5c2), paint(0xd9e7c5), paint(0xa3c585), paint(0x7aa35a), paint(0xc9b27c), paint(0xb08d57), paint(0xf1ece2)}
	for y := range h {
		for x := range w {
			v := fbm(float64(x)/520, float64(y)/520, 5, seed) * 1.35 * float64(len(bands))
			level := math.Floor(v - 1.2)
			c := bands[int(min(max(level, 0), float64(len(bands)-1)))]
			fine := math.Abs(v*4-math.Round(v*4)) / 4
			c = mix(mulRGB(c, 0.72), c, fine*float64(w)/55)
			img.SetRGBA(x, y, c.bytes())
		}
	}
	return img
}

// scales is the old pattern of waves: rows of circles over circles.
func scales(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	radius := float64(h) / 8
	paper, ink := paint(0xf4efe3), paint(0x1d3557)
	for y := range h {
		for x := range w {
			c := paper
			first := int(float64(y)/(radius/2)) + 3
			for row := first; row >= first-5; row-- { // the lowest row that covers the point is in front
				cy := float64(row) * radius / 2
				off := float64(row&1) * radius
				cx := math.Round((float64(x)-off)/(2*radius))*2*radius + off
				d := math.Hypot(float64(x)-cx, float64(y)-cy) / radius
				if d >= 1 {
					continue
				}
				ring := math.Mod(d*4, 1)
				tint := mix(ink, paint(0xe07a5f), noise(cx/900, cy/700, 5)*1.4-0.3)
				c = mix(tint, paper, (math.Abs(ring-0.5)*4-0.7)*radius/60)
				break
			}
			img.SetRGBA(x, y, c.bytes())
		}
	}
	return img
}

// sample is one picture of a new site.
type sample struct {
	name, title, caption string
	draw                 func(long, short int) *image.RGBA
	place                string // invented, as the people are
	people               []string
	shot                 gallery.Shot
}

const (
	sampleEdge = 2400 // pixels of a sample's longer edge; the other is two thirds of it
)

func samples() []sample {
	wide := func(l landscape) func(int, int) *image.RGBA { return l.draw }
	return []sample{
		{"blue-hour.jpg", "Blue hour", "Seven ridges, and the light just gone.", wide(landscape{
			seed: 3, top: paint(0x16224a), low: paint(0xf2a679), far: paint(0x6d7fb3), near: paint(0x0d1526), sun: paint(0xffd9a0),
			sunX: 0.34, sunY: 0.47, sunSize: 0.045, layers: 7, rough: 0.13, firstRow: 0.5, lastY: 0.96,
		}), "Windmoor", []string{"Ada Example"}, gallery.Shot{Camera: "Keepwatch Pinhole", Aperture: "f/8.0", Shutter: "0.2 s (1/5)", Film: "ISO 200", FocalLength: "35.0mm"}},
		{"still-lake.jpg", "Still lake", "Early, before the wind.", wide(landscape{
			seed: 19, top: paint(0x5fa8d3), low: paint(0xf6e7cf), far: paint(0x8fb3c9), near: paint(0x23513f), sun: paint(0xfff3d6),
			sunX: 0.72, sunY: 0.3, sunSize: 0.035, layers: 4, rough: 0.14, firstRow: 0.45, lastY: 0.56, lake: 0.6,
		}), "Windmoor", []string{"Grace Example", "Ada Example"}, gallery.Shot{Camera: "Keepwatch Pinhole", Aperture: "f/11.0", Shutter: "0.0167 s (1/60)", Film: "ISO 100", FocalLength: "28.0mm"}},
		{"dunes.jpg", "Dunes", "Sand over sand.", wide(landscape{
			seed: 42, top: paint(0x3a86b7), low: paint(0xf7dcae), far: paint(0xe9b872), near: paint(0x7a3b1d), sun: paint(0xfff7e0),
			sunX: 0.2, sunY: 0.18, sunSize: 0.04, layers: 5, rough: 0.07, firstRow: 0.5, lastY: 0.9,
		}), "Saltholm", nil, gallery.Shot{Camera: "Keepwatch Pinhole", Aperture: "f/16.0", Shutter: "0.004 s (1/250)", Film: "ISO 100", FocalLength: "85.0mm"}},
		{"night-watch.jpg", "Night watch", "Somebody is awake.", wide(landscape{
			seed: 77, top: paint(0x050816), low: paint(0x27406b), far: paint(0x1c2f52), near: paint(0x04070d), sun: paint(0xe8eefc),
			sunX: 0.66, sunY: 0.22, sunSize: 0.05, layers: 5, rough: 0.16, firstRow: 0.58, lastY: 0.95, stars: true,
		}), "Saltholm", []string{"Alan Example"}, gallery.Shot{Camera: "Keepwatch Pinhole", Aperture: "f/2.8", Shutter: "15 s", Film: "ISO 800", FocalLength: "24.0mm"}},
		{"red-canyon.jpg", "Red canyon", "Taller than wide.", func(long, short int) *image.RGBA {
			return landscape{
				seed: 101, top: paint(0x74b3ce), low: paint(0xfbe3c0), far: paint(0xd98e6b), near: paint(0x4f1d1a), sun: paint(0xfff4dc),
				sunX: 0.75, sunY: 0.16, sunSize: 0.03, layers: 8, rough: 0.16, firstRow: 0.36, lastY: 0.94,
			}.draw(short, long)
		}, "Ochre Gap", []string{"Grace Example"}, gallery.Shot{Camera: "Keepwatch Pinhole", Aperture: "f/5.6", Shutter: "0.002 s (1/500)", Film: "ISO 200", FocalLength: "50.0mm"}},
		{"unknown-country.jpg", "Unknown country", "A map of nowhere.", contours, "Ochre Gap", nil, gallery.Shot{}},
		{"waves.jpg", "Waves", "An old pattern, drawn again.", scales, "", nil, gallery.Shot{}},
	}
}
