package daemon

import (
	"context"
	"slices"
	"time"

	"keepwatch/alerting"
	"keepwatch/probe"
)

// failures is what the failing checks of an incident saw first, by the check's
// name: of the ledger, or while it has nothing yet, of memory.
func (d *daemon) failures(ctx context.Context, in alerting.Incident) []probe.Result {
	until := in.Resolved
	if until.IsZero() {
		until = d.now().Add(time.Minute) // a slot may begin a little ahead of this clock
	}
	found, err := d.database.results.FirstFailures(ctx, in.Checks, in.Started, until)
	if err != nil {
		d.Log.DebugContext(ctx, "first failures of an incident", "incident", in.ID, "err", err)
	}
	if !in.Resolved.IsZero() {
		return found
	}
	for _, c := range d.present.Load().Checks {
		known := func(r probe.Result) bool { return r.Check == c.Name }
		if !slices.Contains(in.Checks, c.Name) || slices.ContainsFunc(found, known) {
			continue
		}
		for _, l := range c.Locations {
			if last := d.recent.Location(c.Name, l).Last; last.Outcome == probe.Bad {
				found = append(found, last)
				break
			}
		}
	}
	return found
}
