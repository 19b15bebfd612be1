package reports

import "time"

// Interval is [From, To), UTC.
type Interval struct{ From, To time.Time }

// Combine says what a service was over [from, to): bad while any critical check
// is bad, good while all are good, else unknown. So overlapping outages of two
// checks count once. Excluded time wins over all of it. A check without a timeline,
// or a service without checks, is unknown.
func Combine(lines []Timeline, excluded []Interval, from, to time.Time) []Span {
	s := Service{}
	byName := make(map[string]Timeline, len(lines))
	for _, line := range lines {
		s.Critical = append(s.Critical, line.Check)
		byName[line.Check] = line
	}
	return CombineService(s, byName, excluded, from, to)
}

// CombineService is [Combine] for a service with redundant groups: such a group is
// bad while so many of it are bad that Need cannot be good, good while Need are
// good, else unknown. lines are by check.
func CombineService(s Service, lines map[string]Timeline, excluded []Interval, from, to time.Time) []Span {
	size := len(excluded)
	for _, check := range s.Checks() {
		size += len(lines[check].Spans)
	}
	out := make([]Span, 0, size)
	walk(s, lines, excluded, from, to, func(stretch Span, _ []Span) { out = appendSpan(out, stretch) })
	return out
}

// walk cuts [from, to) into stretches in which nothing changes, and says of each
// what the service was and what each of its checks was, in the order of s.Checks().
// The checks' spans are only valid during the call.
func walk(s Service, lines map[string]Timeline, excluded []Interval, from, to time.Time, each func(stretch Span, checks []Span)) {
	names := s.Checks()
	place := make(map[string]int, len(names))
	left := make([][]Span, len(names))
	for i, name := range names {
		place[name], left[i] = i, lines[name].Spans
	}
	now := make([]Span, len(names))
	for t := from; t.Before(to); {
		stretch := Span{From: t, To: to, Verdict: Good}
		if len(names) == 0 {
			stretch.Verdict, stretch.Cause = Unknown, "no critical checks"
		}
		for i := range names {
			for len(left[i]) > 0 && !left[i][0].To.After(t) {
				left[i] = left[i][1:]
			}
			now[i] = spanAt(left[i], t)
			if end := now[i].To; !end.IsZero() && end.Before(stretch.To) { // a zero end has none
				stretch.To = end
			}
		}
		for _, name := range s.Critical {
			stretch.join(name, now[place[name]])
		}
		for _, g := range s.Redundant {
			stretch.joinGroup(g, place, now)
		}
		stretch.exclude(excluded)
		each(stretch, now)
		t = stretch.To
	}
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

// join takes in what one critical check was at s.From.
func (s *Span) join(check string, c Span) {
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

// joinGroup takes in what a redundant group was at s.From: its bad members when it
// was bad, its unknown ones when it was unknown.
func (s *Span) joinGroup(g Group, place map[string]int, now []Span) {
	var good, bad int
	for _, name := range g.Of {
		switch now[place[name]].Verdict {
		case Good:
			good++
		case Bad:
			bad++
		case Unknown, Excluded:
		}
	}
	verdict := Quorum(good, bad, len(g.Of), len(g.Of)-g.Need+1)
	if verdict == Good {
		return
	}
	for _, name := range g.Of {
		if c := now[place[name]]; c.Verdict == verdict || (verdict == Unknown && c.Verdict != Good && c.Verdict != Bad) {
			s.join(name, c)
		}
	}
	if verdict == Unknown && s.Verdict == Good { // a need that cannot be
		s.Verdict, s.Cause = Unknown, "no such quorum"
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
