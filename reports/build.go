package reports

import (
	"cmp"
	"slices"
	"time"
)

// Input is all that a report is made of.
type Input struct {
	Week     Week
	Now      time.Time // facts are known up to here
	Revision int       // 0 means 1
	Services []Service
	// Timelines by check. They may begin before the week: that is how an outage is
	// known to continue from the week before.
	Timelines map[string]Timeline
	Incidents map[string][]IncidentFact // by service, oldest first
	// Excluded is time that does not count, by service, as it is; Exclusions what
	// people declared, which the law of [Exclusion] is applied to.
	Excluded   map[string][]Interval
	Exclusions []Exclusion
	Trend      map[string][]TrendWeek // by service, oldest first
	Places     map[string][]PlaceLine // by check, by name of the location
	Latency    map[string]LatencyFact // by check
	Users      map[string][]UserLog   // by service
	People     []Human                // who may be paged
	Duties     []Duty                 // who was on call
	Quiet      []string               // channels that ring nobody, such as mail
	Drills     []Drill                // that were due in the window
	Before     Report                 // the written week before; the zero value: none
	// Window is what the report is about when that is not Week.
	Window Window
	Engine string // version of what computes
	TZData string // version of the zones' rules
}

// PlaceLine is what a check looked like from one location, over the time of its timeline.
type PlaceLine struct {
	Location string
	Spans    []Span
}

// LatencyFact is the latency of a check in a window and in the one before.
type LatencyFact struct{ Now, Before Latency }

// window is what the report is about.
func (in Input) window() Window {
	if in.Window.Kind == "" {
		return in.Week.Window()
	}
	return in.Window
}

// Build makes the report of a window. It is pure: equal inputs give equal reports.
func Build(in Input) Report {
	w := in.window()
	w.Zone = zoneOr(w.Zone)
	r := Report{
		Schema: Schema, Zone: w.Zone.String(), From: w.From, To: w.To, Revision: max(in.Revision, 1),
		MadeAt: in.Now.UTC(), Services: []ServiceReport{}, Kind: w.Kind, Title: w.Title,
		Engine: in.Engine, TZData: in.TZData, Drills: in.Drills,
	}
	if w.Kind == KindWeek {
		r.Week = w.Week.String()
	}
	builds := make([]serviceBuild, 0, len(in.Services))
	for _, s := range in.Services {
		builds = append(builds, foldService(in, w, s))
	}
	for i := range builds {
		builds[i].attribute(builds)
		r.Services = append(r.Services, builds[i].out)
	}
	r.People = peopleLoad(in, w)
	r.Hash = factsSum(r)
	return r
}

// serviceBuild is one service's report being made.
type serviceBuild struct {
	service Service
	w       Window
	out     ServiceReport
	bad     []Interval // as measured, excluded or not; from before the window
	spent   map[string]int64
}

// foldService makes the figures of one service.
func foldService(in Input, w Window, s Service) serviceBuild {
	b := serviceBuild{service: s, w: w, spent: map[string]int64{}}
	b.out = ServiceReport{
		Name: s.Name, ObjectivePPM: int64(s.Objective), Outages: []Outage{}, Gaps: []Gap{},
		Critical: s.Critical, Redundant: s.Redundant, DependsOn: s.DependsOn, CapMs: s.Cap.Milliseconds(),
		Trend: in.Trend[s.Name], Redefined: redefined(in.Before, s),
	}
	excluded := in.Excluded[s.Name]
	var own []Exclusion
	for _, x := range in.Exclusions {
		if x.Service == s.Name {
			own = append(own, x)
		}
	}
	if len(own) > 0 {
		intervals, notes := exclude(own, w, s.Cap)
		excluded = append(slices.Clone(excluded), intervals...)
		b.out.Exclusions = notes
	}
	from := w.From
	for _, check := range s.Checks() {
		if spans := in.Timelines[check].Spans; len(spans) > 0 && spans[0].From.Before(from) {
			from = spans[0].From
		}
	}
	facts := in.Incidents[s.Name]
	b.measure(in, excluded, from)
	spans := b.spans(in, excluded, from)
	for _, log := range in.Users[s.Name] {
		b.out.Users = append(b.out.Users, CompareUsers(log, spans, w.From, w.To))
	}
	detected := map[string]bool{}
	for _, span := range spans {
		b.out.list(span, w, facts, detected)
	}
	b.out.people(w, facts)
	b.out.detection()
	b.out.noise(w, facts, b.bad, in.Now)
	b.checks(in)
	return b
}

// spans returns what the service was, and fills the sums.
func (b *serviceBuild) spans(in Input, excluded []Interval, from time.Time) []Span {
	spans := CombineService(b.service, in.Timelines, excluded, from, b.w.To)
	sums := sumByVerdict(spans, b.w)
	out := &b.out
	out.GoodMs, out.BadMs, out.UnknownMs, out.ExcludedMs = sums[Good], sums[Bad], sums[Unknown], sums[Excluded]
	out.judge(b.service.Objective)
	if out.ExcludedMs > 0 {
		exp := sumByVerdict(CombineService(b.service, in.Timelines, nil, from, b.w.To), b.w)
		out.Experienced = FloorPercent(exp[Good], exp[Good]+exp[Bad], b.service.Objective.decimals())
	}
	for _, check := range b.service.Checks() {
		for _, slot := range in.Timelines[check].Soft {
			if !slot.Before(b.w.From) && slot.Before(b.w.To) {
				out.SoftFailures++
			}
		}
	}
	return spans
}

// measure learns what was bad without regard to exclusions, and the budget that
// went while each check was bad.
func (b *serviceBuild) measure(in Input, excluded []Interval, from time.Time) {
	names := b.service.Checks()
	walk(b.service, in.Timelines, nil, from, b.w.To, func(stretch Span, checks []Span) {
		if stretch.Verdict != Bad {
			return
		}
		if n := len(b.bad); n > 0 && b.bad[n-1].To.Equal(stretch.From) {
			b.bad[n-1].To = stretch.To
		} else {
			b.bad = append(b.bad, Interval{stretch.From, stretch.To})
		}
		c, ok := stretch.clip(b.w.From, b.w.To)
		if !ok {
			return
		}
		var ms int64
		for _, part := range subtract(Interval{c.From, c.To}, excluded) {
			ms += part.To.Sub(part.From).Milliseconds()
		}
		for i, check := range checks {
			if check.Verdict == Bad {
				b.spent[names[i]] += ms
			}
		}
	})
}

// sumByVerdict adds up the milliseconds of each verdict in the window.
func sumByVerdict(spans []Span, w Window) [4]int64 {
	var sums [4]int64
	for _, s := range spans {
		if c, ok := s.clip(w.From, w.To); ok {
			sums[c.Verdict] += c.Ms()
		}
	}
	return sums
}

// judge fills what follows from the four amounts of time.
func (r *ServiceReport) judge(objective Percent) {
	digits := objective.decimals()
	seen := r.GoodMs + r.BadMs
	eligible := seen + r.UnknownMs
	r.Availability = FloorPercent(r.GoodMs, seen, digits)
	r.Experienced = r.Availability
	r.Coverage = FloorPercent(seen, eligible, digits)
	r.AvailabilityLow = FloorPercent(r.GoodMs, eligible, digits)
	r.AvailabilityHigh = FloorPercent(r.GoodMs+r.UnknownMs, eligible, digits)
	r.BudgetMs = eligible * (Million - int64(objective)) / Million
	r.SpentMs = r.BadMs
	r.RemainingMs = r.BudgetMs - r.BadMs
	r.WorstRemaining = r.RemainingMs - r.UnknownMs
	r.Verdict = Decide(r.BadMs, r.UnknownMs, eligible, objective)
}

// list adds a span to the outages or the gaps, cut to the window. detected holds the
// incidents whose page was already held against an outage.
func (r *ServiceReport) list(s Span, w Window, facts []IncidentFact, detected map[string]bool) {
	c, ok := s.clip(w.From, w.To)
	if !ok {
		return
	}
	switch c.Verdict {
	case Bad:
		o := Outage{
			From: c.From, To: c.To, Ms: c.Ms(), Cause: c.Cause,
			Checks: append([]string{}, c.Checks...), Locations: append([]string{}, c.Locations...),
		}
		if s.From.Before(w.From) {
			o.ContinuesFrom = w.before()
		}
		if f := behind(s, facts); f != nil {
			o.from(f)
			if len(f.Paged) > 0 && !detected[f.ID] && !f.Paged[0].At.Before(s.From) && o.ContinuesFrom == "" {
				detected[f.ID] = true
				o.DetectS = new(ceilSeconds(f.Paged[0].At.Sub(s.From)))
			}
		}
		r.Outages = append(r.Outages, o)
	case Unknown:
		r.Gaps = append(r.Gaps, Gap{From: c.From, To: c.To, Ms: c.Ms(), Cause: c.Cause})
	case Good, Excluded:
	}
}

// behind is the incident of a bad span: the one that its checks opened, else an
// alarm about it; of two about one outage the one that was paged. nil when there is none.
func behind(s Span, facts []IncidentFact) *IncidentFact {
	var other *IncidentFact
	for i := range facts {
		f := &facts[i]
		switch {
		case !f.begun().Before(s.To) || (!f.Resolved.IsZero() && !f.Resolved.After(s.From)):
		case !f.Alarm && !f.Quiet:
			return f
		case other == nil || other.Quiet && !f.Quiet:
			other = f
		}
	}
	return other
}

// from takes over what people did about an outage.
func (o *Outage) from(f *IncidentFact) {
	o.Incident, o.AckBy, o.AckS, o.Rule, o.Note = f.ID, f.AckBy, f.ackSeconds(), f.Rule, f.Note
	if o.Rule == "" && len(f.Paged) > 0 {
		o.Rule = "confirmed outage"
	}
	if !f.Resolved.IsZero() {
		o.ResolvedAt = new(f.Resolved)
	}
}

// before names the window before, in which a cut outage began.
func (w Window) before() string {
	if w.Kind == KindWeek {
		return w.Week.Previous().String()
	}
	return "before"
}

// checks fills the facts of each check, most budget spent first.
func (b *serviceBuild) checks(in Input) {
	for _, name := range b.service.Checks() {
		line := in.Timelines[name]
		sums := sumByVerdict(line.Spans, b.w)
		f := CheckFacts{
			Name: name, GoodMs: sums[Good], BadMs: sums[Bad], UnknownMs: sums[Unknown], SpentMs: b.spent[name],
			Latency: in.Latency[name].Now, LastWeek: in.Latency[name].Before, Locations: []LocationFact{},
		}
		if len(line.Spans) == 0 {
			f.UnknownMs = b.w.To.Sub(b.w.From).Milliseconds()
		}
		for _, slot := range line.Soft {
			if !slot.Before(b.w.From) && slot.Before(b.w.To) {
				f.SoftFailures++
			}
		}
		suspect := suspicion(line.Spans, in.Places[name], b.w)
		for i, p := range in.Places[name] {
			sums := sumByVerdict(p.Spans, b.w)
			f.Locations = append(f.Locations, LocationFact{
				Location: p.Location, GoodMs: sums[Good], BadMs: sums[Bad], UnknownMs: sums[Unknown], SuspectMs: suspect[i],
			})
		}
		b.out.CheckFacts = append(b.out.CheckFacts, f)
	}
	slices.SortStableFunc(b.out.CheckFacts, func(x, y CheckFacts) int { return cmp.Compare(y.SpentMs, x.SpentMs) })
}

// suspicion returns for each place the time that was bad there only, while the
// check was good.
func suspicion(line []Span, places []PlaceLine, w Window) []int64 {
	out := make([]int64, len(places))
	for i, p := range places {
		for _, s := range p.Spans {
			c, ok := s.clip(w.From, w.To)
			if !ok || c.Verdict != Bad {
				continue
			}
			left := outside([]Interval{{c.From, c.To}}, line, Unknown, Bad, Excluded)
			for j, q := range places {
				if j != i {
					left = outside(left, q.Spans, Bad)
				}
			}
			for _, l := range left {
				out[i] += l.To.Sub(l.From).Milliseconds()
			}
		}
	}
	return out
}

// outside returns what is left of intervals without the spans of some verdicts.
func outside(left []Interval, spans []Span, verdicts ...Verdict) []Interval {
	for _, s := range spans {
		if slices.Contains(verdicts, s.Verdict) {
			left = without(left, s)
		}
	}
	return left
}

func without(left []Interval, s Span) []Interval {
	var out []Interval
	for _, l := range left {
		if !s.From.Before(l.To) || !s.To.After(l.From) {
			out = append(out, l)
			continue
		}
		out = append(out, subtract(l, []Interval{{s.From, s.To}})...)
	}
	return out
}
