package alerting

import (
	"context"
	"time"
)

// Adopt takes over incidents that turned out to be open, for instance when
// Postgres returns; wire it to Failover.OnReturn. It does not block.
func (e *Engine) Adopt(open []Incident) {
	e.init()
	e.mu.Lock()
	e.adopting = append(e.adopting, open...)
	e.mu.Unlock()
	nudge(e.written)
}

// adopt reads the pages of the incidents to be taken over and takes them over.
func (e *Engine) adopt(ctx context.Context) {
	e.mu.Lock()
	todo := e.adopting
	e.adopting, e.held = nil, len(e.adopting) > 0
	e.mu.Unlock()
	defer e.letGo()
	for i, inc := range todo {
		ctx, cancel := context.WithTimeout(ctx, retryEvery)
		pages, err := e.Store.Pages(ctx, inc.ID)
		cancel()
		if err != nil {
			e.Log.Warn("pages of an open incident not read", "incident", inc.ID, "err", err)
			e.mu.Lock()
			e.adopting = append(e.adopting, todo[i:]...)
			e.mu.Unlock()
			return
		}
		e.mu.Lock()
		e.takeOver(inc, pages, e.now().UTC())
		e.mu.Unlock()
	}
}

// takeOver puts a stored incident where it belongs. mu is held.
func (e *Engine) takeOver(inc Incident, pages []Page, now time.Time) {
	s := e.place(inc)
	switch {
	case inc.State == Resolved:
	case s == nil && inc.Opened.After(e.applied):
		e.house(inc, pages, now)
	case s == nil:
		stray := &service{open: &inc, pages: pages, rule: Rule{Service: inc.Service}}
		e.enact(stray, e.situation(stray).resolve(now, now, "closed: the service is no longer configured"))
	case s.open == nil:
		s.open, s.pages = &inc, pages
		s.doubt(inc)
		e.Log.Info("open incident restored", "incident", inc.ID)
	case s.open.ID == inc.ID:
		if inc.Version > s.open.Version {
			s.open, s.pages = &inc, pages
		}
	default:
		// Both are about one outage: the older one has the pages and the
		// acknowledgement that people know.
		older, younger := &service{open: &inc, pages: pages, rule: s.rule}, &service{open: s.open, pages: s.pages, rule: s.rule}
		if younger.open.Opened.Before(older.open.Opened) {
			older, younger = younger, older
		}
		e.enact(younger, e.situation(younger).resolve(now, now, "closed: the same outage as "+older.open.ID))
		s.open, s.pages, s.notBefore = older.open, older.pages, later(s.notBefore, younger.notBefore)
	}
	e.expect()
	e.reconsider()
}

// house keeps an incident of a service that this daemon has never heard of, and whose
// incident began when its file was in force already: another daemon goes by another
// file. Who may still be failing is not called well: the ladder goes on by the incident's
// own policy, until a person closes it or both have the same file. mu is held.
func (e *Engine) house(inc Incident, pages []Page, now time.Time) {
	s := &service{
		rule: Rule{Service: inc.Service, Policy: inc.Policy, Severity: inc.Severity}, strange: true,
		open: &inc, pages: pages, recent: map[string][]Verdict{},
	}
	e.services[inc.Service] = s
	d := newDraft(inc, now)
	d.entry("note", "", "this daemon goes on by the incident's own policy: "+strangeText)
	e.enact(s, d.change)
	e.Log.Error("an incident is about a service that is not in this daemon's file: give both daemons the same file, and reload", "incident", inc.ID, "service", inc.Service)
}

const strangeText = "the service is not in this daemon's file, so nobody here sees whether it recovers (give all daemons the same file, and reload)"

// place is where an incident belongs; nil when its service is gone. mu is held.
func (e *Engine) place(inc Incident) *service {
	if inc.Alarm == "" {
		return e.services[inc.Service]
	}
	s := e.alarms[inc.Alarm]
	if s == nil {
		s = &service{rule: Rule{Service: inc.Service, Policy: inc.Policy, Severity: inc.Severity}, recent: map[string][]Verdict{}}
		e.alarms[inc.Alarm] = s
	}
	return s
}
