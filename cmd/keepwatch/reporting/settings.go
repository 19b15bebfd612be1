// Package reporting owns how the reports of a configuration are made, found and sent: what
// the daemon, its commands and a simulation must do alike. What a report says is for reports.
package reporting

import (
	"context"
	"maps"
	"slices"
	"time"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// SettingsOf is what the figures of reports are made by; version is this program's.
func SettingsOf(f *config.File, version string) reports.Settings {
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

// WholeSettings are SettingsOf with what only the database knows.
func WholeSettings(f *config.File, db *postgres.DB, version string) reports.Settings {
	set := SettingsOf(f, version)
	set.Team = func(ctx context.Context, from, to time.Time) (reports.Team, error) {
		return TeamOf(ctx, f, db, from, to)
	}
	set.Visitors = func(ctx context.Context, from, to time.Time) (map[string][]reports.UserLog, error) {
		return userLogs(ctx, f, db, from, to)
	}
	return set
}

// TeamOf is who may be paged, and who was on call in [from, to) with the overrides
// that were made.
func TeamOf(ctx context.Context, f *config.File, db *postgres.DB, from, to time.Time) (reports.Team, error) {
	covers, err := postgres.Covers{DB: db}.List(ctx, from)
	if err != nil {
		return reports.Team{}, err
	}
	roster := f.Roster().With(covers, to)
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

// userLogs reads what the access logs of each service told of [from, to).
func userLogs(ctx context.Context, f *config.File, db *postgres.DB, from, to time.Time) (map[string][]reports.UserLog, error) {
	out := map[string][]reports.UserLog{}
	for _, l := range f.AccessLogs {
		minutes, err := postgres.Traffic{DB: db}.Minutes(ctx, l.Name, from, to)
		if err != nil {
			return nil, err
		}
		if len(minutes) > 0 {
			out[l.Service] = append(out[l.Service], reports.UserLog{Source: l.Name, Minutes: minutes})
		}
	}
	return out, nil
}
