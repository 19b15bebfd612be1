package alerting

import (
	"fmt"
	"slices"
	"time"

	"keepwatch/oncall"
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
	// Climbs gives the route of a policy's own for a person, and whether the other side
	// climbs its ladder by itself and rings the person when it is their turn (PagerDuty,
	// with an escalation policy that is kept equal to it). Such a route wins over Route;
	// "" leaves it to Route, and nil always does.
	Climbs func(policy, person string) (route string, climbs bool)
	// Quiet are the channels that ring nobody: what is not urgent goes to them only.
	Quiet []string
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
	// Failures are the instants of earlier failures; see [Course].
	Failures []time.Time
	// Silences are those of all sources; whether they hold now is for the decision.
	Silences []Silence
	// Followed says whether the silences of a source are known.
	Followed func(source string) bool
	// Upstream are the services that this one cannot work without.
	Upstream []Upstream
	// Told are the open alarms that tell of the same checks failing.
	Told []*Incident
	// Place gives the open incident about a location, which alone sees this service
	// fail, and whether there may be one in a moment: too little of what it looks at
	// was seen since an instant. nil means that locations are not judged.
	Place func(location string, since time.Time) (cause *Incident, doubt bool)
	// OnCall says who answers for a level's name at an instant; "" means nobody.
	OnCall  func(name string, at time.Time) string
	Routing Routing

	blind bool // the rule is about monitoring itself
}

// Decide says what is to be done now; false when nothing is. It is pure: the
// same situation and instant give the same change.
func Decide(s Situation, now time.Time) (Change, bool) {
	now = now.UTC()
	if s.Open == nil {
		return s.open(now)
	}
	d := newDraft(*s.Open, now)
	changed := false
	if s.Open.Alarm == "" {
		if changed = s.follow(d); d.change.Incident.State == Resolved {
			return d.change, true
		}
	}
	changed = s.expire(d) || changed
	changed = s.quiet(d) || changed
	if inc := d.change.Incident; inc.State == Open && !inc.Recovering() && inc.Hold.Kind == "" && due(inc.NextActionAt, now) {
		s.climb(d)
		changed = true
	}
	if !changed {
		return Change{}, false
	}
	return d.change, true
}

// due reports whether a timer that may be zero has come.
func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// open opens an incident when a check has been bad for long enough.
func (s Situation) open(now time.Time) (Change, bool) {
	failing, started := s.failing(now)
	if len(failing) == 0 {
		return Change{}, false
	}
	started = later(started, s.NotBefore).UTC().Truncate(time.Second)
	return s.begun(Incident{
		ID: fmt.Sprintf("kw-%s-%d", s.Rule.Service, started.Unix()), Service: s.Rule.Service,
		State: Open, Started: sooner(started, now), Opened: now, Checks: failing, Severity: s.Rule.Severity.or(), Summary: s.summary(failing),
		Course: Course{Failures: append(within1h(s.Failures, now), now)},
	}, now), true
}

// failing are the checks that have been bad for long enough, and since when.
func (s Situation) failing(now time.Time) (checks []string, since time.Time) {
	for _, u := range s.Rule.units() {
		bad, from := s.failingOf(u, now)
		if len(bad) == 0 {
			continue
		}
		checks = append(checks, bad...)
		if since.IsZero() || from.Before(since) {
			since = from
		}
	}
	slices.Sort(checks)
	return checks, since
}

// begun is the first change of an incident: it takes its policy and starts the ladder.
func (s Situation) begun(inc Incident, now time.Time) Change {
	inc.Policy = ladderAt(s.Rule.Policy, now)
	d := newDraft(inc, now)
	d.entry("opened", "", inc.Summary)
	s.begin(d)
	return d.change
}

// ladderAt is the policy that an incident which opens now goes by.
func ladderAt(p oncall.Policy, now time.Time) oncall.Policy {
	if p.Hours != nil && p.Outside != nil {
		open, _, err := p.Hours.At(now)
		if err == nil && !open {
			p = *p.Outside
		}
		p.Hours = nil // the choice is made
	}
	p.Outside = nil
	p.Levels = slices.Clone(p.Levels)
	return p
}

// resolve closes the incident, which was well since at, and owes a resolve to
// everybody who was paged.
func (s Situation) resolve(now, at time.Time, text string) Change {
	d := newDraft(*s.Open, now)
	s.finish(d, at, "", text)
	return d.change
}

func (s Situation) finish(d *draft, at time.Time, by, text string) {
	inc := &d.change.Incident
	inc.State, inc.Resolved, inc.NextActionAt = Resolved, at.UTC(), time.Time{}
	inc.Expires, inc.ClosesAt, inc.Hold = time.Time{}, time.Time{}, Hold{}
	d.entry("resolved", by, text)
	s.answer(d, Resolve, "resolved")
}

// acknowledge stops the ladder. A second one changes nothing.
func (s Situation) acknowledge(by, text string, at, now time.Time) (Change, bool) {
	if s.Open.State != Open {
		return Change{}, false
	}
	d := newDraft(*s.Open, now)
	if at.Before(s.Open.Opened) || at.After(now) {
		at = now
	}
	s.hush(d, by, text, at)
	return d.change, true
}

// hush makes an open incident an acknowledged one.
func (s Situation) hush(d *draft, by, text string, at time.Time) {
	inc := &d.change.Incident
	inc.State, inc.Acknowledged, inc.AckBy, inc.NextActionAt, inc.Hold = Acknowledged, at.UTC(), by, time.Time{}, Hold{}
	if inc.Policy.AckExpires > 0 {
		inc.Expires = d.now.Add(inc.Policy.AckExpires)
		text += "; until " + clock(inc.Expires)
	}
	d.entry("acknowledged", by, text)
	s.answer(d, Acknowledge, "acknowledged by "+by)
}

// closeByHand notes that a person has closed the incident. An alarm, and a
// service that is well again, is resolved by that. While checks fail only recovery
// resolves: paging stops, for as long as the policy says.
func (s Situation) closeByHand(by string, at, now time.Time) (Change, bool) {
	d := newDraft(*s.Open, now)
	inc := &d.change.Incident
	if inc.Alarm != "" || inc.Recovering() {
		if inc.Recovering() {
			at = inc.Recovered
		}
		s.finish(d, within(at, inc.Opened, now), by, "closed by "+by)
		return d.change, true
	}
	if inc.Closed {
		return Change{}, false
	}
	text := "closed by " + by + " while the checks still fail; nobody is paged until they recover"
	inc.Closed = true
	if inc.State == Open {
		s.hush(d, by, text, within(at, inc.Opened, now))
	} else {
		inc.AckBy = by
		d.entry("note", by, text)
	}
	inc.Expires = time.Time{}
	if after := inc.Policy.StillFailingAfter; after > 0 {
		inc.Expires = now.Add(after)
		d.entry("note", by, "if they still fail at "+clock(inc.Expires)+", paging starts again")
	}
	return d.change, true
}

// expire starts the ladder anew when an acknowledgement has run out and it still fails.
func (s Situation) expire(d *draft) bool {
	inc := &d.change.Incident
	if inc.State != Acknowledged || inc.Recovering() || !due(inc.Expires, d.now) {
		return false
	}
	what := "acknowledged by " + inc.AckBy
	if inc.Closed {
		what = "closed by " + inc.AckBy
	}
	text := what + " and still failing: the escalation starts again"
	if !inc.Acknowledged.IsZero() && !inc.Closed {
		text = what + " " + length(d.now.Sub(inc.Acknowledged)) + " ago and still failing: the escalation starts again"
	}
	d.entry("expired", inc.AckBy, text)
	s.anew(d)
	return true
}

// anew starts the ladder at its foot with a new alert: one that was acknowledged
// or resolved at the channels would ring nobody.
func (s Situation) anew(d *draft) {
	s.afresh(d)
	s.begin(d)
}

// afresh puts the ladder at its foot, with no alert at the channels.
func (s Situation) afresh(d *draft) {
	inc := &d.change.Incident
	inc.State, inc.Acknowledged, inc.AckBy, inc.Expires, inc.Closed = Open, time.Time{}, "", time.Time{}, false
	inc.Level, inc.Round, inc.NextActionAt = 0, 0, time.Time{}
	s.withdraw(d, "paged anew")
}

// unacknowledge starts the ladder anew, and goes on with the alert there is.
func (s Situation) unacknowledge(by string, now time.Time) (Change, bool) {
	if s.Open.State != Acknowledged {
		return Change{}, false
	}
	d := newDraft(*s.Open, now)
	inc := &d.change.Incident
	inc.State, inc.Acknowledged, inc.AckBy, inc.Expires, inc.Closed = Open, time.Time{}, "", time.Time{}, false
	d.entry("note", by, "no longer acknowledged; the escalation starts again")
	s.begin(d)
	return d.change, true
}

// giveBack starts the ladder anew with a new alert; of an incident that has
// recovered only when it fails anew, see [Situation.reopen].
func (s Situation) giveBack(by string, now time.Time) (Change, bool) {
	if s.Open.State != Acknowledged {
		return Change{}, false
	}
	d := newDraft(*s.Open, now)
	if s.Open.Recovering() {
		d.entry("note", by, "no longer acknowledged; the escalation starts again if it fails anew")
		s.afresh(d)
		return d.change, true
	}
	d.entry("note", by, "no longer acknowledged; the escalation starts again")
	s.anew(d)
	return d.change, true
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

// clock is an instant for people.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
