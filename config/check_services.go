package config

import (
	"maps"
	"slices"
	"strings"

	"keepwatch/alerting"
	"keepwatch/oncall"
)

// quietly checks what decides how a service's incidents page.
func (c *checker) quietly(at string, s Service) {
	all := []string{string(alerting.Critical), string(alerting.Error), string(alerting.Warning), string(alerting.Info)}
	if !slices.Contains(all, string(s.Severity)) {
		c.report(join(at, "severity"), at, "severity %s is not known (write one of: %s)", quote(string(s.Severity)), strings.Join(all, ", "))
	}
	if s.Severity.LowUrgency() && s.Escalation != "" && len(c.f.QuietChannels()) == 0 {
		c.warn(join(at, "severity"), "a service of severity %s wakes nobody, and there is no e-mail or chat channel in fallback: its incidents are only recorded", s.Severity)
	}
	if s.Reopen < 0 || s.Reopen > maxReopen {
		c.report(join(at, "reopen"), at, "reopen %s is out of range (0s to %s)", short(s.Reopen), short(maxReopen))
	}
}

// dependencies checks that services depend on services that exist, and not on
// each other in a ring.
func (c *checker) dependencies() {
	services := pool{what: "service", blocks: []string{"services"}}
	needs := map[string][]string{}
	for _, s := range c.f.Services {
		services.names = append(services.names, s.Name)
		needs[s.Name] = s.DependsOn
	}
	done := map[string]bool{} // those from which no further ring can be reached
	for i, s := range c.f.Services {
		at := join(element("services", i), "depends_on")
		c.names(at, s.DependsOn, services)
		if ring := findRing(s.Name, needs, nil, done); ring != nil {
			c.report(at, element("services", i), "services depend on each other in a ring: %s (leave one of these out)", strings.Join(ring, " → "))
		}
	}
}

// findRing returns a ring that can be reached from a service, nil when there is none.
func findRing(name string, needs map[string][]string, path []string, done map[string]bool) []string {
	if i := slices.Index(path, name); i >= 0 {
		return append(slices.Clone(path[i:]), name)
	}
	if done[name] {
		return nil
	}
	path = append(path, name)
	var ring []string
	for _, next := range needs[name] {
		if ring = findRing(next, needs, path, done); ring != nil {
			break
		}
	}
	done[name] = true
	return ring
}

// outside checks what an escalation with business hours refers to.
func (c *checker) outside(at, name string, p oncall.PolicyConfig) {
	c.calendar(at, p.Holidays)
	if p.Outside == "" {
		return
	}
	c.known(join(at, "outside"), p.Outside, pool{"escalation", slices.Collect(maps.Keys(c.f.Escalations)), []string{"escalations"}})
	switch {
	case p.Outside == name:
		c.report(join(at, "outside"), at, "outside names this escalation itself (name another one, or leave it out)")
	case len(c.f.Escalations[p.Outside].Hours) > 0:
		c.report(join(at, "outside"), at, "outside names %q, which has hours of its own (name one that holds always)", p.Outside)
	}
}

// FallbackNames are the channels that take over, in file order; mails are those
// of them that a person reads one by one.
func (f *File) FallbackNames() (names, mails []string) {
	for _, ch := range f.Fallback.Channels {
		names = append(names, ch.Name)
		if ch.Email != nil {
			mails = append(mails, ch.Name)
		}
	}
	return names, mails
}

// QuietChannels are the fallback channels that ring nobody, in file order: mail and chat.
func (f *File) QuietChannels() []string {
	var out []string
	for _, ch := range f.Fallback.Channels {
		if ch.Email != nil || ch.Slack != nil {
			out = append(out, ch.Name)
		}
	}
	return out
}

// Policy is an escalation by its name, with its hours and what holds outside them.
// The zero value when there is none of that name.
func (f *File) Policy(name string) oncall.Policy {
	c, ok := f.Escalations[name]
	if !ok {
		return oncall.Policy{}
	}
	p := c.Policy(name)
	p.Hours = c.Business(f.Holidays)
	if o, ok := f.Escalations[c.Outside]; ok {
		outside := o.Policy(c.Outside)
		p.Outside = &outside
	}
	return p
}
