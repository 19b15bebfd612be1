package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/oncall/calendar"
	"keepwatch/postgres"
	"keepwatch/web"
)

// desk is what people do with incidents and duties, on the console and by the
// command line; every change leaves a trace in the audit log.
type desk struct{ d *daemon }

var _ web.Desk = desk{}

// listMax bounds the incidents that the console shows.
const listMax = 100

// Incidents implements web.Desk: open ones from memory, resolved ones from the database.
func (k desk) Incidents(ctx context.Context) ([]web.IncidentStatus, error) {
	out := k.open()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	list, err := postgres.Incidents{DB: k.d.database.db}.List(ctx, "", listMax)
	if err != nil {
		return out, errors.Join(web.ErrUnavailable, err)
	}
	for _, in := range list {
		known := func(o web.IncidentStatus) bool { return o.ID == in.ID }
		// A stand-by has nothing in memory, and shows what the leader has stored.
		if in.State == alerting.Resolved || !k.d.leader.Leads() && !slices.ContainsFunc(out, known) {
			st := web.IncidentStatus{Incident: in}
			if in.State != alerting.Resolved {
				if st.Pages, err = (postgres.Incidents{DB: k.d.database.db}).Pages(ctx, in.ID); err != nil {
					return out, errors.Join(web.ErrUnavailable, err)
				}
			}
			out = append(out, st)
		}
	}
	return out, nil
}

// open are the incidents that the engine holds open, oldest first.
func (k desk) open() []web.IncidentStatus {
	view := k.d.engine.Snapshot()
	var out []web.IncidentStatus
	for _, s := range view.Services {
		if s.Open != nil {
			out = append(out, web.IncidentStatus{Incident: *s.Open, Pages: s.Pages})
		}
	}
	for _, a := range view.Alarms {
		out = append(out, web.IncidentStatus{Incident: a.Open, Pages: a.Pages})
	}
	for _, in := range view.Blind {
		out = append(out, web.IncidentStatus{Incident: in})
	}
	slices.SortStableFunc(out, func(a, b web.IncidentStatus) int { return a.Opened.Compare(b.Opened) })
	return out
}

// Act implements web.Desk. It works without the database, but for silences.
func (k desk) Act(ctx context.Context, a web.Act) error {
	if !k.d.leader.Leads() {
		return web.ErrStandBy
	}
	err := k.act(ctx, a)
	if err == nil || errors.Is(err, alerting.ErrNotYet) { // it holds, stored or not
		detail := "by " + a.Via
		if a.For > 0 {
			detail = "for " + wording.Spell(a.For) + ", " + detail
		}
		if a.Text != "" {
			detail += ": " + a.Text
		}
		k.d.trail.note(postgres.AuditEntry{At: a.At, Who: a.By, What: string(a.Verb), Object: a.Incident, Detail: detail})
		k.closePages(ctx, k.d.now()) // an acknowledged test has done its work
	}
	return err
}

func (k desk) act(ctx context.Context, a web.Act) error {
	e := k.d.engine
	if a.Verb == web.VerbSilence {
		return k.silence(ctx, a)
	}
	// What somebody wrote beside the button must not be lost.
	if a.Text != "" {
		if err := e.Note(ctx, a.Incident, a.By, a.Text); err != nil || a.Verb == web.VerbNote {
			return err
		}
	}
	switch a.Verb {
	case web.VerbAck:
		return e.Ack(ctx, a.Incident, a.By, a.At)
	case web.VerbUnack:
		return e.GiveBack(ctx, a.Incident, a.By)
	case web.VerbResolve:
		return e.Resolve(ctx, a.Incident, a.By, a.At)
	case web.VerbNote, web.VerbSilence:
	}
	return web.ErrNotFound
}

// silence wants quiet about what an incident is about.
func (k desk) silence(ctx context.Context, a web.Act) error {
	i := slices.IndexFunc(k.open(), func(in web.IncidentStatus) bool { return in.ID == a.Incident })
	if i < 0 {
		return alerting.ErrNotFound
	}
	in := k.open()[i]
	s := alerting.Silence{Service: in.Service, From: a.At, To: a.At.Add(a.For), By: a.By, Reason: a.Text, Created: a.At}
	if in.Alarm != "" {
		s.Check = in.Alarm
	}
	if s.Reason == "" {
		s.Reason = "from the incident " + in.ID
	}
	within, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	made, err := postgres.Silences{DB: k.d.database.db}.Add(within, s)
	if err != nil {
		return errors.Join(web.RefusedError("a silence is kept in the database, which is away: acknowledge the incident instead, that works without it"), err)
	}
	return k.d.engine.Note(ctx, a.Incident, a.By, fmt.Sprintf("silence %s: nobody is paged for %s: %s", made.ID, wording.Spell(a.For), s.Reason))
}

// Plan implements web.Desk.
func (k desk) Plan(context.Context) (web.Plan, error) {
	f, now := k.d.present.Load(), k.d.now().UTC()
	roster, plain := k.d.covers.roster(f), f.Roster()
	out := web.Plan{Now: now, Zone: f.Reports.TimeZone, People: map[string]string{}}
	for key, p := range f.People {
		out.People[key] = p.Name
	}
	until := now.AddDate(0, 0, 7*planWeeks)
	for _, name := range roster.Names() {
		rot := roster.Rotations[name]
		r := web.RotationPlan{Name: name, Zone: f.Rotations[name].TimeZone, Now: rot.At(now)}
		r.Next, _ = rot.Next(now)
		for s := range rot.Shifts(now, until) {
			p := web.PlannedShift{Shift: s}
			at := s.From
			if at.Before(now) {
				at = now
			}
			if was := plain.OnCall(name, at).Person; s.Source == oncall.FromOverride && was != s.Person {
				p.Instead = was
			}
			if c, ok := k.d.covers.holding(name, at); ok {
				p.Why = strings.TrimSuffix(c.By+": "+c.Reason, ": ")
			}
			if r.Shifts = append(r.Shifts, p); len(r.Shifts) >= planMax {
				break
			}
		}
		out.Rotations = append(out.Rotations, r)
	}
	for _, h := range holes(f, roster, now, until) {
		out.Holes = append(out.Holes, holeText(f, h))
	}
	return out, nil
}

const (
	planWeeks = 8
	planMax   = 200 // shifts of one rotation on one page
)

// Calendar implements web.Desk.
func (k desk) Calendar(_ context.Context, w io.Writer, rotation, person string) error {
	f, now := k.d.present.Load(), k.d.now().UTC()
	names := f.Roster().Names()
	_, known := f.People[person]
	if rotation != "" && !slices.Contains(names, rotation) || person != "" && !known {
		return web.ErrNotFound
	}
	if rotation != "" {
		names = []string{rotation}
	}
	return calendar.Feed{
		Roster: k.d.covers.roster(f), Rotations: names, Person: person,
		From: now.AddDate(0, 0, -7), To: now.AddDate(0, 0, 180), Now: now,
	}.Write(w)
}

// holes are where a page would not find whom it looks for over [from, to).
func holes(f *config.File, roster oncall.Roster, from, to time.Time) []oncall.Hole {
	var policies []oncall.Policy
	for _, name := range slices.Sorted(maps.Keys(f.Escalations)) {
		policies = append(policies, f.Escalations[name].Policy(name))
	}
	// A rotation with hours leaves the rest of the week to the next level on purpose.
	planned := func(rotation string) bool {
		c := f.Rotations[rotation]
		return len(c.Hours) > 0 || c.Holidays != "" ||
			slices.ContainsFunc(c.Layers, func(l oncall.LayerConfig) bool { return len(l.Hours) > 0 || l.Holidays != "" })
	}
	return roster.Holes(policies, planned, from, to)
}

// holeText says of a hole what it means and what to do.
func holeText(f *config.File, h oncall.Hole) string {
	name, zone := h.Rotation, f.Rotations[h.Rotation].TimeZone
	if name == "" {
		name = "escalation " + h.Policy
		if levels := f.Escalations[h.Policy].Levels; len(levels) > 0 {
			zone = f.Rotations[levels[0].Page].TimeZone
			h.Rotation = levels[0].Page
		}
	}
	if zone == nil {
		zone = time.UTC
	}
	then := "the next level would be paged at once"
	if h.Bare {
		then = "a page would reach nobody by name"
	}
	since, from := "since "+wording.LocalStamp(h.From, zone), wording.Stamp(h.From)
	if h.From.IsZero() {
		since, from = "now", "now"
	}
	until, to := "until "+wording.LocalStamp(h.To, zone), wording.Stamp(h.To)
	if h.To.IsZero() {
		until, to = "without an end", "TIME"
	}
	return fmt.Sprintf("%s: nobody is on call %s %s, %s; mend it: keepwatch oncall override --rotation %s --person NAME --from %s --to %s",
		name, strings.Replace(since, "since", "from", 1), until, then, h.Rotation, from, to)
}
