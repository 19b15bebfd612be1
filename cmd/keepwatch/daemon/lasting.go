package daemon

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"

	"keepwatch/alerting"
	"keepwatch/config"
)

// formerMost is how many earlier configurations of one channel are remembered.
const formerMost = 3

// switchboard remembers how channels were configured when alerts were opened that are
// not closed yet. Of a person who was taken out of the file the key is gone, and through
// another key PagerDuty drops a resolve without a word (paging-spec 1): the alert would
// stay open there, and ring on. Keys are in no store, so a restart forgets them.
type switchboard struct {
	file   *config.File
	made   map[string]alerting.Notifier
	before map[string][]alerting.Notifier // newest first
}

// reload takes the channels of a new configuration, by name, and returns what pages
// leave through. owed says whether an alert may be open.
func (s *switchboard) reload(f *config.File, made map[string]alerting.Notifier, owed bool) map[string]alerting.Notifier {
	before := map[string][]alerting.Notifier{}
	if owed {
		maps.Copy(before, s.before)
		for name, n := range s.made {
			if moved(s.file, f, name) {
				before[name] = append([]alerting.Notifier{n}, before[name][:min(len(before[name]), formerMost-1)]...)
			}
		}
	}
	s.file, s.made, s.before = f, made, before
	out := map[string]alerting.Notifier{}
	maps.Copy(out, made)
	for name, list := range before {
		out[name] = lasting{present: made[name], before: list}
	}
	return out
}

// moved reports whether what was opened through a channel can no longer be closed
// through the one of that name.
func moved(old, now *config.File, name string) bool {
	if name == pagerDutyChannel {
		if now.PagerDuty == nil || now.PagerDuty.EventsURL != old.PagerDuty.EventsURL {
			return true
		}
		keys := now.Routes().Keys
		for route, key := range old.Routes().Keys {
			if keys[route] != key {
				return true
			}
		}
		return false
	}
	is := func(c config.Channel) bool { return c.Name == name }
	was, at := slices.IndexFunc(old.Fallback.Channels, is), slices.IndexFunc(now.Fallback.Channels, is)
	if was < 0 || at < 0 {
		return at < 0
	}
	a, b := old.Fallback.Channels[was], now.Fallback.Channels[at]
	return (a.PagerDuty != nil || b.PagerDuty != nil) && !reflect.DeepEqual(a, b)
}

// lasting is a channel as it is now, and as it was.
type lasting struct {
	present alerting.Notifier   // nil: it is not configured any more
	before  []alerting.Notifier // newest first
}

// Send implements [alerting.Notifier]. A trigger goes the present way only. What closes
// or quiets an alert goes all ways at once, since nobody knows which one it was opened
// through; where it was not, it is dropped. It is accepted when all that can be
// reached have it, and tried again everywhere when one could not be.
func (l lasting) Send(ctx context.Context, p alerting.Page) alerting.Receipt {
	got := alerting.Receipt{Class: alerting.Setup, Detail: "no channel " + p.Channel + " is configured"}
	if p.Action == alerting.Trigger {
		if l.present != nil {
			got = l.present.Send(ctx, p)
		}
		return got
	}
	former := make([]alerting.Receipt, len(l.before))
	var ways sync.WaitGroup
	for i, n := range l.before {
		ways.Go(func() { former[i] = n.Send(ctx, p) })
	}
	if l.present != nil {
		got = l.present.Send(ctx, p)
	}
	ways.Wait()
	for _, r := range former {
		switch {
		case got.Class == alerting.Setup && r.Class == alerting.Taken:
			got = r // the present file has no key for it any more
		case got.Class != alerting.Refused && (r.Class == alerting.Again || r.Class == alerting.Doubtful):
			return r
		}
	}
	return got
}
