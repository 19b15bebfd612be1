package site

import (
	"context"
	"math/rand/v2"
	"time"

	"keepwatch/site/archive"
)

const (
	upkeepEvery  = 10 * time.Minute
	upkeepFor    = 5 * time.Minute // deadline of one round
	keepProbes   = time.Hour       // how long what our own probes deleted is kept
	keepTokens   = 24 * time.Hour  // how long tokens that ended are kept
	defaultTrash = 30 * day
)

// upkeep removes now and then what nobody can want any more, until ctx is done.
// Processes that share a database may all do it. While the database is away it
// does nothing, and nothing is urgent.
func (s *Site) upkeep(ctx context.Context) error {
	for {
		wait := time.NewTimer(upkeepEvery/2 + rand.N(upkeepEvery))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		s.tidy(ctx, time.Now().UTC())
	}
}

func (s *Site) tidy(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, upkeepFor)
	defer cancel()
	clean := archive.Clean{Store: s.store, Originals: s.originals, Deleted: *s.cfg.KeepDeleted}
	report, err := clean.Tidy(ctx, now)
	if err == nil && s.ProbeTag != "" {
		clean.Deleted = keepProbes
		var ours archive.CleanReport
		ours, err = clean.TidyTag(ctx, s.ProbeTag, s.store, now)
		report.Photos += ours.Photos
		report.Files += ours.Files
	}
	if err == nil {
		_, err = s.store.DropTokens(ctx, now.Add(-keepTokens))
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("upkeep not done", "err", err)
	}
	if report.Photos+report.Files > 0 {
		s.log.Info("removed for good", "photos", report.Photos, "files", report.Files)
	}
}
