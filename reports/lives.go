package reports

import (
	"slices"
	"strings"
	"time"
)

// Life is one run of a prober at one location.
type Life struct {
	Location string
	From, To time.Time // To is its last word
	Stopped  bool      // it was told to stop; otherwise it was lost
	Why      string    // why it ended otherwise: its clock was set; "" when not
}

// aroundDeath is how much time before a prober's last word and after its first one is
// explained by its absence: its last slots were not finished, its first had begun.
const aroundDeath = 90 * time.Second

// Explain says of time without results where it is known that no prober ran. Only the
// causes change, and spans are cut where they do. locations are those of the check.
func Explain(spans []Span, lives []Life, locations []string) []Span {
	if len(lives) == 0 {
		return spans
	}
	out := make([]Span, 0, len(spans)+8)
	for _, s := range spans {
		if s.Verdict != Unknown || !strings.HasPrefix(s.Cause, CauseNoResult) {
			out = append(out, s)
			continue
		}
		silent := locations
		if _, from, ok := strings.Cut(s.Cause, CauseNoResult+" from "); ok {
			silent = strings.Split(from, ", ")
		}
		for _, piece := range explain(s, deaths(lives, silent)) {
			out = AppendSpan(out, piece)
		}
	}
	return out
}

// death is time in which none of some probers ran.
type death struct {
	Interval
	stopped bool
	why     string
}

// deaths are the times between the lives of probers in which none of them ran. Of the time
// before the first life nothing is known.
func deaths(lives []Life, locations []string) []death {
	var mine []Life
	for _, l := range lives {
		if slices.Contains(locations, l.Location) {
			mine = append(mine, l)
		}
	}
	slices.SortFunc(mine, func(a, b Life) int { return a.From.Compare(b.From) })
	var out []death
	for i, l := range mine {
		if i > 0 {
			last := &out[len(out)-1]
			if !l.From.After(last.From) { // lives overlap
				if l.To.After(last.From) {
					last.From, last.stopped, last.why = l.To, l.Stopped, l.Why
				}
				continue
			}
			last.To = l.From
		}
		out = append(out, death{Interval{From: l.To}, l.Stopped, l.Why})
	}
	for i := range out {
		out[i].From = out[i].From.Add(-aroundDeath)
		if !out[i].To.IsZero() {
			out[i].To = out[i].To.Add(aroundDeath)
		}
	}
	return out
}

// explain cuts a span without results at the times in which no prober ran.
func explain(s Span, dead []death) []Span {
	var out []Span
	for _, d := range dead {
		if !d.To.IsZero() && !d.To.After(s.From) || d.To.Sub(d.From) <= 2*aroundDeath && !d.To.IsZero() {
			continue
		}
		if !d.From.Before(s.To) {
			break
		}
		if d.From.After(s.From) {
			before := s
			before.To = d.From
			out = append(out, before)
			s.From = d.From
		}
		during := s
		if !d.To.IsZero() && d.To.Before(s.To) {
			during.To = d.To
		}
		switch {
		case d.why != "":
			during.Cause += ": " + d.why
		case d.stopped:
			during.Cause += ": the prober was stopped"
		default:
			during.Cause += ": the prober was lost"
		}
		out = append(out, during)
		if s.From = during.To; !s.From.Before(s.To) {
			return out
		}
	}
	return append(out, s)
}
