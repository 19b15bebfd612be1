package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
)

// The rig of the kill tests: real daemons that may be killed at any moment, and,
// in the test's own process so that it sees everything, the site that they watch
// and the PagerDuty that they page.

// rigHold is how long the daemons hold a resolve after doubt.
const rigHold = 3 * time.Second

// rigSecret signs the webhooks of the rig's PagerDuty.
const rigSecret = "the secret of the rig"

// killSeed is the seed of a run: KEEPWATCH_KILL_SEED, or one of the moment. It is printed.
func killSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KEEPWATCH_KILL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("KEEPWATCH_KILL_SEED: %v", err)
		}
	}
	t.Logf("KEEPWATCH_KILL_SEED=%d", seed)
	return seed
}

// rig is the world around the daemons.
type rig struct {
	t      *testing.T
	dir    string
	down   atomic.Bool
	died   atomic.Bool // a daemon ended by itself
	target *httptest.Server
	pd     *fakepd.Server
	pdURL  string
	pdLog  *safeBuffer
	db     string // database.url of the daemons; "" for their own
	config string // of the daemons; "" is rigConfig

	mu      sync.Mutex
	outages []outage // guarded by mu
}

// outage is when the target was down; up is zero while it is.
type outage struct{ down, up time.Time }

// newRig makes the world; the daemons come later.
func newRig(t *testing.T, seed uint64, db string) *rig {
	t.Helper()
	// Postgres of a daemon that runs as root is another user, who must get in.
	dir, err := os.MkdirTemp("", "keepwatch-kill-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, db: db, pdLog: &safeBuffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs are kept in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	r.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if r.down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(r.target.Close)
	r.pd = fakepd.New(fakepd.Options{Seed: seed, Log: r.pdLog, MaxIncidents: 100_000})
	t.Cleanup(r.pd.Close)
	server := httptest.NewServer(r.pd.Handler())
	t.Cleanup(server.Close)
	r.pdURL = server.URL
	return r
}

// misbehave switches the faults of PagerDuty on; one is a 5xx to an event that was processed all the same.
func (r *rig) misbehave() {
	r.t.Helper()
	for _, f := range []fakepd.Fault{
		{Status: 500, Probability: 0.15},
		{Status: 429, RetryAfter: fakepd.Duration(time.Second), Probability: 0.1},
		{Status: 502, Processed: true, Probability: 0.1},
		{Lost: true, Probability: 0.15},
		{Delay: fakepd.Duration(1500 * time.Millisecond), Probability: 0.15},
	} {
		if err := r.pd.AddFault(f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// leading starts a daemon and waits until it is ready and leads.
func (r *rig) leading(name string) *process {
	r.t.Helper()
	d := r.daemon(name)
	r.within(time.Minute, "ready", func() bool { return d.says("/readyz", "") && d.leads() })
	return d
}

// two starts two daemons and waits until one of them leads: the first one returned.
func (r *rig) two() (leader, other *process) {
	r.t.Helper()
	leader, other = r.daemon("one"), r.daemon("two")
	r.within(time.Minute, "one leader", func() bool { return leader.leads() != other.leads() })
	if other.leads() {
		leader, other = other, leader
	}
	return leader, other
}

// wantIncidents judges, and requires so many incidents at PagerDuty.
func (r *rig) wantIncidents(db *postgres.DB, want int) {
	r.t.Helper()
	if sum := r.judge(db); sum.Incidents != want {
		r.t.Errorf("got %d incidents at PagerDuty, want %d", sum.Incidents, want)
	}
}

// goDown and comeUp move the target.
func (r *rig) goDown() {
	linger(1500 * time.Millisecond) // so that no slot belongs to two outages
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outages = append(r.outages, outage{down: time.Now()})
	r.down.Store(true)
}

func (r *rig) comeUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down.Store(false)
	r.outages[len(r.outages)-1].up = time.Now()
}

func (r *rig) history() []outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]outage(nil), r.outages...)
}

const rigConfig = `version: 1
data_dir: ./data
database: {url: "${KILL_DATABASE}"}
console: {listen: "${KILL_CONSOLE}"}
checks:
  - {name: front, every: 1s, timeout: 800ms, http: {url: "${KILL_TARGET}/"}}
services:
  - {name: shop, objective: 95%, critical: [front], escalation: shop, reopen: 0s}
people:
  ada: {name: Ada, email: ada@example.com}
rotations:
  primary: {start: 2026-01-05, people: [ada]}
escalations:
  shop: {levels: [{page: primary}]}
pagerduty: {routing_key: "${PAGERDUTY_ROUTING_KEY}", events_url: "${KILL_EVENTS}", webhook_secret: "${KILL_SECRET}", hold_resolve: "${KILL_HOLD}"}
`

// within waits until want is true and reports how long that took; it fails the test after limit.
func (r *rig) within(limit time.Duration, what string, want func() bool) time.Duration {
	r.t.Helper()
	start := time.Now()
	for !want() {
		if time.Since(start) > limit {
			r.t.Fatalf("after %s: never %s", limit, what)
		}
		if r.died.Load() {
			r.t.Fatalf("a daemon ended by itself, before: %s", what)
		}
		linger(50 * time.Millisecond)
	}
	return time.Since(start)
}

// ringing are the dedup keys that are open at PagerDuty.
func (r *rig) ringing() map[string]bool {
	out := map[string]bool{}
	for _, i := range r.pd.State().Incidents {
		if i.Status != "resolved" {
			out[i.DedupKey] = true
		}
	}
	return out
}

// paged reports whether an incident that the daemon shows as open rings at PagerDuty.
func (r *rig) paged(p *process) bool {
	ringing := r.ringing()
	for _, id := range p.openThere() {
		if ringing[id] {
			return true
		}
	}
	return false
}

// monkey does harm at random until told to stop.
type monkey struct {
	rng                              *rand.Rand
	daemon                           *process
	longest                          time.Duration // between two blows
	kills, serverKills, both, sleeps int
}

// once waits a random while and does one harm.
func (m *monkey) once(ctx context.Context) error {
	// Some blows fall while the daemon is still starting.
	if err := rest(ctx, 300*time.Millisecond+time.Duration(m.rng.Int64N(int64(m.longest)))); err != nil {
		return err
	}
	switch n := m.rng.IntN(100); {
	case n < 55:
		m.kills++
		m.daemon.kill()
	case n < 70:
		if m.daemon.killServer() {
			m.serverKills++
		}
		return nil
	case n < 85:
		m.both++
		m.kills++
		m.daemon.killServer()
		m.daemon.kill()
	default:
		m.sleeps++
		m.daemon.signal(syscall.SIGSTOP)
		err := rest(ctx, time.Duration(1000+m.rng.IntN(3500))*time.Millisecond)
		m.daemon.signal(syscall.SIGCONT)
		return err
	}
	err := rest(ctx, time.Duration(m.rng.IntN(1200))*time.Millisecond)
	m.daemon.start()
	return err
}

func (m *monkey) String() string {
	return fmt.Sprintf("%d kills of the daemon (%d with its Postgres), %d of its Postgres alone, %d sleeps", m.kills, m.both, m.serverKills, m.sleeps)
}

// rest waits, or reports that ctx has ended.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errors.New("told to stop")
	}
}
