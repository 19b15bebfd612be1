package reports

import "time"

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
	// Excluded is time that does not count, by service; Exclusions the same with reasons and cap.
	Excluded   map[string][]Interval
	Exclusions []Exclusion
	Trend      map[string][]TrendWeek // by service, oldest first
	People     []Human
	Duties     []Duty
	// Window is what the report is about when that is not Week.
	Window Window
}

// Build makes the report of a week. It is pure: equal inputs give equal reports.
func Build(in Input) Report {
	zone := "UTC"
	if in.Week.Zone != nil {
		zone = in.Week.Zone.String()
	}
	r := Report{
		Schema: Schema, Week: in.Week.String(), Zone: zone,
		From: in.Week.From, To: in.Week.To, Revision: max(in.Revision, 1),
		MadeAt: in.Now.UTC(), Services: []ServiceReport{},
	}
	for _, s := range in.Services {
		r.Services = append(r.Services, buildService(in, s))
	}
	return r
}

// buildService makes the figures of one service.
func buildService(in Input, s Service) ServiceReport {
	lines := make([]Timeline, 0, len(s.Critical))
	from := in.Week.From
	for _, check := range s.Critical {
		line := in.Timelines[check]
		line.Check = check
		lines = append(lines, line)
		if len(line.Spans) > 0 && line.Spans[0].From.Before(from) {
			from = line.Spans[0].From
		}
	}
	spans := Combine(lines, in.Excluded[s.Name], from, in.Week.To)
	facts := in.Incidents[s.Name]

	out := ServiceReport{Name: s.Name, ObjectivePPM: int64(s.Objective), Outages: []Outage{}, Gaps: []Gap{}}
	sums := sumByVerdict(spans, in.Week)
	out.GoodMs, out.BadMs, out.UnknownMs, out.ExcludedMs = sums[Good], sums[Bad], sums[Unknown], sums[Excluded]
	out.judge(s.Objective)
	if out.ExcludedMs > 0 {
		exp := sumByVerdict(Combine(lines, nil, from, in.Week.To), in.Week)
		out.Experienced = FloorPercent(exp[Good], exp[Good]+exp[Bad], s.Objective.decimals())
	}
	for _, span := range spans {
		out.list(span, in.Week, facts)
	}
	for _, line := range lines {
		for _, slot := range line.Soft {
			if !slot.Before(in.Week.From) && slot.Before(in.Week.To) {
				out.SoftFailures++
			}
		}
	}
	out.people(in.Week, facts)
	return out
}

// sumByVerdict adds up the milliseconds of each verdict in the week.
func sumByVerdict(spans []Span, w Week) [4]int64 {
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

// list adds a span to the outages or the gaps, cut to the week.
func (r *ServiceReport) list(s Span, w Week, facts []IncidentFact) {
	began := s.From
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
		if began.Before(w.From) {
			o.ContinuesFrom = w.Previous().String()
		}
		for _, f := range facts {
			if f.begun().Before(s.To) && (f.Resolved.IsZero() || f.Resolved.After(began)) {
				o.Incident, o.AckBy, o.AckS = f.ID, f.AckBy, f.ackSeconds()
				break
			}
		}
		r.Outages = append(r.Outages, o)
	case Unknown:
		r.Gaps = append(r.Gaps, Gap{From: c.From, To: c.To, Ms: c.Ms(), Cause: c.Cause})
	case Good, Excluded:
	}
}

// begun is when the episode began.
func (f IncidentFact) begun() time.Time {
	if f.Started.IsZero() {
		return f.Opened
	}
	return f.Started
}

// ackSeconds is the time from page to acknowledgement, rounded up; nil when it was
// never acknowledged.
func (f IncidentFact) ackSeconds() *int64 {
	if f.Acknowledged.IsZero() {
		return nil
	}
	return new(ceilSeconds(f.Acknowledged.Sub(f.Opened)))
}

func ceilSeconds(d time.Duration) int64 {
	return int64((max(d, 0) + time.Second - 1) / time.Second)
}

// people fills what the incidents asked of people. An incident counts in the week in
// which it began; its pages count in the week in which they were accepted.
func (r *ServiceReport) people(w Week, facts []IncidentFact) {
	var sum time.Duration
	for _, f := range facts {
		r.Pages += f.Pages
		if f.begun().Before(w.From) {
			r.Carried++
			continue
		}
		r.Incidents++
		if f.Acknowledged.IsZero() {
			r.Unacked++
			continue
		}
		r.Acked++
		sum += max(f.Acknowledged.Sub(f.Opened), 0)
	}
	if r.Acked > 0 {
		r.MTTA = new(ceilSeconds(sum / time.Duration(r.Acked)))
	}
}
