package burn

import (
	"context"
	"time"

	"keepwatch/reports"
)

// rang reports whether people were paged for what burns already: an outage that is over
// burns on in the windows that look back at it. Only what nobody was paged for may ring;
// when nobody can tell, it rings.
func (b *Watch) rang(ctx context.Context, s service, a alarm, spans []reports.Span, now time.Time) bool {
	if a.rule.Name == "" || a.Severity.LowUrgency() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	facts, err := b.Store.Incidents(ctx, []string{s.Name}, now.Add(-max(a.rule.Long, 3*s.slot)), now)
	if err != nil {
		b.Log.WarnContext(ctx, "not known whether an outage has paged already; its alarm is raised", "alarm", a.Name, "err", err)
		return false
	}
	left := reports.NewTape(unpaged(spans, facts[s.Name], s.slot, now))
	return !left.Burn(a.rule, s.Objective, s.slot, now).Fires
}

// unpaged are the spans with the bad time of incidents that rang taken for good. An
// incident covers the slot in which it was seen well again.
func unpaged(spans []reports.Span, facts []reports.IncidentFact, slot time.Duration, now time.Time) []reports.Span {
	out := spans
	for _, f := range facts {
		if f.Rung.IsZero() || f.Alarm && !isBurn(f.Rule) {
			continue
		}
		from, to := f.Started.Add(-slot), now
		if f.Started.IsZero() {
			from = f.Opened.Add(-slot)
		}
		if !f.Resolved.IsZero() {
			to = f.Resolved.Add(slot)
		}
		out = taken(out, from, to)
	}
	return out
}

// taken turns bad time of [from, to) into good time.
func taken(spans []reports.Span, from, to time.Time) []reports.Span {
	var out []reports.Span
	add := func(s reports.Span, a, b time.Time, v reports.Verdict) {
		if s.From, s.To, s.Verdict = a, b, v; a.Before(b) {
			out = append(out, s)
		}
	}
	for _, s := range spans {
		if s.Verdict != reports.Bad || !s.From.Before(to) || !s.To.After(from) {
			out = append(out, s)
			continue
		}
		first, last := s.From, s.To
		if from.After(first) {
			first = from
		}
		if to.Before(last) {
			last = to
		}
		add(s, s.From, first, reports.Bad)
		add(s, first, last, reports.Good)
		add(s, last, s.To, reports.Bad)
	}
	return out
}
