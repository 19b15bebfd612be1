package config

import (
	"slices"
	"time"

	"keepwatch/alerting"
	"keepwatch/reports"
)

// ReportServices are what reports are about, in file order.
func (f *File) ReportServices() []reports.Service {
	all := make([]reports.Service, 0, len(f.Services))
	for _, s := range f.Services {
		all = append(all, s.reported(f.Reports.MaxMaintenance))
	}
	return all
}

// reported is the service as reports know it.
func (s Service) reported(ceiling time.Duration) reports.Service {
	out := reports.Service{Name: s.Name, Objective: s.Objective, Critical: slices.Clone(s.Critical), Cap: ceiling, DependsOn: slices.Clone(s.DependsOn)}
	for _, g := range s.Redundant {
		out.Redundant = append(out.Redundant, reports.Group{Need: g.Need, Of: slices.Clone(g.Of)})
	}
	return out
}

// MaintenanceWindows are the maintenance times of all services that begin in [from,
// to), as reports know them.
func (f *File) MaintenanceWindows(from, to time.Time) []reports.Exclusion {
	var out []reports.Exclusion
	for _, s := range f.Services {
		for _, m := range s.Maintenance {
			for _, w := range m.Stretches(from, to) {
				if !w.From.Before(from) {
					out = append(out, reports.Exclusion{Service: s.Name, Kind: reports.Planned, From: w.From, To: w.To, Reason: m.Reason})
				}
			}
		}
	}
	return out
}

// checks are the names of all checks that the service needs, each once.
func (s Service) checks() []string { return s.reported(0).Checks() }

// redundancies are the groups as the engine knows them.
func (s Service) redundancies() []alerting.Redundancy {
	var out []alerting.Redundancy
	for _, g := range s.Redundant {
		out = append(out, alerting.Redundancy{Need: g.Need, Of: slices.Clone(g.Of)})
	}
	return out
}

// redundant checks a service's groups: a check that is in two of them, or critical
// as well, would decide in two ways.
func (c *checker) redundant(at string, s Service, checks pool) {
	taken := slices.Clone(s.Critical)
	for i, g := range s.Redundant {
		of := join(element(join(at, "redundant"), i), "of")
		c.names(of, g.Of, checks)
		for _, name := range g.Of {
			if slices.Contains(taken, name) {
				c.report(of, at, "%s is critical, or in another group, already (leave it out of one)", quote(name))
			}
		}
		taken = append(taken, g.Of...)
	}
}

// Nearest is the candidate that is spelt like word; "" when none is near.
func Nearest(word string, candidates []string) string { return nearest(word, candidates) }
