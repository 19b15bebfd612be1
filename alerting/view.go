package alerting

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// View is the engine's knowledge at one instant.
type View struct {
	At       time.Time
	Services []ServiceView // by name
	Checks   []CheckView   // by name
	// Alarms are the open incidents that no check opened, by the alarm's name.
	Alarms []AlarmView
	// Blind are the open incidents about monitoring itself.
	Blind []Incident
	// Dropped counts results that did not fit into the inbox since start.
	Dropped int64
	// Unwritten counts changes that no store has taken yet.
	Unwritten int
	// Restored is false until the open incidents were read after a start.
	Restored bool
}

// ServiceView is one service.
type ServiceView struct {
	Service string
	Policy  oncall.Policy
	Outcome probe.Outcome // Bad when a critical check is bad, Good when all are good, else Unknown
	Checks  []string      // critical checks, in the file's order
	Open    *Incident     // nil when none is open
	Pages   []Page        // of the open incident, as far as known here
}

// AlarmView is one alarm that is raised.
type AlarmView struct {
	Name  string
	Open  Incident
	Pages []Page
}

// CheckView is one check.
type CheckView struct {
	Check     string
	Outcome   probe.Outcome // of the last decided round; Unknown when that is too old
	Since     time.Time     // when Outcome began; zero when never decided
	Last      Verdict
	Locations []LocationView // by name
}

// LocationView is the last look from one location. At is zero when there was none yet.
type LocationView struct {
	Location string
	Outcome  probe.Outcome
	Cause    string // why Unknown
	At       time.Time
	Latency  time.Duration
	Code     int
	Fault    probe.Fault
}

// Snapshot returns what the engine knows now. The caller owns it.
func (e *Engine) Snapshot() View {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UTC()
	v := View{At: now, Dropped: e.dropped.Load(), Unwritten: len(e.queue) + len(e.unsaved), Restored: e.restored}
	outcomes := map[string]probe.Outcome{}
	for _, name := range slices.Sorted(maps.Keys(e.checks)) {
		c := e.checks[name].tally.View(now)
		outcomes[name] = c.Outcome
		v.Checks = append(v.Checks, c)
	}
	for _, name := range slices.Sorted(maps.Keys(e.services)) {
		s := e.services[name]
		if s.blind {
			if s.open != nil {
				v.Blind = append(v.Blind, cloneIncident(*s.open))
			}
			continue
		}
		v.Services = append(v.Services, s.view(outcomes))
	}
	for _, name := range slices.Sorted(maps.Keys(e.alarms)) {
		if s := e.alarms[name]; s.open != nil {
			v.Alarms = append(v.Alarms, AlarmView{Name: name, Open: cloneIncident(*s.open), Pages: clonePages(s.pages)})
		}
	}
	return v
}

func clonePages(pages []Page) []Page {
	out := make([]Page, 0, len(pages))
	for _, p := range pages {
		out = append(out, clonePage(p))
	}
	return out
}

func (s *service) view(outcomes map[string]probe.Outcome) ServiceView {
	v := ServiceView{Service: s.rule.Service, Policy: s.rule.Policy, Outcome: probe.Good}
	for _, c := range s.rule.Checks {
		v.Checks = append(v.Checks, c.Name)
	}
	for _, u := range s.rule.units() {
		switch o := u.outcome(func(check string) probe.Outcome { return outcomes[check] }); {
		case o == probe.Bad:
			v.Outcome = probe.Bad
		case o == probe.Unknown && v.Outcome == probe.Good:
			v.Outcome = probe.Unknown
		}
	}
	if len(s.rule.Checks) == 0 {
		v.Outcome = probe.Unknown
	}
	if s.open != nil {
		inc := cloneIncident(*s.open)
		v.Open = &inc
		v.Pages = clonePages(s.pages)
	}
	return v
}

// Overdue says in one sentence each what should have happened by now and has
// not; empty when all is well. It reads memory only; what is owed but not sent
// is in [Store.Backlog].
func (e *Engine) Overdue(now time.Time) []string {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	if !e.turned.IsZero() && now.Sub(e.turned) > idle+lateAfter {
		out = append(out, "the alerting loop has not turned for "+length(now.Sub(e.turned)))
	}
	for s := range e.all() {
		if s.open == nil {
			continue
		}
		if s.strange {
			out = append(out, fmt.Sprintf("incident %s: %s", s.open.ID, strangeText))
		}
		if at := s.open.timer(); due(at, now) && now.Sub(at) > lateAfter {
			out = append(out, fmt.Sprintf("incident %s: the next step was due %s ago", s.open.ID, length(now.Sub(at))))
		}
		if s.open.unheard() {
			out = append(out, fmt.Sprintf("incident %s: the escalation has ended and nobody has acknowledged it: %s", s.open.ID, s.open.Summary))
		}
	}
	if len(e.unsaved) > 0 {
		first := slices.MinFunc(e.unsaved, func(a, b *job) int { return cmp.Compare(a.since.UnixNano(), b.since.UnixNano()) })
		out = append(out, fmt.Sprintf("%d changes are kept in memory only, the first since %s", len(e.unsaved), first.since.UTC().Format(time.RFC3339)))
	}
	if !e.restored && !e.turned.IsZero() {
		out = append(out, "open incidents could not be read since the start")
	}
	return out
}
