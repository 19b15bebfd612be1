package reports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrExists is returned by Save for a report that was written already.
var ErrExists = errors.New("the report of this week exists already")

// ErrNotFound is returned by Load for a report that was never written.
var ErrNotFound = errors.New("no such report")

// Saved names a saved report.
type Saved struct {
	Week     string // "2026-W47"
	Zone     string
	Revision int
	Written  time.Time // UTC
	// Final is when the revision was found to hold a day after its week's end; zero
	// before that.
	Final time.Time
}

// Records are what people did and declared. Safe for concurrent use.
type Records interface {
	// Incidents returns the incidents of services that touched [from, to), by
	// service, oldest first, with the pages that were accepted in it.
	Incidents(ctx context.Context, services []string, from, to time.Time) (map[string][]IncidentFact, error)
	// Exclusions returns what was declared for services and touches [from, to), by
	// service and beginning; cancelled ones too.
	Exclusions(ctx context.Context, services []string, from, to time.Time) ([]Exclusion, error)
	// Drills returns the drills that were due in [from, to), oldest first.
	Drills(ctx context.Context, from, to time.Time) ([]Drill, error)
}

// WeekFact is the integer facts of a service's frozen week.
type WeekFact struct {
	Service  string
	Year     int // of ISO 8601
	Number   int
	Revision int
	// The objective in parts per million, and the four amounts of time.
	ObjectivePPM, GoodMs, BadMs, UnknownMs, ExcludedMs int64
}

// Trend is the fact as a line of a trend.
func (f WeekFact) Trend() TrendWeek {
	objective := Percent(f.ObjectivePPM)
	seen, digits := f.GoodMs+f.BadMs, objective.decimals()
	return TrendWeek{
		Week:         Week{Year: f.Year, Number: f.Number}.String(),
		Availability: FloorPercent(f.GoodMs, seen, digits), Coverage: FloorPercent(seen, seen+f.UnknownMs, digits),
		Verdict:      Decide(f.BadMs, f.UnknownMs, seen+f.UnknownMs, objective),
		ObjectivePPM: f.ObjectivePPM, GoodMs: f.GoodMs, BadMs: f.BadMs, UnknownMs: f.UnknownMs, ExcludedMs: f.ExcludedMs,
		Revision: f.Revision,
	}
}

// Archive keeps written reports. Safe for concurrent use.
type Archive interface {
	// Save keeps a report for good, with the facts of its services and, when it is
	// final, that it is; ErrExists when its week, zone and revision are taken.
	Save(ctx context.Context, r Report, written time.Time) error
	// Load returns a saved report as it was saved; revision 0 means the newest.
	// ErrNotFound when there is none.
	Load(ctx context.Context, week, zone string, revision int) (Report, error)
	// List returns the saved reports of a zone ("" is all), newest week first.
	List(ctx context.Context, zone string, limit int) ([]Saved, error)
	// Weeks returns the newest frozen facts of the weeks from the first to the last,
	// of the services or, when there are none, of all; oldest week first.
	Weeks(ctx context.Context, first, last Week, services []string) ([]WeekFact, error)
	// Stamp returns a text that is another one after results of a week that was
	// saved, an exclusion or a cancellation were recorded.
	Stamp(ctx context.Context) (string, error)
	// Finalise notes that a revision was found to hold a day after its week's end.
	// Noting it twice changes nothing.
	Finalise(ctx context.Context, week, zone string, revision int, at time.Time) error
}

// Store is what reports are made from and kept in.
type Store interface {
	History
	Records
	Archive
}

// Team is who may be paged and who was on call.
type Team struct {
	People []Human
	Duties []Duty
}

// Settings are what reports are made by; they may change while a [Writer] runs.
type Settings struct {
	Zone     *time.Location // nil is UTC
	Send     SendTime
	Services []Service
	// Team says who was on call in [from, to); nil: nobody is known.
	Team func(ctx context.Context, from, to time.Time) (Team, error)
	// Visitors returns the access logs of each service in [from, to); nil: there are none.
	Visitors func(ctx context.Context, from, to time.Time) (map[string][]UserLog, error)
	Quiet    []string // channels that ring nobody, such as mail
	Engine   string   // version of the program
	TZData   string   // version of the zones' rules, without the zone's [Fingerprint]
}

const (
	// lookback is how long before the window slots are asked for: the longest slot is
	// a day, and one that began before the window may reach into it. An outage is
	// known to continue from the week before by it.
	lookback = 24 * time.Hour
	// trendWeeks is how many weeks a trend has beside the report's own.
	trendWeeks = 12
)

// Make builds the figures of a week from what the store holds at now, without what
// only people read: trend, locations, latencies, load. A week that has not ended is
// reported as such: what is to come is unknown, "not yet". The report has revision
// 0: it is a look, not the written report of its week, and may print other figures tomorrow.
func Make(ctx context.Context, s Store, w Week, services []Service, now time.Time) (Report, error) {
	in, err := gather(ctx, s, w.Window(), Settings{Zone: w.Zone, Services: services}, now)
	if err != nil {
		return Report{}, err
	}
	r := Build(in)
	r.Revision = 0
	return r, nil
}

// MakeWindow builds the whole report of any window, as [Make] does the figures.
func MakeWindow(ctx context.Context, s Store, w Window, set Settings, now time.Time) (Report, error) {
	in, err := gather(ctx, s, w, set, now)
	if err == nil {
		err = enrich(ctx, s, &in, set)
	}
	if err != nil {
		return Report{}, err
	}
	r := Build(in)
	r.Revision = 0
	return r, nil
}

// gather reads what the figures are made of.
func gather(ctx context.Context, s Store, w Window, set Settings, now time.Time) (Input, error) {
	in := Input{
		Window: w, Week: w.Week, Now: now, Services: set.Services, Quiet: set.Quiet, Engine: set.Engine,
	}
	if set.TZData != "" {
		in.TZData = set.TZData + " " + Fingerprint(w.Zone)
	}
	var names []string
	for _, service := range set.Services {
		names = append(names, service.Name)
	}
	var err error
	if in.Timelines, err = s.Timelines(ctx, checksOf(set.Services), w.From.Add(-lookback), w.To, now); err != nil {
		return Input{}, fmt.Errorf("timelines: %w", err)
	}
	if in.Incidents, err = s.Incidents(ctx, names, w.From, w.To); err != nil {
		return Input{}, fmt.Errorf("incidents: %w", err)
	}
	// The ceiling of planned maintenance is that of whole weeks.
	first, last := WeekOf(w.From, w.Zone), WeekOf(w.To.Add(-time.Millisecond), w.Zone)
	if in.Exclusions, err = s.Exclusions(ctx, names, first.From, last.To); err != nil {
		return Input{}, fmt.Errorf("exclusions: %w", err)
	}
	if in.Drills, err = s.Drills(ctx, w.From, w.To); err != nil {
		return Input{}, fmt.Errorf("drills: %w", err)
	}
	if set.Visitors != nil {
		if in.Users, err = set.Visitors(ctx, w.From, w.To); err != nil {
			return Input{}, fmt.Errorf("access logs: %w", err)
		}
	}
	return in, nil
}

// enrich reads what stands beside the figures.
func enrich(ctx context.Context, s Store, in *Input, set Settings) error {
	w, checks := in.window(), checksOf(set.Services)
	places, err := s.LocationSpans(ctx, checks, w.From, w.To, in.Now)
	if err != nil {
		return fmt.Errorf("locations: %w", err)
	}
	in.Places = map[string][]PlaceLine{}
	for check, lines := range places {
		for name, line := range lines {
			in.Places[check] = append(in.Places[check], PlaceLine{Location: name, Spans: line.Spans})
		}
		slices.SortFunc(in.Places[check], func(a, b PlaceLine) int { return strings.Compare(a.Location, b.Location) })
	}
	before := w.From.Add(-w.To.Sub(w.From))
	if w.Kind == KindWeek {
		before = w.Week.Previous().From
	}
	if in.Latency, err = latencies(ctx, s, checks, before, w.From, w.To); err != nil {
		return err
	}
	if set.Team != nil {
		team, err := set.Team(ctx, w.From, earlier(w.To, in.Now))
		if err != nil {
			return fmt.Errorf("who was on call: %w", err)
		}
		in.People, in.Duties = team.People, team.Duties
	}
	if in.Before, err = weekBefore(ctx, s, w); err != nil {
		return fmt.Errorf("the week before: %w", err)
	}
	if in.Trend, err = trend(ctx, s, w, set.Services, in.Now); err != nil {
		return fmt.Errorf("trend: %w", err)
	}
	return nil
}

// checksOf are the checks of all services, each once.
func checksOf(services []Service) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range services {
		for _, check := range s.Checks() {
			if !seen[check] {
				seen[check] = true
				out = append(out, check)
			}
		}
	}
	return out
}

// watched reports whether any check was configured at any time of the window.
func (in Input) watched() bool {
	w := in.window()
	for _, line := range in.Timelines {
		for _, s := range line.Spans {
			if _, in := s.clip(w.From, w.To); in && s.Cause != CauseNotWatched && s.Cause != CauseNotYet {
				return true
			}
		}
	}
	return false
}

// latencies are those of the window [from, to) and of the one before it.
func latencies(ctx context.Context, s Store, checks []string, before, from, to time.Time) (map[string]LatencyFact, error) {
	now, err := s.Histograms(ctx, checks, from, to)
	if err != nil {
		return nil, fmt.Errorf("latencies: %w", err)
	}
	then, err := s.Histograms(ctx, checks, before, from)
	if err != nil {
		return nil, fmt.Errorf("latencies before: %w", err)
	}
	out := map[string]LatencyFact{}
	for _, check := range checks {
		out[check] = LatencyFact{Now: latencyOf(now[check]), Before: latencyOf(then[check])}
	}
	return out, nil
}

// latencyOf is the latency over all locations.
func latencyOf(places map[string]*Histogram) Latency {
	var all Histogram
	for _, h := range places {
		all.Merge(h)
	}
	return all.Latency()
}

// trend reads the frozen facts of the weeks before the window's end, and folds those
// anew that were never frozen. It ends where two weeks in a row were not watched.
func trend(ctx context.Context, s Store, w Window, services []Service, now time.Time) (map[string][]TrendWeek, error) {
	last := WeekOf(w.To, w.Zone).Previous() // the newest that had ended with the window
	if w.Kind == KindWeek {
		last = w.Week.Previous()
	}
	weeks := []Week{last}
	for len(weeks) < trendWeeks {
		weeks = append(weeks, weeks[len(weeks)-1].Previous())
	}
	var names []string
	for _, service := range services {
		names = append(names, service.Name)
	}
	facts, err := s.Weeks(ctx, weeks[len(weeks)-1], last, names)
	if err != nil {
		return nil, err
	}
	frozen := byWeek(facts)
	out := map[string][]TrendWeek{}
	unwatched := 0
	for _, week := range weeks {
		lines := frozen[week.String()]
		if lines == nil && unwatched < 2 {
			if lines, err = foldTrend(ctx, s, week, services, now); err != nil {
				return nil, err
			}
			if lines == nil {
				unwatched++
			} else {
				unwatched = 0
			}
		}
		for name, line := range lines {
			out[name] = append(out[name], line)
		}
	}
	for name := range out {
		slices.Reverse(out[name])
	}
	return out, nil
}

// byWeek sorts facts into lines by week and service.
func byWeek(facts []WeekFact) map[string]map[string]TrendWeek {
	weeks := map[string]map[string]TrendWeek{}
	for _, f := range facts {
		t := f.Trend()
		if weeks[t.Week] == nil {
			weeks[t.Week] = map[string]TrendWeek{}
		}
		weeks[t.Week][f.Service] = t
	}
	return weeks
}

// foldTrend makes the lines of a week that was never frozen; nil when nobody watched.
func foldTrend(ctx context.Context, s Store, w Week, services []Service, now time.Time) (map[string]TrendWeek, error) {
	in, err := gather(ctx, s, w.Window(), Settings{Services: services}, now)
	if err != nil || !in.watched() {
		return nil, err
	}
	lines := map[string]TrendWeek{}
	for _, r := range Build(in).Services {
		lines[r.Name] = WeekFact{
			Service: r.Name, Year: w.Year, Number: w.Number, ObjectivePPM: r.ObjectivePPM,
			GoodMs: r.GoodMs, BadMs: r.BadMs, UnknownMs: r.UnknownMs, ExcludedMs: r.ExcludedMs,
		}.Trend()
	}
	return lines, nil
}
