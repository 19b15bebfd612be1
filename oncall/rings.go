package oncall

import (
	"cmp"
	"slices"
	"time"
)

// The hours in which people sleep, in a person's own local time. They end an hour
// later than the night that is paid: a page at 06:30 wakes all the same.
const (
	sleepBegins = 22 // hours
	sleepEnds   = 7
)

// together is how close pages of one incident are to be one interruption.
const together = time.Minute

// Ring is one page that was accepted for a person through a channel that rings.
type Ring struct {
	Person, Incident string
	At               time.Time
}

// Interruptions is how often somebody was disturbed.
type Interruptions struct {
	Person string
	Pages  int // every page
	Times  int // pages of one incident within a minute count once
	Asleep int // of Times, those from 22:00 to 07:00 in the person's zone
}

// Interruptions counts rings by person, in order of keys. Rings of nobody are left out.
func (r Roster) Interruptions(rings []Ring) []Interruptions {
	sorted := slices.SortedFunc(slices.Values(rings), func(a, b Ring) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Incident, b.Incident), a.At.Compare(b.At))
	})
	var out []Interruptions
	var last Ring // that began the present interruption
	for _, g := range sorted {
		if g.Person == "" {
			continue
		}
		if len(out) == 0 || out[len(out)-1].Person != g.Person {
			out = append(out, Interruptions{Person: g.Person})
			last = Ring{}
		}
		p := &out[len(out)-1]
		p.Pages++
		if last.Incident == g.Incident && !last.At.IsZero() && g.At.Sub(last.At) <= together {
			continue
		}
		last = g
		p.Times++
		if asleep(g.At, r.People[g.Person].TimeZone) {
			p.Asleep++
		}
	}
	return out
}

// asleep reports whether people of a zone sleep at t; nil is UTC.
func asleep(t time.Time, zone *time.Location) bool {
	if zone == nil {
		zone = time.UTC
	}
	h := t.In(zone).Hour()
	return h >= sleepBegins || h < sleepEnds
}
