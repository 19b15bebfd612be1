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
// people exist is for the caller to check: this block does not know them.
func (c RotationConfig) Validate(report func(path, msg string)) {
	c.SetDefaults() // c is a copy: a default is never a mistake
	if c.Start.IsZero() {
		report("start", "is missing; give the local date of the first hand-off, like 2026-01-05")
	}
	if len(c.People) == 0 {
		report("people", "is empty; list at least one key of people")
	}
	if !c.Handoff.Daily && c.Every.Days%7 != 0 {
		report("every", fmt.Sprintf("%s does not fit the hand-off on %s (write whole weeks, or hand-off: daily %02d:%02d)",
			c.Every, c.Handoff.Weekday, c.Handoff.Hour, c.Handoff.Minute))
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

// Rotation builds the rotation. The configuration must be valid; what was left
// out has its default.
func (c RotationConfig) Rotation(name string) Rotation {
	c.SetDefaults() // c is a copy
	first := c.Start.dayNumber()
	if !c.Handoff.Daily {
		weekday := int(time.Date(c.Start.Year, c.Start.Month, c.Start.Day, 0, 0, 0, 0, time.UTC).Weekday())
		first += (int(c.Handoff.Weekday) - weekday + 7) % 7
	}
	return Rotation{
		Name: name, Zone: c.TimeZone, People: slices.Clone(c.People), Fallback: c.Fallback,
		hour: c.Handoff.Hour, minute: c.Handoff.Minute,
		first: first, turnDays: c.Every.Days,
		overrides: flatten(c.Overrides, c.TimeZone),
	}
}

// flatten cuts overrides, of which the last in the list wins, into pieces that do
// not overlap, in order of time, and merges pieces that touch and agree. Then
// finding one is a binary search.
func flatten(list []OverrideConfig, zone *time.Location) []override {
	var all []override
	var edges []time.Time
	for _, o := range list {
		p := override{from: o.From.In(zone), to: o.To.In(zone), person: o.Person}
		if p.from.Before(p.to) { // one that lies wholly in a gap covers nothing
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

const (
	defaultAfter = 10 * time.Minute
	maxAfter     = 24 * time.Hour
	maxRepeat    = 20
)

// SetDefaults fills what was left out: each level but the first waits 10 minutes.
func (c *PolicyConfig) SetDefaults() {
	for i := range c.Levels {
		if !c.Levels[i].After.Set {
			c.Levels[i].After.Set = true
			if i > 0 {
				c.Levels[i].After.Duration = defaultAfter
			}
		}
	}
}

// Validate reports every mistake with its path inside the block. Whether a level's
// rotation or person exists is for the caller to check.
func (c PolicyConfig) Validate(report func(path, msg string)) {
	if len(c.Levels) == 0 {
		report("levels", "is empty; name at least one rotation or person to page, like {page: primary}")
	}
	for i, l := range c.Levels {
		if l.Page == "" {
			report(fmt.Sprintf("levels[%d].page", i), "is missing; name a rotation or a person")
		}
		if l.After.Duration < 0 || l.After.Duration > maxAfter {
			report(fmt.Sprintf("levels[%d].after", i), fmt.Sprintf("%s is out of range (0s to 24h)", l.After))
		}
	}
	if c.Repeat < 0 || c.Repeat > maxRepeat {
		report("repeat", fmt.Sprintf("%d is out of range (0 to %d)", c.Repeat, maxRepeat))
	}
}

// Policy builds the policy. The configuration must be valid; what was left out
// has its default.
func (c PolicyConfig) Policy(name string) Policy {
	c.Levels = slices.Clone(c.Levels) // the caller's own stay as they were written
	c.SetDefaults()
	p := Policy{Name: name, Repeat: c.Repeat}
	for _, l := range c.Levels {
		p.Levels = append(p.Levels, Level{Page: l.Page, After: l.After.Duration})
	}
	return p
}
