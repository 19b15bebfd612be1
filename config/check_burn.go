package config

import "keepwatch/traffic"

// burn checks the rules about a service's error budget, which need its objective.
func (c *checker) burn(at string, s Service) {
	block := join(at, "burn")
	s.Burn.Check(s.Objective, func(rel, msg string) { c.report(join(block, rel), join(block, rel), "%s", msg) })
}

// accessLogs checks the names in the access logs.
func (c *checker) accessLogs() {
	services := pool{what: "service", blocks: []string{"services"}}
	for _, s := range c.f.Services {
		services.names = append(services.names, s.Name)
	}
	seen, files := map[string]string{}, map[string]string{}
	for i, l := range c.f.AccessLogs {
		at := element("access_logs", i)
		c.name(at, l.Name, seen)
		if l.Service == "" {
			c.report(join(at, "service"), at, "service is missing: whose visitors does the log show?")
		} else {
			c.known(join(at, "service"), l.Service, services)
		}
		if before := files[l.File]; before != "" && l.File != "" {
			c.report(join(at, "file"), at, "%s is followed by %s too: each visit would count twice", l.File, before)
		}
		files[l.File] = at
	}
}

// AccessLog returns the access log of a name.
func (f *File) AccessLog(name string) (traffic.Config, bool) {
	for _, l := range f.AccessLogs {
		if l.Name == name {
			return l, true
		}
	}
	return traffic.Config{}, false
}
