package config

import (
	"maps"
	"reflect"
	"slices"

	"keepwatch/oncall"
)

// accounts says loudly what cannot work because an account is missing.
func (c *checker) accounts() {
	for _, path := range slices.Sorted(maps.Keys(c.unset)) {
		name := c.unset[path]
		switch {
		case path == "pagerduty.routing_key":
			c.warn(path, "%s is not set: nobody is paged through the shared PagerDuty key", name)
		case path == "newrelic.license_key" && c.env["NEW_RELIC_LICENSE_KEY"] == "": // the agent reads it too
			c.warn(path, "%s is not set: New Relic is told nothing", name)
		case within(path, "people"):
			c.warn(path, "%s is not set: this person has no PagerDuty key of their own", name)
		case path == "pagerduty.api_token", path == "pagerduty.webhook_secret":
			c.warn(path, "%s is not set: it is as if this line were not there", name)
		}
	}
	c.followed()
	if len(c.f.Reports.To) > 0 && c.f.ReportServer() == nil {
		c.warn("reports.to", "is of no use without a mail server: the report is written, but mailed to nobody (add reports.smtp, or an email channel under fallback)")
	}
	c.waysOut()
}

// followed says where PagerDuty cannot follow the escalations, and where it
// decides by itself who is rung.
func (c *checker) followed() {
	pd := c.f.PagerDuty
	if pd == nil {
		return
	}
	token := pd.APIToken != "" || c.broken["pagerduty.api_token"]
	follows := pd.EscalationPolicy != ""
	for _, name := range slices.Sorted(maps.Keys(c.f.Escalations)) {
		if c.f.Escalations[name].PagerDuty.Policy != "" {
			follows = true
		}
	}
	switch {
	case follows && !token:
		c.warn("pagerduty", "an escalation policy of PagerDuty's is named, but without api_token it cannot be kept up to date: it is left alone")
		follows = false
	case pd.EscalationPolicy != "" && len(c.f.Escalations) > 0 && c.f.sharedEscalation() == "":
		c.report("pagerduty.escalation_policy", "pagerduty", "cannot follow several escalations at once (give all but one of them, or each, its own pagerduty: {policy: …, routing_key: …})")
	}
	if follows {
		c.unknownToPagerDuty()
		return
	}
	if pd.RoutingKey == "" {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.paged())) {
		if p, person := c.f.People[name]; person && p.PagerDuty.RoutingKey == "" && !c.broken[join(join("people", name), "pagerduty.routing_key")] {
			c.warn("pagerduty", "PagerDuty decides who is woken, not this file: %s and others have no key of their own, and no escalation_policy follows it (docs/pagerduty.md)", name)
			return
		}
	}
}

// unknownToPagerDuty warns of people whom PagerDuty's policies cannot name.
func (c *checker) unknownToPagerDuty() {
	for _, name := range slices.Sorted(maps.Keys(c.paged())) {
		if p, person := c.f.People[name]; person && p.PagerDuty.User == "" {
			c.warn(join("people", name), "has no pagerduty.user, so PagerDuty's escalation policy skips this person (add the user's ID, like PABC123)")
		}
	}
}

// waysOut warns when pages cannot leave, in whole or for somebody.
func (c *checker) waysOut() {
	f, own := c.f, map[string]bool{}
	for name, p := range f.People {
		path := join(join("people", name), "pagerduty.routing_key")
		own[name] = p.PagerDuty.RoutingKey != "" || c.broken[path]
		if own[name] && f.PagerDuty == nil {
			c.warn(path, "is of no use without a pagerduty block (add pagerduty: {})")
			own[name] = false
		}
	}
	shared := f.PagerDuty != nil && f.PagerDuty.RoutingKey != "" || c.broken["pagerduty.routing_key"]
	if len(f.Services) == 0 || len(f.Escalations) == 0 || shared || len(f.Fallback.Channels) > 0 {
		return // there is nothing to page about, or each page has a way out
	}
	for name, e := range f.Escalations { // by its own policy, which names whom it knows
		for person := range c.pagedBy(e) {
			own[person] = own[person] || f.Wakes(name, person)
		}
	}
	anybody := false
	for _, can := range own {
		anybody = anybody || can
	}
	if !anybody {
		c.warn("pagerduty", "no page can leave: there is no PagerDuty routing key and no fallback channel, so incidents are only recorded")
		return
	}
	for name := range c.paged() {
		if _, exists := f.People[name]; exists && !own[name] {
			c.warn(join("people", name), "cannot be paged: there is no routing key of this person's own, no shared one and no fallback channel")
		}
	}
}

// paged are the people that escalations may reach.
func (c *checker) paged() map[string]bool {
	all := map[string]bool{}
	for _, e := range c.f.Escalations {
		maps.Copy(all, c.pagedBy(e))
	}
	return all
}

// pagedBy are the people whom one escalation may reach, and the rotations that it names.
func (c *checker) pagedBy(e Escalation) map[string]bool {
	all := map[string]bool{}
	for _, l := range e.Levels {
		all[l.Page] = true
		if r, ok := c.f.Rotations[l.Page]; ok {
			maps.Copy(all, inRotation(r))
		}
	}
	return all
}

func inRotation(r oncall.RotationConfig) map[string]bool {
	all := map[string]bool{r.Fallback: true}
	for _, p := range r.People {
		all[p.Person] = true
	}
	for _, l := range r.Layers {
		for _, p := range l.People {
			all[p.Person] = true
		}
	}
	for _, o := range r.Overrides {
		all[o.Person] = true
	}
	return all
}

// duties checks notices and the drill against what they refer to.
func (c *checker) duties() {
	if n := c.f.Notices; n != nil && (n.Handoffs || n.Week.Set) &&
		!slices.ContainsFunc(c.f.Fallback.Channels, func(ch Channel) bool { return ch.Email != nil }) && !c.broken["fallback.channels"] {
		c.report("notices", "notices", "notices are letters, and there is no e-mail channel (add one to fallback.channels, or remove this block)")
	}
	if d := c.f.Drill; d != nil && d.Page != "" {
		all := pool{"escalation, rotation or person", slices.Collect(maps.Keys(c.f.Escalations)), []string{"escalations", "rotations", "people"}}
		all.names = slices.AppendSeq(all.names, maps.Keys(c.f.Rotations))
		all.names = slices.AppendSeq(all.names, maps.Keys(c.f.People))
		c.known("drill.page", d.Page, all)
	}
}

// unused warns of what nothing refers to: usually a slip of the pen.
func (c *checker) unused() {
	reached, served := c.paged(), map[string]bool{}
	for _, r := range c.f.Rotations {
		for name := range inRotation(r) {
			reached[name] = true
		}
	}
	for name := range c.f.People {
		if !reached[name] {
			c.warn(join("people", name), "is in no rotation and no escalation: this person is never paged")
		}
	}
	for name := range c.f.Rotations {
		if !reached[name] {
			c.warn(join("rotations", name), "is in no escalation: nobody is paged from it")
		}
	}
	for _, s := range c.f.Services {
		served[s.Escalation] = true
		served[c.f.Escalations[s.Escalation].Outside] = true
	}
	for name := range c.f.Escalations {
		if !served[name] {
			c.warn(join("escalations", name), "is used by no service")
		}
	}
}

// isMenu reports whether a struct type is one of the menus of kinds.go.
func isMenu(t reflect.Type) bool {
	return t == reflect.TypeFor[Kinds]() || t == reflect.TypeFor[Channels]()
}
