package reports

import "time"

// Interval is [From, To), UTC.
type Interval struct{ From, To time.Time }

// Combine says what a service was over [from, to): bad while any critical check
// is bad, good while all are good, else unknown. So overlapping outages of two
// checks count once. Excluded time wins over all of it. A check without a timeline,
// or a service without checks, is unknown.
func Combine(lines []Timeline, excluded []Interval, from, to time.Time) []Span {
	size := 0
	for _, line := range lines {
		size += len(line.Spans)
	}
	out := make([]Span, 0, size+len(excluded))
	at := make([]int, len(lines))
	for t := from; t.Before(to); {
		s := Span{From: t, To: to, Verdict: Good}
		if len(lines) == 0 {
			s.Verdict, s.Cause = Unknown, "no critical checks"
		}
		for i, line := range lines {
			for at[i] < len(line.Spans) && !line.Spans[at[i]].To.After(t) {
				at[i]++
			}
			s.join(line.Check, spanAt(line.Spans[at[i]:], t))
		}
		s.exclude(excluded)
		out = appendSpan(out, s)
		t = s.To
	}
	return out
}

// spanAt returns the first of spans when it holds t, else unknown time up to it.
func spanAt(spans []Span, t time.Time) Span {
	if len(spans) == 0 {
		return Span{Verdict: Unknown, Cause: CauseNotWatched}
	}
	if spans[0].From.After(t) {
		return Span{To: spans[0].From, Verdict: Unknown, Cause: CauseNotWatched}
	}
	return spans[0]
}

// join takes in what one critical check was at s.From and shortens s to the time
// for which that holds. A zero c.To has no end.
func (s *Span) join(check string, c Span) {
	if !c.To.IsZero() && c.To.Before(s.To) {
		s.To = c.To
	}
	switch {
	case c.Verdict == Bad && s.Verdict == Bad:
		s.Checks = union(s.Checks, []string{check})
		s.Locations = union(s.Locations, c.Locations)
	case c.Verdict == Bad:
		s.Verdict, s.Checks, s.Locations = Bad, []string{check}, c.Locations
		s.Cause = check
		if c.Cause != "" {
			s.Cause += ": " + c.Cause
		}
	case c.Verdict != Good && s.Verdict == Good:
		s.Verdict, s.Checks, s.Cause = Unknown, []string{check}, check+": "+c.Cause
	}
}

// exclude makes s excluded when s.From lies in one of the intervals, and shortens
// it to the next edge otherwise.
func (s *Span) exclude(excluded []Interval) {
	for _, x := range excluded {
		switch {
		case !x.From.Before(x.To):
		case x.From.After(s.From) && x.From.Before(s.To):
			s.To = x.From
		case !x.From.After(s.From) && x.To.After(s.From):
			if x.To.Before(s.To) {
				s.To = x.To
			}
			s.Verdict, s.Cause, s.Checks, s.Locations = Excluded, "planned maintenance", nil, nil
		}
	}
}

// clip returns the part of s that lies in [from, to); false when there is none.
func (s Span) clip(from, to time.Time) (Span, bool) {
	if s.From.Before(from) {
		s.From = from
	}
	if s.To.After(to) {
		s.To = to
	}
	return s, s.From.Before(s.To)
}
