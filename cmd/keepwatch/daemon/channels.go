package daemon

import (
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
)

// pagerDutyChannel is the name of PagerDuty among the channels.
const pagerDutyChannel = "pagerduty"

// notifiers makes the channels of a configuration, by name, each counted; those that
// were in force before still close what they opened.
func (d *daemon) notifiers(f *config.File) map[string]alerting.Notifier {
	out := map[string]alerting.Notifier{}
	if keys := f.Routes().Keys; len(keys) > 0 {
		pager := pagerduty.New(*f.PagerDuty, keys)
		pager.Now = d.now
		out[pagerDutyChannel] = pager
	}
	for _, ch := range f.Fallback.Channels {
		out[ch.Name] = ch.Notifier(func(person string) string { return f.People[person].Email })
	}
	out = d.switches.reload(f, out, d.failover.Owes())
	for name, n := range out {
		out[name] = d.metrics.Notifier(name, n)
	}
	return out
}

// holdOf is how long a resolve waits after doubt; 0 means the deliverer's own default.
func holdOf(f *config.File) time.Duration {
	if f.PagerDuty == nil {
		return 0
	}
	return f.PagerDuty.HoldResolve
}

// routing says how people are reached under a configuration.
func (d *daemon) routing(f *config.File) alerting.Routing {
	routes := f.Routes()
	names, mails := f.FallbackNames()
	r := alerting.Routing{Route: routes.Route, Fallback: names, Quiet: f.QuietChannels()}
	if f.Console != nil {
		base := f.Console.PublicURL
		r.Link = func(incident string) string { return base + "/incidents/" + incident }
		r.AckLink = func(incident, person string) string { return d.signer.Link(base, incident, person, d.now()) }
	}
	if len(routes.Keys) > 0 {
		r.Channel = pagerDutyChannel
	}
	r.Climbs = d.climbs(f)
	if len(mails) > 0 {
		r.Email = mails[0]
	}
	return r
}
