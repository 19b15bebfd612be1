package plane

// Turn is one of the eight ways to lay down a rectangle: an optional mirroring
// left to right, then 0 to 3 quarter turns counter-clockwise. The zero value
// leaves a plane as it is; two turns that come to the same are equal.
type Turn uint8

const (
	mirrored Turn = 1 // the low bit
	quarter  Turn = 2 // the quarter turns stand in the bits above
)

// orientations are the turns that show a picture stored with EXIF orientation
// 1 to 8 upright (EXIF 2.32, tag 274: where row 0 and column 0 of the stored picture are).
var orientations = [9]Turn{ //nolint:gochecknoglobals // a constant table
	0: 0, 1: 0, 2: mirrored, 3: 2 * quarter, 4: mirrored + 2*quarter,
	5: mirrored + quarter, 6: 3 * quarter, 7: mirrored + 3*quarter, 8: quarter,
}

// TurnOf returns what an EXIF orientation (1 to 8, all else is 1) and after it a
// rotation by degrees counter-clockwise (a multiple of 90) do together.
func TurnOf(orientation, rotation int) Turn {
	if orientation < 1 || orientation > 8 {
		orientation = 1
	}
	t := orientations[orientation]
	quarters := Turn((rotation/90%4 + 4) % 4)
	return t&mirrored | (t+quarters*quarter)%(4*quarter)&^mirrored
}

// Swaps reports whether width and height change places.
func (t Turn) Swaps() bool { return t&quarter != 0 }

// Ends reports whether the left edge of the stored plane becomes a right or lower
// edge, and whether its upper edge does.
func (t Turn) Ends() (left, upper bool) {
	// Where (1,0) and (0,1) go, y pointing down: mirrored, then quarter turns (x,y) to (y,-x).
	ax, ay, bx, by := 1, 0, 0, 1
	if t&mirrored != 0 {
		ax = -1
	}
	for range t / quarter {
		ax, ay, bx, by = ay, -ax, by, -bx
	}
	return ax+ay < 0, bx+by < 0
}

// Size returns the size of a w by h plane after the turn.
func (t Turn) Size(w, h int) (int, int) {
	if t.Swaps() {
		return h, w
	}
	return w, h
}

// Apply returns the plane turned. For the zero Turn that is p itself.
func (t Turn) Apply(p Plane) Plane {
	if t == 0 {
		return p
	}
	w, h := t.Size(p.W, p.H)
	out := New(w, h)
	out.ExtX, out.ExtY = p.ExtX, p.ExtY
	left, upper := t.Ends()
	if t.Swaps() {
		out.ExtX, out.ExtY = p.ExtY, p.ExtX
		swap(out, p, left, upper)
		return out
	}
	for y := range h {
		from := y
		if upper {
			from = h - 1 - y
		}
		row := out.Row(y)
		copy(row, p.Row(from))
		if left {
			reverse(row)
		}
	}
	return out
}

// swap makes rows of columns, a band of rows at a time so that what is written
// stays in the processor's cache.
func swap(out, p Plane, left, upper bool) {
	const band = 32
	for y0 := 0; y0 < p.H; y0 += band {
		rows := min(band, p.H-y0)
		for x := range p.W {
			to := x
			if left {
				to = p.W - 1 - x
			}
			row := out.Row(to)
			if upper {
				row = row[p.H-y0-rows : p.H-y0]
			} else {
				row = row[y0 : y0+rows]
			}
			for i := range row {
				from := y0 + i
				if upper {
					from = y0 + rows - 1 - i
				}
				row[i] = p.Pix[from*p.Stride+x]
			}
		}
	}
}

func reverse(row []uint8) {
	for i, j := 0, len(row)-1; i < j; i, j = i+1, j-1 {
		row[i], row[j] = row[j], row[i]
	}
}
