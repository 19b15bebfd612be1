package daemon

import (
	"time"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/telemetry"
	"keepwatch/telemetry/event"
)

// makeNewRelic makes the line to New Relic, nil without a key. Every process times
// its requests and writes back what was taken; only the leader feeds the line (see lead).
func (d *daemon) makeNewRelic() (err error) {
	events := postgres.Events{DB: d.database.db}
	parts := telemetry.Parts{Outbox: events, Log: d.Log}
	if d.Roles.watch {
		parts.Ledger, parts.Target, parts.Heartbeats = events, d.target, d.heartbeats
		parts.Unstored = func() time.Duration { return d.recorder.Lag() } // made later than this
	}
	d.newrelic, err = telemetry.New(newRelicConfig(d.File), parts)
	return err
}

func newRelicConfig(f *config.File) telemetry.Config {
	if f.NewRelic == nil {
		return telemetry.Config{}
	}
	return *f.NewRelic
}

// target describes a check for New Relic.
func (d *daemon) target(check string) event.Target {
	for _, c := range d.present.Load().Checks {
		if c.Name == check {
			kind, name := c.Kind()
			return event.Target{Kind: name, Address: kind.Target()}
		}
	}
	return event.Target{}
}

func (d *daemon) heartbeats() []event.Heartbeat {
	latency, offset := d.database.clock()
	var out []event.Heartbeat
	for _, l := range d.present.Load().Locations {
		out = append(out, event.Heartbeat{
			Location: l.Name, Version: d.Version, SchedulerLagP99: d.runner.Stats().OwnLag,
			DBLatency: latency, ClockOffset: offset,
		})
	}
	return out
}
