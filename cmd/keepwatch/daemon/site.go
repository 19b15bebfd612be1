package daemon

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"keepwatch/cmd/keepwatch/ownprobe"
	"keepwatch/postgres"
	"keepwatch/site"
)

// takeSite takes the site's address before a database is started for it.
func (d *daemon) takeSite(ctx context.Context) (err error) {
	if !d.Roles.site {
		return nil
	}
	if d.File.Site == nil {
		if d.Roles.watch {
			return nil // the default roles, and nothing to serve
		}
		return errors.New("--roles site: the configuration has no site block: add one, or choose the roles probe,watch")
	}
	d.siteLn, err = d.File.Site.Take(ctx)
	return err
}

// makeSite makes the site for the address that takeSite took.
func (d *daemon) makeSite() (err error) {
	if d.siteLn == nil {
		return nil
	}
	cfg := *d.File.Site
	cfg.ProbeKey = d.own.Key() // that of the file, or that of data_dir
	if d.site, err = site.New(cfg, postgres.Photos{DB: d.database.db}, d.Log); err != nil {
		return err
	}
	d.site.Around, d.site.ProbeTag = d.newrelic.Middleware, ownprobe.Tag
	if !d.Roles.probe && !d.Roles.watch && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(siteGC)
		d.ballast = make([]byte, siteBallast)
	}
	return nil
}

// How much garbage a process that only serves the site may gather: siteGC percent of what
// is in use and of a ballast that is never touched, so takes no memory. That is 8 MiB, and
// little more when much is in use. Each decoded picture is tens of megabytes, and with Go's
// 100 percent a flood took 226 MiB; with 40 and no ballast a process that only sends
// pictures, with 10 MiB in use, collected after each 4 MiB, for a quarter of its time. A
// fixed limit would do the same until more than that is in use, and then never stop collecting.
const (
	siteGC      = 8
	siteBallast = 96 << 20
)
