package daemon

import (
	"context"
	"errors"

	"keepwatch/cmd/keepwatch/reporting"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/web"
)

// savedMost is how many written reports the console lists.
const savedMost = 500

// SavedReports implements web.ReportSource.
func (d *daemon) SavedReports(ctx context.Context) ([]reports.Saved, error) {
	saved, err := postgres.Reports{DB: d.database.db}.List(ctx, "", savedMost)
	if err != nil {
		return nil, errors.Join(web.ErrUnavailable, err)
	}
	return saved, nil
}

// LoadReport implements web.ReportSource.
func (d *daemon) LoadReport(ctx context.Context, week, zone string, revision int) (reports.Report, error) {
	r, err := d.loadReport(ctx, week, zone, revision)
	switch {
	case errors.Is(err, reports.ErrNotFound):
		return r, errors.Join(web.ErrNotFound, err)
	case err != nil:
		return r, errors.Join(web.ErrUnavailable, err)
	}
	return r, nil
}

func (d *daemon) loadReport(ctx context.Context, week, zone string, revision int) (reports.Report, error) {
	f, store, now := d.present.Load(), postgres.Reports{DB: d.database.db}, d.now()
	if zone != "" && week != "" {
		return store.Load(ctx, week, zone, revision)
	}
	w := reports.WeekOf(now, f.Reports.TimeZone)
	if week != "" {
		var err error
		if w, err = reports.ParseWeek(week, f.Reports.TimeZone); err != nil {
			return reports.Report{}, err
		}
		r, err := reporting.WrittenWeek(ctx, store, w, revision)
		// A week that has not begun has no facts, not even unknown ones.
		if !errors.Is(err, reports.ErrNotFound) || revision != 0 || w.From.After(now) {
			return r, err
		}
	}
	return reports.MakeWindow(ctx, store, w.Window(), reporting.WholeSettings(f, d.database.db, d.Version), now)
}
