package reports

import (
	"context"
	"errors"
	"fmt"
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
}

// Store is what reports are made from and kept in. Safe for concurrent use.
type Store interface {
	// Ledger returns everything recorded about a check for slots that start in
	// [from, to). A check that was never configured has an empty ledger.
	Ledger(ctx context.Context, check string, from, to time.Time) (CheckLedger, error)
	// Incidents returns the incidents of a service that touched [from, to), oldest first.
	Incidents(ctx context.Context, service string, from, to time.Time) ([]IncidentFact, error)
	// Save keeps a report for good; ErrExists when its week, zone and revision are taken.
	Save(ctx context.Context, r Report, written time.Time) error
	// Load returns a saved report as it was saved; revision 0 means the newest.
	// ErrNotFound when there is none.
	Load(ctx context.Context, week, zone string, revision int) (Report, error)
	// List returns the saved reports of a zone ("" is all), newest week first.
	List(ctx context.Context, zone string, limit int) ([]Saved, error)
}

// lookback is how long before the week slots are asked for: the longest slot is a
// day, and one that began before the week may reach into it.
const lookback = 24 * time.Hour

// Make builds the report of a week from what the store holds at now. A week that
// has not ended is reported as such: what is to come is unknown, "not yet". The
// report has revision 0: it is a look, not the written report of its week, and may print other figures tomorrow.
func Make(ctx context.Context, s Store, w Week, services []Service, now time.Time) (Report, error) {
	in, _, err := collect(ctx, s, w, services, now)
	if err != nil {
		return Report{}, err
	}
	r := Build(in)
	r.Revision = 0
	return r, nil
}

// collect reads the input of a report, one check at a time so that the rows of
// only one are in memory. It also tells whether any critical check was configured
// at any time of the week.
func collect(ctx context.Context, s Store, w Week, services []Service, now time.Time) (Input, bool, error) {
	in := Input{
		Week: w, Now: now, Services: services,
		Timelines: map[string]Timeline{}, Incidents: map[string][]IncidentFact{},
	}
	watched := false
	from := w.From.Add(-lookback)
	for _, service := range services {
		for _, check := range service.Critical {
			if _, done := in.Timelines[check]; done {
				continue
			}
			l, err := s.Ledger(ctx, check, from, w.To)
			if err != nil {
				return Input{}, false, fmt.Errorf("ledger of %s: %w", check, err)
			}
			for _, rev := range l.Revs {
				watched = watched || rev.From.Before(w.To) && (rev.To.IsZero() || rev.To.After(w.From))
			}
			in.Timelines[check] = Fold(l, from, w.To, now)
		}
		facts, err := s.Incidents(ctx, service.Name, w.From, w.To)
		if err != nil {
			return Input{}, false, fmt.Errorf("incidents of %s: %w", service.Name, err)
		}
		in.Incidents[service.Name] = facts
	}
	return in, watched, nil
}
