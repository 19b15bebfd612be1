package config

import (
	"fmt"
	"maps"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"time"

	"keepwatch/oncall"
)

func (c *checker) top() {
	switch {
	case !c.has("version"):
		c.report("version", "", "version is missing (write version: %d)", defaultVersion)
	case c.f.Version != defaultVersion:
		c.report("version", "", "version %d is not known (this program reads version %d)", c.f.Version, defaultVersion)
	}
	if c.f.DataDir == "" {
		c.report("data_dir", "", "data_dir is empty (write %s)", defaultDataDir)
	}
	for _, key := range slices.Sorted(maps.Keys(c.overrides)) {
		if !c.has(key) {
			c.warn("", "%s is set but the file has no %s block: it changes nothing", c.overrides[key].origin, parent(key))
		}
	}
}

func (c *checker) locations() {
	seen := map[string]string{}
	if n := len(c.f.Locations); n > maxLocations {
		c.report("locations", "locations", "%d locations are too many (at most %d)", n, maxLocations)
	}
	if len(c.f.Locations) > 1 {
		c.warn("locations", "all of them are probed from this process: they see the same network, and agree more often than places far apart would")
	}
	for i, l := range c.f.Locations {
		at := element("locations", i)
		c.name(at, l.Name, seen)
		if l.Agent {
			c.report(join(at, "agent"), at, "agents are not built yet: every location is probed from this process (leave agent out, or remove the location)")
		}
	}
}

func (c *checker) checks() {
	seen := map[string]string{}
	switch n := len(c.f.Checks); {
	case n == 0:
		c.report("checks", "", "checks is empty: there is nothing to look at (add one)")
	case n > maxChecks:
		c.report("checks", "checks", "%d checks are too many (at most %d)", n, maxChecks)
	}
	for i := range c.f.Checks {
		k, at := &c.f.Checks[i], element("checks", i)
		c.name(at, k.Name, seen)
		c.one(at, "check", reflect.ValueOf(k.Kinds))
		c.timing(k, at)
		c.names(join(at, "locations"), k.Locations, pool{"location", c.f.locationNames(), []string{"locations"}})
		c.between(at, "quorum", k.Quorum, 1, len(k.Locations))
		if k.Heartbeat != nil && c.f.Console == nil {
			c.report(join(at, "heartbeat"), at, "a heartbeat is received by the console, and there is none (add a console block)")
		}
	}
}

// timing checks that a slot grid exists and that a whole look fits into a slot.
func (c *checker) timing(k *Check, at string) {
	every := join(at, "every")
	if why := badEvery(k.Every); why != "" {
		c.report(every, at, "every %s %s (try %s)", short(k.Every), why, nearbyIntervals(k.Every))
		return
	}
	if c.broken[every] {
		return // then every is not what was meant
	}
	c.between(at, "retries", k.Retries, 0, maxRetries)
	attempts := min(max(k.Retries, 0), maxRetries) + 1
	share := k.Every / time.Duration(attempts)
	switch {
	case k.Timeout < minTimeout:
		c.report(join(at, "timeout"), at, "timeout %s is too short (at least %s)", short(k.Timeout), short(minTimeout))
	case k.Timeout > k.Every:
		c.report(join(at, "timeout"), at, "timeout %s is longer than every %s (try %s)", short(k.Timeout), short(k.Every), short(min(defaultTimeout, k.Every)))
	case k.Timeout > share:
		c.report(join(at, "timeout"), at, "%d attempts of %s do not fit into every %s (try timeout: %s, or fewer retries)",
			attempts, short(k.Timeout), short(k.Every), short(share.Truncate(fraction(share))))
	}
}

// fraction is what a suggested timeout is rounded down to.
func fraction(d time.Duration) time.Duration {
	if d >= 2*time.Second {
		return time.Second
	}
	return 10 * time.Millisecond
}

// badEvery says what is wrong with an interval; "" when it is right. Slots must
// tile every local day: zones are offset by whole quarters of an hour.
func badEvery(d time.Duration) string {
	switch {
	case d < time.Second:
		return "is too short"
	case d%time.Second != 0:
		return "is not in whole seconds"
	case d > day:
		return "is longer than a day"
	case d <= quarter && quarter%d != 0:
		return "does not divide 15m"
	case d > quarter && (d%quarter != 0 || day%d != 0):
		return "is no multiple of 15m that divides a day"
	}
	return ""
}

// nearbyIntervals suggests intervals around one that is not right.
func nearbyIntervals(d time.Duration) string {
	good := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
		45 * time.Second, time.Minute, 90 * time.Second, 3 * time.Minute, 5 * time.Minute, quarter, 30 * time.Minute,
		45 * time.Minute, time.Hour, 90 * time.Minute, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 8 * time.Hour, 12 * time.Hour, day,
	}
	i, _ := slices.BinarySearch(good, d)
	from := min(max(i-1, 0), len(good)-2)
	words := make([]string, 0, 2)
	for _, g := range good[from:min(from+2, len(good))] {
		words = append(words, short(g))
	}
	return strings.Join(words, ", ")
}

// short writes a duration as people do: 5m, not 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if d >= time.Minute || d <= -time.Minute {
		s = strings.TrimSuffix(s, "0s")
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
	}
	return s
}

func (c *checker) services() {
	checks := pool{what: "check", blocks: []string{"checks"}}
	for _, k := range c.f.Checks {
		checks.names = append(checks.names, k.Name)
	}
	ladders := pool{"escalation", slices.Collect(maps.Keys(c.f.Escalations)), []string{"escalations"}}
	seen := map[string]string{}
	for i, s := range c.f.Services {
		at := element("services", i)
		c.name(at, s.Name, seen)
		if s.Objective <= 0 || s.Objective >= 1_000_000 {
			c.report(join(at, "objective"), at, "objective %s must lie above 0%% and below 100%% (try 95%%)", s.Objective)
		}
		if len(s.Critical)+len(s.Redundant) == 0 {
			c.report(join(at, "critical"), at, "critical is empty: the service could never fail (list the checks it needs)")
		}
		c.names(join(at, "critical"), s.Critical, checks)
		c.redundant(at, s, checks)
		c.burn(at, s)
		c.between(at, "confirm", s.Confirm, 1, maxConfirmOrSo)
		c.between(at, "recover", s.Recover, 1, maxConfirmOrSo)
		if s.Escalation != "" {
			c.known(join(at, "escalation"), s.Escalation, ladders)
		} else if !c.broken[join(at, "escalation")] {
			c.warn(at, "has no escalation: nobody is paged when it fails")
		}
		c.quietly(at, s)
	}
	c.dependencies()
}

func (c *checker) people() {
	for _, name := range slices.Sorted(maps.Keys(c.f.People)) {
		at := join("people", name)
		c.name(at, name, map[string]string{})
		if text := c.f.People[name].Email; text != "" {
			if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
				c.report(join(at, "email"), join(at, "email"), "%s is not an e-mail address (write it like ada@example.com)", quote(text))
			}
		}
	}
}

func (c *checker) rotations() {
	people := pool{"person", slices.Collect(maps.Keys(c.f.People)), []string{"people"}}
	for _, name := range slices.Sorted(maps.Keys(c.f.Rotations)) {
		r, at := c.f.Rotations[name], join("rotations", name)
		c.name(at, name, map[string]string{})
		if _, both := c.f.People[name]; both {
			c.report(at, at, "a person is called %s too, so nobody could tell whom a level pages (rename one)", quote(name))
		}
		c.members(at, r.People, people)
		c.calendar(at, r.Holidays)
		for i, l := range r.Layers {
			c.members(element(join(at, "layers"), i), l.People, people)
			c.calendar(element(join(at, "layers"), i), l.Holidays)
		}
		if r.Fallback != "" {
			c.known(join(at, "fallback"), r.Fallback, people)
		}
		for i, o := range r.Overrides {
			if o.Person != "" {
				c.known(element(join(at, "overrides"), i)+".person", o.Person, people)
			}
		}
	}
}

func (c *checker) members(at string, members []oncall.Member, people pool) {
	for i, m := range members {
		if m.Person != "" { // "" is a turn of nobody
			c.known(element(join(at, "people"), i), m.Person, people)
		}
	}
}

func (c *checker) calendar(at, name string) {
	if name != "" {
		c.known(join(at, "holidays"), name, pool{"calendar", slices.Collect(maps.Keys(c.f.Holidays)), []string{"holidays"}})
	}
}

func (c *checker) escalations() {
	all := pool{"rotation or person", slices.Collect(maps.Keys(c.f.Rotations)), []string{"rotations", "people"}}
	all.names = slices.AppendSeq(all.names, maps.Keys(c.f.People))
	for _, name := range slices.Sorted(maps.Keys(c.f.Escalations)) {
		at := join("escalations", name)
		c.name(at, name, map[string]string{})
		c.outside(at, name, c.f.Escalations[name].PolicyConfig)
		for i, l := range c.f.Escalations[name].Levels {
			if l.Page != "" {
				c.known(element(join(at, "levels"), i)+".page", l.Page, all)
			}
		}
	}
}

func (c *checker) fallback() {
	if d := c.f.Fallback.After; d < minFallback || d > maxFallback {
		c.report("fallback.after", "fallback", "after %s is out of range (%s to %s)", short(d), short(minFallback), short(maxFallback))
	}
	seen := map[string]string{"pagerduty": "PagerDuty itself"}
	for i, ch := range c.f.Fallback.Channels {
		at := fmt.Sprintf("fallback.channels[%d]", i)
		c.name(at, ch.Name, seen)
		c.one(at, "channel", reflect.ValueOf(ch.Channels))
	}
}
