package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// settingsOf is what the figures of reports are made by.
func settingsOf(f *config.File) reports.Settings {
	set := reports.Settings{
		Zone: f.Reports.TimeZone, Send: f.Reports.Send, Services: f.ReportServices(),
		Engine: version, TZData: tzdataVersion(zoneDirs),
	}
	for _, ch := range f.Fallback.Channels {
		if ch.Email != nil {
			set.Quiet = append(set.Quiet, ch.Name)
		}
	}
	return set
}

// wholeSettings are settingsOf with what only the database knows.
func wholeSettings(f *config.File, db *postgres.DB) reports.Settings {
	set := settingsOf(f)
	set.Team = func(ctx context.Context, from, to time.Time) (reports.Team, error) {
		return teamOf(ctx, f, db, from, to)
	}
	set.Visitors = func(ctx context.Context, from, to time.Time) (map[string][]reports.UserLog, error) {
		return userLogs(ctx, f, db, from, to)
	}
	return set
}

func (d *daemon) reportSettings() reports.Settings {
	return wholeSettings(d.present.Load(), d.database.db)
}

// teamOf is who may be paged, and who was on call in [from, to) with the overrides
// that were made.
func teamOf(ctx context.Context, f *config.File, db *postgres.DB, from, to time.Time) (reports.Team, error) {
	covers, err := postgres.Covers{DB: db}.List(ctx, from)
	if err != nil {
		return reports.Team{}, err
	}
	roster := f.Roster().With(covers)
	var team reports.Team
	for _, key := range slices.Sorted(maps.Keys(f.People)) {
		p := f.People[key]
		team.People = append(team.People, reports.Human{Person: key, Name: p.Name, Zone: p.TimeZone})
	}
	for _, name := range slices.Sorted(maps.Keys(roster.Rotations)) {
		for shift := range roster.Rotations[name].Shifts(from, to) {
			duty := reports.Duty{Person: shift.Person, From: shift.From, To: shift.To}
			if duty.From.IsZero() || duty.From.Before(from) {
				duty.From = from
			}
			if duty.To.IsZero() || duty.To.After(to) {
				duty.To = to
			}
			team.Duties = append(team.Duties, duty)
		}
	}
	return team, nil
}
