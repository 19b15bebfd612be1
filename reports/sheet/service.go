package sheet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"keepwatch/reports"
	"keepwatch/reports/chart"
)

func (w writer) service(s *reports.ServiceReport) Service {
	out := Service{
		Name: Clean(s.Name), Verdict: verdict(s.Verdict), Tone: tone(s.Verdict), Why: w.why(s),
		Headline: Clean(s.Headline()),
		Target:   s.Target(),
		Coverage: percent(s.Coverage),
		Range:    Clean(s.AvailabilityLow) + "–" + percent(s.AvailabilityHigh),
		Budget: Budget{
			Total: Clock(s.BudgetMs, Floor), Spent: Clock(s.SpentMs, Up), Share: Share(s.SpentMs, s.BudgetMs), Left: Clock(s.RemainingMs, Floor),
		},
		Soft:     fmt.Sprintf("%d good only after a retry", s.SoftFailures),
		Excluded: "none", UnknownMs: Clock(s.UnknownMs, Up),
	}
	if s.AvailabilityLow == reports.NoData {
		out.Range = reports.NoData
	}
	if s.UnknownMs > 0 {
		out.Budget.AtRisk, out.Budget.Worst = Clock(s.UnknownMs, Up), Clock(s.WorstRemaining, Floor)
	}
	if s.ExcludedMs > 0 {
		out.Excluded, out.Experienced = Clock(s.ExcludedMs, Up), percent(s.Experienced)
	}
	w.outages(s, &out)
	out.Unknown = w.unknown(s)
	out.Trend = w.trend(s)
	out.Load = load(s)
	out.Visitors = visitors(s.Users)
	out.Notes, out.Unseen = w.notes(s), w.unseen(s)
	out.Tables = w.tables(s)
	w.charts(s, &out)
	return out
}

// verdict lets only the three words through: a report from elsewhere proves nothing.
func verdict(d reports.Decision) reports.Decision {
	switch d {
	case reports.Met, reports.Missed:
		return d
	case reports.NotProven:
	}
	return reports.NotProven
}

func tone(d reports.Decision) Tone {
	switch verdict(d) {
	case reports.Met:
		return ToneMet
	case reports.Missed:
		return ToneMissed
	case reports.NotProven:
	}
	return ToneUnproven
}

// why says in one sentence where the verdict comes from.
func (w writer) why(s *reports.ServiceReport) string {
	win := window(w.r)
	switch {
	case verdict(s.Verdict) == reports.Missed:
		return fmt.Sprintf("More was down than the budget allowed: by %s.", Clock(-s.RemainingMs, Up))
	case s.GoodMs+s.BadMs+s.UnknownMs == 0 && s.ExcludedMs > 0:
		return fmt.Sprintf("All of the %s was excluded: nothing is proven.", win)
	case s.GoodMs+s.BadMs == 0:
		return fmt.Sprintf("Nobody saw the service in this %s: nothing is proven.", win)
	case verdict(s.Verdict) == reports.NotProven:
		return fmt.Sprintf("%s were not seen, and only %s of the budget was left: the objective may have been missed.", Clock(s.UnknownMs, Up), Clock(s.RemainingMs, Floor))
	case s.UnknownMs == 0:
		return fmt.Sprintf("All of the %s that counts was seen.", win)
	}
	return fmt.Sprintf("It holds even if the %s that nobody saw were down.", Clock(s.UnknownMs, Up))
}

// outages lists them in order of time, the three longest for the manager, and
// what the others add up to, so that the lines always sum to the downtime.
func (w writer) outages(s *reports.ServiceReport, out *Service) {
	if len(s.Outages) == 0 {
		out.OutageSum = "none"
		return
	}
	longest := slices.Clone(s.Outages)
	slices.SortStableFunc(longest, func(a, b reports.Outage) int {
		return cmp.Or(cmp.Compare(b.Ms, a.Ms), a.From.Compare(b.From))
	})
	// The list is sorted, so the middle is the median and the first the longest: at
	// these numbers means say nothing.
	out.OutageSum = fmt.Sprintf("%s, %s in all", count(len(longest), "outage"), Clock(s.BadMs, Up))
	if n := len(longest); n > 1 {
		out.OutageSum += fmt.Sprintf("; longest %s, median %s", Clock(longest[0].Ms, Up), Clock(longest[n/2].Ms, Up))
	}
	const worst = 3
	for _, o := range longest[:min(worst, len(longest))] {
		out.Worst = append(out.Worst, w.outage(o, s.BudgetMs))
	}
	out.Rest = rest(longest[min(worst, len(longest)):], s.BudgetMs, "more")
	listed := longest[:min(most, len(longest))]
	out.More = rest(longest[len(listed):], s.BudgetMs, "shorter")
	slices.SortFunc(listed, func(a, b reports.Outage) int { return a.From.Compare(b.From) })
	for _, o := range listed {
		out.Outages = append(out.Outages, w.outage(o, s.BudgetMs))
	}
}

func rest(others []reports.Outage, budget int64, word string) string {
	if len(others) == 0 {
		return ""
	}
	var ms int64
	for _, o := range others {
		ms += o.Ms
	}
	return fmt.Sprintf("%d %s   %s   %s", len(others), word, Clock(ms, Up), Share(ms, budget))
}

func (w writer) outage(o reports.Outage, budget int64) Outage {
	out := Outage{
		When: w.at(o.From), Short: w.short(o.From), Length: Clock(o.Ms, Up), Share: Share(o.Ms, budget),
		What: Clean(o.Cause), Checks: cleaned(o.Checks), From: cleaned(o.Locations), Because: cleaned(o.BecauseOf),
		Incident: Clean(o.Incident), Rule: Clean(o.Rule), Note: Clean(o.Note),
	}
	if out.What == "" {
		out.What, out.Checks = out.Checks, ""
	} else if len(o.Checks) < 2 {
		out.Checks = "" // the first error names it
	}
	if o.ContinuesFrom != "" {
		out.Before = "continues from " + Clean(o.ContinuesFrom)
	}
	if o.Incident == "" {
		out.Acked = "no incident was opened"
		return out
	}
	if o.DetectS != nil {
		out.Paged = "paged after " + seconds(*o.DetectS)
	}
	out.Acked = "never acknowledged"
	if o.AckS != nil {
		out.Acked = "acknowledged after " + seconds(*o.AckS)
		if by := Clean(o.AckBy); by != "" {
			out.Acked += " by " + by
		}
	}
	if o.ResolvedAt != nil {
		out.Resolved = "resolved " + w.at(*o.ResolvedAt)
	}
	return out
}

// unknown adds up the gaps by cause, the longest first.
func (w writer) unknown(s *reports.ServiceReport) []Gap {
	type sum struct {
		first reports.Gap
		ms    int64
		n     int
	}
	var sums []*sum
	at := map[string]*sum{}
	for _, g := range s.Gaps {
		c, ok := at[g.Cause]
		if !ok {
			c = &sum{first: g}
			at[g.Cause] = c
			sums = append(sums, c)
		}
		c.ms += g.Ms
		c.n++
	}
	slices.SortStableFunc(sums, func(a, b *sum) int { return cmp.Compare(b.ms, a.ms) })
	const lines = 10
	var out []Gap
	var others int64
	for i, c := range sums {
		if i >= lines {
			others += c.ms
			continue
		}
		g := Gap{When: w.at(c.first.From), Length: Clock(c.ms, Up), Cause: Clean(c.first.Cause)}
		if c.n > 1 {
			g.Times = fmt.Sprintf("(first of %d)", c.n)
		}
		if g.Cause == "" {
			g.Cause = "no cause was recorded"
		}
		out = append(out, g)
	}
	if others > 0 {
		out = append(out, Gap{Length: Clock(others, Up), Cause: fmt.Sprintf("%d further causes", len(sums)-lines)})
	}
	return out
}

// trend is the weeks before, and this window as the last.
func (w writer) trend(s *reports.ServiceReport) []Week {
	var out []Week
	for _, t := range s.Trend {
		out = append(out, week(t.Week, t.Coverage, t.Verdict, Clean(t.Headline())))
	}
	name := w.r.Week
	if name == "" {
		name = "this"
	}
	return append(out, week(name, s.Coverage, s.Verdict, Clean(s.Headline())))
}

func week(name, coverage string, d reports.Decision, fig string) Week {
	label := Clean(name)
	if _, number, ok := strings.Cut(label, "-"); ok {
		label = number
	}
	t := Week{Label: label, Week: Clean(name), Coverage: percent(coverage), Figure: strings.ReplaceAll(strings.TrimSuffix(fig, " %"), "≥ ", "≥")}
	switch verdict(d) {
	case reports.Missed:
		t.Word = "MISSED"
	case reports.NotProven:
		t.Word = "unproven"
	case reports.Met:
	}
	return t
}

// load is what the service asked of people.
func load(s *reports.ServiceReport) []string {
	incidents := count(s.Incidents, "incident")
	if s.Carried > 0 {
		incidents += fmt.Sprintf(" (+%d carried over)", s.Carried)
	}
	parts := []string{incidents, count(s.Pages, "page")}
	switch {
	case s.MTTA != nil:
		mtta := fmt.Sprintf("MTTA %s (%d acknowledged)", seconds(*s.MTTA), s.Acked)
		if s.MTTAMedian != nil {
			mtta += ", median " + seconds(*s.MTTAMedian)
		}
		parts = append(parts, mtta)
	case s.Incidents > 0:
		parts = append(parts, "nothing acknowledged")
	}
	if s.Unacked > 0 {
		parts = append(parts, fmt.Sprintf("%d never acknowledged", s.Unacked))
	}
	if s.MTTD != nil {
		parts = append(parts, "MTTD "+seconds(*s.MTTD))
	}
	if s.MTBF != nil {
		parts = append(parts, "MTBF "+seconds(*s.MTBF))
	}
	return parts
}

func visitors(users []reports.UserFacts) string {
	blind, only := 0, 0
	for _, u := range users {
		blind += u.BlindMinutes
		only += u.ProbeOnlyMinutes
	}
	if len(users) == 0 {
		return ""
	}
	return fmt.Sprintf("blind minutes %d   probe-only minutes %d", blind, only)
}

func (w writer) charts(s *reports.ServiceReport, out *Service) {
	atRisk := ""
	if out.Budget.AtRisk != "" {
		atRisk = fmt.Sprintf(", %s not seen and at risk", out.Budget.AtRisk)
	}
	out.Bar = chart.Budget{
		Title: "Error budget of " + out.Name,
		Desc:  fmt.Sprintf("Of %s %s spent (%s)%s, %s left.", out.Budget.Total, out.Budget.Spent, out.Budget.Share, atRisk, out.Budget.Left),
		Total: s.BudgetMs, Spent: s.SpentMs, Unproven: s.UnknownMs,
	}
	out.Weeks = chart.Bars{Title: "Availability of " + out.Name + " week by week", Objective: s.ObjectivePPM, Line: strings.TrimSuffix(out.Target, ".00 %")}
	out.Weeks.Line = strings.TrimSuffix(out.Weeks.Line, " %")
	var words []string
	for i, t := range out.Trend {
		bar := chart.Bar{Label: t.Label, Figure: strings.TrimPrefix(t.Figure, "≥"), Word: t.Word, Missed: t.Word == "MISSED"}
		good, bad, unknown := s.GoodMs, s.BadMs, s.UnknownMs
		if i < len(s.Trend) {
			good, bad, unknown = s.Trend[i].GoodMs, s.Trend[i].BadMs, s.Trend[i].UnknownMs
		}
		bar.Figure = t.Figure
		if all := good + bad + unknown; good+bad == 0 || all <= 0 {
			bar.NoData = true
		} else {
			bar.Low, bar.High = good*reports.Million/all, (good+unknown)*reports.Million/all
		}
		out.Weeks.Weeks = append(out.Weeks.Weeks, bar)
		words = append(words, strings.TrimSpace(t.Label+" "+t.Figure+" "+t.Word))
	}
	out.Weeks.Desc = fmt.Sprintf("Target %s. %s.", out.Target, strings.Join(words, ", "))
	out.Strip = w.strip(s)
}
