package plane

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// scene is a plane with fine and coarse detail.
func scene(w, h int) Plane {
	p := New(w, h)
	for y := range h {
		for x := range w {
			fx, fy := float64(x)/float64(w), float64(y)/float64(h)
			p.Pix[y*w+x] = uint8(128 + 60*math.Sin(40*fx*fx+9*fy) + 40*math.Cos(90*fy*fx))
		}
	}
	return p
}

// slow is Lanczos3 in floating point, in two dimensions at once, with no box
// step: the plainest possible reference.
func slow(src Plane, s Shrink) []float64 {
	sx, sy := src.ExtX/s.ExtX, src.ExtY/s.ExtY
	out := make([]float64, s.W*s.H)
	for y := range s.H {
		for x := range s.W {
			cx, cy := (float64(x)+0.5-s.OffX)*sx, (float64(y)+0.5-s.OffY)*sy
			var sum, norm float64
			rx, ry := lobes*max(sx, 1), lobes*max(sy, 1)
			for j := max(0, int(cy-ry)-1); j < min(src.H, int(cy+ry)+2); j++ {
				wy := Lanczos((float64(j) + 0.5 - cy) / max(sy, 1))
				for i := max(0, int(cx-rx)-1); i < min(src.W, int(cx+rx)+2); i++ {
					k := wy * Lanczos((float64(i)+0.5-cx)/max(sx, 1))
					sum += k * float64(src.Pix[j*src.Stride+i])
					norm += k
				}
			}
			out[y*s.W+x] = min(max(sum/norm, 0), 255)
		}
	}
	return out
}

func psnr(got Plane, want []float64) float64 {
	var sum float64
	for i, v := range want {
		d := float64(got.Pix[i]) - v
		sum += d * d
	}
	return 10 * math.Log10(255*255/max(sum/float64(len(want)), 1e-9))
}

func TestResizeAgainstReference(t *testing.T) {
	t.Parallel()
	src := scene(403, 301)
	tests := map[string]struct {
		shrink Shrink
		min    float64 // dB; without the box step only rounding is left
	}{
		"no change":     {Shrink{W: 403, H: 301}, 55},
		"a little":      {Shrink{W: 350, H: 261}, 52},
		"third":         {Shrink{W: 134, H: 100}, 52},
		"box of two":    {Shrink{W: 64, H: 48}, 40},
		"box of five":   {Shrink{W: 25, H: 19}, 38},
		"box of nine":   {Shrink{W: 14, H: 11}, 36},
		"tall and thin": {Shrink{W: 403, H: 40}, 45},
		"narrow":        {Shrink{W: 7, H: 290}, 35},
		"half a sample": {Shrink{W: 134, H: 100, ExtX: 133.5, ExtY: 99.5}, 50},
		"from the end":  {Shrink{W: 134, H: 100, ExtX: 133.5, ExtY: 99.5, OffX: 0.5, OffY: 0.5}, 50},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Plan(src, tt.shrink)
			if db := psnr(Resize(src, s), slow(src, s)); db < tt.min {
				t.Errorf("PSNR against the reference is %.1f dB, want at least %.0f", db, tt.min)
			}
		})
	}
}

// Columns that are less than eight go another way through the vertical pass; it
// must be the same way.
func TestNarrowIsTheSame(t *testing.T) {
	t.Parallel()
	wide := scene(400, 300)
	down := taps(300, 100, 3, 0)
	for y, tap := range down {
		line, few := make([]int64, 400), make([]int64, 7)
		vertical(line, wide, pairOf(tap, down[99-y]))
		vertical(few, wide, pairOf(tap, down[99-y]))
		if !slices.Equal(few, line[:7]) {
			t.Fatalf("row %d: %x, want %x", y, few, line[:7])
		}
	}
}

func TestConstantStays(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		w, h := 1+rng.IntN(200), 1+rng.IntN(200)
		s := Shrink{W: 1 + rng.IntN(w), H: 1 + rng.IntN(h)}
		if rng.IntN(2) == 0 { // the colours of an odd picture, turned
			s.ExtX, s.OffX = float64(s.W)-0.5, 0.5
		}
		src := New(w, h)
		v := uint8(rng.IntN(256))
		src.Fill(v)
		got := Resize(src, Plan(src, s))
		for i, p := range got.Pix {
			if p != v {
				t.Fatalf("%dx%d of %d to %+v: sample %d is %d", w, h, v, s, i, p)
			}
		}
	}
}

func TestWeightsSumToOne(t *testing.T) {
	t.Parallel()
	for m := 1; m < 200; m += 7 {
		for i, tap := range taps(211, m, 211/float64(m), 0) {
			var sum int64
			for _, w := range tap.weights {
				sum += w
			}
			if sum != 1<<weightBits {
				t.Fatalf("211 to %d: the weights of sample %d sum to %d", m, i, sum)
			}
		}
	}
}

// The sums of the two halves of a number must not run into each other: black and
// white stripes make the largest overshoot.
func TestStripesDoNotOverflow(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, 3, 5, 8, 13, 40, 97} {
		src := New(97, 97)
		for i := range src.Pix {
			if i%97/3%2 == 0 != (i/97/3%2 == 0) {
				src.Pix[i] = 255
			}
		}
		s := Plan(src, Shrink{W: size, H: size})
		if size*keepRatio*2 > 97 { // no box step: only rounding is left
			resized := Resize(src, s).Pix
			for i, want := range slow(src, s) {
				if got := resized[i]; math.Abs(float64(got)-want) > 1.5 {
					t.Fatalf("size %d, sample %d: got %d, want %.1f", size, i, got, want)
				}
			}
		}
	}
}

func TestBoxesAgainstMeans(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 7} {
		for _, size := range [][2]int{{1, 1}, {2, 3}, {15, 8}, {17, 16}, {64, 33}} {
			src := scene(size[0], size[1])
			got := shrink(src, n)
			for y := range got.H {
				for x := range got.W {
					sum, count := 0, 0
					for j := y * n; j < min((y+1)*n, src.H); j++ {
						for i := x * n; i < min((x+1)*n, src.W); i++ {
							sum += int(src.Pix[j*src.Stride+i])
							count++
						}
					}
					if want := (sum + count/2) / count; int(got.Pix[y*got.W+x]) != want {
						t.Fatalf("boxes of %d in %v: sample %d,%d is %d, want %d", n, size, x, y, got.Pix[y*got.W+x], want)
					}
				}
			}
		}
	}
}

// turned lists each stored picture as rows of letters, and how it is shown: the
// letter F upright is what EXIF 2.32 figure "orientation" shows for each value.
func TestTurns(t *testing.T) {
	t.Parallel()
	upright := []string{
		"##",
		"# ",
		"##",
		"# ",
		"# ",
	}
	stored := map[int][]string{
		1: {"##", "# ", "##", "# ", "# "},
		2: {"##", " #", "##", " #", " #"},
		3: {" #", " #", "##", " #", "##"},
		4: {"# ", "# ", "##", "# ", "##"},
		5: {"#####", "# #  "},
		6: {"# #  ", "#####"},
		7: {"  # #", "#####"},
		8: {"#####", "  # #"},
	}
	for orientation, rows := range stored {
		got := TurnOf(orientation, 0).Apply(letters(rows))
		if want := letters(upright); !slices.Equal(got.Pix, want.Pix) || got.W != want.W || got.H != want.H {
			t.Errorf("orientation %d: %dx%d %q, want %q", orientation, got.W, got.H, got.Pix, want.Pix)
		}
	}
	rotated := map[int][]string{
		0:    upright,
		90:   {"# #  ", "#####"}, // counter-clockwise: the top of the letter is now on the left
		180:  {" #", " #", "##", " #", "##"},
		270:  {"#####", "  # #"},
		-90:  {"#####", "  # #"},
		450:  {"# #  ", "#####"},
		-360: upright,
	}
	for degrees, want := range rotated {
		for orientation, rows := range stored { // the rotation comes on top of the orientation
			got := TurnOf(orientation, degrees).Apply(letters(rows))
			if want := letters(want); !slices.Equal(got.Pix, want.Pix) || got.W != want.W {
				t.Errorf("orientation %d, then %d degrees: %q, want %q", orientation, degrees, got.Pix, want.Pix)
			}
		}
	}
}

func letters(rows []string) Plane {
	p := New(len(rows[0]), len(rows))
	for y, row := range rows {
		copy(p.Row(y), row)
	}
	return p
}

// Planes larger than a band of swap, of all shapes, against the plainest way.
func TestTurnsOfLargePlanes(t *testing.T) {
	t.Parallel()
	for turn := range Turn(8) {
		for _, size := range [][2]int{{1, 1}, {7, 100}, {65, 33}, {32, 64}} {
			src := scene(size[0], size[1])
			got := turn.Apply(src)
			want := src
			if turn&mirrored != 0 {
				want = move(want, want.W, want.H, func(x, y int) (int, int) { return size[0] - 1 - x, y })
			}
			for range turn / quarter {
				in := want
				want = move(in, in.H, in.W, func(x, y int) (int, int) { return in.W - 1 - y, x })
			}
			if !slices.Equal(got.Pix, want.Pix) || got.W != want.W || got.H != want.H {
				t.Errorf("turn %d of %v is wrong", turn, size)
			}
			left, upper := turn.Ends()
			cornerX, cornerY := 0, 0 // where the stored upper left corner goes
			if turn.Swaps() {
				left, upper = upper, left
			}
			if left {
				cornerX = got.W - 1
			}
			if upper {
				cornerY = got.H - 1
			}
			if got.Pix[cornerY*got.W+cornerX] != src.Pix[0] {
				t.Errorf("turn %d: the stored corner is not at %d,%d", turn, cornerX, cornerY)
			}
		}
	}
}

func move(src Plane, w, h int, from func(x, y int) (int, int)) Plane {
	out := New(w, h)
	for y := range h {
		for x := range w {
			fx, fy := from(x, y)
			out.Pix[y*w+x] = src.Pix[fy*src.Stride+fx]
		}
	}
	return out
}

// FuzzResize is checklist row 21: any size, any offset, and no sample out of the
// range that the neighbours allow.
func FuzzResize(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(1), uint8(1), int64(1))
	f.Add(uint8(64), uint8(63), uint8(3), uint8(64), int64(2))
	f.Add(uint8(9), uint8(8), uint8(9), uint8(1), int64(3))
	f.Fuzz(func(t *testing.T, w, h, dw, dh uint8, seed int64) {
		if w == 0 || h == 0 || dw == 0 || dh == 0 || max(w, h, dw, dh) > 64 {
			return
		}
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		src := New(int(w), int(h))
		for i := range src.Pix {
			src.Pix[i] = uint8(rng.IntN(2) * 255)
		}
		s := Shrink{W: int(dw), H: int(dh)}
		if seed%2 == 0 {
			s.ExtX, s.ExtY = float64(dw)-0.5, float64(dh)-0.5
			s.OffX, s.OffY = float64(seed/2%2)*0.5, float64(seed/4%2)*0.5
		}
		s = Plan(src, s)
		got := Resize(src, s)
		if len(got.Pix) != int(dw)*int(dh) {
			t.Fatalf("%d samples, want %d", len(got.Pix), int(dw)*int(dh))
		}
		if boxOf(src, s) > 1 {
			return
		}
		for i, want := range slow(src, s) {
			// At an edge the reference may weigh what lies outside; what is inside must agree.
			x, y := i%s.W, i/s.W
			inside := (float64(x)+0.5-s.OffX)*src.ExtX/s.ExtX <= float64(w) && (float64(y)+0.5-s.OffY)*src.ExtY/s.ExtY <= float64(h)
			if inside && math.Abs(float64(got.Pix[i])-want) > 3 {
				t.Fatalf("%dx%d to %+v: sample %d is %d, want %.1f", w, h, s, i, got.Pix[i], want)
			}
		}
	})
}

func BenchmarkResize(b *testing.B) {
	src := scene(4000, 3000)
	for name, edge := range map[string]int{"1440": 1440, "640": 640, "192": 192} {
		b.Run(name, func(b *testing.B) {
			s := Plan(src, Shrink{W: edge, H: edge * 3 / 4})
			for b.Loop() {
				Resize(src, s)
			}
		})
	}
}
