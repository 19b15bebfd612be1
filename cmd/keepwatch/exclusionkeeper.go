package main

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

// exclusionKeeper declares the file's maintenance times, and lets declared
// maintenance page nobody. Only the leader runs it.
type exclusionKeeper struct {
	apply    func(ctx context.Context, windows []reports.Exclusion, now time.Time) error
	touching func(ctx context.Context, services []string, from, to time.Time) ([]reports.Exclusion, error)
	file     func() *config.File
	set      func(source string, silences []alerting.Silence)
	every    time.Duration // 0: exclusionsEvery
	log      *slog.Logger
	now      func() time.Time // nil means time.Now

	// Run's goroutine owns these:
	applied *config.File // declared for good at appliedAt
	at      time.Time
	failing bool
}

// runExclusions keeps what does not count until ctx ends.
func (d *daemon) runExclusions(ctx context.Context) error {
	store := postgres.Exclusions{DB: d.database.db}
	k := &exclusionKeeper{apply: store.ApplyFile, touching: store.Touching, file: d.present.Load, set: d.engine.SetSilences, log: d.log, now: d.now}
	return k.Run(ctx)
}

// Run follows the file and the table until ctx ends. It returns nil.
func (k *exclusionKeeper) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(k.every, exclusionsEvery))
	defer tick.Stop()
	for {
		err := k.follow(ctx, moment(k.now).UTC())
		if err != nil && ctx.Err() == nil && !k.failing {
			k.log.WarnContext(ctx, "maintenance not followed, will try again", "err", err)
		}
		k.failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *exclusionKeeper) follow(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, exclusionsEvery)
	defer cancel()
	if f := k.file(); f != k.applied || now.Sub(k.at) >= time.Hour {
		if err := k.apply(ctx, f.MaintenanceWindows(now, now.Add(exclusionsAhead)), now); err != nil {
			return fmt.Errorf("declare the file's maintenance: %w", err)
		}
		k.applied, k.at = f, now
	}
	all, err := k.touching(ctx, nil, now.Add(-time.Hour), now.Add(maintenanceAhead))
	if err != nil {
		return err
	}
	k.set("exclusions", quietTimes(all))
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
