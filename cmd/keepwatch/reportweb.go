package main

import (
	"context"
	"errors"

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
	store, s := postgres.Reports{DB: d.database.db}, d.reportSettings()
	var r reports.Report
	var err error
	if week != "" && (revision > 0 || zone != "" && zone != s.Zone.String()) {
		if zone == "" {
			zone = s.Zone.String()
		}
		r, err = store.Load(ctx, week, zone, revision)
	} else {
		r, err = weekReport(ctx, store, s, week, d.now())
	}
	switch {
	case errors.Is(err, reports.ErrNotFound):
		return r, errors.Join(web.ErrNotFound, err)
	case err != nil:
		return r, errors.Join(web.ErrUnavailable, err)
	}
	return r, nil
}
