package oncall

import (
	"fmt"
	"slices"
	"time"
)

const (
	defaultAfter = 10 * time.Minute
	maxAfter     = 24 * time.Hour
	maxRepeat    = 20

	defaultAckExpires   = 4 * time.Hour
	defaultStillFailing = 30 * time.Minute
	minAckExpires       = 5 * time.Minute
	minStillFailing     = time.Minute
	maxExpires          = 7 * 24 * time.Hour
)

// SetDefaults fills what was left out: each level but the first waits 10 minutes,
// an acknowledgement holds for 4 hours, a closing by hand for 30 minutes, UTC.
func (c *PolicyConfig) SetDefaults() {
	for i := range c.Levels {
		if !c.Levels[i].After.Set {
			c.Levels[i].After.Set = true
			if i > 0 {
				c.Levels[i].After.Duration = defaultAfter
			}
		}
	}
	if !c.AckExpires.Set {
		c.AckExpires = Delay{defaultAckExpires, true}
	}
	if !c.StillFailingAfter.Set {
		c.StillFailingAfter = Delay{defaultStillFailing, true}
	}
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
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
	c.validateTimes(report)
}

// validateTimes reports the mistakes in when the policy holds and for how long.
func (c PolicyConfig) validateTimes(report func(path, msg string)) {
	if d := c.AckExpires.Duration; d != 0 && (d < minAckExpires || d > maxExpires) {
		report("ack_expires", fmt.Sprintf("%s is out of range (0s for never, or 5m to 168h)", c.AckExpires))
	}
	if d := c.StillFailingAfter.Duration; d != 0 && (d < minStillFailing || d > maxExpires) {
		report("still_failing_after", fmt.Sprintf("%s is out of range (0s for never, or 1m to 168h)", c.StillFailingAfter))
	}
	for i, h := range c.Hours {
		if h == (Hours{}) {
			report(fmt.Sprintf("hours[%d]", i), "is empty; write hours like Mon-Fri 09:00-17:00")
		}
	}
	if len(c.Hours) == 0 && c.Outside != "" {
		report("outside", "is of no use without hours; say when this escalation holds, like hours: [Mon-Fri 09:00-17:00]")
	}
	if len(c.Hours) == 0 && c.Holidays != "" {
		report("holidays", "is of no use without hours; say when this escalation holds, like hours: [Mon-Fri 09:00-17:00]")
	}
}

// Policy builds the policy. The configuration must be valid; what was left out
// has its default. Hours and Outside are for the caller, see [PolicyConfig.Business].
func (c PolicyConfig) Policy(name string) Policy {
	c.Levels = slices.Clone(c.Levels) // the caller's own stay as they were written
	c.SetDefaults()
	p := Policy{
		Name: name, Repeat: c.Repeat,
		AckExpires: c.AckExpires.Duration, StillFailingAfter: c.StillFailingAfter.Duration,
	}
	for _, l := range c.Levels {
		p.Levels = append(p.Levels, Level{Page: l.Page, After: l.After.Duration})
	}
	return p
}

// Business is the policy's business hours with the dates of its calendar; nil
// when it has none.
func (c PolicyConfig) Business(holidays Holidays) *WorkHours {
	if len(c.Hours) == 0 {
		return nil
	}
	w := &WorkHours{Zone: zoneName(c.TimeZone)}
	for _, h := range c.Hours {
		w.Hours = append(w.Hours, h.String())
	}
	for _, h := range holidays[c.Holidays] {
		w.Holidays = append(w.Holidays, h.Date.String())
	}
	return w
}

func zoneName(zone *time.Location) string {
	if zone == nil {
		return "UTC"
	}
	return zone.String()
}
