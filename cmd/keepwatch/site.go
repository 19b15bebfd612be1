package main

import (
	"context"
	"errors"
	"math"
	"runtime/debug"

	"keepwatch/postgres"
	"keepwatch/site"
)

// takeSite takes the site's address before a database is started for it.
func (d *daemon) takeSite(ctx context.Context) (err error) {
	if !d.roles.site {
		return nil
	}
	if d.file.Site == nil {
		if d.roles.watch {
			return nil // the default roles, and nothing to serve
		}
		return errors.New("--roles site: the configuration has no site block: add one, or choose the roles probe,watch")
	}
	d.siteLn, err = d.file.Site.Take(ctx)
	return err
}

// makeSite makes the site for the address that takeSite took.
func (d *daemon) makeSite() (err error) {
	if d.siteLn == nil {
		return nil
	}
	cfg := *d.file.Site
	cfg.ProbeKey = d.own.key // that of the file, or that of data_dir
	if d.site, err = site.New(cfg, postgres.Photos{DB: d.database.db}, d.log); err != nil {
		return err
	}
	d.site.Around, d.site.ProbeTag = d.newrelic.Middleware, probeTag
	if !d.roles.probe && !d.roles.watch && debug.SetMemoryLimit(-1) == math.MaxInt64 { // and no GOMEMLIMIT
		debug.SetMemoryLimit(siteMemory)
	}
	return nil
}

// siteMemory is what a process that only serves the site should make do with: each
// decoded picture is tens of megabytes of garbage, which the collector would let
// grow to twice of what is in use (measured during a flood: 226 MiB, with it 138).
// It is no bound: what is in use may be more.
const siteMemory = 110 << 20
