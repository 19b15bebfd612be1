package oncall

import (
	"fmt"
	"slices"
	"time"
)

// SetDefaults fills what was left out: UTC, Monday 09:00, and turns of a week, or of
// a day when the hand-off is daily.
func (c *RotationConfig) SetDefaults() {
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
	}
	if !c.Handoff.Set {
		c.Handoff = Handoff{Weekday: time.Monday, Hour: 9, Set: true}
	}
	if c.Every.Days == 0 {
		c.Every.Days = 7
		if c.Handoff.Daily {
			c.Every.Days = 1
		}
	}
}

// Validate reports every mistake with its path inside the block. Whether the
// people and calendars exist is for the caller to check: this block does not know them.
func (c RotationConfig) Validate(report func(path, msg string)) {
	c.SetDefaults() // c is a copy: a default is never a mistake
	if len(c.People) > 0 || len(c.Layers) == 0 {
		c.base().validate(report)
	}
	if len(c.People) == 0 && len(c.Layers) == 0 {
		report("people", "is empty; list at least one key of people")
	}
	for i := range c.Layers {
		at := fmt.Sprintf("layers[%d].", i)
		if len(c.Layers[i].People) == 0 {
			report(at+"people", "is empty; list at least one key of people")
		}
		c.layer(i).validate(func(path, msg string) { report(at+path, msg) })
	}
	for i, o := range c.Overrides {
		path := fmt.Sprintf("overrides[%d]", i)
		switch {
		case o.From == (LocalTime{}):
			report(path+".from", "is missing; give a local time like 2026-12-24 09:00")
		case o.To == (LocalTime{}):
			report(path+".to", "is missing; give a local time like 2026-12-27 09:00")
		case !o.To.In(c.TimeZone).After(o.From.In(c.TimeZone)):
			report(path+".to", fmt.Sprintf("%s is not after %s in %s, so nothing is overridden", o.To, o.From, c.TimeZone))
		}
	}
}

// validate reports the mistakes of one order of turns.
func (c LayerConfig) validate(report func(path, msg string)) {
	if c.Start.IsZero() {
		report("start", "is missing; give the local date of the first hand-off, like 2026-01-05")
	}
	if !c.Handoff.Daily && c.Every.Days%7 != 0 {
		report("every", fmt.Sprintf("%s does not fit the hand-off on %s (write whole weeks, or hand-off: daily %02d:%02d)",
			c.Every, c.Handoff.Weekday, c.Handoff.Hour, c.Handoff.Minute))
	}
	if c.Count == CountWorked && !c.Handoff.Daily {
		report("count", "worked needs a daily hand-off: a week is counted whole (write handoff: daily 09:00)")
	}
	for i, h := range c.Hours {
		if h == (Hours{}) {
			report(fmt.Sprintf("hours[%d]", i), "is empty; write hours like Mon-Fri 09:00-17:00")
		}
	}
}

// base is the rotation's own order of turns as a layer. Defaults must be set.
func (c RotationConfig) base() LayerConfig {
	return LayerConfig{
		TimeZone: c.TimeZone, Start: c.Start, Handoff: c.Handoff, Every: c.Every,
		People: c.People, Hours: c.Hours, Holidays: c.Holidays, Count: c.Count,
	}
}

// layer returns a layer with everything filled in. Defaults of c must be set.
func (c RotationConfig) layer(i int) LayerConfig {
	l := c.Layers[i]
	if l.TimeZone == nil {
		l.TimeZone = c.TimeZone
	}
	if l.Start.IsZero() {
		l.Start = c.Start
	}
	switch {
	case l.Every.Days != 0:
	case !l.Handoff.Set:
		l.Every = c.Every
	case l.Handoff.Daily:
		l.Every.Days = 1
	default:
		l.Every.Days = 7
	}
	if !l.Handoff.Set {
		l.Handoff = c.Handoff
	}
	return l
}

// simple reports that turns counted in calendar days are all there is.
func (c RotationConfig) simple() bool {
	dated := slices.ContainsFunc(c.People, func(m Member) bool { return !m.From.IsZero() || !m.Until.IsZero() })
	return len(c.Layers) == 0 && len(c.Hours) == 0 && c.Holidays == "" && c.Count != CountWorked && !dated
}

// Rotation builds the rotation. The configuration must be valid; what was left
// out has its default. A calendar that is not among holidays is empty.
func (c RotationConfig) Rotation(name string, holidays Holidays) Rotation {
	c.SetDefaults() // c is a copy
	r := Rotation{
		Name: name, Zone: c.TimeZone, Fallback: c.Fallback,
		hour: c.Handoff.Hour, minute: c.Handoff.Minute,
		first: c.base().first(), turnDays: c.Every.Days,
		overrides: flatten(covers(c.Overrides, c.TimeZone)),
	}
	all := []LayerConfig{}
	if len(c.People) > 0 {
		all = append(all, c.base())
	}
	for i := range c.Layers {
		all = append(all, c.layer(i))
	}
	for _, l := range all {
		for _, m := range l.People {
			r.People = append(r.People, m.Person)
		}
		if !c.simple() {
			r.layers = append(r.layers, l.build(holidays))
		}
	}
	return r
}

// first returns the day of the first hand-off.
func (c LayerConfig) first() int {
	first := c.Start.dayNumber()
	if !c.Handoff.Daily {
		first += (int(c.Handoff.Weekday) - weekdayOf(first) + 7) % 7
	}
	return first
}

func (c LayerConfig) build(holidays Holidays) layer {
	l := layer{
		zone: c.TimeZone, hour: c.Handoff.Hour, minute: c.Handoff.Minute,
		first: c.first(), turnDays: c.Every.Days, worked: c.Count == CountWorked, hours: slices.Clone(c.Hours),
	}
	for _, h := range holidays[c.Holidays] {
		l.holidays = append(l.holidays, h.dayNumber())
	}
	slices.Sort(l.holidays)
	l.holidays = slices.Compact(l.holidays)
	l.queue = newQueue(slices.Clone(c.People), l.beginDay, l.turnFrom)
	return l
}

// covers turns overrides of the file into instants.
func covers(list []OverrideConfig, zone *time.Location) []override {
	var all []override
	for _, o := range list {
		all = append(all, override{from: o.From.In(zone), to: o.To.In(zone), person: o.Person})
	}
	return all
}

// flatten cuts overrides, of which the last in the list wins, into pieces that do
// not overlap, in order of time, and merges pieces that touch and agree. Then
// finding one is a binary search.
func flatten(list []override) []override {
	var all []override
	var edges []time.Time
	for _, p := range list {
		if p.from.Before(p.to) { // one that lies wholly in a gap of the clock covers nothing
			all = append(all, p)
			edges = append(edges, p.from, p.to)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	edges = slices.CompactFunc(edges, time.Time.Equal)
	var flat []override
	for i := 1; i < len(edges); i++ {
		from, to := edges[i-1], edges[i]
		for _, o := range slices.Backward(all) {
			if o.from.After(from) || o.to.Before(to) {
				continue
			}
			if n := len(flat); n > 0 && flat[n-1].person == o.person && flat[n-1].to.Equal(from) {
				flat[n-1].to = to
			} else {
				flat = append(flat, override{from: from, to: to, person: o.person})
			}
			break
		}
	}
	return flat
}
