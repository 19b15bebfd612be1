package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/postgres"
)

const (
	// silencesEvery is how soon the daemon follows a silence that somebody made.
	silencesEvery = 5 * time.Second
	// maintenanceAhead is how far ahead the engine knows the file's maintenance times.
	maintenanceAhead = 8 * 24 * time.Hour
	maintenanceEvery = time.Hour
)

// silences tells the engine what is to be quiet: what people silenced, and the
// file's maintenance times. While the database is away the last ones known go on
// holding until their end.
type silences struct {
	list func(ctx context.Context, since time.Time) ([]alerting.Silence, error)
	set  func(source string, list []alerting.Silence)
	file func() *config.File
	log  *slog.Logger
	now  func() time.Time // nil means time.Now

	known []alerting.Silence // owned by Run
	read  bool               // owned by Run: they were read once
}

func newSilences(db *postgres.DB, engine *alerting.Engine, file func() *config.File, log *slog.Logger) *silences {
	return &silences{list: postgres.Silences{DB: db}.List, set: engine.SetSilences, file: file, log: log}
}

// maintain puts the maintenance times of a file into force.
func (s *silences) maintain(f *config.File, now time.Time) {
	s.set("maintenance", f.MaintenanceSilences(now.Add(-maintenanceEvery), now.Add(maintenanceAhead)))
}

// Run follows until ctx ends.
func (s *silences) Run(ctx context.Context) error {
	tick := time.NewTicker(silencesEvery)
	defer tick.Stop()
	maintained := moment(s.now)
	for {
		s.follow(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			// Also after the clock was set back: the times put into force may not reach so far.
			if now := moment(s.now); now.Sub(maintained).Abs() >= maintenanceEvery {
				maintained = now
				s.maintain(s.file(), now)
			}
		}
	}
}

func (s *silences) follow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, silencesEvery)
	defer cancel()
	now, err := s.list(ctx, moment(s.now).UTC())
	if err != nil {
		return // the database says itself that it is away; what is known holds
	}
	if s.read && slices.Equal(s.known, now) {
		return
	}
	if s.read || len(now) > 0 {
		s.log.InfoContext(ctx, "silences read", "count", len(now))
	}
	s.known, s.read = now, true
	s.set("people", now)
}
