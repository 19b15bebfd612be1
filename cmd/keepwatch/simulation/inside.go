package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/burn"
	"keepwatch/cmd/keepwatch/quiet"
	"keepwatch/cmd/keepwatch/reporting"
	"keepwatch/config"
	"keepwatch/ledger"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/reports"
	"keepwatch/simulate"
)

// Inside lives through the weeks and ends the process. Only a bubble of
// testing/synctest has a clock that jumps to the next moment at which anything
// happens while the daemon's own parts run unchanged, and only a test can have one:
// hence the package testing in a program (docs/decisions).
func (s *Simulation) Inside(dsn string) error {
	os.Args = os.Args[:1] // testing.Main reads the command line too
	bubble := func(t *testing.T) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			if err := s.through(t.Context(), dsn); err != nil {
				t.Error(err)
			}
		})
	}
	all := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "simulation", F: bubble}}, nil, nil)
	return errors.New("the simulation did not end the process") // testing.Main does
}

// weeksOf is the daemon's own parts in the simulated world.
type weeksOf struct {
	*Simulation
	world  *simulate.World
	db     *postgres.DB
	log    *slog.Logger
	checks []probe.Check
}

// through lives through all weeks, and a day more in which the last report becomes final.
func (s *Simulation) through(ctx context.Context, dsn string) (err error) {
	w := &weeksOf{Simulation: s, log: slog.New(slog.NewTextHandler(s.errOut, &slog.HandlerOptions{Level: slog.LevelError}))}
	if w.world, err = simulate.New(s.scenario, s.weeks, s.config.Reports.TimeZone); err != nil {
		return err
	}
	if w.checks, err = s.config.ProbeChecks(probe.Env{}); err != nil {
		return err
	}
	weeks := w.world.Weeks()
	from, to := weeks[0].From, weeks[len(weeks)-1].To.Add(reportsSettle)
	time.Sleep(time.Until(from))
	// A connection that ages in this clock would be made anew every few milliseconds.
	ages := " synchronous_commit=off pool_max_conn_lifetime=9000h pool_max_conn_idle_time=9000h pool_health_check_period=24h"
	if w.db, err = postgres.Open(ctx, dsn+ages, w.log); err != nil {
		return err
	}
	defer w.db.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.declare(ctx) })
	g.Go(func() error { return w.watch(ctx, from, to) })
	return g.Wait()
}

// calm is how long the parts sleep while nothing happens: waking for nothing takes most
// of a simulation's time.
const calm = 15 * time.Minute

// partitionsEvery is how often partitions are made ahead, which reach a week.
const partitionsEvery = 12 * time.Hour

// keepDays is how long single results are kept (slo-spec section 4).
const keepDays = 35

// reportsSettle is how long after the last week the simulation goes on.
const reportsSettle = 49 * time.Hour

// watch runs Keepwatch from one absence to the next.
func (w *weeksOf) watch(ctx context.Context, from, to time.Time) error {
	for _, off := range append(w.world.Blind(), simulate.Stretch{From: to, To: to}) {
		if off.From.After(to) {
			off.From = to
		}
		if off.From.After(from) {
			if err := w.run(ctx, off.From); err != nil {
				return err
			}
		}
		if off.To.After(to) {
			return nil
		}
		from = off.To
		time.Sleep(time.Until(from))
	}
	return nil
}

// run is one life of the daemon, which ends at an instant.
func (w *weeksOf) run(ctx context.Context, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, time.Until(until))
	defer cancel()
	results := &postgres.Results{DB: w.db}
	if err := results.SyncChecks(ctx, time.Now().UTC(), w.checks); err != nil {
		return err
	}
	pace := w.pace()
	keeper := &ledger.Keeper{Store: results, Agent: "simulation", Log: w.log, Every: time.Hour}
	recorder := &probe.Recorder{Store: keeper, Journal: &pocket{}, Every: pace, Log: w.log}
	keeper.Waiting = recorder.Pending
	engine := &alerting.Engine{Store: postgres.Incidents{DB: w.db}, Calm: calm, Log: w.log}
	pager := &pager{engine: engine, after: w.scenario.AckAfter, work: make(chan struct{}, 1)}
	pager.deliverer = &alerting.Deliverer{
		Store: engine.Store, Notifiers: map[string]alerting.Notifier{"phone": pager}, Settled: engine.Settled, Log: w.log,
	}
	engine.Wake = pager.wake
	runner := &probe.Runner{Sink: probe.Sinks{engine, recorder}, Log: w.log}
	engine.Again = runner.LookAgain
	engine.Apply(w.config.Rules(), w.config.Roster(), alerting.Routing{
		Channel: "phone", Route: func(person string) (string, bool) { return alerting.PersonRoute(person), true },
	})
	runner.Apply(w.looks())
	store := postgres.Reports{DB: w.db}
	set := reporting.SettingsOf(w.config, w.version)
	set.Team = func(ctx context.Context, from, to time.Time) (reports.Team, error) {
		return reporting.TeamOf(ctx, w.config, w.db, from, to)
	}
	writer := &reports.Writer{Store: store, Settings: func() reports.Settings { return set }, Every: calm, Log: w.log}
	burning := &burn.Watch{Store: store, First: postgres.Burns{DB: w.db}.First, Engine: engine, File: w.file, Every: pace, Log: w.log}
	return w.together(ctx, recorder, runner.Run, engine.Run, pager.run, writer.Run, w.maintain(results), keeper.Run, burning.Run, w.exclusions(engine))
}

// exclusions lets declared maintenance page nobody, as in the daemon.
func (w *weeksOf) exclusions(engine *alerting.Engine) func(context.Context) error {
	store := postgres.Exclusions{DB: w.db}
	k := &quiet.Exclusions{Apply: store.ApplyFile, Touching: store.Touching, File: w.file, Set: engine.SetSilences, Every: calm, Log: w.log}
	return func(ctx context.Context) error {
		engine.SetSilences("maintenance", w.config.MaintenanceSilences(time.Now(), time.Now().Add(quiet.Ahead)))
		return k.Run(ctx)
	}
}

func (w *weeksOf) file() *config.File { return w.config }

// pace is how often results are stored and budgets looked at: once a slot, for
// nothing changes between, or before the incident of a recovered outage is closed.
func (w *weeksOf) pace() time.Duration {
	pace := 5 * time.Minute
	for _, c := range w.checks {
		pace = min(pace, c.Every)
	}
	return pace
}

// together runs the parts until ctx ends; the recorder ends after those who write to it.
func (w *weeksOf) together(ctx context.Context, recorder *probe.Recorder, parts ...func(context.Context) error) error {
	last, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	recorded := make(chan error, 1)
	go func() { recorded <- recorder.Run(last) }() // ends with stop, joined below
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error { return part(ctx) })
	}
	err := g.Wait()
	stop()
	return errors.Join(err, <-recorded)
}

// looks are the checks with the world in the place of their targets, one for each location.
func (w *weeksOf) looks() []probe.Check {
	var out []probe.Check
	for _, c := range w.checks {
		for _, location := range c.Locations {
			one := c
			one.Locations, one.Checker = []string{location}, w.world.Checker(c.Name, location)
			out = append(out, one)
		}
	}
	return out
}

// maintain keeps partitions, as the daemon's database does.
func (w *weeksOf) maintain(results *postgres.Results) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if _, _, err := results.MaintainPartitions(ctx, time.Now().UTC(), keepDays); err != nil && ctx.Err() == nil {
				return fmt.Errorf("partitions: %w", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(partitionsEvery):
			}
		}
	}
}

// declare makes the scenario's declarations when their time has come, also while
// Keepwatch does not run: people write to the database by the command line.
func (w *weeksOf) declare(ctx context.Context) error {
	store := postgres.Exclusions{DB: w.db}
	for _, d := range w.world.Declarations() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(d.At)):
		}
		kind := reports.Planned
		if d.Approver != "" {
			kind = reports.Correction
		}
		if _, err := store.Add(ctx, reports.Exclusion{
			Service: d.Service, Kind: kind, From: d.From, To: d.To, DeclaredAt: d.At.UTC(), Author: d.By, Approver: d.Approver, Reason: d.Reason,
		}); err != nil {
			return fmt.Errorf("declare maintenance: %w", err)
		}
	}
	return nil
}

// pager delivers pages to a person who acknowledges after a while. It looks for
// pages only while there are any: polling for five weeks would take as long.
type pager struct {
	engine    *alerting.Engine
	deliverer *alerting.Deliverer
	after     time.Duration
	work      chan struct{}

	mu   sync.Mutex
	acks []due // guarded by mu
}

// due is an acknowledgement to come.
type due struct {
	at               time.Time
	incident, person string
}

func (p *pager) wake() {
	p.deliverer.Wake()
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// Send implements [alerting.Notifier].
func (p *pager) Send(_ context.Context, page alerting.Page) alerting.Receipt {
	if page.Action == alerting.Trigger && p.after > 0 {
		p.mu.Lock()
		p.acks = append(p.acks, due{time.Now().Add(p.after), page.Incident, page.Person})
		p.mu.Unlock()
	}
	return alerting.Receipt{Class: alerting.Taken, Status: 202}
}

func (p *pager) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.work:
		}
		if err := p.deliver(ctx); err != nil {
			return err
		}
	}
}

// deliver runs the deliverer until nothing is owed and nobody wants to acknowledge.
func (p *pager) deliver(ctx context.Context) error {
	within, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = p.deliverer.Run(within) }) // it returns nil
	defer running.Wait()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		p.acknowledge(ctx)
		left, err := p.deliverer.Store.Backlog(ctx)
		if err != nil {
			return err
		}
		p.mu.Lock()
		waiting := len(p.acks)
		p.mu.Unlock()
		if left.Pages == 0 && waiting == 0 {
			return nil
		}
	}
}

// acknowledge makes the acknowledgements whose time has come. An incident that has
// recovered meanwhile needs none.
func (p *pager) acknowledge(ctx context.Context) {
	now := time.Now()
	p.mu.Lock()
	var ready []due
	p.acks = slices.DeleteFunc(p.acks, func(d due) bool {
		if d.at.After(now) {
			return false
		}
		ready = append(ready, d)
		return true
	})
	p.mu.Unlock()
	for _, d := range ready {
		if err := p.engine.Ack(ctx, d.incident, d.person, d.at); err != nil && !errors.Is(err, alerting.ErrNotFound) {
			return
		}
	}
}
