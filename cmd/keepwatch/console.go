package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/web"
)

func (d *daemon) makeConsole() *web.Server {
	return &web.Server{
		Config: *d.file.Console, Source: d, Actor: d, Desk: desk{d}, Tokens: d.tokens, Signer: d.signer,
		Reports: d, Formats: config.Formats(), Log: d.log,
	}
}

// Status implements web.Source: from memory, but for the last incidents.
func (d *daemon) Status(ctx context.Context) (web.Status, error) {
	f, now := d.present.Load(), d.now()
	st := web.Status{
		Now: now.UTC(), Zone: f.Reports.TimeZone, Version: version,
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
	st.OnCall = shiftsNow(d.covers.roster(f), now)
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

// shiftsNow returns who is on call in every rotation, by name.
func shiftsNow(r oncall.Roster, now time.Time) []oncall.Shift {
	var out []oncall.Shift
	for name := range r.Rotations {
		out = append(out, r.OnCall(name, now))
	}
	slices.SortFunc(out, func(a, b oncall.Shift) int { return strings.Compare(a.Rotation, b.Rotation) })
	return out
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
		d.log.WarnContext(ctx, "heartbeat kept in memory only", "check", check, "err", err)
	}
	return nil
}

// pagerDutyWebhook is the door for acknowledgements made at PagerDuty.
// It asks for the present secrets, so that a reload can exchange them.
func (d *daemon) pagerDutyWebhook() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.webhook.Load().ServeHTTP(w, r) })
}

// putWebhook puts the secrets of a configuration into force. Unchanged ones keep
// their door, which remembers the events that could not be handled yet.
func (d *daemon) putWebhook(f *config.File) {
	secrets := webhookSecrets(f)
	if old := d.webhook.Load(); old != nil && slices.Equal(old.Secrets, secrets) {
		return
	}
	d.webhook.Store(&pagerduty.Webhook{
		Secrets: secrets,
		Seen:    d.seen.before,
		Handle:  d.onPagerDuty,
		Refused: func(err error) { d.log.Warn("pagerduty webhook refused", "err", err) },
	})
}

// onPagerDuty does what a person did at PagerDuty. What concerns no open
// incident of ours is taken and forgotten.
func (d *daemon) onPagerDuty(ctx context.Context, e pagerduty.Event) error {
	if e.DedupKey == "" {
		return nil
	}
	if !d.leader.Leads() {
		return web.ErrStandBy // 503: PagerDuty sends it again, for 48 h
	}
	by := e.By
	if by == "" {
		by = "PagerDuty"
	}
	id, err := d.engine.Present(e.DedupKey)
	if err != nil {
		return nil //nolint:nilerr // nothing of ours that is open, or an alert that a newer one replaced
	}
	switch e.Type {
	case pagerduty.EventAcknowledged:
		err = d.engine.Ack(ctx, id, by, e.At)
	case pagerduty.EventUnacknowledged, pagerduty.EventReopened:
		err = d.engine.Unack(ctx, id, by, e.At)
	case pagerduty.EventResolved:
		err = d.engine.Silence(ctx, id, by, e.At)
	case pagerduty.EventReassigned:
		err = d.engine.Note(ctx, id, by, "reassigned at PagerDuty")
	case pagerduty.EventAnnotated:
		err = d.engine.Note(ctx, id, by, e.Text)
	}
	if errors.Is(err, alerting.ErrNotFound) {
		return nil
	}
	return err
}

// seenEvents remembers the webhooks handled lately. The zero value is ready.
type seenEvents struct {
	mu  sync.Mutex
	ids map[string]time.Time // guarded by mu
}

// seenLife is how long an event is remembered: longer than PagerDuty repeats one (48 h).
const seenLife = 49 * time.Hour

// before reports whether the event was seen before, and remembers it.
func (s *seenEvents) before(id string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]time.Time{}
	}
	if _, ok := s.ids[id]; ok {
		return true
	}
	if len(s.ids) > 10_000 {
		for old, t := range s.ids {
			if at.Sub(t) > seenLife {
				delete(s.ids, old)
			}
		}
	}
	s.ids[id] = at
	return false
}

func webhookSecrets(f *config.File) []probe.Secret {
	if f.PagerDuty == nil {
		return nil
	}
	return f.PagerDuty.Secrets()
}
