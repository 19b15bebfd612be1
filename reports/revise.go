package reports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// finalAfter is how long after its week's end a report is final: what comes later
	// makes a revision all the same.
	finalAfter = 24 * time.Hour
	// keepLooking is how long after its end a written week is compared with the
	// ledger: results may be 35 days late.
	keepLooking = 42 * 24 * time.Hour
	// lookEvery is how often weeks that are not final are compared although nothing is
	// known to have changed: an acknowledgement that came late, and the end of the
	// day after. lookAtAll is how often all are.
	lookEvery = time.Hour
	lookAtAll = 24 * time.Hour
	// settleAtMost is how long a week that goes on changing may wait for its revision.
	settleAtMost = 5 * time.Minute
)

// keptWeek is a written week, with the change that was seen and not yet written.
type keptWeek struct {
	report  Report // newest revision
	final   bool
	seen    string    // sum of the facts that differ; "" when none do
	since   time.Time // when they first differed
	refused string    // sum that was refused, so that it is logged once
}

// errLess means that facts computed anew know less than the written ones.
var errLess = errors.New("the ledger knows less than the written report: its results are gone or cannot be read, so no revision is made")

// Revise computes a written week anew, by the services as they were then, and
// returns the next revision and true when its facts differ from those of before. It
// saves nothing. A week whose services are no longer known stays as it is. It
// refuses to forget: time that was seen and now is unknown is an error.
func Revise(ctx context.Context, s Store, before Report, set Settings, now time.Time) (Report, bool, error) {
	set.Services = definitions(before, set.Services)
	week, err := before.week()
	if err != nil || len(set.Services) == 0 {
		return before, false, err
	}
	in, err := gather(ctx, s, week.Window(), set, now)
	if err != nil {
		return before, false, err
	}
	in.Revision = before.Revision + 1
	if r := Build(in); r.FactsSum() == before.FactsSum() {
		return before, false, nil
	} else if forgets(before, r) {
		return r, false, errLess
	}
	if err := enrich(ctx, s, &in, set); err != nil {
		return before, false, err
	}
	in.Duties = nil // who was on call is a fact of then, not of the present rotations
	r := Build(in)
	r.keepDuties(before)
	r.Note, r.Final = before.Note, !now.Before(week.To.Add(finalAfter))
	r.Changes = changes(before, r)
	return r, true, nil
}

// Annotate returns the next revision with another note, and every figure as it was.
func Annotate(before Report, note, by string, now time.Time) Report {
	r := before
	r.Revision++
	r.MadeAt = now.UTC()
	r.Note = note
	r.Changes = []string{"Note by " + by + "; no figure differs."}
	return r
}

// definitions are the services of a written report, as they were. Reports from
// before they carried that take what the present ones of the same name are made of.
func definitions(r Report, present []Service) []Service {
	var out []Service
	for _, s := range r.Services {
		d := Service{
			Name: s.Name, Objective: Percent(s.ObjectivePPM), Critical: s.Critical, Redundant: s.Redundant,
			DependsOn: s.DependsOn, Cap: time.Duration(s.CapMs) * time.Millisecond,
		}
		if len(d.Checks()) == 0 {
			at := slices.IndexFunc(present, func(p Service) bool { return p.Name == s.Name })
			if at < 0 {
				return nil // part of a report would be none
			}
			objective := d.Objective
			d = present[at]
			d.Objective = objective
		}
		out = append(out, d)
	}
	return out
}

// forgets reports whether time that was seen is unknown now although no exclusion
// was taken back: late results can only tell more.
func forgets(before, now Report) bool {
	for i := range now.Services {
		s := &now.Services[i]
		at := slices.IndexFunc(before.Services, func(o ServiceReport) bool { return o.Name == s.Name })
		if at >= 0 && s.UnknownMs > before.Services[at].UnknownMs+max(0, before.Services[at].ExcludedMs-s.ExcludedMs) {
			return true
		}
	}
	return false
}

// keepDuties takes over the hours on call of the revision before.
func (r *Report) keepDuties(before Report) {
	for _, p := range before.People {
		at := slices.IndexFunc(r.People, func(q PersonLoad) bool { return q.Person == p.Person })
		switch {
		case at >= 0:
			r.People[at].OnCallMs = p.OnCallMs
		case p.OnCallMs > 0:
			r.People = append(r.People, PersonLoad{Person: p.Person, Name: p.Name, OnCallMs: p.OnCallMs})
		}
	}
}

// keepUp looks at the written weeks again when something has changed that lies in
// the past, when a change was seen that waits to be whole, and otherwise now and then.
func (w *Writer) keepUp(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, roundMax)
	defer cancel()
	stamp, err := w.Store.Stamp(ctx)
	if err != nil {
		return fmt.Errorf("stamp of the ledger: %w", err)
	}
	waiting := false
	for _, k := range w.kept {
		waiting = waiting || k.seen != ""
	}
	all := stamp != w.stamp || waiting || !now.Before(w.lookedAll.Add(lookAtAll))
	if !all && now.Before(w.looked.Add(lookEvery)) {
		return nil
	}
	if err := w.recheck(ctx, all, now); err != nil {
		return err
	}
	w.stamp, w.looked = stamp, now
	if all {
		w.lookedAll = now
	}
	return nil
}

// recheck compares the weeks that were written lately with what the ledger holds at
// now. A week whose facts differ, and that has stopped changing since the last look,
// gets its next revision; one that still holds a day after its end is final. Those
// that are final already are compared only when all is set.
func (w *Writer) recheck(ctx context.Context, all bool, now time.Time) error {
	saved, err := w.Store.List(ctx, "", savedLimit)
	if err != nil {
		return fmt.Errorf("list reports: %w", err)
	}
	set := w.Settings()
	done := map[string]bool{}
	var errs []error
	for _, s := range saved { // newest revision first
		id := s.Week + " " + s.Zone
		if done[id] {
			continue
		}
		done[id] = true
		if k := w.kept[id]; !all && k != nil && k.final && k.report.Revision == s.Revision {
			continue
		}
		if err := w.recheckWeek(ctx, id, s, set, now); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Week, err))
		}
	}
	return errors.Join(errs...)
}

func (w *Writer) recheckWeek(ctx context.Context, id string, s Saved, set Settings, now time.Time) error {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	week, err := ParseWeek(s.Week, zone)
	if err != nil || now.After(week.To.Add(keepLooking)) {
		delete(w.kept, id)
		return err
	}
	k := w.kept[id]
	if k == nil || k.report.Revision != s.Revision {
		r, err := w.Store.Load(ctx, s.Week, s.Zone, s.Revision)
		if err != nil {
			return err
		}
		k = &keptWeek{report: r, final: !s.Final.IsZero() || r.Final}
		w.kept[id] = k
	}
	r, differs, err := Revise(ctx, w.Store, k.report, set, now)
	switch {
	case errors.Is(err, errLess):
		if sum := r.FactsSum(); k.refused != sum {
			k.refused = sum
			w.Log.Error("report stays as it is", "week", s.Week, "revision", s.Revision, "err", err)
		}
		return nil
	case err != nil:
		return err
	case !differs:
		k.seen = ""
		return w.finalise(ctx, k, week, now)
	}
	if sum := r.FactsSum(); k.seen != sum {
		if k.seen == "" {
			k.since = now
		}
		k.seen = sum
		if now.Sub(k.since) < settleAtMost {
			return nil // perhaps more is on its way
		}
	}
	return w.saveRevision(ctx, id, r, now)
}

func (w *Writer) finalise(ctx context.Context, k *keptWeek, week Week, now time.Time) error {
	if k.final || now.Before(week.To.Add(finalAfter)) {
		return nil
	}
	if err := w.Store.Finalise(ctx, k.report.Week, k.report.Zone, k.report.Revision, now); err != nil {
		return fmt.Errorf("note that it is final: %w", err)
	}
	k.final = true
	w.Log.Info("report final", "week", k.report.Week, "zone", k.report.Zone, "revision", k.report.Revision)
	return nil
}

func (w *Writer) saveRevision(ctx context.Context, id string, r Report, now time.Time) error {
	err := w.Store.Save(ctx, r, now)
	delete(w.kept, id) // read it again as it was stored
	if errors.Is(err, ErrExists) {
		return nil // somebody else was faster
	}
	if err != nil {
		return fmt.Errorf("save revision: %w", err)
	}
	w.Log.Info("report revised", "week", r.Week, "zone", r.Zone, "revision", r.Revision, "changes", r.Changes)
	return nil
}
