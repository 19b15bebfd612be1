package config

import (
	"reflect"
	"time"

	"keepwatch/alerting"
	"keepwatch/reports"
)

// The defaults that are this package's own.
const (
	defaultDataDir    = "./data"
	defaultLocation   = "here"
	defaultEvery      = time.Minute
	defaultTimeout    = 10 * time.Second
	defaultObjective  = reports.Percent(950_000)
	defaultConfirm    = 2
	defaultRecover    = 2
	defaultReopen     = 5 * time.Minute
	maxReopen         = time.Hour
	defaultFallback   = 2 * time.Minute
	defaultVersion    = 1
	maxNameLength     = 63
	maxLocations      = 32
	maxChecks         = 10_000
	maxRetries        = 5
	maxConfirmOrSo    = 10
	maxListed         = 12 // names in "there are: …"
	minTimeout        = time.Millisecond
	quarter           = 15 * time.Minute
	day               = 24 * time.Hour
	minFallback       = 10 * time.Second
	maxFallback       = time.Hour
	pagerDutyKeyChars = 32
)

// setDefaults fills what the file left out: first what the blocks' owners
// know, then what depends on other blocks. A value that is written is kept even
// when it is zero, so that the checks can refuse it.
func (f *File) setDefaults(d *decoder) {
	walk(reflect.ValueOf(f).Elem(), "", func(v reflect.Value, _ string) {
		if o, ok := reflect.TypeAssert[interface{ SetDefaults() }](v.Addr()); ok {
			o.SetDefaults()
		}
	})
	fill(d, "data_dir", &f.DataDir, defaultDataDir)
	fill(d, "fallback.after", &f.Fallback.After, defaultFallback)
	if len(f.Locations) == 0 {
		f.Locations = []Location{{Name: defaultLocation}}
	}
	for i := range f.Checks {
		f.Checks[i].setDefaults(d, element("checks", i), f.locationNames())
	}
	for name, p := range f.People {
		if p.Name == "" {
			p.Name = name
			f.People[name] = p
		}
	}
	for i := range f.Services {
		s, at := &f.Services[i], element("services", i)
		fill(d, at+".objective", &s.Objective, defaultObjective)
		fill(d, at+".confirm", &s.Confirm, defaultConfirm)
		fill(d, at+".recover", &s.Recover, defaultRecover)
		fill(d, at+".severity", &s.Severity, alerting.Critical)
		fill(d, at+".reopen", &s.Reopen, defaultReopen)
	}
}

func (c *Check) setDefaults(d *decoder, at string, all []string) {
	fill(d, at+".every", &c.Every, defaultEvery)
	if len(c.Locations) == 0 {
		c.Locations = all
	}
	fits := max(c.Every, 0) / time.Duration(min(max(c.Retries, 0), maxRetries)+1)
	fill(d, at+".timeout", &c.Timeout, min(defaultTimeout, fits))
	fill(d, at+".quorum", &c.Quorum, len(c.Locations)/2+1)
}

// fill sets a value that the file, the flags and the environment do not have.
func fill[T any](d *decoder, path string, v *T, standard T) {
	if !d.has(path) {
		*v = standard
	}
}

// has reports whether the file, a flag or the environment has a value for path.
func (d *decoder) has(path string) bool {
	_, ok := d.marks[path]
	return ok
}

func (f *File) locationNames() []string {
	names := make([]string, len(f.Locations))
	for i, l := range f.Locations {
		names[i] = l.Name
	}
	return names
}
