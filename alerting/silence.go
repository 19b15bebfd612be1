package alerting

import (
	"maps"
	"slices"
	"time"
)

// Silence wants quiet about something for a while: incidents are opened and
// recorded, but page nobody. Every matcher that is not "" must fit, and at least
// one must be given; "*" fits everything, and stands for any letters in a name.
type Silence struct {
	// ID tells silences apart: "s12" from the table, "maintenance:shop:0" from the file.
	ID string
	// Service, Check and Location say what is silenced. An alarm is matched by its
	// service and, as a check, by its name; it has no location.
	Service, Check, Location string
	// From and To bound it: [From, To).
	From, To time.Time
	// By and Reason are for people.
	By, Reason string
	// Created is when it was made; Ended is when somebody ended it early, and zero
	// when nobody did; EndedBy is who.
	Created, Ended time.Time
	EndedBy        string
}

// SetSilences exchanges the silences of one source ("people", "maintenance",
// "exclusions"). Incidents that they cover stop paging at once, and those that no
// silence covers any more start paging. It does not block.
func (e *Engine) SetSilences(source string, silences []Silence) {
	e.init()
	own := make([]Silence, 0, len(silences))
	for _, v := range silences {
		v.ID = source + "/" + v.ID
		own = append(own, v)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silences[source] = own
	e.reconsider()
}

// reconsider makes the loop look at every open incident again. mu is held.
func (e *Engine) reconsider() {
	e.edge = time.Time{}
	e.stir()
}

// allSilences are those of all sources. mu is held.
func (e *Engine) allSilences() []Silence {
	var out []Silence
	for _, source := range slices.Sorted(maps.Keys(e.silences)) {
		out = append(out, e.silences[source]...)
	}
	return out
}

// nextEdge is when a silence begins or ends next; far away when none does. mu is held.
func (e *Engine) nextEdge(now time.Time) time.Time {
	next := now.Add(24 * time.Hour)
	for _, list := range e.silences {
		for _, v := range list {
			for _, at := range []time.Time{v.From, v.end()} {
				if at.After(now) {
					next = sooner(next, at)
				}
			}
		}
	}
	return next
}
