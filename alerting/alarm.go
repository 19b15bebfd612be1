package alerting

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"time"

	"keepwatch/oncall"
)

// Severity is how bad it is, in PagerDuty's words.
type Severity string

// The severities. The zero value counts as Critical.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Alarm is something other than a check's failure that people must hear of: an
// error budget that burns, a gap in a rotation, a message sent by hand. It becomes
// an incident like any other, with its ladder, timeline and pages.
type Alarm struct {
	// Name tells alarms apart: while one of a name is open, raising it again changes
	// nothing but its summary. Letters, digits, hyphens, underscores and dots, at most 100.
	Name string
	// Service is the service that it concerns; "" when none.
	Service string
	// Summary is the sentence that people read.
	Summary string
	// Severity below Error wakes nobody: it goes to the channels that do not ring.
	Severity Severity
	// Policy is whom to page.
	Policy oncall.Policy
	// Failing says that it tells of checks of Service that fail. An incident that they
	// open is the same outage then: while the alarm is open it pages nobody.
	Failing bool
}

// ErrStandBy is returned by an engine that does not run: another daemon pages.
var ErrStandBy = errors.New("this daemon stands by, another one pages")

// ErrNotYet says that a change holds in memory and its pages go out, but that
// nothing has stored it yet, or that the open incidents are not read yet.
var ErrNotYet = errors.New("taken, but not yet stored")

// ErrAlarm says that an alarm cannot be raised as it is.
var ErrAlarm = errors.New("an alarm needs a name (letters, digits, hyphens, underscores, dots; at most 100), a summary and a known severity")

const (
	alarmPrefix = "kw-alarm:" // no service's name has a colon
	maxAlarms   = 1000        // names remembered beside the open ones
	alarmSource = "keepwatch" // the source of pages about no service
)

var alarmName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// Raise opens an incident about an alarm, or changes the summary of the one that
// is open, and returns its ID. It returns when that is stored. at is when it
// began. Errors: [ErrAlarm], [ErrStandBy]; with [ErrNotYet] the alarm is raised
// all the same, and its pages go out.
func (e *Engine) Raise(ctx context.Context, a Alarm, at time.Time) (incident string, err error) {
	a.Severity = a.Severity.or()
	if !alarmName.MatchString(a.Name) || a.Summary == "" || !slices.Contains([]Severity{Critical, Error, Warning, Info}, a.Severity) {
		return "", fmt.Errorf("raise alarm %q: %w", a.Name, ErrAlarm)
	}
	e.init()
	e.mu.Lock()
	if !e.running {
		e.mu.Unlock()
		return "", ErrStandBy
	}
	now := e.now().UTC()
	if s := e.rings(a); s != nil && (e.alarms[a.Name] == nil || e.alarms[a.Name].open == nil) {
		// The checks were first, a moment ago.
		d := newDraft(*s.open, now)
		d.entry("note", "", clip(a.Summary, 1000))
		j := e.enact(s, d.change)
		incident = s.open.ID
		e.mu.Unlock()
		return incident, stored(ctx, j)
	}
	s := e.alarm(a, now)
	j := e.enactIf(s, func() (Change, bool) { return e.situation(s).raise(a, at, now) })
	incident = s.open.ID
	e.mu.Unlock()
	return incident, stored(ctx, j)
}

// Clear resolves the open incident of an alarm; without one it changes nothing,
// so it may be called whenever the alarm does not hold. why is what the timeline
// says. Errors: [ErrStandBy]; [ErrNotYet] when the open incidents could not be
// read since the start, then ask again.
func (e *Engine) Clear(ctx context.Context, name, why string, at time.Time) error {
	e.init()
	e.mu.Lock()
	s := e.alarms[name]
	switch {
	case !e.running:
		e.mu.Unlock()
		return ErrStandBy
	case s == nil || s.open == nil:
		known := e.restored && len(e.adopting) == 0
		e.mu.Unlock()
		if !known {
			return ErrNotYet
		}
		return nil
	}
	now := e.now().UTC()
	j := e.enact(s, e.situation(s).resolve(now, within(at, s.open.Started, now), "cleared: "+why))
	e.mu.Unlock()
	return stored(ctx, j)
}

// alarm finds or makes the place of an alarm. mu is held.
func (e *Engine) alarm(a Alarm, now time.Time) *service {
	if len(e.alarms) >= maxAlarms {
		maps.DeleteFunc(e.alarms, func(_ string, s *service) bool { return s.open == nil && s.notBefore.Before(now) })
	}
	s := e.alarms[a.Name]
	if s == nil {
		s = &service{recent: map[string][]Verdict{}, notBefore: e.pasts[AlarmOwner(a.Name)].free()}
		e.alarms[a.Name] = s
	}
	s.rule = Rule{Service: a.Service, Policy: a.Policy, Severity: a.Severity}
	s.tells = a.Failing
	return s
}

// raise opens an alarm's incident, or tells the open one what is new.
func (s Situation) raise(a Alarm, at, now time.Time) (Change, bool) {
	if s.Open == nil {
		started := later(within(at, now.Add(-24*time.Hour), now), s.NotBefore).UTC().Truncate(time.Second)
		inc := Incident{
			ID: fmt.Sprintf("%s%s-%d", alarmPrefix, a.Name, started.Unix()), Service: a.Service, Alarm: a.Name,
			State: Open, Started: sooner(started, now), Opened: now, Severity: a.Severity, Summary: clip(a.Summary, 1024),
		}
		return s.begun(inc, now), true
	}
	summary := clip(a.Summary, 1024)
	worse := s.Open.Severity.LowUrgency() && !a.Severity.LowUrgency()
	if summary == s.Open.Summary && !worse {
		return Change{}, false
	}
	d := newDraft(*s.Open, now)
	inc := &d.change.Incident
	if inc.Summary = summary; summary != s.Open.Summary {
		d.entry("note", "", "now: "+summary)
	}
	if worse {
		inc.Severity = a.Severity
		d.entry("note", "", "now "+string(a.Severity)+": somebody is to be woken")
		if inc.State == Open && inc.Hold.Kind == "" {
			s.begin(d)
		}
	}
	return d.change, true
}

// within moves an instant that cannot be right to the nearest one that can.
func within(at, from, to time.Time) time.Time {
	switch {
	case at.IsZero() || at.After(to):
		return to
	case at.Before(from):
		return from
	}
	return at.UTC()
}

// all are the services and the alarms. mu is held while they are looked at.
func (e *Engine) all() iter.Seq[*service] {
	return func(yield func(*service) bool) {
		for _, m := range []map[string]*service{e.services, e.alarms} {
			for _, name := range slices.Sorted(maps.Keys(m)) {
				if !yield(m[name]) {
					return
				}
			}
		}
	}
}

func (e *Engine) run(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = yes
	e.leads.Store(yes)
}

// enactIf enacts a change when there is one. mu is held.
func (e *Engine) enactIf(s *service, change func() (Change, bool)) *job {
	c, ok := change()
	if !ok {
		return nil
	}
	return e.enact(s, c)
}

// stored waits until a change is stored; nil has nothing to store.
func stored(ctx context.Context, j *job) error {
	if j == nil {
		return nil
	}
	select {
	case err := <-j.done:
		if err != nil {
			return errors.Join(ErrNotYet, err)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(ErrNotYet, ctx.Err())
	}
}
