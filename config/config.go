// Package config reads the one file that people edit and the environment, and
// hands the rest of Keepwatch values it can trust.
//
// It owns the shape of the file ([File], [Kinds], [Channels]), the strict
// decoder, the checks that need more than one block, the JSON Schema and the
// generated manual docs/config.md. Every mistake is reported at once with its
// line and column, and nothing starts on a file that has one. Only cmd imports
// this package: everybody else is given plain values.
package config

import (
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/alerting/webhook"
	"keepwatch/ledger"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/site"
	"keepwatch/telemetry"
	"keepwatch/traffic"
	"keepwatch/web"
)

// File is the whole configuration file. Make one with [Load]: a File that Load
// returned has its defaults set and holds no mistake. It is read-only from
// then on, so safe for concurrent use.
type File struct {
	// Version is the version of this file's format: always 1. It is required.
	Version int `yaml:"version"`
	// DataDir is the directory in which Keepwatch keeps what it must not forget: its own Postgres, the spool. KEEPWATCH_DATA_DIR and --data-dir win over it. Default: ./data. Example: /var/lib/keepwatch.
	DataDir string `yaml:"data_dir"`
	// Database says which Postgres to use; left out, Keepwatch runs its own under data_dir. KEEPWATCH_DATABASE_URL and DATABASE_URL win over its url.
	Database postgres.Config `yaml:"database"`
	// Console is the status page with health, metrics, heartbeats and webhooks. Left out, there is none.
	Console *web.Config `yaml:"console"`
	// Site is the image site. Left out, Keepwatch only watches other sites.
	Site *site.Config `yaml:"site"`
	// Locations are the places that probes run from. A plain name is probed from this process. At most 32. Default: [here].
	Locations []Location `yaml:"locations"`
	// Checks are the things to look at. At least one, at most 10000.
	Checks []Check `yaml:"checks"`
	// Services are what people care about: critical checks, an objective and whom to page. Checks that are critical for no service are recorded but page nobody.
	Services []Service `yaml:"services"`
	// People can be paged, by their short name.
	People map[string]Person `yaml:"people"`
	// Rotations say who is on call when, by the rotation's name.
	Rotations map[string]oncall.RotationConfig `yaml:"rotations"`
	// Holidays are calendars of dates by name, for rotations that do not work on them. Example: {us: ["2026-12-25 Christmas Day"]}.
	Holidays oncall.Holidays `yaml:"holidays"`
	// Escalations are the ladders that services climb until somebody acknowledges, by name.
	Escalations map[string]Escalation `yaml:"escalations"`
	// PagerDuty is how people are woken. Left out, only the fallback channels are used.
	PagerDuty *pagerduty.Config `yaml:"pagerduty"`
	// Fallback is what fires when PagerDuty does not accept a page in time.
	Fallback Fallback `yaml:"fallback"`
	// Deadman is an outside watch over Keepwatch itself. Left out, nobody notices when Keepwatch dies.
	Deadman *webhook.Deadman `yaml:"deadman"`
	// Notices are what people are told in good time by mail: turns that begin and end, the week ahead. Left out, nothing.
	// They go through the first e-mail channel of fallback, and never ring.
	Notices *oncall.NoticesConfig `yaml:"notices"`
	// Drill is a page on purpose once a month. Left out, there is none.
	Drill *oncall.DrillConfig `yaml:"drill"`
	// NewRelic is what New Relic is told. Left out, nothing, unless NEW_RELIC_LICENSE_KEY is in the environment.
	NewRelic *telemetry.Config `yaml:"newrelic"`
	// AccessLogs are logs of web servers that show what real visitors get, beside the probes. Default: none.
	AccessLogs []traffic.Config `yaml:"access_logs"`
	// Ledger says how long single results are kept.
	Ledger ledger.Config `yaml:"ledger"`
	// Reports says how weeks are counted and to whom Monday's report goes.
	Reports Reports `yaml:"reports"`

	// Path is the file that was read.
	Path string `yaml:"-"`
	// Warnings are what Load would not call a mistake, in file order: somebody
	// should look, but Keepwatch can start.
	Warnings []Problem `yaml:"-"`

	specs map[string]string // by check: its public form; never a secret
}

// Location is a place that probes run from. In the file it is a name, or {name: east, agent: true}.
type Location struct {
	// Name is the location's name: letters, digits, hyphens, dots and underscores. Example: west.
	Name string `yaml:"name"`
	// Agent says that another process, `keepwatch agent`, probes for this location. Agents are not built yet, so true is refused. Default: false.
	Agent bool `yaml:"agent"`
}

// UnmarshalText takes the short form, a bare name. It never fails.
func (l *Location) UnmarshalText(b []byte) error {
	l.Name = string(b)
	return nil
}

// Check is one thing to look at: when and from where, and exactly one kind.
type Check struct {
	// Name is the check's name, unique among checks: letters, digits, hyphens, dots and underscores, at most 63. History hangs on it. Example: front-page.
	Name string `yaml:"name"`
	// Every is how often each location looks. It divides 15m (1s to 15m), or is a multiple of 15m that divides a day (up to 24h). Default: 1m. Example: 30s.
	Every time.Duration `yaml:"every"`
	// Timeout is the deadline of one attempt, from 1ms; retries included it must fit into every. Default: 10s, or what fits. Example: 5s.
	Timeout time.Duration `yaml:"timeout"`
	// Retries is how often a bad attempt is repeated inside its slot; the last attempt decides. From 0 to 5. Default: 0.
	Retries int `yaml:"retries"`
	// Quorum is how many locations must fail for a slot to be bad, from 1 to the number of locations. Default: more than half.
	Quorum int `yaml:"quorum"`
	// Locations are the names of the locations that look. Default: all. Example: [west, east].
	Locations []string `yaml:"locations"`

	Kinds `yaml:",inline"`
}

// Service is what people care about. It fails when one of its critical checks does.
type Service struct {
	// Name is the service's name, unique among services: letters, digits, hyphens, dots and underscores, at most 63. Example: image-site.
	Name string `yaml:"name"`
	// Objective is the share of the week in which the service shall be up, above 0% and below 100%. Default: 95%. Example: 99.9%.
	Objective reports.Percent `yaml:"objective"`
	// Critical are the names of the checks that make the service fail. At least one, unless there are redundant ones. Example: [front-page].
	Critical []string `yaml:"critical"`
	// Escalation is the name of the ladder to climb when the service fails. Left out, nobody is paged.
	Escalation string `yaml:"escalation"`
	// Confirm is how many bad looks in a row open an incident; the first bad look makes every location look again at once, so this costs seconds. From 1 to 10. Default: 2.
	Confirm int `yaml:"confirm"`
	// Recover is how many good looks in a row resolve an incident. From 1 to 10. Default: 2.
	Recover int `yaml:"recover"`
	// Redundant are groups of checks that stand in for each other: the service fails when fewer of a group are good than it needs. Default: none. Example: [{need: 1, of: [mirror-a, mirror-b]}].
	Redundant []reports.GroupConfig `yaml:"redundant"`
	// Burn says when a burning error budget raises an alarm. Default: the standard rules.
	Burn reports.BurnConfig `yaml:"burn"`
	// Severity is how bad it is when the service fails: critical, error, warning or info. The last two wake nobody: they go to the e-mail and chat channels of fallback. Default: critical.
	Severity alerting.Severity `yaml:"severity"`
	// DependsOn are services without which this one cannot work. While one of them has an open incident, this one's is recorded as caused by it and pages nobody. Example: [database].
	DependsOn []string `yaml:"depends_on"`
	// Reopen is how long a recovered incident stays open, in case the service fails anew: then it is the same incident and pages nobody twice. The resolve is sent when it ends. From 0s (off) to 1h. Default: 5m.
	Reopen time.Duration `yaml:"reopen"`
	// Maintenance are times in which the service may fail without waking anybody.
	Maintenance []oncall.MaintenanceConfig `yaml:"maintenance"`
}

// Escalation is a ladder, with the way in which PagerDuty follows it.
type Escalation struct {
	oncall.PolicyConfig `yaml:",inline"`
	// PagerDuty is the PagerDuty policy that follows this escalation. Default: pagerduty.escalation_policy, when there is one.
	PagerDuty pagerduty.EscalationConfig `yaml:"pagerduty"`
}

// Validate reports every mistake; without it that of the ladder alone would count.
func (e *Escalation) Validate(report func(path, msg string)) {
	e.PolicyConfig.Validate(report)
	e.PagerDuty.Validate(func(path, msg string) { report(join("pagerduty", path), msg) })
}

// Person is somebody who can be paged, with the ways to do so.
type Person struct {
	oncall.Person `yaml:",inline"`
	// PagerDuty is how PagerDuty knows this person. Default: pages go through the shared pagerduty.routing_key.
	PagerDuty pagerduty.PersonConfig `yaml:"pagerduty"`
}

// Fallback is what fires when PagerDuty does not accept a page in time.
type Fallback struct {
	// After is how long PagerDuty may take to accept a page. From 10s to 1h. Default: 2m.
	After time.Duration `yaml:"after"`
	// Channels are tried all at once. Default: none.
	Channels []Channel `yaml:"channels"`
}

// Channel is one fallback channel of exactly one kind.
type Channel struct {
	// Name is the channel's name, unique among channels: letters, digits, hyphens, dots and underscores. Example: team-mail.
	Name string `yaml:"name"`

	Channels `yaml:",inline"`
}
