package sheet

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"keepwatch/reports"
)

// notes are the footnotes of the manager's page: everything that makes the figure
// differ from what somebody may remember.
func (w writer) notes(s *reports.ServiceReport) []string {
	var out []string
	for _, text := range s.Redefined {
		out = append(out, Clean(text))
	}
	for _, x := range s.Exclusions {
		out = append(out, w.exclusion(x))
	}
	if s.ExcludedMs > 0 {
		out = append(out, fmt.Sprintf("Excluded in all: %s. Availability as experienced, with that time counted: %s.", Clock(s.ExcludedMs, Up), percent(s.Experienced)))
	}
	for _, o := range s.Outages {
		if o.ContinuesFrom != "" {
			out = append(out, fmt.Sprintf("The outage at %s continues from %s: it is counted there, and only its time in this %s counts here.", w.short(o.From), Clean(o.ContinuesFrom), window(w.r)))
		}
	}
	for _, a := range s.Attributed {
		out = append(out, fmt.Sprintf("%s of the downtime fell into downtime of %s, which this service depends on; it counts all the same.", Clock(a.Ms, Up), Clean(a.Service)))
	}
	for _, u := range s.Users {
		out = append(out, user(u))
	}
	return out
}

// unseen says how much nobody saw, and of what cause most of it was.
func (w writer) unseen(s *reports.ServiceReport) string {
	gaps := w.unknown(s)
	switch {
	case s.UnknownMs == 0:
		return ""
	case len(gaps) == 0:
		return fmt.Sprintf("Unknown: %s.", Clock(s.UnknownMs, Up))
	}
	return fmt.Sprintf("Unknown: %s; most of it: %s (%s).", Clock(s.UnknownMs, Up), gaps[0].Cause, gaps[0].Length)
}

func (w writer) exclusion(x reports.Exclusion) string {
	const form = "Mon 2 Jan 15:04"
	from, to := x.From.In(w.zone), x.To.In(w.zone)
	span := from.Format(form) + " – " + to.Format(form)
	var text string
	if x.Kind == reports.Correction {
		text = fmt.Sprintf("Correction %d: %s, declared %s by %s", x.ID, span, x.DeclaredAt.In(w.zone).Format(form), Clean(x.Author))
		if x.Approver != "" {
			text += ", approved by " + Clean(x.Approver)
		}
	} else {
		text = fmt.Sprintf("Planned maintenance %d: %s, declared %s by %s", x.ID, span, x.DeclaredAt.In(w.zone).Format(form), Clean(x.Author))
	}
	text += fmt.Sprintf(": %s. Excluded %s", strings.TrimSuffix(Clean(x.Reason), "."), Clock(x.CountedMs, Up))
	if x.Note != "" {
		text += "; " + strings.TrimSuffix(Clean(x.Note), ".")
	}
	return text + "."
}

func user(u reports.UserFacts) string {
	text := fmt.Sprintf("Visitors (%s): %s of %s; of %s seen by both %d agree, %d blind (probes good, visitors bad), %d probe-only (probes bad, visitors good); %d too quiet to tell",
		Clean(u.Source), percent(u.Availability), counted(u.Valid, "request"), count(u.Minutes, "minute"), u.AgreeGood+u.AgreeBad, u.BlindMinutes, u.ProbeOnlyMinutes, u.QuietMinutes)
	if u.SkippedLines > 0 {
		text += fmt.Sprintf("; %s of the log could not be read", counted(u.SkippedLines, "line"))
	}
	return text + "."
}

// tables are those of the on-call page that are the same in every format.
func (w writer) tables(s *reports.ServiceReport) []Table {
	return []Table{checks(s), latency(s), matrix(s), w.noise(s)}
}

func byBudget(s *reports.ServiceReport) []reports.CheckFacts {
	facts := slices.Clone(s.CheckFacts)
	slices.SortStableFunc(facts, func(a, b reports.CheckFacts) int {
		return cmp.Or(cmp.Compare(b.SpentMs, a.SpentMs), cmp.Compare(a.Name, b.Name))
	})
	return facts
}

func checks(s *reports.ServiceReport) Table {
	t := Table{
		Title: "Checks by budget spent", Empty: "No facts of single checks.",
		Head:   []string{"check", "budget spent", "of budget", "bad", "unknown", "retried"},
		Number: []bool{false, true, true, true, true, true},
	}
	for _, c := range byBudget(s) {
		t.Rows = append(t.Rows, []string{
			Clean(c.Name), Clock(c.SpentMs, Up), Share(c.SpentMs, s.BudgetMs), Clock(c.BadMs, Up), Clock(c.UnknownMs, Up), strconv.Itoa(c.SoftFailures),
		})
	}
	return t
}

func latency(s *reports.ServiceReport) Table {
	t := Table{
		Title: "Latency of good looks, last week in brackets", Empty: "No latencies.",
		Head:   []string{"check", "looks", "p50", "p95", "p99"},
		Number: []bool{false, true, true, true, true},
	}
	for _, c := range byBudget(s) {
		now, was := c.Latency, c.LastWeek
		pair := func(a, b int64) string { return micros(a, now.N) + " (" + micros(b, was.N) + ")" }
		t.Rows = append(t.Rows, []string{Clean(c.Name), strconv.FormatInt(now.N, 10), pair(now.P50, was.P50), pair(now.P95, was.P95), pair(now.P99, was.P99)})
	}
	return t
}

// micros prints a latency in ms, or "no data" of no looks.
func micros(us, n int64) string {
	switch {
	case n <= 0:
		return reports.NoData
	case us < 10_000:
		return fmt.Sprintf("%d.%d ms", us/1000, us%1000/100)
	case us < 10_000_000:
		return fmt.Sprintf("%d ms", us/1000)
	}
	return fmt.Sprintf("%d.%d s", us/1_000_000, us%1_000_000/100_000)
}

// matrixMost is how many locations stand beside each other; more stand below.
const matrixMost = 5

// matrix is what each check looked like from each location.
func matrix(s *reports.ServiceReport) Table {
	t := Table{
		Title: "By location: bad, unknown; here only: the network between is suspected", Empty: "No facts by location.",
		Head: []string{"check", "location", "seen"}, Number: make([]bool, 3),
	}
	names := locations(s)
	if len(names) <= matrixMost {
		t.Head, t.Number = []string{"check"}, make([]bool, len(names)+1)
		for _, n := range names {
			t.Head = append(t.Head, Clean(n))
		}
	}
	for _, c := range byBudget(s) {
		cells := map[string]string{}
		for _, l := range c.Locations {
			cells[l.Location] = location(l)
		}
		row := []string{Clean(c.Name)}
		for _, n := range names {
			cell, looks := cells[n]
			switch {
			case !looks && len(names) <= matrixMost:
				row = append(row, "does not look")
			case len(names) <= matrixMost:
				row = append(row, cell)
			case looks:
				t.Rows = append(t.Rows, []string{Clean(c.Name), Clean(n), cell})
			}
		}
		if len(row) > 1 {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// locations are all that a check of the service looks from, sorted.
func locations(s *reports.ServiceReport) []string {
	var names []string
	for _, c := range s.CheckFacts {
		for _, l := range c.Locations {
			names = append(names, l.Location)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func location(l reports.LocationFact) string {
	var parts []string
	for _, p := range []struct {
		ms   int64
		word string
	}{{l.BadMs, "bad"}, {l.SuspectMs, "here only"}, {l.UnknownMs, "unknown"}} {
		if p.ms > 0 {
			parts = append(parts, Clock(p.ms, Up)+" "+p.word)
		}
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case l.GoodMs == 0:
		return reports.NoData
	}
	return "all good"
}

func (w writer) noise(s *reports.ServiceReport) Table {
	t := Table{Title: "Pages without a bad slot", Empty: "None.", Head: []string{"at", "incident", "summary"}, Number: []bool{false, false, false}}
	for _, n := range s.Noise {
		t.Rows = append(t.Rows, []string{w.at(n.At), Clean(n.Incident), Clean(n.Summary)})
	}
	return t
}

// people is what the window asked of each person, and in one line of all.
func people(load []reports.PersonLoad) (string, Table) {
	t := Table{
		Title: "People", Empty: "Nobody was paged by name.",
		Head:   []string{"person", "pages", "out of hours", "asleep", "acked", "not acked", "MTTA", "on call"},
		Number: []bool{false, true, true, true, true, true, true, true},
	}
	pages, late, most, who := 0, 0, 0, ""
	for _, p := range load {
		name := Clean(p.Name)
		if name == "" {
			name = Clean(p.Person)
		}
		pages, late = pages+p.Pages, late+p.OutOfHours
		if p.Pages > most {
			most, who = p.Pages, name
		}
		mtta := "–"
		if p.MTTA != nil {
			mtta = seconds(*p.MTTA)
		}
		t.Rows = append(t.Rows, []string{
			name, strconv.Itoa(p.Pages), strconv.Itoa(p.OutOfHours), strconv.Itoa(p.Sleep), strconv.Itoa(p.Acked), strconv.Itoa(p.Unacked), mtta, Clock(p.OnCallMs, Floor),
		})
	}
	if pages == 0 {
		return "nobody was paged by name", t
	}
	return fmt.Sprintf("%s to people, %d out of hours, most %d (%s)", count(pages, "page"), late, most, who), t
}

// drill says in one sentence how a page on purpose ended.
func (w writer) drill(d reports.Drill) string {
	text := fmt.Sprintf("The drill of %s: %s", d.At.In(w.zone).Format("Mon 2 Jan 15:04"), Clean(d.Result))
	if detail := Clean(d.Detail); detail != "" {
		text += ", " + detail
	}
	return strings.TrimSuffix(text, ".") + "."
}
