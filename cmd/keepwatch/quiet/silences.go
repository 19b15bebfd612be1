// Package quiet owns how the engine learns what pages nobody for a while: what people
// silenced, and the maintenance that the file or people declared. What quiet means for a
// page is for alerting.
package quiet

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
	// Ahead is how far ahead the engine knows the file's maintenance times.
	Ahead            = 8 * 24 * time.Hour
	maintenanceEvery = time.Hour
)

// Silences tells the engine what is to be quiet: what people silenced, and the
// file's maintenance times. While the database is away the last ones known go on
// holding until their end.
type Silences struct {
	list func(ctx context.Context, since time.Time) ([]alerting.Silence, error)
	set  func(source string, list []alerting.Silence)
	file func() *config.File
	log  *slog.Logger
	Now  func() time.Time // nil means time.Now

	known []alerting.Silence // owned by Run
	read  bool               // owned by Run: they were read once
}

// NewSilences follows the table of db, and what file says at the time, for an engine.
func NewSilences(db *postgres.DB, engine *alerting.Engine, file func() *config.File, log *slog.Logger) *Silences {
	return &Silences{list: postgres.Silences{DB: db}.List, set: engine.SetSilences, file: file, log: log}
}

// Maintain puts the maintenance times of a file into force.
func (s *Silences) Maintain(f *config.File, now time.Time) {
	s.set("maintenance", f.MaintenanceSilences(now.Add(-maintenanceEvery), now.Add(Ahead)))
}

// Run follows until ctx ends.
func (s *Silences) Run(ctx context.Context) error {
	tick := time.NewTicker(silencesEvery)
	defer tick.Stop()
	maintained := moment(s.Now)
	for {
		s.follow(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			// Also after the clock was set back: the times put into force may not reach so far.
			if now := moment(s.Now); now.Sub(maintained).Abs() >= maintenanceEvery {
				maintained = now
				s.Maintain(s.file(), now)
			}
		}
	}
}

func (s *Silences) follow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, silencesEvery)
	defer cancel()
	now, err := s.list(ctx, moment(s.Now).UTC())
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
