package quiet

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
)

const (
	// exclusionsEvery is how soon the daemon follows maintenance that somebody declared.
	exclusionsEvery = 5 * time.Second
	// exclusionsAhead is how far ahead the file's maintenance times are declared: a
	// daemon that was away for a month has still declared them before they began.
	exclusionsAhead = 35 * 24 * time.Hour
)

// Exclusions declares the file's maintenance times, and lets declared
// maintenance page nobody. Only the leader runs it.
type Exclusions struct {
	// Apply declares the file's, and Touching lists all that touch [from, to); both are
	// methods of postgres.Exclusions.
	Apply    func(ctx context.Context, windows []reports.Exclusion, now time.Time) error
	Touching func(ctx context.Context, services []string, from, to time.Time) ([]reports.Exclusion, error)
	File     func() *config.File                              // the configuration in force
	Set      func(source string, silences []alerting.Silence) // the engine's SetSilences
	Every    time.Duration                                    // between two looks; 0 means 5 s
	Log      *slog.Logger
	Now      func() time.Time // nil means time.Now

	// Run's goroutine owns these:
	applied *config.File // declared for good at appliedAt
	at      time.Time
	failing bool
}

// Run follows the file and the table until ctx ends. It returns nil.
func (k *Exclusions) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(k.Every, exclusionsEvery))
	defer tick.Stop()
	for {
		err := k.follow(ctx, moment(k.Now).UTC())
		if err != nil && ctx.Err() == nil && !k.failing {
			k.Log.WarnContext(ctx, "maintenance not followed, will try again", "err", err)
		}
		k.failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *Exclusions) follow(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, exclusionsEvery)
	defer cancel()
	if f := k.File(); f != k.applied || now.Sub(k.at) >= time.Hour {
		if err := k.Apply(ctx, f.MaintenanceWindows(now, now.Add(exclusionsAhead)), now); err != nil {
			return fmt.Errorf("declare the file's maintenance: %w", err)
		}
		k.applied, k.at = f, now
	}
	all, err := k.Touching(ctx, nil, now.Add(-time.Hour), now.Add(Ahead))
	if err != nil {
		return err
	}
	k.Set("exclusions", quietTimes(all))
	return nil
}

// quietTimes are what people declared as maintenance, as silences. Those of the file
// the engine knows by itself.
func quietTimes(all []reports.Exclusion) []alerting.Silence {
	var out []alerting.Silence
	for _, x := range all {
		if x.Kind != reports.Planned || x.Author == postgres.FileAuthor {
			continue
		}
		out = append(out, alerting.Silence{
			ID: fmt.Sprintf("maintenance %d", x.ID), Service: x.Service, From: x.From, To: x.To,
			By: x.Author, Reason: x.Reason, Created: x.DeclaredAt, Ended: x.Cancelled,
		})
	}
	return out
}
