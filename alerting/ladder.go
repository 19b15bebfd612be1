package alerting

import (
	"fmt"
	"time"

	"keepwatch/oncall"
)

// noPause is the pause before the ladder starts again when no level has a delay.
const noPause = 10 * time.Minute

// begin starts the ladder at its foot.
func (s Situation) begin(d *draft) {
	inc := &d.change.Incident
	inc.Level, inc.Round, inc.NextActionAt = 0, 0, time.Time{}
	if inc.Hold = s.hold(*inc, d.now); inc.Hold.Kind != "" {
		d.entry("held", "", inc.Hold.Text)
		return
	}
	if inc.Policy.Name == "" && len(inc.Policy.Levels) == 0 {
		d.entry("note", "", "no escalation is configured; nobody is paged")
		return
	}
	if levels := inc.Policy.Levels; len(levels) > 0 && levels[0].After > 0 {
		inc.NextActionAt = d.now.Add(levels[0].After)
		return
	}
	s.climb(d)
}

// climb pages the level that is due. A level that names nobody is skipped at
// once; when a whole round names nobody, the last resort is used.
func (s Situation) climb(d *draft) {
	inc := &d.change.Incident
	levels := inc.Policy.Levels
	fromFoot, paged := inc.Level == 0, false
	for inc.Level < len(levels) && !paged {
		name, level := levels[inc.Level].Page, inc.Level
		inc.Level++
		person := s.OnCall(name, d.now)
		if person == "" {
			d.entry("escalated", "", fmt.Sprintf("level %d (%s) names nobody; skipped at once", level+1, name))
			continue
		}
		d.entry("escalated", person, fmt.Sprintf("level %d (%s): paging %s%s", level+1, name, person, again(inc.Round)))
		s.pagePerson(d, person, level)
		paged = true
	}
	if !paged && fromFoot {
		s.lastResort(d)
	}
	switch {
	case inc.Level < len(levels):
		inc.NextActionAt = d.now.Add(levels[inc.Level].After)
	case inc.Round < inc.Policy.Repeat && len(levels) > 0:
		inc.Round++
		inc.Level = 0
		inc.NextActionAt = d.now.Add(pause(inc.Policy.Levels))
	default:
		inc.NextActionAt = time.Time{}
		d.entry("note", "", "the escalation policy has ended; nobody further will be paged")
	}
}

func again(round int) string {
	if round == 0 {
		return ""
	}
	return fmt.Sprintf(" (repeat %d)", round)
}

// pause is how long after its last level the ladder starts again.
func pause(levels []oncall.Level) time.Duration {
	var longest time.Duration
	for _, l := range levels {
		longest = max(longest, l.After)
	}
	if longest == 0 {
		return noPause
	}
	return longest
}
