// Package burn owns the watch over error budgets: it looks at the ledger and raises or
// clears the alarms of budgets that burn. What burning is, reports says; whom an alarm
// wakes, alerting.
package burn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/reports"
	"keepwatch/web"
)

const (
	every       = 15 * time.Second
	rereadEvery = 5 * time.Minute  // everything is read anew, for what came late
	recentFor   = 10 * time.Minute // read at each turn: results of this age may still come
	calmFor     = 5 * time.Minute  // so long a rule must be quiet before its alarm is cleared
	timeout     = 10 * time.Second // of one turn's reading
)

// Store is what the watch over budgets asks for; postgres.Reports is one.
type Store interface {
	Timelines(ctx context.Context, checks []string, from, to, now time.Time) (map[string]reports.Timeline, error)
	Exclusions(ctx context.Context, services []string, from, to time.Time) ([]reports.Exclusion, error)
	Incidents(ctx context.Context, services []string, from, to time.Time) (map[string][]reports.IncidentFact, error)
}

// Watch raises alarms about error budgets that burn (slo-spec section 2). It runs
// where the engine runs.
type Watch struct {
	Store Store
	// First reports whether an alarm is the week's first of its kind for a service, and
	// remembers it.
	First  func(ctx context.Context, service, alarm string, week, at time.Time) (bool, error)
	Engine *alerting.Engine
	File   func() *config.File // the configuration in force
	Every  time.Duration       // between two looks; 0 means 15 s
	Log    *slog.Logger
	Now    func() time.Time // nil means time.Now

	blind atomic.Pointer[time.Time] // since when budgets cannot be watched; nil: they are, or another daemon leads

	// Run's goroutine owns:
	lines      map[string]reports.Timeline // up to settled
	exclusions []reports.Exclusion
	settled    time.Time
	reread     time.Time
	checks     []string
	states     map[string]*state // by name of the alarm
	failing    bool
}

// state is one alarm that holds, or did a moment ago.
type state struct {
	raised   bool
	severity alerting.Severity
	noted    bool      // told to the incident that was open already
	calm     time.Time // since when it holds no more; zero while it does
}

// Run looks every 15 seconds until ctx ends; it returns nil.
func (b *Watch) Run(ctx context.Context) error {
	b.lines, b.states, b.reread, b.failing = nil, map[string]*state{}, time.Time{}, false
	defer b.blind.Store(nil)
	tick := time.NewTicker(cmp.Or(b.Every, every))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := moment(b.Now).UTC()
		err := b.turn(ctx, now)
		switch {
		case err != nil && ctx.Err() == nil && !b.failing:
			b.Log.WarnContext(ctx, "error budgets cannot be watched; failing checks page all the same", "err", err)
		case err == nil && b.failing:
			b.Log.InfoContext(ctx, "error budgets are watched again")
		}
		b.failing = err != nil
		b.note(err, now)
	}
}

// note remembers for health since when nobody can judge budgets.
func (b *Watch) note(err error, now time.Time) {
	if err == nil {
		b.blind.Store(nil)
	} else if b.blind.Load() == nil {
		b.blind.Store(&now)
	}
}

// Line is said in health while budgets are not watched; false while they are.
func (b *Watch) Line() (web.Line, bool) {
	since := b.blind.Load()
	if since == nil {
		return web.Line{}, false
	}
	return web.Line{
		Name: "budgets", Level: web.Amber,
		Text: "error budgets are not watched since " + since.UTC().Format(time.RFC3339) +
			": the ledger cannot be read, so flapping and partial failures page nobody; confirmed outages page all the same",
	}, true
}

// service is one service to be watched.
type service struct {
	reports.Service
	rule  alerting.Rule
	rules []reports.BurnRule
	slot  time.Duration // longest interval of its checks
}

// services are those of a configuration.
func services(f *config.File) []service {
	every := map[string]time.Duration{}
	for _, c := range f.Checks {
		every[c.Name] = c.Every
	}
	rules, all := f.Rules(), f.ReportServices()
	var out []service
	for i, s := range f.Services {
		w := service{Service: all[i], rule: rules[i], rules: s.Burn.For(s.Objective)}
		for _, name := range w.Checks() {
			w.slot = max(w.slot, every[name])
		}
		if !s.Burn.Off {
			out = append(out, w)
		}
	}
	return out
}

// turn judges every service once.
func (b *Watch) turn(ctx context.Context, now time.Time) error {
	f := b.File()
	services, week := services(f), reports.WeekOf(now, f.Reports.TimeZone)
	lines, err := b.read(ctx, services, week, now)
	if err != nil {
		return err
	}
	view := b.Engine.Snapshot()
	if !view.Restored {
		return nil // what is open is not known yet
	}
	from := b.from(services, week, now)
	holds := map[string]bool{}
	for _, s := range services {
		spans := reports.BurnSpans(s.Service, lines, b.exclusions, week, from, now)
		for _, a := range b.alarms(s, reports.NewTape(spans), week, now) {
			holds[a.Name] = true
			b.fire(ctx, s, a, spans, view, now)
		}
	}
	b.relax(ctx, view, holds, now)
	return nil
}

// from is the beginning of what any rule looks at.
func (b *Watch) from(services []service, week reports.Week, now time.Time) time.Time {
	from := week.From
	for _, s := range services {
		for _, r := range s.rules {
			if at := now.Add(-max(r.Long, 3*s.slot)); at.Before(from) {
				from = at
			}
		}
	}
	return from
}

// read returns the timelines. Old parts are kept between turns, so that a turn
// reads minutes.
func (b *Watch) read(ctx context.Context, services []service, week reports.Week, now time.Time) (map[string]reports.Timeline, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var checks, names []string
	for _, s := range services {
		checks, names = append(checks, s.Checks()...), append(names, s.Name)
	}
	slices.Sort(checks)
	checks = slices.Compact(checks)
	if len(checks) == 0 {
		return nil, nil
	}
	if now.Sub(b.reread) >= max(rereadEvery, 12*b.Every) || now.Before(b.reread) || !slices.Equal(checks, b.checks) {
		settled := now.Add(-recentFor)
		lines, err := b.Store.Timelines(ctx, checks, b.from(services, week, now), settled, now)
		if err != nil {
			return nil, err
		}
		if b.exclusions, err = b.Store.Exclusions(ctx, names, week.From, week.To); err != nil {
			return nil, err
		}
		b.lines, b.settled, b.reread, b.checks = lines, settled, now, checks
	}
	recent, err := b.Store.Timelines(ctx, checks, b.settled, now, now)
	if err != nil {
		return nil, err
	}
	out := make(map[string]reports.Timeline, len(checks))
	for _, check := range checks {
		line := reports.Timeline{Check: check, Spans: slices.Clone(b.lines[check].Spans)}
		for _, s := range recent[check].Spans {
			line.Spans = reports.AppendSpan(line.Spans, s)
		}
		out[check] = line
	}
	return out, nil
}

// relax clears the alarms that have not held for a while, and those that nobody
// here knows: of another daemon's time, or of a rule that is gone.
func (b *Watch) relax(ctx context.Context, view alerting.View, holds map[string]bool, now time.Time) {
	for name, st := range b.states {
		switch {
		case holds[name]:
			st.calm = time.Time{}
		case st.calm.IsZero():
			st.calm = now
		case now.Sub(st.calm) >= calmFor:
			delete(b.states, name)
		}
	}
	for _, a := range view.Alarms {
		if !isBurn(a.Name) || holds[a.Name] || b.states[a.Name] != nil {
			continue
		}
		if err := b.Engine.Clear(ctx, a.Name, "the error budget no longer burns", now); err != nil && !transient(err) {
			b.Log.ErrorContext(ctx, "alarm not cleared", "err", err)
		}
	}
}

func isBurn(name string) bool {
	return strings.HasPrefix(name, "burn.") || strings.HasPrefix(name, goneAlarm) || strings.HasPrefix(name, shortAlarm)
}

// transient errors of the engine mend themselves at a later turn.
func transient(err error) bool {
	return errors.Is(err, alerting.ErrStandBy) || errors.Is(err, alerting.ErrNotYet)
}

// fire raises an alarm, or tells the incident that is open already: nobody is
// paged twice for one thing.
func (b *Watch) fire(ctx context.Context, s service, a alarm, spans []reports.Span, view alerting.View, now time.Time) {
	st := b.states[a.Name]
	if st == nil {
		if a.once != "" && !b.isFirst(ctx, s.Name, a, now) {
			b.states[a.Name] = &state{raised: true, severity: a.Severity}
			return
		}
		st = &state{}
		b.states[a.Name] = st
	}
	if st.noted || st.raised && (a.once != "" || !st.severity.LowUrgency() || a.Severity.LowUrgency()) {
		return
	}
	if open := openIncident(view, s.Name, a.Name); open != "" && !a.apart {
		err := b.Engine.Note(ctx, open, "", a.Summary)
		if err == nil || errors.Is(err, alerting.ErrNotYet) {
			st.noted = true
			b.Log.InfoContext(ctx, "budget noted", "service", s.Name, "incident", open, "alarm", a.Name)
			return
		}
		if !errors.Is(err, alerting.ErrNotFound) { // it closed meanwhile: then it is raised
			return
		}
	}
	if b.rang(ctx, s, a, spans, now) {
		return
	}
	id, err := b.Engine.Raise(ctx, a.Alarm, a.since)
	if err != nil && !errors.Is(err, alerting.ErrNotYet) {
		if !transient(err) {
			b.Log.ErrorContext(ctx, "alarm not raised", "alarm", a.Name, "err", err)
		}
		return
	}
	st.raised, st.severity = true, a.Severity
	b.Log.InfoContext(ctx, "budget burns", "service", s.Name, "incident", id, "alarm", a.Name)
}

// isFirst reports whether an alarm that is raised once a week was not yet. When
// nobody can tell, it is: a page too many is better than none.
func (b *Watch) isFirst(ctx context.Context, service string, a alarm, now time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	first, err := b.First(ctx, service, a.once, a.week, now)
	if err != nil {
		b.Log.WarnContext(ctx, "not known whether an alarm was raised this week; it is raised", "alarm", a.Name, "err", err)
		return true
	}
	return first
}

// openIncident is the incident of a service that already woke somebody: one that
// checks opened, or a budget's other alarm. "" when there is none.
func openIncident(view alerting.View, service, alarm string) string {
	for _, s := range view.Services {
		if s.Service == service && s.Open != nil {
			return s.Open.ID
		}
	}
	for _, a := range view.Alarms {
		if a.Open.Service == service && a.Name != alarm && isBurn(a.Name) && !a.Open.Severity.LowUrgency() {
			return a.Open.ID
		}
	}
	return ""
}

// severityOf is how loud an urgency is now, for a service that may be quiet altogether.
func severityOf(u reports.Urgency, s service, zone *time.Location, now time.Time) alerting.Severity {
	loud := u == reports.UrgentPage || u == reports.UrgentHours && officeHours(now.In(zone))
	switch {
	case !loud:
		return alerting.Warning
	case s.rule.Severity.LowUrgency():
		return s.rule.Severity
	case u == reports.UrgentPage:
		return alerting.Critical
	}
	return alerting.Error
}

// officeHours are Monday to Friday, 08:00 to 18:00.
func officeHours(local time.Time) bool {
	return local.Weekday() != time.Saturday && local.Weekday() != time.Sunday && local.Hour() >= 8 && local.Hour() < 18
}

// amount prints milliseconds as h:mm:ss.
func amount(ms int64) string {
	s := max(ms, 0) / 1000
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
