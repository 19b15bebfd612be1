package daemon

import (
	"context"
	"time"

	"keepwatch/reports"
	"keepwatch/telemetry"
	"keepwatch/telemetry/event"
)

// senders are who is told of a written report.
func (d *daemon) senders() []reports.Sender {
	return []reports.Sender{toNewRelic{d.newrelic}}
}

// toNewRelic tells New Relic the figures of each service.
type toNewRelic struct{ client *telemetry.Client }

// Name implements reports.Sender.
func (toNewRelic) Name() string { return "new relic" }

// Send implements reports.Sender.
func (n toNewRelic) Send(ctx context.Context, r reports.Report) error {
	for _, s := range r.Services {
		if err := n.client.Report(ctx, weekEvent(r, s)); err != nil {
			return err
		}
	}
	return nil
}

// weekEvent is a service's week in New Relic's floating point; the report keeps the exact integers.
func weekEvent(r reports.Report, s reports.ServiceReport) event.Report {
	seen, eligible := float64(s.GoodMs+s.BadMs), float64(s.GoodMs+s.BadMs+s.UnknownMs)
	return event.Report{
		SLO: s.Name, Week: r.Week, At: r.MadeAt, Revision: r.Revision,
		Objective: float64(s.ObjectivePPM) / 10_000, Availability: share(float64(s.GoodMs), seen), Coverage: share(seen, eligible),
		BudgetRemaining: share(float64(s.RemainingMs), float64(s.BudgetMs)), Verdict: string(s.Verdict),
		Total: s.GoodMs + s.BadMs, Good: s.GoodMs, Downtime: time.Duration(s.BadMs) * time.Millisecond, Incidents: s.Incidents,
	}
}

// share is a percentage; 0 of nothing.
func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * part / whole
}
