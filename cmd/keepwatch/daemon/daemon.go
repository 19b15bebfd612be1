package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/burn"
	"keepwatch/cmd/keepwatch/datadir"
	"keepwatch/cmd/keepwatch/ownprobe"
	"keepwatch/cmd/keepwatch/quiet"
	"keepwatch/cmd/keepwatch/standin"
	"keepwatch/config"
	"keepwatch/ledger"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/reports"
	"keepwatch/reports/courier"
	"keepwatch/site"
	"keepwatch/spool"
	"keepwatch/steady"
	"keepwatch/telemetry"
	"keepwatch/web"
)

// Options are what a daemon is made of. Only WaitFor, Version and Greeting may be left out.
type Options struct {
	File     *config.File // in force until the first reload
	Roles    Roles
	Log      *slog.Logger
	StandIn  *standin.Server              // its zero value is none
	WaitFor  bool                         // the probes wait until the site accepts connections, 15 s at most
	Reload   func() (*config.File, error) // reads the configuration anew, at each SIGHUP
	Version  string                       // of this program
	Greeting io.Writer                    // is told the addresses before anything runs; nil is nobody
}

// daemon is the wiring: every part, made by hand in one place. Fields for roles
// that this process does not have stay nil.
type daemon struct {
	Options
	owner    *datadir.Owner
	spoolBad string // why pages have no spool; "" when they have one
	database *database
	present  atomic.Pointer[config.File] // the configuration in force
	reloaded atomic.Pointer[reloadState]
	hup      <-chan os.Signal
	started  time.Time    // with a monotonic reading
	clock    steady.Clock // what everything here goes by
	host     *hostClock

	signer    web.Signer
	console   *web.Server
	consoleLn net.Listener
	recent    *web.Recent
	metrics   *telemetry.Metrics
	newrelic  *telemetry.Client

	journal   *spool.Journal
	outbox    *spool.Outbox
	failover  *alerting.Failover
	engine    *alerting.Engine
	deliverer *alerting.Deliverer
	switches  switchboard
	leader    *alerting.Leader
	recorder  *probe.Recorder
	keeper    *ledger.Keeper
	runner    *probe.Runner
	writer    *reports.Writer
	courier   *courier.Courier
	figures   *figures
	backlog   *backlog
	covers    *covers
	trail     *trail
	notices   *notices
	silences  *quiet.Silences
	auditor   *auditor
	burns     *burn.Watch
	visitors  *visitors

	site    *site.Site
	siteLn  net.Listener
	ballast []byte         // see siteBallast
	own     *ownprobe.Pass // nil without a site

	pd pagerDuty
}

// reloadState is what the last reload did.
type reloadState struct {
	at   time.Time
	good time.Time // of the last good one, the start's included
	err  error     // nil: it was good
	// later are the keys whose new values wait for a restart.
	later []string
}

func (d *daemon) now() time.Time { return d.clock.Now() }

// newDaemon takes everything that can be refused (directory, addresses,
// credentials) before anything runs, and releases it again on an error.
func newDaemon(ctx context.Context, o Options) (d *daemon, err error) {
	d = &daemon{Options: o, started: time.Now()}
	d.present.Store(o.File)
	d.makeClock()
	d.reloaded.Store(&reloadState{at: d.now(), good: d.now()})
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.owner, err = datadir.Own(o.File.DataDir, o.Roles.lockName()); err != nil {
		return d, err
	}
	if o.Roles.watch {
		key, err := datadir.SecretKey(o.File.DataDir)
		if err != nil {
			return d, err
		}
		d.signer = web.Signer{Key: key}
		if err := d.openConsole(ctx); err != nil {
			return d, err
		}
	}
	if err := d.takeSite(ctx); err != nil {
		return d, err
	}
	if d.database, err = openDatabase(ctx, o.File, o.Roles.watch, o.Log); err != nil {
		return d, err
	}
	d.database.now = d.now
	if err := d.makeNewRelic(); err != nil {
		return d, err
	}
	if d.own, err = ownprobe.New(o.File, d.siteLn != nil); err != nil {
		return d, err
	}
	if err := d.makeSite(); err != nil { //nolint:contextcheck // nothing is asked yet: settings are read
		return d, err
	}
	if o.Roles.watch {
		if err := d.makeWatch(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

// close releases what newDaemon took, in reverse.
func (d *daemon) close() error {
	var errs []error
	for _, ln := range []net.Listener{d.consoleLn, d.siteLn} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if d.outbox != nil {
		errs = append(errs, d.outbox.Close())
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	if d.database != nil && d.database.db != nil {
		d.database.db.Close()
	}
	if d.owner != nil {
		errs = append(errs, d.owner.Close())
	}
	return errors.Join(errs...)
}

// makeWatch makes the parts that watch, decide, page and record.
func (d *daemon) makeWatch(ctx context.Context) (err error) {
	f, db := d.File, d.database.db
	dir := filepath.Join(f.DataDir, "spool")
	if d.journal, err = spool.OpenJournal(spool.JournalOptions{Dir: filepath.Join(dir, "results")}); err != nil {
		return err
	}
	if err := d.openOutbox(filepath.Join(dir, "outbox.db")); err != nil {
		return err
	}
	d.keeper = d.makeKeeper()
	d.recorder = &probe.Recorder{Store: d.newrelic.Results(d.keeper), Journal: d.journal, Log: d.Log, Now: d.now}
	d.metrics = telemetry.NewMetrics(d.Version, d.gauges())
	d.metrics.Now = d.now
	d.metrics.NewRelic(d.newrelic)
	d.failover = &alerting.Failover{Primary: postgres.Incidents{DB: db}, Log: d.Log, Now: d.now}
	if d.outbox != nil {
		d.failover.Spool = d.outbox
	}
	d.backlog = &backlog{store: d.failover}
	d.covers = newCovers(db, d.rosterChanged, d.Log)
	d.covers.now = d.now
	d.makeEngine(f)
	d.makePagerDuty()
	d.makePeople()
	d.silences = quiet.NewSilences(db, d.engine, d.present.Load, d.Log)
	d.silences.Now = d.now
	d.recent = &web.Recent{Next: probe.Sinks{d.engine, d.recorder}}
	d.runner = &probe.Runner{Sink: d.metrics.Sink(d.recent), Log: d.Log, Now: d.now, StepCause: d.stepCause}
	d.engine.Again = d.runner.LookAgain
	store := postgres.Reports{DB: db}
	d.visitors = &visitors{store: postgres.Traffic{DB: db}, file: d.present.Load, log: d.Log}
	d.burns = &burn.Watch{Store: store, First: postgres.Burns{DB: db}.First, Engine: d.engine, File: d.present.Load, Log: d.Log, Now: d.now}
	d.auditor = &auditor{leads: d.leader.Leads, problems: d.audited, deadman: d.deadman, log: d.Log, now: d.now}
	d.figures = &figures{store: store, settings: d.reportSettings, tell: d.metrics.SLO, log: d.Log}
	d.writer = &reports.Writer{Store: store, Settings: d.reportSettings, Senders: d.senders(), Log: d.Log, Now: d.now}
	d.courier = d.makeCourier()
	if d.console != nil {
		d.console.Metrics, d.console.Probe = d.metrics.Handler(), d.metrics.Probe()
		d.console.Around = d.newrelic.Middleware
		d.console.PagerDuty = d.pagerDutyWebhook()
	}
	return d.put(ctx, f)
}

func (d *daemon) makeEngine(f *config.File) {
	names, mails := f.FallbackNames()
	d.engine = &alerting.Engine{Store: d.failover, Ended: postgres.Incidents{DB: d.database.db}.Ended, Log: d.Log, Now: d.now}
	d.deliverer = &alerting.Deliverer{
		Store: d.failover, Notifiers: d.notifiers(f), Fallback: names, NoEcho: mails,
		Settled: d.engine.Settled, Log: d.Log, Now: d.now,
	}
	d.engine.Wake = d.deliverer.Wake
	d.failover.OnReturn = d.engine.Adopt
	standBy := mark(filepath.Join(f.DataDir, "stand-by"))
	d.leader = &alerting.Leader{
		Try: d.tryLead,
		// A database of our own is shared with nobody, so nobody else can lead.
		Was: func() bool { return d.database.server != nil || !standBy.isSet() },
		Mark: func(yes bool) {
			if err := standBy.set(!yes); err != nil {
				d.Log.Warn("remember who led last", "err", err)
			}
		},
		Part: d.lead, Log: d.Log,
	}
}

func (d *daemon) tryLead(ctx context.Context) (alerting.Lease, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	db, me := d.database.db, agentName(d.File)
	lost, release, held, err := db.TryLead(ctx, leadName)
	if err != nil || !held {
		return alerting.Lease{}, held, err
	}
	last, up, err := db.LastLead(ctx, leadName)
	if err != nil {
		release() // the connections of a database that has just restarted fail once each
		return alerting.Lease{}, false, err
	}
	took := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		return db.NoteLead(ctx, leadName, me, d.now().UTC())
	}
	return alerting.Lease{Lost: lost, Release: release, Up: up, Other: last != "" && last != me, Took: took}, true, nil
}

// leadName is the lead that one of several daemons has: it pages.
const leadName = "pager"

// lead is what only the leading daemon runs.
func (d *daemon) lead(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{
		d.burns.Run,
		d.engine.Run, d.deliverer.Run, d.runPagerDuty, d.runExclusions, d.writer.Run, d.courier.Run, d.newrelic.Deliver, d.notices.Run,
	} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// run runs all parts until ctx ends.
func (d *daemon) run(ctx context.Context) error {
	var server, keepers, producers []part
	pool := []part{{"pool", func(ctx context.Context) error {
		<-ctx.Done()
		d.database.db.Close()
		return nil
	}}}
	if d.database.server != nil {
		server = append(server, part{"postgres", d.database.server.Run})
	}
	keepers = append(keepers, part{"clock", d.host.Run}, part{"database", d.database.Run}, part{"new relic", d.newrelic.Run})
	if d.Roles.watch {
		keepers = append(keepers,
			part{"failover", d.failover.Run}, part{"recorder", d.recorder.Run}, part{"ledger", d.keeper.Run}, part{"leader", d.leader.Run})
		producers = append(producers,
			part{"prober", d.probe}, part{"figures", d.figures.Run}, part{"backlog", d.backlog.Run},
			part{"covers", d.covers.Run}, part{"audit", d.trail.Run}, part{"silences", d.silences.Run}, part{"auditor", d.auditor.Run}, part{"reload", d.watchReload})
		producers = append(producers, part{"access logs", d.visitors.Run})
	}
	if d.console != nil {
		producers = append(producers, part{"console", func(ctx context.Context) error { return d.console.Run(ctx, d.consoleLn) }})
	}
	if d.site != nil {
		producers = append(producers, part{"site", func(ctx context.Context) error { return d.site.Serve(ctx, d.siteLn) }},
			part{"code of probes", d.own.Store(postgres.Photos{DB: d.database.db})})
	}
	if d.StandIn.Addr() != "" {
		keepers = append(keepers, part{"pagerduty stand-in", func(ctx context.Context) error {
			return d.StandIn.Run(ctx, d.File.ConsoleURL())
		}})
	}
	d.Log.InfoContext(ctx, "started", "version", d.Version, "roles", d.Roles.String(), "config", d.File.Path)
	err := runStages(ctx, server, pool, keepers, producers)
	return errors.Join(err, d.close())
}

// openConsole takes the console's address; without a console block there is none.
func (d *daemon) openConsole(ctx context.Context) (err error) {
	if d.File.Console == nil {
		return nil
	}
	d.console = d.makeConsole()
	d.consoleLn, err = d.console.Listen(ctx)
	return err
}

// openOutbox opens the spool of pages. A damaged file must not keep the pager
// from starting: memory then stands behind Postgres, and health is red until somebody mends it.
func (d *daemon) openOutbox(path string) error {
	outbox, err := spool.OpenOutbox(spool.OutboxOptions{Path: path})
	if errors.Is(err, spool.ErrLocked) {
		return err
	}
	if err != nil {
		d.spoolBad = fmt.Sprintf("the spool of pages cannot be opened (%v): move %s away and restart; until then pages have no spool", err, path)
		d.Log.Error("pages have no spool", "err", err)
		return nil
	}
	d.outbox = outbox
	return nil
}

// fullDetail reports whether a scrape can carry all series of a configuration.
func fullDetail(f *config.File) bool {
	pairs, steps := 0, 0
	for _, c := range f.Checks {
		pairs += len(c.Locations)
		if c.Journey != nil {
			steps += len(c.Journey.Steps) + len(c.Journey.Cleanup)
		}
	}
	return telemetry.FullDetail(len(f.Checks), pairs, steps)
}
