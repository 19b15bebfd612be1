package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/web"
)

func (d *daemon) makeConsole() *web.Server {
	return &web.Server{
		Config: *d.File.Console, Source: d, Actor: d, Desk: desk{d}, Tokens: d.tokens, Signer: d.signer,
		Reports: d, Formats: config.Formats(), Log: d.Log, Now: d.now,
	}
}

// Status implements web.Source: from memory, but for the last incidents.
func (d *daemon) Status(ctx context.Context) (web.Status, error) {
	f, now := d.present.Load(), d.now()
	st := web.Status{
		Now: now.UTC(), Zone: f.Reports.TimeZone, Version: d.Version,
		People: map[string]string{}, Health: d.Health(ctx), Recent: d.lately(ctx),
	}
	for key, p := range f.People {
		st.People[key] = p.Name
	}
	view := d.engine.Snapshot()
	for _, s := range view.Services {
		st.Services = append(st.Services, d.serviceStatus(s))
		if s.Open != nil {
			st.Incidents = append(st.Incidents, web.IncidentStatus{Incident: *s.Open, Pages: s.Pages})
		}
	}
	for _, in := range view.Blind {
		st.Incidents = append(st.Incidents, web.IncidentStatus{Incident: in})
	}
	states := map[string]probe.Outcome{}
	for _, c := range view.Checks {
		states[c.Check] = c.Outcome
	}
	for _, c := range f.Checks {
		kind, name := c.Kind()
		cs := web.CheckStatus{Name: c.Name, Kind: name, Target: kind.Target()}
		for _, l := range c.Locations {
			cs.Locations = append(cs.Locations, d.recent.Location(c.Name, l))
		}
		// The engine knows critical checks only; of the others the last looks tell.
		state, known := states[c.Name]
		if !known {
			state = lastSeen(c, cs.Locations, now)
		}
		cs.State = upDown(state)
		st.Checks = append(st.Checks, cs)
	}
	st.OnCall = d.covers.roster(f).At(now)
	return st, nil
}

// lastSeen is the state of a check by the last fresh look of each location: bad
// when the quorum failed, good when the quorum cannot fail any more.
func lastSeen(c config.Check, looks []web.LocationStatus, now time.Time) probe.Outcome {
	good, bad := 0, 0
	for _, l := range looks {
		if now.Sub(l.Last.Started) > 2*c.Every+c.Timeout {
			continue
		}
		switch l.Last.Outcome {
		case probe.Good:
			good++
		case probe.Bad:
			bad++
		case probe.Unknown:
		}
	}
	switch {
	case bad >= c.Quorum:
		return probe.Bad
	case good > len(looks)-c.Quorum:
		return probe.Good
	}
	return probe.Unknown
}

func (d *daemon) serviceStatus(s alerting.ServiceView) web.ServiceStatus {
	out := web.ServiceStatus{Name: s.Service, State: upDown(s.Outcome)}
	switch {
	case s.Open != nil && s.Open.State == alerting.Acknowledged:
		out.State = string(alerting.Acknowledged)
	case s.Open != nil:
		out.State = "down"
	}
	out.Objective, out.Availability, out.Coverage, out.BudgetLeft, out.Verdict = d.figures.of(s.Service)
	return out
}

func upDown(o probe.Outcome) string {
	switch o {
	case probe.Good:
		return "up"
	case probe.Bad:
		return "down"
	case probe.Unknown:
	}
	return "unknown"
}

// lately returns the last resolved incidents; none while the database is away.
func (d *daemon) lately(ctx context.Context) []web.IncidentStatus {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	list, err := postgres.Incidents{DB: d.database.db}.List(ctx, "", 20)
	if err != nil {
		return nil
	}
	var out []web.IncidentStatus
	for _, in := range list {
		if in.State == alerting.Resolved && len(out) < 5 {
			out = append(out, web.IncidentStatus{Incident: in})
		}
	}
	return out
}

// Incident implements web.Source. An open incident is known in memory even while
// the database, which has the timeline, is away.
func (d *daemon) Incident(ctx context.Context, id string) (web.IncidentStatus, error) {
	store := postgres.Incidents{DB: d.database.db}
	in, err := store.Get(ctx, id)
	if err != nil {
		return d.openIncident(ctx, id, err)
	}
	out := web.IncidentStatus{Incident: in}
	if out.Pages, err = store.Pages(ctx, id); err != nil {
		return out, errors.Join(web.ErrUnavailable, err)
	}
	if out.Timeline, err = store.Timeline(ctx, id); err != nil {
		return out, errors.Join(web.ErrUnavailable, err)
	}
	out.Failures = d.failures(ctx, in)
	return out, nil
}

func (d *daemon) openIncident(ctx context.Context, id string, err error) (web.IncidentStatus, error) {
	for _, s := range d.engine.Snapshot().Services {
		if s.Open != nil && s.Open.ID == id {
			return web.IncidentStatus{Incident: *s.Open, Pages: s.Pages, Failures: d.failures(ctx, *s.Open)}, nil
		}
	}
	for _, a := range d.engine.Snapshot().Alarms {
		if a.Open.ID == id {
			return web.IncidentStatus{Incident: a.Open, Pages: a.Pages}, nil
		}
	}
	if errors.Is(err, alerting.ErrNotFound) {
		return web.IncidentStatus{}, err
	}
	return web.IncidentStatus{}, errors.Join(web.ErrUnavailable, err)
}

// Ack implements web.Actor.
func (d *daemon) Ack(ctx context.Context, incident, by string, at time.Time) error {
	if !d.leader.Leads() {
		return web.ErrStandBy
	}
	return desk{d}.Act(ctx, web.Act{Verb: web.VerbAck, Incident: incident, By: by, Via: "signed link", At: at})
}

// Beat implements web.Actor. Memory has it at once; the database as soon as it
// can, so that a restart does not forget it.
func (d *daemon) Beat(ctx context.Context, check string, at time.Time) error {
	if !slices.ContainsFunc(d.present.Load().Checks, func(c config.Check) bool { return c.Name == check && c.Heartbeat != nil }) {
		return web.ErrNotFound
	}
	d.database.beats.Beat(check, at)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := d.database.results.SaveBeat(ctx, check, at); err != nil {
		d.Log.WarnContext(ctx, "heartbeat kept in memory only", "check", check, "err", err)
	}
	return nil
}
