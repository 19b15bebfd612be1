package alerting

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// Routing says how people are reached. Read-only after construction.
type Routing struct {
	// Channel is the notifier that wakes people ("pagerduty"); "" when there is
	// none, then every page goes to all channels of Fallback.
	Channel string
	// Route gives the route of a person on Channel ("person:ada") and whether it is
	// the person's own. With a shared route ("service") the channel decides who is
	// rung. nil means that nobody has a route of their own.
	Route func(person string) (route string, own bool)
	// Climbs gives the route whose other side climbs this ladder by itself and rings
	// whom it names (PagerDuty, with an escalation policy that is kept equal to it). It
	// wins over Route. nil means that there is none.
	Climbs func(policy string) (route string, ok bool)
	// Email is the name of the channel that can reach a person by mail; "" when there is none.
	Email string
	// Fallback are the channels that are used when nobody could be resolved.
	Fallback []string
	// Link gives the console's address of an incident, AckLink one that
	// acknowledges it for a person. nil means no link.
	Link    func(incident string) string
	AckLink func(incident, person string) string
}

// Situation is all that a decision depends on, besides the instant.
type Situation struct {
	Rule  Rule
	Open  *Incident // nil when the service has no open incident
	Pages []Page    // pages of the open incident so far
	// Recent are the newest verdicts of each check of the service, oldest first.
	Recent map[string][]Verdict
	// NotBefore is the earliest start of a new episode: it keeps the IDs of two
	// episodes of one service apart.
	NotBefore time.Time
	// OnCall says who answers for a level's name at an instant; "" means nobody.
	OnCall  func(name string, at time.Time) string
	Routing Routing

	blind bool // the rule is about monitoring itself
}

// noPause is the pause before the ladder starts again when no level has a delay.
const noPause = 10 * time.Minute

// Decide says what is to be done now; false when nothing is. It is pure: the
// same situation and instant give the same change.
func Decide(s Situation, now time.Time) (Change, bool) {
	now = now.UTC()
	if s.Open == nil {
		return s.open(now)
	}
	if s.recovered(now) {
		return s.resolve(now, fmt.Sprintf("recovered: %s, after %s", s.goodNews(), length(now.Sub(s.Open.Opened)))), true
	}
	d := newDraft(*s.Open, now)
	changed := s.widen(d)
	if s.Open.State == Open && !s.Open.NextActionAt.IsZero() && !s.Open.NextActionAt.After(now) {
		s.climb(d)
		changed = true
	}
	if !changed {
		return Change{}, false
	}
	return d.change, true
}

// open opens an incident when a check has been bad for long enough.
func (s Situation) open(now time.Time) (Change, bool) {
	var failing []string
	var started time.Time
	for _, c := range s.Rule.Checks {
		n, first := row(s.Recent[c.Name], probe.Bad, maxGap(c), now)
		if n < max(s.Rule.Confirm, 1) {
			continue
		}
		failing = append(failing, c.Name)
		if started.IsZero() || first.Slot.Before(started) {
			started = first.Slot
		}
	}
	if len(failing) == 0 {
		return Change{}, false
	}
	slices.Sort(failing)
	if started.Before(s.NotBefore) {
		started = s.NotBefore
	}
	started = started.UTC().Truncate(time.Second)
	inc := Incident{
		ID: fmt.Sprintf("kw-%s-%d", s.Rule.Service, started.Unix()), Service: s.Rule.Service,
		State: Open, Started: started, Opened: now, Checks: failing, Policy: s.Rule.Policy,
	}
	inc.Policy.Levels = slices.Clone(inc.Policy.Levels)
	inc.Summary = s.summary(failing)
	d := newDraft(inc, now)
	d.entry("opened", "", inc.Summary)
	s.begin(d)
	return d.change, true
}

// begin starts the ladder at its foot.
func (s Situation) begin(d *draft) {
	inc := &d.change.Incident
	inc.Level, inc.Round = 0, 0
	if levels := inc.Policy.Levels; len(levels) > 0 && levels[0].After > 0 {
		inc.NextActionAt = d.now.Add(levels[0].After)
		return
	}
	s.climb(d)
}

// recovered reports that every failing check has been good for long enough
// and that no other check of the service was bad at its last known verdict.
func (s Situation) recovered(now time.Time) bool {
	left := false
	for _, c := range s.Rule.Checks {
		if slices.Contains(s.Open.Checks, c.Name) {
			left = true
			if n, _ := row(s.Recent[c.Name], probe.Good, maxGap(c), now); n < max(s.Rule.Recover, 1) {
				return false
			}
			continue
		}
		// However old: silence since does not make it good.
		if n, _ := row(s.Recent[c.Name], probe.Bad, math.MaxInt64, now); n > 0 {
			return false
		}
	}
	if left {
		return true
	}
	// None of the failing checks is configured any more: the others must say that
	// the service is well.
	for _, c := range s.Rule.Checks {
		if n, _ := row(s.Recent[c.Name], probe.Good, maxGap(c), now); n < max(s.Rule.Recover, 1) {
			return false
		}
	}
	return len(s.Rule.Checks) > 0
}

// resolve closes the incident and owes a resolve to everybody who was paged.
func (s Situation) resolve(now time.Time, text string) Change {
	d := newDraft(*s.Open, now)
	inc := &d.change.Incident
	inc.State, inc.Resolved, inc.NextActionAt = Resolved, now, time.Time{}
	d.entry("resolved", "", text)
	s.answer(d, Resolve)
	return d.change
}

// acknowledge stops the ladder. A second one changes nothing.
func (s Situation) acknowledge(by, text string, at, now time.Time) (Change, bool) {
	if s.Open.State != Open {
		return Change{}, false
	}
	if at.Before(s.Open.Opened) || at.After(now) {
		at = now
	}
	d := newDraft(*s.Open, now)
	inc := &d.change.Incident
	inc.State, inc.Acknowledged, inc.AckBy, inc.NextActionAt = Acknowledged, at.UTC(), by, time.Time{}
	d.entry("acknowledged", by, text)
	s.answer(d, Acknowledge)
	return d.change, true
}

// unacknowledge starts the ladder anew.
func (s Situation) unacknowledge(by string, now time.Time) (Change, bool) {
	if s.Open.State != Acknowledged {
		return Change{}, false
	}
	d := newDraft(*s.Open, now)
	inc := &d.change.Incident
	inc.State, inc.Acknowledged, inc.AckBy = Open, time.Time{}, ""
	d.entry("note", by, "no longer acknowledged; the escalation starts again")
	s.begin(d)
	return d.change, true
}

// widen notes checks that have begun to fail since.
func (s Situation) widen(d *draft) bool {
	inc := &d.change.Incident
	var more []string
	for _, c := range s.Rule.Checks {
		if slices.Contains(inc.Checks, c.Name) {
			continue
		}
		if n, _ := row(s.Recent[c.Name], probe.Bad, maxGap(c), d.now); n >= max(s.Rule.Confirm, 1) {
			more = append(more, c.Name)
		}
	}
	if len(more) == 0 {
		return false
	}
	slices.Sort(more)
	inc.Checks = slices.Sorted(slices.Values(append(slices.Clone(inc.Checks), more...)))
	d.entry("note", "", "also failing: "+s.describe(more))
	return true
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

// row counts the newest verdicts in a row that say o, and returns the oldest of
// them. Unknown ones neither count nor break the row, but evidence does not keep:
// a gap longer than maxGap ends it.
func row(recent []Verdict, o probe.Outcome, gap time.Duration, now time.Time) (n int, first Verdict) {
	next := now
	for _, v := range slices.Backward(recent) {
		if v.Outcome == probe.Unknown {
			continue
		}
		if v.Outcome != o || next.Sub(v.At) > gap {
			break
		}
		n, first, next = n+1, v, v.At
	}
	return n, first
}

// summary is the one sentence that wakes somebody.
func (s Situation) summary(checks []string) string {
	if s.blind {
		return "monitoring is blind: " + s.describe(checks)
	}
	return s.Rule.Service + " is failing: " + s.describe(checks)
}

// describe names checks with what is wrong with them.
func (s Situation) describe(checks []string) string {
	parts := make([]string, 0, len(checks))
	for _, c := range checks {
		if f := s.fault(c); f != "" {
			c += " (" + f + ")"
		}
		parts = append(parts, c)
	}
	return clip(strings.Join(parts, "; "), 900)
}

// fault is what the newest bad verdict of a check says.
func (s Situation) fault(check string) string {
	for _, v := range slices.Backward(s.Recent[check]) {
		if v.Outcome != probe.Bad {
			continue
		}
		text := v.Fault.Message
		if text == "" {
			text = string(v.Fault.Class)
		}
		if len(v.Failing) > 0 {
			text = strings.TrimPrefix(text+", from "+strings.Join(v.Failing, " and "), ", ")
		}
		return text
	}
	return ""
}

func (s Situation) goodNews() string {
	names := strings.Join(s.Open.Checks, ", ")
	if s.blind {
		return "monitoring sees " + names + " again"
	}
	return names + " good again"
}

// maxGap is how far apart two verdicts of a check may be to count as in a row.
func maxGap(c CheckRule) time.Duration { return 3*c.Every + c.Timeout + 30*time.Second }

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

// length is a duration for people.
func length(d time.Duration) string { return d.Round(time.Second).String() }

// clip cuts a text to at most n characters, never inside one.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
