package postgres

import (
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
)

// policyJSON is how a policy is stored: durations in nanoseconds.
type policyJSON struct {
	Name              string        `json:"name"`
	Levels            []levelJSON   `json:"levels"`
	Repeat            int           `json:"repeat"`
	AckExpires        time.Duration `json:"ack_expires_ns,omitempty"`
	StillFailingAfter time.Duration `json:"still_failing_after_ns,omitempty"`
	Hours             *hoursJSON    `json:"hours,omitempty"`
	Outside           *policyJSON   `json:"outside,omitempty"`
}

type levelJSON struct {
	Page  string        `json:"page"`
	After time.Duration `json:"after_ns"`
}

type hoursJSON struct {
	Zone     string   `json:"zone,omitempty"`
	Hours    []string `json:"hours,omitempty"`
	Holidays []string `json:"holidays,omitempty"`
}

func storePolicy(p oncall.Policy) policyJSON {
	out := policyJSON{
		Name: clean(p.Name), Repeat: p.Repeat,
		AckExpires: p.AckExpires, StillFailingAfter: p.StillFailingAfter,
	}
	for _, l := range p.Levels {
		out.Levels = append(out.Levels, levelJSON{Page: clean(l.Page), After: l.After})
	}
	if p.Hours != nil {
		hours := hoursJSON(*p.Hours)
		out.Hours = &hours
	}
	if p.Outside != nil {
		outside := storePolicy(*p.Outside)
		out.Outside = &outside
	}
	return out
}

func (p policyJSON) policy() oncall.Policy {
	out := oncall.Policy{
		Name: p.Name, Repeat: p.Repeat,
		AckExpires: p.AckExpires, StillFailingAfter: p.StillFailingAfter,
	}
	for _, l := range p.Levels {
		out.Levels = append(out.Levels, oncall.Level{Page: l.Page, After: l.After})
	}
	if p.Hours != nil {
		hours := oncall.WorkHours(*p.Hours)
		out.Hours = &hours
	}
	if p.Outside != nil {
		outside := p.Outside.policy()
		out.Outside = &outside
	}
	return out
}

// courseJSON is how the rest of an incident's course is stored; keys are never
// renamed: old rows have them.
type courseJSON struct {
	Hold     *holdJSON   `json:"hold,omitempty"`
	ClosesAt *time.Time  `json:"closes_at,omitempty"`
	Closed   bool        `json:"closed,omitempty"`
	Failures []time.Time `json:"failures,omitempty"`
	Ring     int         `json:"ring,omitempty"`
}

type holdJSON struct {
	Kind  string     `json:"kind"`
	Ref   string     `json:"ref,omitempty"`
	Text  string     `json:"text,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

func storeCourse(c alerting.Course) courseJSON {
	out := courseJSON{ClosesAt: stamp(c.ClosesAt), Closed: c.Closed, Failures: c.Failures, Ring: c.Ring}
	if h := c.Hold; h != (alerting.Hold{}) {
		out.Hold = &holdJSON{Kind: clean(string(h.Kind)), Ref: clean(h.Ref), Text: clean(h.Text), Until: stamp(h.Until)}
	}
	return out
}

// course is all but what has columns of its own.
func (c courseJSON) course() alerting.Course {
	out := alerting.Course{ClosesAt: instant(c.ClosesAt), Closed: c.Closed, Failures: c.Failures, Ring: c.Ring}
	if h := c.Hold; h != nil {
		out.Hold = alerting.Hold{Kind: alerting.HoldKind(h.Kind), Ref: h.Ref, Text: h.Text, Until: instant(h.Until)}
	}
	return out
}
