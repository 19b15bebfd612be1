package fakepd

import (
	"fmt"
	"slices"
	"time"
)

// Note is what a person wrote on an incident.
type Note struct {
	ID      string    `json:"id"`
	By      string    `json:"by"` // a user's ID
	Content string    `json:"content"`
	At      time.Time `json:"created_at"`
}

// Record is one line of an incident's own log, as GET /incidents/{id}/log_entries gives it.
type Record struct {
	ID   string    `json:"id"`
	Type string    `json:"type"` // trigger_log_entry, notify_log_entry, …
	At   time.Time `json:"created_at"`
	// User is who was notified, or who acted; "" when it was the service.
	User string `json:"user,omitempty"`
	// Level is the level of the escalation policy, from 1; 0 when it does not matter.
	Level   int    `json:"level,omitempty"`
	Summary string `json:"summary"`
	// Assignees are the IDs of those who are assigned from now on.
	Assignees []string `json:"assignees,omitempty"`
}

// The types of a record, in PagerDuty's words.
const (
	recTrigger  = "trigger_log_entry"
	recAssign   = "assign_log_entry"
	recNotify   = "notify_log_entry"
	recEscalate = "escalate_log_entry"
	recExhaust  = "exhaust_escalation_path_log_entry"
	recRepeat   = "repeat_escalation_path_log_entry"
	recAck      = "acknowledge_log_entry"
	recUnack    = "unacknowledge_log_entry"
	recResolve  = "resolve_log_entry"
	recAnnotate = "annotate_log_entry"
	recSnooze   = "snooze_log_entry"
)

// maxRecords is how many records an incident keeps.
const maxRecords = 500

// record adds a record; the mutex is held.
func (s *Server) record(inc *Incident, r Record) {
	if len(inc.Records) >= maxRecords {
		return
	}
	s.serial++
	r.ID = fmt.Sprintf("R%013d", s.serial)
	inc.Records = append(inc.Records, r)
}

// deaf says why a trigger would be dropped silently; "" when it opens an incident.
func (s *Server) deaf(svc *Service) string {
	switch {
	case svc == nil:
		return "no service has this routing key"
	case svc.Maintenance:
		return "the service is in maintenance"
	case svc.Suppress:
		return "an event rule suppresses it"
	case !s.account.policy(svc.Policy).onCall():
		return "nobody is on call at any level"
	}
	return ""
}

// ring starts the escalation of a new incident, or of one that is triggered again;
// the mutex is held.
func (s *Server) ring(inc *Incident, now time.Time) {
	inc.Level, inc.Loop = 0, 0
	s.climb(inc, now)
}

// climb goes to the next level that has somebody on call, rings, and sets the timer
// for the one after; the mutex is held.
func (s *Server) climb(inc *Incident, now time.Time) {
	p := s.account.policy(inc.Policy)
	if p == nil || len(p.Rules) == 0 {
		return
	}
	first := inc.Level == 0
	for range len(p.Rules) * (p.Loops + 2) {
		if inc.Level >= len(p.Rules) {
			if inc.Loop >= p.Loops {
				s.record(inc, Record{Type: recExhaust, At: now, Summary: "Every level was tried"})
				return
			}
			inc.Level = 0
			inc.Loop++
			s.record(inc, Record{Type: recRepeat, At: now, Summary: "Back to the first level"})
		}
		inc.Level++
		rule := p.Rules[inc.Level-1]
		if len(rule.Users) == 0 {
			continue
		}
		if !first {
			s.record(inc, Record{Type: recEscalate, At: now, Level: inc.Level, Assignees: rule.Users, Summary: fmt.Sprintf("Escalated to level %d", inc.Level)})
		}
		s.assign(inc, rule.Users, now)
		if !first {
			s.send(inc, "escalated", "", now)
		}
		s.climbLater(inc, time.Duration(rule.Delay)*s.opts.Minute)
		return
	}
}

// climbLater climbs after a delay, unless something else happened to the incident meanwhile.
func (s *Server) climbLater(inc *Incident, after time.Duration) {
	inc.turn++
	turn := inc.turn
	s.wait(after, func(now time.Time) {
		if inc.Status == triggered && inc.turn == turn {
			s.climb(inc, now)
		}
	})
}

// assignedAt is since when the present assignees have the incident.
func (inc *Incident) assignedAt() time.Time {
	for _, r := range slices.Backward(inc.Records) {
		if r.Type == recAssign {
			return r.At
		}
	}
	return inc.Created
}

// assign gives the incident to people and notifies them; the mutex is held.
func (s *Server) assign(inc *Incident, users []string, now time.Time) {
	inc.Assignees = append([]string(nil), users...)
	s.record(inc, Record{Type: recAssign, At: now, Level: inc.Level, Assignees: inc.Assignees, Summary: "Assigned"})
	if inc.Status != triggered {
		return
	}
	for _, id := range users {
		u := s.account.user(id)
		if u == nil || u.NoContact {
			continue
		}
		s.record(inc, Record{Type: recNotify, At: now, User: id, Level: inc.Level, Summary: "Notified " + u.Name + " by push"})
		s.rung = append(s.rung, Line{At: now, Kind: kindNotify, RoutingKey: inc.RoutingKey, DedupKey: inc.DedupKey, Incident: inc.ID, By: u.Name, Note: fmt.Sprintf("level %d", inc.Level)})
	}
}
