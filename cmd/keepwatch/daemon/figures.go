package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"keepwatch/reports"
)

// figures keeps the running week's figures for the status page. They are
// computed beside the page, so that a slow database slows no reader.
type figures struct {
	store    reports.Store
	settings func() reports.Settings
	// tell passes a service's ratios on to the metrics.
	tell func(service, window string, objective, availability, budgetRemaining float64)
	log  *slog.Logger

	mu     sync.Mutex
	report reports.Report // guarded by mu
}

// Run computes once a minute, and less often when that takes long.
func (f *figures) Run(ctx context.Context) error {
	pause := 2 * time.Second
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		start := time.Now()
		r, err := weekReport(ctx, f.store, f.settings(), "", start)
		pause = max(30*time.Second, 20*time.Since(start))
		if err != nil {
			f.log.DebugContext(ctx, "figures of the week", "err", err)
			pause = 5 * time.Second
			continue
		}
		f.mu.Lock()
		f.report = r
		f.mu.Unlock()
		for _, s := range r.Services {
			w := weekEvent(r, s)
			f.tell(s.Name, "week", w.Objective/100, w.Availability/100, w.BudgetRemaining/100)
		}
	}
}

// of returns a service's figures for reading; empty where they are not known.
func (f *figures) of(service string) (objective, availability, coverage, left, verdict string) {
	for _, s := range f.settings().Services {
		if s.Name == service {
			objective = s.Objective.String()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.report.Services {
		if s.Name == service {
			return objective, seen(s), withSign(s.Coverage), clock(s.RemainingMs), string(s.Verdict)
		}
	}
	return objective, "", "", "", ""
}

// weekReport returns the report of a week: the saved one when there is one, else
// what is recorded by now. An empty week is the running one.
func weekReport(ctx context.Context, store reports.Store, s reports.Settings, week string, now time.Time) (reports.Report, error) {
	w := reports.WeekOf(now, s.Zone)
	if week != "" {
		var err error
		if w, err = reports.ParseWeek(week, s.Zone); err != nil {
			return reports.Report{}, err
		}
		r, err := store.Load(ctx, w.String(), s.Zone.String(), 0)
		if err == nil || !errors.Is(err, reports.ErrNotFound) {
			return r, err
		}
	}
	return reports.Make(ctx, store, w, s.Services, now)
}

// seen is the availability; while part of the week is unknown it says of what.
func seen(s reports.ServiceReport) string {
	if s.UnknownMs > 0 && s.Availability != reports.NoData {
		return s.Availability + " % of the time seen"
	}
	return withSign(s.Availability)
}

// withSign adds the percent sign to a figure, and leaves "no data" alone.
func withSign(figure string) string {
	if figure == reports.NoData {
		return figure
	}
	return figure + " %"
}

// clock writes milliseconds as h:mm:ss, toward minus infinity.
func clock(ms int64) string {
	sign := ""
	if ms < 0 {
		sign, ms = "-", -ms+999
	}
	s := ms / 1000
	return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
}
