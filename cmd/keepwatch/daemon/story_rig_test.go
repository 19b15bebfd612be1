package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/spool"
)

// night is one story's house.
type night struct {
	t         *testing.T
	db        *postgres.DB
	gate      *gate
	engine    *alerting.Engine
	deliverer *alerting.Deliverer
	recorder  *probe.Recorder
	runner    *probe.Runner
	failover  *alerting.Failover
	clock     func() time.Time // of the parts; nil is time.Now
	store     probe.Store      // of results; nil is Postgres without the ledger
	phone     *phone
	start     time.Time

	down  atomic.Bool                // the site, for everybody
	blind atomic.Pointer[[]string]   // locations that cannot see it
	sight atomic.Pointer[probe.Look] // what everybody sees instead; nil: the site up or down
	stops []func()

	// What a story changes of the configuration below; nil changes nothing.
	shape func(rule *alerting.Rule)
	more  []*neighbour // services beside the shop
}

const storyInterval = 30 * time.Second

// tell runs a story in a bubble over a database of its own.
func tell(t *testing.T, story func(n *night)) {
	t.Helper()
	dsn := pgtest.DSN(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		n := &night{t: t, db: db, start: time.Now(), phone: &phone{start: time.Now()}}
		n.blind.Store(&[]string{})
		n.gate = &gate{Primary: postgres.Incidents{DB: db}}
		n.build(dir)
		defer n.end()
		story(n)
	})
}

// build makes the parts; again after end it is a restart on the same disk.
func (n *night) build(dir string) {
	n.t.Helper()
	log := slog.New(slog.DiscardHandler)
	outbox, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(dir, "outbox.db")})
	if err != nil {
		n.t.Fatal(err)
	}
	journal, err := spool.OpenJournal(spool.JournalOptions{Dir: filepath.Join(dir, "results")})
	if err != nil {
		n.t.Fatal(err)
	}
	failover := &alerting.Failover{Primary: n.gate, Spool: outbox, Log: log, Now: n.clock}
	n.failover = failover
	n.engine = &alerting.Engine{Store: failover, Log: log, Now: n.clock}
	n.deliverer = &alerting.Deliverer{
		Store: failover, Notifiers: map[string]alerting.Notifier{"pagerduty": n.phone, "mail": n.phone, "chat": n.phone},
		Fallback: []string{"mail"}, Settled: n.engine.Settled, Log: log, Now: n.clock,
	}
	n.engine.Wake = n.deliverer.Wake
	failover.OnReturn = n.engine.Adopt
	if n.store == nil {
		n.store = &postgres.Results{DB: n.db}
	}
	n.recorder = &probe.Recorder{Store: gatedResults{n.store, n.gate}, Journal: journal, Log: log, Now: n.clock}
	n.runner = &probe.Runner{Sink: eyes{n, probe.Sinks{n.engine, n.recorder}}, Log: log, Now: n.clock}
	n.engine.Again = n.runner.LookAgain
	n.apply(2)
	ctx, cancel := context.WithCancel(n.t.Context())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{failover.Run, n.recorder.Run, n.engine.Run, n.deliverer.Run, n.runner.Run} {
		wg.Go(func() { _ = run(ctx) })
	}
	n.stops = append(n.stops, func() {
		cancel()
		wg.Wait()
		if err := errors.Join(outbox.Close(), journal.Close()); err != nil {
			n.t.Errorf("close: %v", err)
		}
	})
}

// end stops the parts.
func (n *night) end() {
	for _, stop := range slices.Backward(n.stops) {
		stop()
	}
	n.stops = nil
}

// apply puts the story's configuration into force: one check from three places.
func (n *night) apply(levels int) {
	n.t.Helper()
	places := []string{"central", "east", "west"}
	check := probe.Check{
		Name: "front", Kind: "http", Every: storyInterval, Timeout: 5 * time.Second, Quorum: 2,
		Locations: places, Checker: n, Spec: "{}",
	}
	rotation := func(name, person string) oncall.Rotation {
		c := oncall.RotationConfig{Start: oncall.Date{Year: 1999, Month: 12, Day: 27}, People: []oncall.Member{{Person: person}}}
		c.SetDefaults()
		return c.Rotation(name, nil)
	}
	roster := oncall.Roster{
		People:    map[string]oncall.Person{"ada": {Name: "Ada"}, "grace": {Name: "Grace"}},
		Rotations: map[string]oncall.Rotation{"primary": rotation("primary", "ada"), "secondary": rotation("secondary", "grace")},
	}
	policy := oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "primary"}, {Page: "secondary", After: 10 * time.Minute}}[:levels]}
	rule := alerting.Rule{
		Service: "shop", Confirm: 2, Recover: 2, Policy: policy,
		Checks: []alerting.CheckRule{{Name: "front", Locations: places, Quorum: 2, Every: storyInterval, Timeout: 5 * time.Second}},
	}
	if n.shape != nil {
		n.shape(&rule)
	}
	rules, checks := []alerting.Rule{rule}, []probe.Check{check}
	for _, m := range n.more {
		rules, checks = append(rules, m.rule(rule)), append(checks, m.check(check))
	}
	n.engine.Apply(rules, roster, alerting.Routing{
		Channel: "pagerduty", Fallback: []string{"mail"}, Quiet: []string{"chat"},
		Route: func(person string) (string, bool) { return "person:" + person, true },
	})
	n.runner.Apply(checks)
	// While the database is away the daemon writes this later.
	_ = (&postgres.Results{DB: n.db}).SyncChecks(n.t.Context(), time.Now().UTC(), checks)
}

// Check implements probe.Checker: the site as everybody sees it.
func (n *night) Check(context.Context) probe.Look {
	if look := n.sight.Load(); look != nil {
		return *look
	}
	if n.down.Load() {
		return probe.Look{Latency: time.Millisecond, Fault: probe.Fault{Class: probe.ClassConnect, Phase: "connect", Message: "connection refused"}}
	}
	return probe.Look{OK: true, Code: 200, Latency: time.Millisecond}
}

// eyes makes some locations blind to the site.
type eyes struct {
	night *night
	next  probe.Sink
}

// Record implements probe.Sink.
func (e eyes) Record(r probe.Result) {
	if r.Outcome == probe.Good && slices.Contains(*e.night.blind.Load(), r.Location) {
		r.Outcome = probe.Bad
		r.Look = probe.Look{Fault: probe.Fault{Class: probe.ClassTimeout, Message: "no route from " + r.Location}}
	}
	e.next.Record(r)
}

// phone is where pages ring. It notes what it got and when.
type phone struct {
	start time.Time
	dead  atomic.Bool // pagerduty does not answer
	mu    sync.Mutex
	rings []ring // guarded by mu
}

type ring struct {
	after time.Duration
	page  alerting.Page
}

// Send implements alerting.Notifier.
func (p *phone) Send(_ context.Context, page alerting.Page) alerting.Receipt {
	if p.dead.Load() && page.Channel == "pagerduty" {
		return alerting.Receipt{Class: alerting.Again, Status: 503, Detail: "busy"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rings = append(p.rings, ring{time.Since(p.start), page})
	return alerting.Receipt{Class: alerting.Taken, Status: 202}
}

// heard lists the rings as "action person via channel"; those of one moment, which
// leave side by side, by name.
func (p *phone) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(p.rings, func(a, b ring) int {
		return cmp.Or(cmp.Compare(a.after/time.Second, b.after/time.Second), cmp.Compare(a.page.Person, b.page.Person))
	})
	var out []string
	for _, r := range p.rings {
		out = append(out, fmt.Sprintf("%s %s via %s", r.page.Action, r.page.Person, r.page.Channel))
	}
	return out
}

// at returns when the n-th ring came.
func (p *phone) at(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rings[n].after
}

// gate stands before Postgres and can be shut: the database is away.
type gate struct {
	alerting.Primary
	shut atomic.Bool
}

var errGate = errors.New("the database is away")

func (g *gate) check() error {
	if g.shut.Load() {
		return errGate
	}
	return nil
}

// Apply and its sisters are the primary's while the gate is open.
func (g *gate) Apply(ctx context.Context, c alerting.Change) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Primary.Apply(ctx, c)
}

func (g *gate) OpenIncidents(ctx context.Context) ([]alerting.Incident, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.Primary.OpenIncidents(ctx)
}

func (g *gate) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerting.Page, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.Primary.Claim(ctx, now, lease, limit)
}

func (g *gate) Settle(ctx context.Context, s alerting.Settlement) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Primary.Settle(ctx, s)
}

func (g *gate) Pages(ctx context.Context, incident string) ([]alerting.Page, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.Primary.Pages(ctx, incident)
}

func (g *gate) Backlog(ctx context.Context) (alerting.Backlog, error) {
	if err := g.check(); err != nil {
		return alerting.Backlog{}, err
	}
	return g.Primary.Backlog(ctx)
}

func (g *gate) Import(ctx context.Context, c alerting.Change) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Primary.Import(ctx, c)
}

func (g *gate) Unfinished(ctx context.Context) ([]alerting.Change, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.Primary.Unfinished(ctx)
}

// gatedResults shuts the ledger with the same gate.
type gatedResults struct {
	probe.Store
	gate *gate
}

func (g gatedResults) Insert(ctx context.Context, rs []probe.Result) error {
	if err := g.gate.check(); err != nil {
		return err
	}
	return g.Store.Insert(ctx, rs)
}

// wait lets time pass.
func (n *night) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// now is how long the story has lasted.
func (n *night) now() time.Duration { return time.Since(n.start) }

// ack is ada acknowledging an incident now.
func (n *night) ack(id string) {
	n.t.Helper()
	if err := n.engine.Ack(n.t.Context(), id, "ada", time.Now().UTC()); err != nil {
		n.t.Fatal(err)
	}
}

// oneResolved requires that Postgres holds one incident, and that it is over.
func (n *night) oneResolved() {
	n.t.Helper()
	if got := n.stored(); len(got) != 1 || got[0].State != alerting.Resolved {
		n.t.Errorf("Postgres holds %+v, want one resolved incident", got)
	}
}

// expect compares all rings so far.
func (n *night) expect(want ...string) {
	n.t.Helper()
	if got := n.phone.heard(); !slices.Equal(got, want) {
		n.t.Fatalf("after %v the phones rang:\n  %s\nwant:\n  %s", n.now(), strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// stored returns the incidents in Postgres, newest first.
func (n *night) stored() []alerting.Incident {
	n.t.Helper()
	list, err := postgres.Incidents{DB: n.db}.List(n.t.Context(), "", 100)
	if err != nil {
		n.t.Fatal(err)
	}
	return list
}
