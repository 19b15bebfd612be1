package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	columns     = 80
	label       = 13 // width of the left column
	maxOutages  = 50 // the longest are listed, the others added up
	maxGapLines = 10
)

// page is a text report being written.
type page struct {
	b    bytes.Buffer
	week Week
}

// line writes one line: a label, and words that stay together, put onto further
// lines where they do not fit.
func (p *page) line(name string, words ...string) {
	p.b.WriteString(pad(name, label))
	used, first := label, true
	for _, word := range words {
		if word == "" {
			continue
		}
		word = shorten(word, columns-label)
		n := utf8.RuneCountInString(word)
		switch {
		case first:
		case used+3+n > columns:
			p.b.WriteString("\n" + strings.Repeat(" ", label))
			used = label
		default:
			p.b.WriteString("   ")
			used += 3
		}
		p.b.WriteString(word)
		used, first = used+n, false
	}
	p.b.WriteByte('\n')
}

// pad fills s to n columns, and always ends with a space.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 1))
}

// at prints an instant in the report's zone.
func (p *page) at(t time.Time) string { return t.In(p.week.Zone).Format("Mon 2 Jan 15:04:05") }

func (p *page) report(r Report) {
	const day = "Mon 2 Jan 2006 15:04"
	revision := fmt.Sprintf("revision %d", r.Revision)
	if r.Revision == 0 {
		revision = "not written yet"
	}
	fmt.Fprintf(&p.b, "week %s   %s h   %s\n", r.Week, hours(r.To.Sub(r.From)), revision)
	fmt.Fprintf(&p.b, "%s – %s\n%s\n", r.From.In(p.week.Zone).Format(day), r.To.In(p.week.Zone).Format(day), r.Zone)
	if left := r.To.Sub(r.MadeAt); left > 0 {
		fmt.Fprintf(&p.b, "The week has not ended: %s h are still to come.\n", hms(left.Milliseconds(), true))
	}
	if len(r.Services) == 0 {
		p.b.WriteString("\nNo services.\n")
	}
	for i := range r.Services {
		p.service(&r.Services[i])
	}
}

// hours prints a length like 168 or 168.5.
func hours(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()), ".0")
}

func (p *page) service(s *ServiceReport) {
	objective := Percent(s.ObjectivePPM)
	p.b.WriteString("\n" + shorten(s.Name, columns) + "\n")
	p.line(string(s.Verdict),
		"availability "+s.headline(),
		"target "+FloorPercent(s.ObjectivePPM, Million, objective.decimals())+" %",
		"coverage "+percent(s.Coverage),
		"proven range "+s.AvailabilityLow+"–"+percent(s.AvailabilityHigh))
	worst := ""
	if s.UnknownMs > 0 {
		worst = "worst case left " + hms(s.WorstRemaining, false)
	}
	p.line("budget", hms(s.BudgetMs, false),
		fmt.Sprintf("spent %s (%s)", hms(s.SpentMs, true), share(s.SpentMs, s.BudgetMs)),
		"left "+hms(s.RemainingMs, false), worst)
	p.outages(s)
	p.gaps(s)
	excluded := hms(s.ExcludedMs, true)
	if s.ExcludedMs > 0 {
		p.line("excluded", excluded, "availability as experienced "+percent(s.Experienced))
	} else {
		p.line("excluded", "none")
	}
	p.line("retries", fmt.Sprintf("%d good only after a retry", s.SoftFailures))
	p.people(s)
}

// headline is the availability, or only what is proven of it: where less than 99 %
// was seen, and where 100 % would hide unknown time.
func (s *ServiceReport) headline() string {
	seen := s.GoodMs + s.BadMs
	switch {
	case seen == 0:
		return NoData
	case seen*100 < (seen+s.UnknownMs)*99, s.BadMs == 0 && s.UnknownMs > 0:
		return "≥ " + percent(s.AvailabilityLow)
	}
	return percent(s.Availability)
}

func percent(s string) string {
	if s == NoData {
		return s
	}
	return s + " %"
}

// share is the part of the budget that was spent, rounded up.
func share(spent, budget int64) string {
	switch {
	case spent == 0:
		return "0.00 %"
	case budget <= 0:
		return "no budget"
	}
	n := (spent*10_000 + budget - 1) / budget
	return fmt.Sprintf("%d.%02d %%", n/100, n%100)
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// outages lists every outage in order of time. Of very many the longest are
// listed and the others added up, so that the lines always sum to the downtime.
func (p *page) outages(s *ServiceReport) {
	if len(s.Outages) == 0 {
		p.line("outages", "none")
		return
	}
	p.line("outages", count(len(s.Outages), "outage"), hms(s.BadMs, true))
	listed := slices.Clone(s.Outages)
	slices.SortStableFunc(listed, func(a, b Outage) int { return cmp.Compare(b.Ms, a.Ms) })
	rest := listed[min(maxOutages, len(listed)):]
	listed = listed[:len(listed)-len(rest)]
	slices.SortFunc(listed, func(a, b Outage) int { return a.From.Compare(b.From) })
	for _, o := range listed {
		p.outage(o, s.BudgetMs)
	}
	var ms int64
	for _, o := range rest {
		ms += o.Ms
	}
	if len(rest) > 0 {
		p.line("", fmt.Sprintf("and %d shorter ones", len(rest)), hms(ms, true), share(ms, s.BudgetMs))
	}
}

func (p *page) outage(o Outage, budget int64) {
	cause := o.Cause
	if cause == "" {
		cause = strings.Join(o.Checks, ", ")
	}
	from := ""
	if len(o.Locations) > 0 {
		from = "from " + strings.Join(o.Locations, ", ")
	}
	before := ""
	if o.ContinuesFrom != "" {
		before = "continues from " + o.ContinuesFrom
	}
	others := ""
	if len(o.Checks) > 1 {
		others = "failing: " + strings.Join(o.Checks, ", ")
	}
	p.line("", p.at(o.From), hms(o.Ms, true), share(o.Ms, budget), before, cause, from, others, ack(o))
}

// ack says who took the incident of an outage, and how soon.
func ack(o Outage) string {
	switch {
	case o.Incident == "":
		return "no incident was opened"
	case o.AckS == nil:
		return o.Incident + " was never acknowledged"
	case o.AckBy == "":
		return o.Incident + " acknowledged after " + hms(*o.AckS*1000, true)
	}
	return fmt.Sprintf("%s acknowledged after %s by %s", o.Incident, hms(*o.AckS*1000, true), o.AckBy)
}

// gaps adds up unknown time by cause, the longest first.
func (p *page) gaps(s *ServiceReport) {
	if s.UnknownMs == 0 {
		p.line("unknown", "none")
		return
	}
	p.line("unknown", hms(s.UnknownMs, true))
	type sum struct {
		cause string
		first Gap
		ms    int64
		n     int
	}
	var sums []sum
	at := map[string]int{}
	for _, g := range s.Gaps {
		i, ok := at[g.Cause]
		if !ok {
			i = len(sums)
			at[g.Cause] = i
			sums = append(sums, sum{cause: g.Cause, first: g})
		}
		sums[i].ms += g.Ms
		sums[i].n++
	}
	slices.SortStableFunc(sums, func(a, b sum) int { return cmp.Compare(b.ms, a.ms) })
	var rest int64
	for i, g := range sums {
		if i >= maxGapLines {
			rest += g.ms
			continue
		}
		times := ""
		if g.n > 1 {
			times = fmt.Sprintf("(first of %d)", g.n)
		}
		p.line("", p.at(g.first.From), hms(g.ms, true), times, g.cause)
	}
	if rest > 0 {
		p.line("", fmt.Sprintf("and %d further causes", len(sums)-maxGapLines), hms(rest, true))
	}
}

func (p *page) people(s *ServiceReport) {
	carried := ""
	if s.Carried > 0 {
		carried = fmt.Sprintf("(+%d carried over)", s.Carried)
	}
	mtta := "nothing acknowledged"
	if s.MTTA != nil {
		mtta = fmt.Sprintf("MTTA %s (%d acknowledged)", hms(*s.MTTA*1000, true), s.Acked)
	}
	if s.Incidents == 0 {
		mtta = ""
	}
	never := ""
	if s.Unacked > 0 {
		never = fmt.Sprintf("%d never acknowledged", s.Unacked)
	}
	p.line("people", strings.TrimSpace(count(s.Incidents, "incident")+" "+carried), count(s.Pages, "page"), mtta, never)
}
