package oncall

import (
	_ "embed"
	"os"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine

	"pgregory.net/rapid"
)

// oracle walks a window minute by minute and notes who is on call in each minute.
// It knows nothing of days since 1970, offsets or zone bounds: a hand-off happens in
// the first minute in which the wall clock shows the wanted time or later.
type oracle struct {
	start   time.Time
	answers []answer
}

// wall is what a clock on the wall shows, comparable as a number: yyyymmddhhmm.
func wall(t time.Time) int64 {
	y, mo, d := t.Date()
	h, mi, _ := t.Clock()
	return (((int64(y)*100+int64(mo))*100+int64(d))*100+int64(h))*100 + int64(mi)
}

func wallOf(l LocalTime) int64 {
	return (((int64(l.Year)*100+int64(l.Month))*100+int64(l.Day))*100+int64(l.Hour))*100 + int64(l.Minute)
}

// nextDay counts on one day the way a child does.
func nextDay(d Date) Date {
	long := []int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[d.Month-1]
	if d.Month == time.February && (d.Year%4 == 0 && d.Year%100 != 0 || d.Year%400 == 0) {
		long = 29
	}
	switch {
	case d.Day < long:
		d.Day++
	case d.Month < time.December:
		d.Day, d.Month = 1, d.Month+1
	default:
		d = Date{d.Year + 1, time.January, 1}
	}
	return d
}

func weekday(d Date) time.Weekday { // Zeller, so that it is not the code under test
	m, y := int(d.Month), d.Year
	if m < 3 {
		m, y = m+12, y-1
	}
	h := (d.Day + 13*(m+1)/5 + y + y/4 - y/100 + y/400) % 7
	return time.Weekday((h + 6) % 7)
}

// walk notes the answers of [from, from+minutes). from must lie before the start
// of the rotation, so that every hand-off is walked over. A wall clock that goes
// back undoes nothing: what has begun has begun.
func walk(c RotationConfig, free Holidays, from time.Time, minutes int) oracle {
	o := oracle{start: from, answers: make([]answer, minutes)}
	var walkers []*walker
	if len(c.People) > 0 {
		walkers = append(walkers, newWalker(LayerConfig{c.TimeZone, c.Start, c.Handoff, c.Every, c.People, c.Hours, c.Holidays, c.Count}, free))
	}
	for _, l := range c.Layers {
		walkers = append(walkers, newWalker(l, free))
	}
	begun, ended := make([]bool, len(c.Overrides)), make([]bool, len(c.Overrides))
	for i := range o.answers {
		at := from.Add(time.Duration(i) * time.Minute)
		a := answer{c.Fallback, FromFallback}
		if c.Fallback == "" {
			a.source = FromNobody
		}
		for _, w := range walkers {
			if person := w.minute(at); person != "" {
				a = answer{person, FromRotation}
			}
		}
		now := wall(at.In(c.TimeZone))
		for j, ov := range c.Overrides {
			begun[j] = begun[j] || now >= wallOf(ov.From)
			ended[j] = ended[j] || now >= wallOf(ov.To)
			if begun[j] && !ended[j] {
				a = answer{ov.Person, FromOverride}
			}
		}
		o.answers[i] = a
	}
	return o
}

// walker is the oracle of one layer: it counts on its fingers.
type walker struct {
	c       LayerConfig
	free    []Holiday
	latest  int64 // the latest the clock has ever shown
	day     Date  // the latest day it has ever shown
	handoff Date  // of the next turn
	who     int   // index of the person whose turn it is
}

func newWalker(c LayerConfig, free Holidays) *walker {
	w := &walker{c: c, free: free[c.Holidays], handoff: c.Start, who: -2}
	for !c.Handoff.Daily && weekday(w.handoff) != c.Handoff.Weekday {
		w.handoff = nextDay(w.handoff)
	}
	if c.Count == CountWorked {
		for !w.works(w.handoff) {
			w.handoff = nextDay(w.handoff)
		}
	}
	return w
}

func (w *walker) works(d Date) bool {
	for _, h := range w.free {
		if h.Date == d {
			return false
		}
	}
	if len(w.c.Hours) == 0 {
		return true
	}
	for _, h := range w.c.Hours {
		if h.Days[weekday(d)] {
			return true
		}
	}
	return false
}

// takesPart reports whether member i is there on a day.
func (w *walker) takesPart(i int, d Date) bool {
	m, day := w.c.People[i], wallOf(LocalTime{Date: d})
	return (m.From == Date{} || wallOf(LocalTime{Date: m.From}) <= day) && (m.Until == Date{} || day < wallOf(LocalTime{Date: m.Until}))
}

// after returns who is next after member i on a day; -1 is nobody.
func (w *walker) after(i int, d Date) int {
	for range w.c.People {
		if i++; i >= len(w.c.People) {
			i = 0
		}
		if w.takesPart(i, d) {
			return i
		}
	}
	return -1
}

func (w *walker) minute(at time.Time) string {
	local := at.In(w.c.TimeZone)
	if now := wall(local); now > w.latest {
		w.latest, w.day = now, dateOf(local)
	}
	for w.latest >= wallOf(LocalTime{w.handoff, w.c.Handoff.Hour, w.c.Handoff.Minute}) {
		before := max(w.who, -1)
		if i := w.after(before, w.handoff); i >= 0 {
			w.who = i
		} else if w.who == -2 {
			w.who = -1
		}
		for n := 0; n < w.c.Every.Days; {
			w.handoff = nextDay(w.handoff)
			if w.c.Count != CountWorked || w.works(w.handoff) {
				n++
			}
		}
	}
	if w.who == -2 || !w.onDuty() {
		return ""
	}
	who := w.who
	if who < 0 || !w.takesPart(who, w.day) {
		if who = w.after(who, w.day); who < 0 {
			return ""
		}
	}
	return w.c.People[who].Person
}

// onDuty looks at all hours that began on one of the last days.
func (w *walker) onDuty() bool {
	if len(w.c.Hours) == 0 {
		return w.works(w.day)
	}
	d := dateOf(time.Date(w.day.Year, w.day.Month, w.day.Day-2, 12, 0, 0, 0, time.UTC))
	for range 3 {
		if w.works(d) {
			for _, h := range w.c.Hours {
				if !h.Days[weekday(d)] {
					continue
				}
				end, minute := d, h.To
				if h.To <= h.From || h.To == 24*60 {
					end = nextDay(d)
				}
				minute %= 24 * 60
				begin := wallOf(LocalTime{d, h.From / 60, h.From % 60})
				if w.latest >= begin && w.latest < wallOf(LocalTime{end, minute / 60, minute % 60}) {
					return true
				}
			}
		}
		d = nextDay(d)
	}
	return false
}

// check compares the rotation with the oracle at minute i, and the ends of the
// shift with the run of equal answers around it.
func (o oracle) check(t rapidOrT, r Rotation, i int) {
	at := o.start.Add(time.Duration(i) * time.Minute)
	got := r.At(at.Add(time.Duration(i%60) * time.Second)) // anywhere in the minute
	want := o.answers[i]
	if got.Person != want.person || got.Source != want.source {
		t.Fatalf("at %s: got %q from %s, want %q from %s", at, got.Person, got.Source, want.person, want.source)
	}
	lo, hi := i, i
	for lo > 0 && o.answers[lo-1] == want {
		lo--
	}
	for hi < len(o.answers) && o.answers[hi] == want {
		hi++
	}
	begin, end := o.start.Add(time.Duration(lo)*time.Minute), o.start.Add(time.Duration(hi)*time.Minute)
	if lo > 0 && !got.From.Equal(begin) {
		t.Fatalf("at %s: shift of %q begins at %s, want %s", at, want.person, got.From, begin)
	}
	if lo == 0 && got.From.After(begin) {
		t.Fatalf("at %s: shift begins at %s, want %s or before", at, got.From, begin)
	}
	if hi < len(o.answers) && !got.To.Equal(end) {
		t.Fatalf("at %s: shift of %q ends at %s, want %s", at, want.person, got.To, end)
	}
	if hi == len(o.answers) && !got.To.IsZero() && got.To.Before(end) {
		t.Fatalf("at %s: shift ends at %s, want %s or later", at, got.To, end)
	}
}

// TestAgainstOracle compares 20,000 random (configuration, instant) pairs with
// the walker; 1,000,000 with KEEPWATCH_LONG=1.
func TestAgainstOracle(t *testing.T) {
	t.Parallel()
	const instants = 200
	configs := 100
	if os.Getenv("KEEPWATCH_LONG") != "" {
		configs = 5_000
	}
	pairs := 0
	for left := configs; left > 0; left -= 100 { // one rapid.Check makes 100 configurations
		rapid.Check(t, func(t *rapid.T) {
			c := drawConfig(t)
			r := c.Rotation("r", nil)
			from := time.Date(c.Start.Year, c.Start.Month, c.Start.Day, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -3)
			o := walk(c, nil, from, 50*24*60)
			at := rapid.SliceOfN(rapid.IntRange(0, len(o.answers)-1), instants, instants).Draw(t, "at")
			for _, i := range at {
				o.check(t, r, i)
			}
			pairs += instants
		})
	}
	if pairs < configs*instants {
		t.Fatalf("got %d pairs compared, want %d", pairs, configs*instants)
	}
	t.Logf("%d pairs", pairs)
}

// TestLayersAgainstOracle is TestAgainstOracle for rotations with layers, hours,
// holidays, turns of worked days, and people who come and go.
func TestLayersAgainstOracle(t *testing.T) {
	t.Parallel()
	const instants = 200
	configs := 100
	if os.Getenv("KEEPWATCH_LONG") != "" {
		configs = 5_000
	}
	pairs := 0
	for left := configs; left > 0; left -= 100 {
		rapid.Check(t, func(t *rapid.T) {
			c, free := drawLayered(t)
			r := c.Rotation("r", free)
			from := time.Date(c.Start.Year, c.Start.Month, c.Start.Day, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -3)
			o := walk(c, free, from, 50*24*60)
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(o.answers)-1), instants, instants).Draw(t, "at") {
				o.check(t, r, i)
			}
			pairs += instants
		})
	}
	if pairs < configs*instants {
		t.Fatalf("got %d pairs compared, want %d", pairs, configs*instants)
	}
	t.Logf("%d pairs", pairs)
}

// TestOracleOverYears walks twelve years (one in -short) of one rotation per odd
// zone and looks at every hand-off: a closed form that drifts is seen here.
func TestOracleOverYears(t *testing.T) {
	t.Parallel()
	zones := []string{"America/Los_Angeles", "Pacific/Apia"}
	if os.Getenv("KEEPWATCH_LONG") != "" {
		zones = oddZones
	}
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			c := RotationConfig{
				TimeZone: zone, Start: Date{2008, 1, 3}, People: members("ada", "grace", "alan"),
				Handoff: Handoff{Weekday: time.Sunday, Hour: 2, Minute: 30, Set: true}, Every: Turn{7},
			}
			r := c.Rotation("r", nil)
			from := time.Date(2008, 1, 1, 0, 0, 0, 0, time.UTC)
			o := walk(c, nil, from, 12*366*24*60)
			looked := 0
			for i := 1; i < len(o.answers); i++ {
				if o.answers[i] == o.answers[i-1] {
					continue
				}
				looked++
				at := from.Add(time.Duration(i) * time.Minute)
				if got := r.At(at); got.Person != o.answers[i].person || !got.From.Equal(at) {
					t.Fatalf("at %s: got %+v, want %q beginning then", at, got, o.answers[i].person)
				}
				if got := r.At(at.Add(-time.Nanosecond)); got.Person != o.answers[i-1].person || !got.To.Equal(at) {
					t.Fatalf("just before %s: got %+v, want %q ending then", at, got, o.answers[i-1].person)
				}
			}
			if looked < 620 {
				t.Fatalf("got %d hand-offs in twelve years, want at least 620", looked)
			}
		})
	}
}

// TestShiftsAreContiguous walks shifts over random rotations: each begins where
// the one before ended, and no two neighbours give the same answer from the same source.
func TestShiftsAreContiguous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		r := c.Rotation("r", nil)
		from := time.Date(c.Start.Year, c.Start.Month, c.Start.Day, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -30)
		to := from.AddDate(0, 0, 400)
		shifts := slices.Collect(r.Shifts(from, to))
		if len(shifts) == 0 {
			t.Fatalf("no shifts")
		}
		if first := shifts[0]; first.From.After(from) {
			t.Fatalf("the first shift begins at %s, after %s", first.From, from)
		}
		if last := shifts[len(shifts)-1]; !last.To.IsZero() && last.To.Before(to) {
			t.Fatalf("the last shift ends at %s, before %s", last.To, to)
		}
		for i := 1; i < len(shifts); i++ {
			a, b := shifts[i-1], shifts[i]
			if !a.To.Equal(b.From) || !b.To.IsZero() && !b.From.Before(b.To) {
				t.Fatalf("a gap, an overlap or nothing: %+v then %+v", a, b)
			}
			if a.Person == b.Person && a.Source == b.Source {
				t.Fatalf("one stretch cut in two: %+v then %+v", a, b)
			}
			if next, ok := r.Next(a.From); !a.From.IsZero() && (!ok || next != b) {
				t.Fatalf("Next gives %+v, the walk %+v", next, b)
			}
		}
	})
}
