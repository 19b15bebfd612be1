package sheet

import (
	"fmt"
	"time"

	"keepwatch/reports"
	"keepwatch/reports/chart"
)

// stepsMost is how many cells a strip has at most: above, a cell is a day long.
const stepsMost = 200

// strip says of each hour (of long windows: of each day) the worst that was in it.
func (w writer) strip(s *reports.ServiceReport) chart.Strip {
	length := w.r.To.Sub(w.r.From)
	step, word := time.Hour, "hour"
	if length/step > stepsMost {
		step, word = 24*time.Hour, "24 hours" // from the window's start, whatever the clocks do
	}
	for length/step > 10*stepsMost {
		step *= 10
	}
	strip := chart.Strip{Title: "Each " + word + " of " + Clean(s.Name), Length: max(length.Milliseconds(), 0)}
	if length <= 0 {
		return strip
	}
	n := int((length + step - 1) / step)
	cells := make([]chart.Ink, n)
	// From the mildest to the worst, so that the worst stays.
	paint := func(from, to time.Time, ink chart.Ink) {
		if from.Before(w.r.From) {
			from = w.r.From
		}
		if to.After(w.r.To) {
			to = w.r.To
		}
		if !from.Before(to) {
			return
		}
		for i := int(from.Sub(w.r.From) / step); i <= int((to.Sub(w.r.From)-1)/step); i++ {
			cells[i] = ink
		}
	}
	for _, x := range s.Exclusions {
		// Where less counts than was declared, the first of it does.
		from := x.From
		if from.Before(w.r.From) {
			from = w.r.From
		}
		paint(from, from.Add(time.Duration(x.CountedMs)*time.Millisecond), chart.Excluded)
	}
	for _, g := range s.Gaps {
		paint(g.From, g.To, chart.Unknown)
	}
	for _, o := range s.Outages {
		paint(o.From, o.To, chart.Bad)
	}
	if s.GoodMs+s.BadMs == 0 && len(s.Gaps) == 0 && s.UnknownMs > 0 {
		paint(w.r.From, w.r.To, chart.Unknown)
	}
	counts := map[chart.Ink]int{}
	for i, ink := range cells {
		counts[ink]++
		from, to := time.Duration(i)*step, min(time.Duration(i+1)*step, length)
		strip.Cells = append(strip.Cells, chart.Cell{From: from.Milliseconds(), To: to.Milliseconds(), Ink: ink})
	}
	strip.Desc = fmt.Sprintf("Of %d stretches of one %s %d had downtime, %d unknown time only, %d were excluded, %d were good.",
		n, word, counts[chart.Bad], counts[chart.Unknown], counts[chart.Excluded], counts[chart.Good])
	strip.Ticks = w.days
	return strip
}

// ticks are the beginnings of local days; of long windows every seventh.
func (w writer) ticks(length time.Duration) []chart.Tick {
	const look = 15 * time.Minute // every midnight lies on such a step
	form, every := "Mon 2", 1
	if length > 14*24*time.Hour {
		form, every = "2 Jan", int(length/(14*24*time.Hour))+1
	}
	if length > 400*24*time.Hour {
		return nil
	}
	var ticks []chart.Tick
	last, day := "", 0
	for at := time.Duration(0); at < length; at += look {
		local := w.r.From.Add(at).In(w.zone)
		if date := local.Format(time.DateOnly); date > last { // never back, where clocks go back over midnight
			if last = date; day%every == 0 {
				ticks = append(ticks, chart.Tick{At: at.Milliseconds(), Label: local.Format(form)})
			}
			day++
		}
	}
	return ticks
}
