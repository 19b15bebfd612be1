package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
)

// full reports whether the long form of the suite runs (make faults).
func full() bool { return os.Getenv("KEEPWATCH_FAULTS") == "full" }

// seed is the seed of a run: KEEPWATCH_FAULTS_SEED, or one of the moment. It is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("KEEPWATCH_FAULTS_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("KEEPWATCH_FAULTS_SEED: %v", err)
		}
	}
	t.Logf("seed=%d", n)
	return n
}

// linger waits: these tests are about real processes in real time.
func linger(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
}

// rig is the world around the pagers: what is down, who rings, and the database.
type rig struct {
	t        *testing.T
	dir      string
	settings pagerSettings
	pd       *fakepd.Server
	pdLog    *buffer
	db       *postgres.DB
	pagers   []*process
	expect   func(service string) int // how many outages a service had; nil is one each

	mu    sync.Mutex
	world []byte         // guarded by mu
	mails map[string]int // guarded by mu: fallback triggers by dedup key
	asked int            // guarded by mu: the leading pager that asked last, by its number
}

// newRig makes the world of some services over a database.
func newRig(t *testing.T, dsn string, s pagerSettings) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: t.TempDir(), pdLog: &buffer{}, mails: map[string]int{},
		world: bytes.Repeat([]byte{worldUp}, s.Services),
	}
	world := httptest.NewServer(r)
	t.Cleanup(world.Close)
	r.pd = fakepd.New(fakepd.Options{Seed: 1, Log: r.pdLog, MaxIncidents: 100_000})
	t.Cleanup(r.pd.Close)
	server := httptest.NewServer(r.pd.Handler())
	t.Cleanup(server.Close)
	var err error
	if r.db, err = postgres.Connect(t.Context(), dsn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.db.Close)
	s.DSN, s.Events, s.World = dsn, server.URL, world.URL+"/"
	if s.Hold == 0 {
		s.Hold = 3 * time.Second
	}
	if s.Keys == 0 {
		s.Keys = max(s.Services/8, 1)
	}
	r.settings = s
	return r
}

// ServeHTTP tells the pagers what they see, and takes the mails of the fallback.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if req.URL.Path == "/mail" {
		if req.FormValue("action") == "trigger" {
			r.mails[req.FormValue("key")]++
		}
		return
	}
	if n, err := strconv.Atoi(req.FormValue("pager")); err == nil {
		r.asked = n
	}
	_, _ = w.Write(r.world)
}

// set changes what the pagers see of a service.
func (r *rig) set(n int, state byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.world[n] = state
}

func (r *rig) state(n int) byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.world[n]
}

// within waits until want is true; it fails the test after limit.
func (r *rig) within(limit time.Duration, what string, want func() bool) {
	r.t.Helper()
	start := time.Now()
	for !want() {
		if time.Since(start) > limit {
			r.t.Fatalf("after %s: never %s", limit, what)
		}
		linger(20 * time.Millisecond)
	}
}

// incidents are those in the database, oldest first; nil while it is away.
func (r *rig) incidents() []alerting.Incident {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
	defer cancel()
	list, err := postgres.Incidents{DB: r.db}.List(ctx, "", 100_000)
	if err != nil {
		return nil
	}
	slices.Reverse(list)
	return list
}

// rang are the dedup keys that PagerDuty ever opened an incident for, and whether it is still open.
func (r *rig) rang() map[string]bool {
	out := map[string]bool{}
	for _, i := range r.pd.State().Incidents {
		out[i.DedupKey] = out[i.DedupKey] || i.Status != "resolved"
	}
	return out
}

// quiet reports whether nothing is open and nothing is owed any more.
func (r *rig) quiet() bool {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
	defer cancel()
	store := postgres.Incidents{DB: r.db}
	open, err := store.OpenIncidents(ctx)
	if err != nil || len(open) > 0 {
		return false
	}
	unfinished, err := store.Unfinished(ctx)
	if err != nil {
		return false
	}
	for _, ch := range unfinished {
		// A fallback is owed from the first failure on, and cancelled when its time comes.
		if slices.ContainsFunc(ch.Pages, func(p alerting.Page) bool { return p.Channel == "pagerduty" && p.State.Unfinished() }) {
			return false
		}
	}
	return r.pd.State().PutOff == 0
}

// stuck says what is not quiet, for the message of a failure.
func (r *rig) stuck() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), 3*time.Second)
	defer cancel()
	store := postgres.Incidents{DB: r.db}
	open, err := store.OpenIncidents(ctx)
	owed, _ := store.Backlog(ctx)
	var s strings.Builder
	fmt.Fprintf(&s, "%d open (%v), %+v owed, %d put off", len(open), err, owed, r.pd.State().PutOff)
	for i, in := range open {
		if i < 5 {
			fmt.Fprintf(&s, "\n  %s %s %+v", in.ID, in.State, in)
		}
	}
	unfinished, _ := store.Unfinished(ctx)
	for i, ch := range unfinished {
		for _, p := range ch.Pages {
			if i < 5 && p.State.Unfinished() && p.Channel == "pagerduty" {
				fmt.Fprintf(&s, "\n  page %s %s %s: %s, due %s, lease until %s, epoch %d, %d attempts, unsure %s, %s", p.ID, p.Action, p.Channel, p.State,
					p.Due.Format(clock), p.LeaseUntil.Format(clock), p.Epoch, p.Attempts, p.UnsureAt.Format(clock), p.LastError)
			}
		}
	}
	fmt.Fprintf(&s, "\n  now %s", time.Now().UTC().Format(clock))
	return s.String()
}

const clock = "15:04:05.000"

// settle waits until all is quiet.
func (r *rig) settle(limit time.Duration) time.Duration {
	r.t.Helper()
	start := time.Now()
	for !r.quiet() {
		if time.Since(start) > limit {
			r.t.Fatalf("not quiet %s after the last blow: %s", limit, r.stuck())
		}
		linger(100 * time.Millisecond)
	}
	return time.Since(start)
}

// misbehave makes about a third of PagerDuty's answers bad, in the shares of the specification.
func (r *rig) misbehave() {
	r.t.Helper()
	for _, f := range []fakepd.Fault{
		{Status: 500, Probability: 0.10},
		{Status: 429, RetryAfter: fakepd.Duration(time.Second), Probability: 0.08},
		{Status: 502, Processed: true, Probability: 0.05},
		{Lost: true, Probability: 0.06},
		{Delay: fakepd.Duration(1500 * time.Millisecond), Probability: 0.05},
	} {
		if err := r.pd.AddFault(f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// course is how each outage of a service goes.
type course struct {
	ackShare, shortShare float64       // shares that are acknowledged, and that recover right after they were committed
	hold                 time.Duration // at most so long between what happens and the next step
}

// drive takes all services down, each at its moment within spread, and up again after
// their pages rang, until every one has had its outage. It returns when the last is up.
func (r *rig) drive(rng *rand.Rand, spread, limit time.Duration, c course) {
	r.t.Helper()
	n := r.settings.Services
	type plan struct {
		down      time.Time
		ack, soon bool
		next      time.Time // earliest next step
	}
	plans := make([]plan, n)
	start := time.Now()
	for i := range plans {
		plans[i] = plan{down: start.Add(time.Duration(rng.Int64N(int64(spread)))), ack: rng.Float64() < c.ackShare, soon: rng.Float64() < c.shortShare}
	}
	pause := make([]time.Duration, n)
	for i := range pause {
		pause[i] = time.Duration(rng.Int64N(int64(c.hold) + 1))
	}
	done := make([]bool, n)
	for left := n; left > 0; {
		if time.Since(start) > limit {
			r.t.Fatalf("%d of %d outages did not end within %s: %s", left, n, limit, r.stuck())
		}
		linger(100 * time.Millisecond)
		committed, acked := map[string]bool{}, map[string]bool{}
		for _, in := range r.incidents() {
			committed[in.Service] = true
			acked[in.Service] = acked[in.Service] || in.State == alerting.Acknowledged
		}
		rang := map[string]bool{}
		for key := range r.rang() {
			if at := strings.LastIndex(key, "-"); at > 3 {
				rang[key[len("kw-"):at]] = true
			}
		}
		now := time.Now()
		for i := range plans {
			p, name := &plans[i], serviceName(i)
			if done[i] || now.Before(p.next) {
				continue
			}
			switch state := r.state(i); {
			case state == worldUp && now.After(p.down):
				r.set(i, worldDown)
			case state == worldUp:
			case p.soon && committed[name], state == worldDown && !p.ack && rang[name], state == worldAcked && acked[name]:
				if !p.soon && p.next.IsZero() {
					p.next = now.Add(pause[i])
					continue
				}
				r.set(i, worldUp)
				done[i] = true
				left--
			case state == worldDown && p.ack && rang[name]:
				r.set(i, worldAcked)
			}
		}
	}
}
