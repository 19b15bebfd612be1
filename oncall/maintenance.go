package oncall

import (
	"fmt"
	"slices"
	"time"
)

// MaintenanceConfig is a time in which a service may fail without waking anybody:
// parts of each week, or one stretch of dates. Incidents are opened and recorded;
// those that still fail at its end page then.
type MaintenanceConfig struct {
	// Reason is what people read. It is required. Example: nightly backup.
	Reason string `yaml:"reason"`
	// TimeZone is the IANA zone of weekly, from and to. Default: UTC.
	TimeZone *time.Location `yaml:"time_zone"`
	// Weekly are parts of each week. Example: [Sun 02:00-04:00].
	Weekly []Hours `yaml:"weekly"`
	// From is the local begin of a single stretch; with to, instead of weekly. Example: 2026-12-05 22:00.
	From LocalTime `yaml:"from"`
	// To is its local end, not included. Example: 2026-12-06 02:00.
	To LocalTime `yaml:"to"`
}

// Stretch is [From, To) in UTC.
type Stretch struct{ From, To time.Time }

// maxMaintenance is the longest dated stretch; after that it is no maintenance.
const maxMaintenance = 31 * 24 * time.Hour

// SetDefaults fills what was left out.
func (c *MaintenanceConfig) SetDefaults() {
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
	}
}

// Validate reports every mistake with its path inside the block.
func (c MaintenanceConfig) Validate(report func(path, msg string)) {
	c.SetDefaults()
	dated := c.From != (LocalTime{}) || c.To != (LocalTime{})
	if c.Reason == "" {
		report("reason", "is missing; people want to know why nobody is paged, like nightly backup")
	}
	switch {
	case dated && len(c.Weekly) > 0:
		report("weekly", "cannot stand beside from and to; make one block of each")
	case !dated && len(c.Weekly) == 0:
		report("weekly", "is missing; write parts of the week like [Sun 02:00-04:00], or from and to")
	case !dated:
	case c.From == (LocalTime{}):
		report("from", "is missing; give a local time like 2026-12-05 22:00")
	case c.To == (LocalTime{}):
		report("to", "is missing; give a local time like 2026-12-06 02:00")
	case !c.To.In(c.TimeZone).After(c.From.In(c.TimeZone)):
		report("to", fmt.Sprintf("%s is not after %s in %s", c.To, c.From, c.TimeZone))
	case c.To.In(c.TimeZone).Sub(c.From.In(c.TimeZone)) > maxMaintenance:
		report("to", "is more than 31 days after from; a service that nobody is paged for needs no escalation")
	}
	for i, h := range c.Weekly {
		if h == (Hours{}) {
			report(fmt.Sprintf("weekly[%d]", i), "is empty; write a part of the week like Sun 02:00-04:00")
		}
	}
}

// Stretches are the maintenance times that touch [from, to), in order. Local times
// in a gap of the clock begin or end with the first instant after it, doubled ones
// with their first occurrence; stretches may overlap.
func (c MaintenanceConfig) Stretches(from, to time.Time) []Stretch {
	c.SetDefaults()
	var out []Stretch
	add := func(s Stretch) {
		if s.From.Before(s.To) && s.From.Before(to) && s.To.After(from) {
			out = append(out, s)
		}
	}
	if len(c.Weekly) == 0 {
		add(Stretch{c.From.In(c.TimeZone), c.To.In(c.TimeZone)})
		return out
	}
	l := layer{zone: c.TimeZone, hours: c.Weekly}
	for day := l.day(from) - 2; day <= l.day(to)+1; day++ {
		for _, s := range l.worksIn(day) {
			add(Stretch{s.from, s.to})
		}
	}
	slices.SortFunc(out, func(a, b Stretch) int { return a.From.Compare(b.From) })
	return out
}
