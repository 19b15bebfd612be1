package simulate

import (
	"context"
	"slices"
	"time"

	"keepwatch/probe"
	"keepwatch/reports"
)

// World is a scenario with its instants. Read-only after [New], so safe for
// concurrent use.
type World struct {
	weeks   []reports.Week
	latency time.Duration
	events  []happening
}

// happening is an event with its instants, UTC.
type happening struct {
	Event
	from, to time.Time
}

// Stretch is [From, To), UTC.
type Stretch struct{ From, To time.Time }

// Declaration is time that somebody declared not to count.
type Declaration struct {
	Stretch
	At                            time.Time // when it was declared, UTC
	Service, By, Approver, Reason string
}

// New places the events of a valid scenario in n weeks of a zone.
func New(s Scenario, n int, zone *time.Location) (*World, error) {
	first, err := reports.ParseWeek(s.First, zone)
	if err != nil {
		return nil, err
	}
	w := &World{latency: s.Latency}
	for range n {
		w.weeks = append(w.weeks, first)
		first = first.Next()
	}
	for _, e := range s.Events {
		if e.Week > n {
			continue
		}
		from := w.weeks[e.Week-1].At(e.At.Weekday, e.At.Hour, e.At.Minute)
		w.events = append(w.events, happening{Event: e, from: from, to: from.Add(e.For)})
	}
	return w, nil
}

// Weeks are the simulated weeks, in order.
func (w *World) Weeks() []reports.Week { return slices.Clone(w.weeks) }

// Blind are the stretches in which Keepwatch does not run, in order and without overlap.
func (w *World) Blind() []Stretch {
	var all []Stretch
	for _, e := range w.events {
		if e.Monitor != "" {
			all = append(all, Stretch{e.from, e.to})
		}
	}
	slices.SortFunc(all, func(a, b Stretch) int { return a.From.Compare(b.From) })
	var out []Stretch
	for _, s := range all {
		if n := len(out); n > 0 && !s.From.After(out[n-1].To) {
			if s.To.After(out[n-1].To) {
				out[n-1].To = s.To
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// Declarations are maintenance and corrections, in the order in which they are made.
func (w *World) Declarations() []Declaration {
	var out []Declaration
	for _, e := range w.events {
		if e.Maintenance == "" {
			continue
		}
		d := Declaration{
			Stretch: Stretch{e.from, e.to}, At: e.from.Add(-e.Declared),
			Service: e.Maintenance, By: e.By, Reason: e.Reason,
		}
		if e.Corrected > 0 {
			d.At, d.Approver = e.to.Add(e.Corrected), e.Approver
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b Declaration) int { return a.At.Compare(b.At) })
	return out
}

// Checker looks at the world instead of at a target, for one check at one location.
func (w *World) Checker(check, location string) probe.Checker {
	mine := &checker{latency: w.latency}
	for _, e := range w.events {
		about := e.Check == check && (len(e.From) == 0 || slices.Contains(e.From, location))
		if about || e.Location == location {
			mine.events = append(mine.events, e)
		}
	}
	return mine
}

// checker is the world as one check sees it from one location. The runner asks it
// from one goroutine at a time.
type checker struct {
	latency time.Duration
	events  []happening
	softly  time.Time // when a soft failure was last shown
}

// Check implements [probe.Checker]: it takes as long as the look does, in the
// compressed clock.
func (c *checker) Check(ctx context.Context) probe.Look {
	now := time.Now()
	look := probe.Look{OK: true, Code: 200, Latency: c.latency}
	for _, e := range c.events {
		if !now.Before(e.from) && now.Before(e.to) {
			look = c.affected(e, now, look)
			break
		}
	}
	select {
	case <-time.After(look.Latency):
	case <-ctx.Done():
		look.OK, look.Fault = false, probe.Fault{Class: probe.ClassTimeout, Message: "timed out"}
	}
	return look
}

// affected is what an event makes of a look.
func (c *checker) affected(e happening, now time.Time, look probe.Look) probe.Look {
	switch {
	case e.Location != "":
		look.OK, look.Blind, look.Fault = false, true, probe.Fault{Class: probe.ClassBroken, Message: "the location cannot look"}
	case e.Slow > 0:
		look.Latency = e.Slow
	case e.Soft && !c.softly.IsZero() && now.Sub(c.softly) < time.Minute:
		c.softly = time.Time{} // the second attempt of a slot
	default:
		if e.Soft {
			c.softly = now
		}
		look.OK, look.Code, look.Fault = false, 503, probe.Fault{Class: probe.ClassStatus, Phase: "expect", Message: e.Says}
	}
	return look
}
