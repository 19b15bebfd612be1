package config

import (
	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/probe"
	"keepwatch/reports"
)

// ProbeChecks makes the checks to run. Of env only Beats is used; name, every
// and timeout are each check's own. The error names the check whose checker
// could not be made.
func (f *File) ProbeChecks(env probe.Env) ([]probe.Check, error) { panic("not yet") }

// Rules are what the alerting engine must know, one per service, in file order.
func (f *File) Rules() []alerting.Rule { panic("not yet") }

// Roster resolves rotations and people.
func (f *File) Roster() oncall.Roster { panic("not yet") }

// ReportServices are what reports are about, in file order.
func (f *File) ReportServices() []reports.Service { panic("not yet") }

// Routes say which PagerDuty key serves whom.
type Routes struct {
	// Keys holds the key of each route: "service" is the shared one,
	// "person:ada" is a person's own. Only keys that are set are in it.
	Keys map[string]probe.Secret
	// Person maps the YAML key of a person to the route of a page for that
	// person; a person without any has no entry.
	Person map[string]string
}

// Routes says which PagerDuty key serves whom.
func (f *File) Routes() Routes { panic("not yet") }
