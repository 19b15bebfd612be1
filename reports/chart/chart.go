// Package chart draws the pictures of a report: how the error budget stands, what
// each hour of the window was, and how the weeks before went.
//
// A picture is a list of shapes in whole tenths of a pixel, so that SVG, PNG and
// PDF show the same and equal facts give equal bytes on every machine. Nothing is
// told by colour alone: lost time stands taller, unknown time is hatched,
// excluded time is an empty frame. The package knows neither reports nor zones.
package chart

// Ink says what a shape means; each output has its own colours for it.
type Ink int

// The inks.
const (
	Good Ink = iota
	Bad
	Unknown
	Excluded
	Text
	Faint // text and lines of less weight
	Track // the ground of a bar
)

// Form is how a shape is drawn.
type Form int

// The forms.
const (
	Solid  Form = iota
	Hatch       // diagonal lines in a frame
	Frame       // an empty frame
	Line        // from (X, Y) to (X+W, Y+H)
	Dashed      // the same, dashed
	Down        // a triangle that points down, in the box
	Label       // text with its baseline at Y
)

// Anchor says where a label hangs on its X.
type Anchor int

// The anchors.
const (
	Start Anchor = iota
	Middle
	End
)

// Shape is one thing to draw. Lengths are tenths of a pixel.
type Shape struct {
	Form       Form
	Ink        Ink
	X, Y, W, H int
	Text       string // of a Label
	Size       int    // of a Label: tenths of a pixel
	Bold       bool
	Anchor     Anchor
}

// Drawing is a picture of W times H tenths of a pixel. Title and Desc are for
// those who do not see it. Safe for concurrent use once made.
type Drawing struct {
	W, H        int
	Title, Desc string
	Shapes      []Shape
}

func (d *Drawing) box(f Form, ink Ink, x, y, w, h int) {
	if w > 0 && h > 0 {
		d.Shapes = append(d.Shapes, Shape{Form: f, Ink: ink, X: x, Y: y, W: w, H: h})
	}
}

func (d *Drawing) line(f Form, ink Ink, x1, y1, x2, y2 int) {
	d.Shapes = append(d.Shapes, Shape{Form: f, Ink: ink, X: x1, Y: y1, W: x2 - x1, H: y2 - y1})
}

func (d *Drawing) label(s Shape) {
	s.Form = Label
	d.Shapes = append(d.Shapes, s)
}

// fill draws a box in the form that belongs to its ink.
func (d *Drawing) fill(ink Ink, x, y, w, h int) {
	form := Solid
	switch ink {
	case Unknown:
		form = Hatch
	case Excluded:
		form = Frame
	case Good, Bad, Text, Faint, Track:
	}
	d.box(form, ink, x, y, w, h)
}

// px is a pixel in the unit of shapes.
const px = 10

// Width is how wide every drawing is: it fits a phone held sideways, a mail and an A4 page.
const Width = 560 * px

// scale is part of whole on a length of n; whole must be above 0. The products stay
// far below 2^63: whole is at most some years of milliseconds.
func scale(part, whole int64, n int) int {
	return int(part * int64(n) / whole)
}

// Budget is the error budget: what was spent, what may have been (time that nobody
// saw) and what is left for sure. All are milliseconds of one unit; Total is 0
// where there is no budget.
type Budget struct {
	Title, Desc            string
	Total, Spent, Unproven int64
}

// Draw draws the budget as one bar. An overspent budget ends at a line inside the bar.
func (b Budget) Draw() Drawing {
	const top, high = 4 * px, 22 * px
	d := Drawing{W: Width, H: 30 * px, Title: b.Title, Desc: b.Desc}
	spent, risk := max(b.Spent, 0), max(b.Unproven, 0)
	whole := max(b.Total, spent+risk)
	if whole <= 0 {
		d.box(Frame, Excluded, 0, top, Width, high)
		return d
	}
	a := scale(spent, whole, Width)
	if spent > 0 {
		a = max(a, 2*px) // what was lost is never too thin to see
	}
	c := scale(spent+risk, whole, Width)
	if risk > 0 {
		c = min(max(c, a+4*px), Width)
	}
	c = max(c, a)
	const gap = 2 * px
	d.box(Solid, Bad, 0, top-4*px, a, high+8*px)
	d.box(Hatch, Unknown, a+min(a, gap), top, c-a-min(a, gap), high)
	if end := max(Width-c-gap, 0); b.Total > spent+risk && end > 0 {
		d.box(Solid, Good, c+min(c, gap), top, Width-c-min(c, gap), high)
	}
	if b.Total < whole {
		x := scale(max(b.Total, 0), whole, Width)
		d.line(Line, Text, x, 0, x, d.H)
	}
	return d
}

// Cell is a stretch of a window: [From, To) in milliseconds from its start.
type Cell struct {
	From, To int64
	Ink      Ink
}

// Tick is a mark on the time line, where a day begins.
type Tick struct {
	At    int64 // milliseconds from the start
	Label string
}

// Strip is what each hour of a window was. Cells are in order and cover the window.
type Strip struct {
	Title, Desc string
	Length      int64 // milliseconds; above 0
	Cells       []Cell
	Ticks       []Tick
}

// Draw draws the strip; neighbours of one ink become one box.
func (s Strip) Draw() Drawing {
	const mid, low = 6 * px, 24 * px // good hours lie between; bad ones reach from 0 to 30
	d := Drawing{W: Width, H: 46 * px, Title: s.Title, Desc: s.Desc}
	if s.Length <= 0 {
		return d
	}
	for i := 0; i < len(s.Cells); {
		j := i + 1
		for j < len(s.Cells) && s.Cells[j].Ink == s.Cells[i].Ink {
			j++
		}
		x1, x2 := scale(s.Cells[i].From, s.Length, Width), scale(s.Cells[j-1].To, s.Length, Width)
		if ink := s.Cells[i].Ink; ink == Bad {
			d.fill(ink, x1, 0, x2-x1, 30*px)
		} else {
			d.fill(ink, x1, mid, x2-x1, low-mid)
		}
		i = j
	}
	for i, t := range s.Ticks {
		x := scale(t.At, s.Length, Width)
		next := Width
		if i+1 < len(s.Ticks) {
			next = scale(s.Ticks[i+1].At, s.Length, Width)
		}
		d.line(Line, Faint, x, 30*px, x, 34*px)
		if next-x >= 26*px || len(s.Ticks) == 1 {
			d.label(Shape{Ink: Faint, X: x + 2*px, Y: 44 * px, Size: 11 * px, Text: t.Label})
		}
	}
	return d
}

// Bar is one week. Low and High are availability in parts per million if unknown
// time was bad, and if it was good; both 0 and NoData where nothing was to be seen.
type Bar struct {
	Label, Figure, Word string // below, above and under the label; Word is "" where the objective was met
	Low, High           int64
	NoData              bool
	Missed              bool
}

// Bars are weeks beside each other, oldest first, with the objective as a line.
type Bars struct {
	Title, Desc string
	Objective   int64 // parts per million
	Line        string
	Weeks       []Bar
}

const million = 1_000_000

// Draw draws the weeks on an axis from 100 % down to twice the error budget, with
// its ends printed: at 95 % it ends at 90 %. What lies below is at the bottom.
func (b Bars) Draw() Drawing {
	const top, bottom, left = 18 * px, 88 * px, 44 * px
	d := Drawing{W: Width, H: 118 * px, Title: b.Title, Desc: b.Desc}
	span := min(max(2*(million-b.Objective), 1_000), million)
	floor := million - span
	y := func(ppm int64) int { return bottom - scale(min(max(ppm, floor), million)-floor, span, bottom-top) }
	for _, ppm := range []int64{million, floor} {
		d.label(Shape{Ink: Faint, X: left - 4*px, Y: y(ppm) + 4*px, Size: 10 * px, Anchor: End, Text: axis(ppm)})
		d.line(Line, Faint, left, y(ppm), Width, y(ppm))
	}
	n := max(len(b.Weeks), 1)
	step := (Width - left) / n
	wide := min(step*3/5, 34*px)
	for i, w := range b.Weeks {
		mid := left + i*step + step/2
		b.week(&d, w, mid, wide, y)
		size := 11 * px
		if n > 10 {
			size = 10 * px
		}
		d.label(Shape{Ink: Text, X: mid, Y: top - 6*px, Size: size, Anchor: Middle, Text: w.Figure, Bold: i == n-1})
		d.label(Shape{Ink: Faint, X: mid, Y: bottom + 13*px, Size: size, Anchor: Middle, Text: w.Label})
		if w.Word != "" {
			ink := Faint
			if w.Missed {
				ink = Bad
			}
			d.label(Shape{Ink: ink, X: mid, Y: bottom + 26*px, Size: 9 * px, Anchor: Middle, Text: w.Word, Bold: true})
		}
	}
	d.line(Dashed, Text, left, y(b.Objective), Width, y(b.Objective))
	d.label(Shape{Ink: Text, X: left - 4*px, Y: y(b.Objective) + 4*px, Size: 10 * px, Anchor: End, Text: b.Line, Bold: true})
	return d
}

// week draws the bar of one week: what is proven solid, what nobody saw hatched.
func (b Bars) week(d *Drawing, w Bar, mid, wide int, y func(int64) int) {
	x, bottom := mid-wide/2, y(0)
	if w.NoData {
		d.box(Hatch, Unknown, x, y(million), wide, bottom-y(million))
		return
	}
	ink := Good
	if w.Missed {
		ink = Bad
	}
	low, high := min(y(w.Low), bottom-2*px), min(y(w.High), bottom-2*px) // a bar is never nothing
	d.box(Solid, ink, x, low, wide, bottom-low)
	if low-high >= px {
		d.box(Hatch, Unknown, x, high, wide, low-high)
	}
	if w.Missed {
		d.box(Down, Bad, mid-5*px, max(high-10*px, 14*px), 10*px, 8*px)
	}
}

// axis prints parts per million with no more digits than needed.
func axis(ppm int64) string {
	return trimZeros(ppm/10_000, ppm%10_000)
}
