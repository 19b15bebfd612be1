package main

import (
	"context"
	"fmt"
	"sync"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
)

// pagerDutyChannel is the name of PagerDuty among the channels.
const pagerDutyChannel = "pagerduty"

// channels are the present notifiers by name. A reload exchanges them under the
// deliverer, which keeps asking by name. Safe for concurrent use.
type channels struct {
	around func(name string, n alerting.Notifier) alerting.Notifier // metrics

	mu  sync.Mutex
	now map[string]alerting.Notifier // guarded by mu
}

// set makes the notifiers of a configuration.
func (c *channels) set(f *config.File) {
	next := map[string]alerting.Notifier{}
	routes := f.Routes()
	if len(routes.Keys) > 0 {
		next[pagerDutyChannel] = pagerduty.New(*f.PagerDuty, routes.Keys)
	}
	for _, ch := range f.Fallback.Channels {
		next[ch.Name] = ch.Notifier(func(person string) string { return f.People[person].Email })
	}
	for name, n := range next {
		next[name] = c.around(name, n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = next
}

// names returns the notifiers for the deliverer: one for each name that exists
// now, each asking again at every page which notifier that name has.
func (c *channels) byName() map[string]alerting.Notifier {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]alerting.Notifier{}
	for name := range c.now {
		out[name] = named{c, name}
	}
	return out
}

func (c *channels) get(name string) alerting.Notifier {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now[name]
}

// named is a channel by its name.
type named struct {
	from *channels
	name string
}

// Send passes the page to the channel that has this name now.
func (n named) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	if ch := n.from.get(n.name); ch != nil {
		return ch.Send(ctx, p)
	}
	return alerting.Receipt{
		Class:  alerting.Setup,
		Detail: fmt.Sprintf("the channel %s is not in the configuration any more", n.name),
	}
}

// fallbackNames are the channels that take over, in file order.
func fallbackNames(f *config.File) []string {
	var names []string
	for _, ch := range f.Fallback.Channels {
		names = append(names, ch.Name)
	}
	return names
}

// routing says how people are reached under this configuration.
func (d *daemon) routing(f *config.File) alerting.Routing {
	routes := f.Routes()
	r := alerting.Routing{
		Route:    routes.Route,
		Fallback: fallbackNames(f),
	}
	if f.Console != nil {
		base := f.Console.PublicURL
		r.Link = func(incident string) string { return base + "/incidents/" + incident }
		r.AckLink = func(incident, person string) string { return d.signer.Link(base, incident, person, d.now()) }
	}
	if len(routes.Keys) > 0 {
		r.Channel = pagerDutyChannel
	}
	for _, ch := range f.Fallback.Channels {
		if ch.Email != nil {
			r.Email = ch.Name
			break
		}
	}
	return r
}
