package daemon

import (
	"context"
	"fmt"
	"slices"

	"keepwatch/cmd/keepwatch/quiet"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/probe"
)

// put brings a configuration into force: at the start and at each reload.
func (d *daemon) put(ctx context.Context, f *config.File) error {
	checks, err := f.ProbeChecks(d.own.Env(probe.Env{Beats: d.database.beats, Now: d.now}))
	if err != nil {
		return err
	}
	before := d.present.Swap(f)
	d.putPagerDuty(f)
	names, mails := f.FallbackNames()
	d.deliverer.Reload(d.notifiers(f), names, mails)
	d.deliverer.Pace(f.Fallback.After, holdOf(f))
	d.silences.Maintain(f, d.now())
	d.engine.Apply(f.Rules(), d.covers.roster(f), d.routing(f))
	d.metrics.Lean(!fullDetail(f))
	d.runner.Apply(checks)
	d.database.keep.Store(int64(f.Ledger.KeepRaw))
	d.database.sync(ctx, d.now().UTC(), checks)
	known := map[string]bool{}
	for _, c := range checks {
		for _, l := range c.Locations {
			known[c.Name+"\x00"+l] = true
		}
	}
	d.recent.Keep(func(check, location string) bool { return known[check+"\x00"+location] })
	for _, c := range before.Checks {
		if !slices.ContainsFunc(f.Checks, func(n config.Check) bool { return n.Name == c.Name }) {
			d.metrics.Forget(c.Name)
		}
	}
	return nil
}

// watchReload loads the file anew at each SIGHUP. A bad file changes nothing but
// what health, log and metric say.
func (d *daemon) watchReload(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.hup:
		}
		d.reloadOnce(ctx)
	}
}

func (d *daemon) reloadOnce(ctx context.Context) {
	before := d.present.Load()
	f, err := d.Reload()
	if err == nil {
		err = d.put(ctx, f)
	}
	was := d.reloaded.Load()
	st := &reloadState{at: d.now(), good: was.good, err: err, later: was.later}
	if err == nil {
		st.good, st.later = st.at, config.Diff(d.File, f).Restart
	}
	d.reloaded.Store(st)
	if err != nil {
		d.Log.ErrorContext(ctx, "reload refused, the old configuration stays in force", "err", err)
		return
	}
	for _, w := range f.Warnings {
		d.Log.WarnContext(ctx, "configuration warning", "at", w.String())
	}
	d.Log.InfoContext(ctx, "configuration reloaded", "changes", fmt.Sprint(config.Diff(before, f)))
}

// runExclusions keeps what does not count until ctx ends.
func (d *daemon) runExclusions(ctx context.Context) error {
	store := postgres.Exclusions{DB: d.database.db}
	k := &quiet.Exclusions{Apply: store.ApplyFile, Touching: store.Touching, File: d.present.Load, Set: d.engine.SetSilences, Log: d.Log, Now: d.now}
	return k.Run(ctx)
}
