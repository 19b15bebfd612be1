package reports

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// interruption is how long further pages of one incident belong to the first.
const interruption = time.Minute

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
	return new(ceilSeconds(f.answered()))
}

// answered is how long the page waited for its acknowledgement: maintenance may have
// held it for hours after the opening. Without a page that was accepted, somebody saw
// the incident by another way, and its opening counts.
func (f IncidentFact) answered() time.Duration {
	rung := f.Rung
	if rung.IsZero() || rung.After(f.Acknowledged) {
		rung = f.Opened
	}
	return max(f.Acknowledged.Sub(rung), 0)
}

func ceilSeconds(d time.Duration) int64 {
	return int64((max(d, 0) + time.Second - 1) / time.Second)
}

// people fills what the incidents asked of people. An incident counts in the window
// in which it began; its pages count in the one in which they were accepted.
func (r *ServiceReport) people(w Window, facts []IncidentFact) {
	var acks []time.Duration
	for _, f := range facts {
		r.Pages += f.Pages
		if f.begun().Before(w.From) {
			r.Carried++
			continue
		}
		r.Incidents++
		switch {
		case !f.Acknowledged.IsZero():
			r.Acked++
			acks = append(acks, f.answered())
		case !f.Quiet:
			r.Unacked++
		}
	}
	r.MTTA = mean(acks)
	if n := len(acks); n > 0 {
		slices.Sort(acks)
		r.MTTAMedian = new(ceilSeconds(acks[(n+1)/2-1])) // nearest rank
	}
}

// mean is in seconds, rounded up; nil of nothing.
func mean(all []time.Duration) *int64 {
	if len(all) == 0 {
		return nil
	}
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	n := time.Duration(len(all))
	return new(ceilSeconds((sum + n - 1) / n))
}

// detection fills how long outages went unnoticed, and how far apart they were.
func (r *ServiceReport) detection() {
	var waits []time.Duration
	var began int64
	for _, o := range r.Outages {
		if o.DetectS != nil {
			waits = append(waits, time.Duration(*o.DetectS)*time.Second)
		}
		if o.ContinuesFrom == "" {
			began++
		}
	}
	r.MTTD = mean(waits)
	if began > 0 {
		r.MTBF = new(r.GoodMs / began / 1000) // floored: it never flatters
	}
}

// noise lists the incidents that paged somebody although the service had no bad slot
// in all their time, as far as is known at now.
func (r *ServiceReport) noise(w Window, facts []IncidentFact, bad []Interval, now time.Time) {
	for _, f := range facts {
		if f.Alarm || len(f.Paged) == 0 || f.begun().Before(w.From) {
			continue
		}
		end := f.Resolved
		if end.IsZero() {
			end = now
		}
		if !slices.ContainsFunc(bad, func(x Interval) bool { return x.From.Before(end) && x.To.After(f.begun()) }) {
			r.Noise = append(r.Noise, Noise{Incident: f.ID, At: f.Paged[0].At, Summary: f.Summary})
		}
	}
}

// attribute says how much bad time fell into bad time of services that this one
// depends on. Nothing is taken away for it.
func (b *serviceBuild) attribute(all []serviceBuild) {
	for _, name := range b.service.DependsOn {
		at := slices.IndexFunc(all, func(o serviceBuild) bool { return o.service.Name == name })
		if at < 0 {
			continue
		}
		var total int64
		for i := range b.out.Outages {
			o := &b.out.Outages[i]
			var ms int64
			for _, x := range all[at].bad {
				if c, ok := (Span{From: o.From, To: o.To}).clip(x.From, x.To); ok {
					ms += c.Ms()
				}
			}
			if ms > 0 {
				o.BecauseOf = append(o.BecauseOf, name)
			}
			total += ms
		}
		if total > 0 {
			b.out.Attributed = append(b.out.Attributed, Attribution{Service: name, Ms: total})
		}
	}
}

// peopleLoad says what the window asked of each person, most pages first. Somebody
// who was on call and not paged is listed too.
func peopleLoad(in Input, w Window) []PersonLoad {
	b := loadBook{in: in, w: w, loads: map[string]*PersonLoad{}, acks: map[string][]time.Duration{}}
	for _, f := range allIncidents(in) {
		paged := b.pages(f)
		by := personOf(f.AckBy, in.People)
		switch {
		case f.Acknowledged.IsZero():
			for person := range paged {
				b.of(person).Unacked++
			}
		case by != "" && !f.begun().Before(w.From):
			b.of(by).Acked++
			b.acks[by] = append(b.acks[by], f.answered())
		}
	}
	for person, ms := range onCall(in.Duties, w) {
		b.of(person).OnCallMs = ms
	}
	var out []PersonLoad
	for person, l := range b.loads {
		l.MTTA = mean(b.acks[person])
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b PersonLoad) int {
		return cmp.Or(cmp.Compare(b.Pages, a.Pages), cmp.Compare(b.OnCallMs, a.OnCallMs), strings.Compare(a.Person, b.Person))
	})
	return out
}

// loadBook is the loads being counted.
type loadBook struct {
	in    Input
	w     Window
	loads map[string]*PersonLoad
	acks  map[string][]time.Duration
}

// human is who a key stands for; a page without one went to whom its channel chose.
func (b *loadBook) human(person string) Human {
	for _, h := range b.in.People {
		if h.Person == person {
			h.Zone = zoneOr(h.Zone)
			return h
		}
	}
	if person == "" {
		return Human{Name: "whoever the channel chose", Zone: b.w.Zone}
	}
	return Human{Person: person, Name: person, Zone: time.UTC}
}

func (b *loadBook) of(person string) *PersonLoad {
	if b.loads[person] == nil {
		b.loads[person] = &PersonLoad{Person: person, Name: b.human(person).Name}
	}
	return b.loads[person]
}

// pages counts the interruptions of one incident and returns whom it paged, and when last.
func (b *loadBook) pages(f IncidentFact) map[string]time.Time {
	paged := map[string]time.Time{}
	for _, p := range f.Paged {
		if slices.Contains(b.in.Quiet, p.Channel) || p.At.Before(b.w.From) || !p.At.Before(b.w.To) {
			continue
		}
		if last, again := paged[p.Person]; again && p.At.Sub(last) < interruption {
			continue
		}
		paged[p.Person] = p.At
		b.of(p.Person).interrupted(p.At.In(b.human(p.Person).Zone))
	}
	return paged
}

// interrupted counts one interruption at a person's local time.
func (l *PersonLoad) interrupted(local time.Time) {
	hour := local.Hour()
	weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
	l.Pages++
	if weekend || hour < 8 || hour >= 18 {
		l.OutOfHours++
	}
	if hour < 7 || hour >= 22 {
		l.Sleep++
	}
}

// allIncidents are those of all services, each once, in an order that does not change.
func allIncidents(in Input) []IncidentFact {
	seen := map[string]bool{}
	var all []IncidentFact
	for _, s := range in.Services {
		for _, f := range in.Incidents[s.Name] {
			if !seen[f.ID] {
				seen[f.ID] = true
				all = append(all, f)
			}
		}
	}
	return all
}

// personOf finds who acknowledged: the journal has keys, and names where it was done
// at PagerDuty. "" when it is nobody of ours.
func personOf(by string, people []Human) string {
	for _, h := range people {
		if h.Person == by {
			return by
		}
	}
	for _, h := range people {
		if by != "" && strings.EqualFold(h.Name, by) {
			return h.Person
		}
	}
	return ""
}

// onCall adds up for each person the time in the window for which it was on call;
// two rotations at once count once.
func onCall(duties []Duty, w Window) map[string]int64 {
	taken := map[string][]Interval{}
	ms := map[string]int64{}
	for _, d := range duties {
		c, ok := (Span{From: d.From, To: d.To}).clip(w.From, w.To)
		if !ok || d.Person == "" {
			continue
		}
		for _, part := range subtract(Interval{c.From, c.To}, taken[d.Person]) {
			ms[d.Person] += part.To.Sub(part.From).Milliseconds()
		}
		taken[d.Person] = append(taken[d.Person], Interval{c.From, c.To})
	}
	return ms
}
