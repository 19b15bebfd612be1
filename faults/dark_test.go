package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

// strike takes services down and returns how long each took until it rang.
func (r *rig) strike(from, to int, limit time.Duration) []time.Duration {
	r.t.Helper()
	before := r.ringsOf()
	start := time.Now()
	for n := from; n < to; n++ {
		r.set(n, worldDown)
	}
	took := map[string]time.Duration{}
	r.within(limit, fmt.Sprintf("all of %d to %d rang (%d did)", from, to, len(took)), func() bool {
		now := r.ringsOf()
		for n := from; n < to; n++ {
			name := serviceName(n)
			if _, known := took[name]; !known && now[name] > before[name] {
				took[name] = time.Since(start)
			}
		}
		return len(took) == to-from
	})
	var out []time.Duration
	for _, d := range took {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

// heal brings services up and waits until nothing of them rings any more.
func (r *rig) heal(from, to int, limit time.Duration) {
	r.t.Helper()
	for n := from; n < to; n++ {
		r.set(n, worldUp)
	}
	r.within(limit, "all of them are silent", func() bool {
		return !slices.ContainsFunc(r.pd.State().Incidents, func(i fakepd.Incident) bool {
			name := serviceOf(i.DedupKey)
			return i.Status != "resolved" && name >= serviceName(from) && name < serviceName(to)
		})
	})
}

// ringsOf counts the incidents that PagerDuty opened, by service.
func (r *rig) ringsOf() map[string]int {
	out := map[string]int{}
	for _, i := range r.pd.State().Incidents {
		out[serviceOf(i.DedupKey)]++
	}
	return out
}

// serviceOf is the service that a dedup key is about.
func serviceOf(key string) string {
	if len(key) < len("kw-s0000") {
		return ""
	}
	return key[len("kw-"):len("kw-s0000")]
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func word(name string, d time.Duration) string {
	return name + "=" + d.Round(max(d/1000, 1)).String()
}

// Row 7: Postgres is away while services fail, recover and fail again, and the daemon is
// killed and started in the dark. Each outage is paged and resolved as with Postgres, and
// when it is back it knows all of them, once.
func TestRow7InTheDark(t *testing.T) {
	t.Parallel()
	c := &counts{}
	dsn := pgtest.DSN(t)
	sw := pgtest.NewSwitch(t, dsn)
	n := sized(4, 40)
	r := newRig(t, dsn, pagerSettings{Services: n, Keys: n})
	p := r.pager()
	r.strike(0, 1, 30*time.Second) // it leads, and something is open when the lights go out
	sw.Off()
	dark := time.Now()
	took := r.strike(1, n, 45*time.Second)
	r.heal(0, n/2, 90*time.Second) // half of them recover in the dark …
	c.Kills++
	p.kill()
	p.start()
	linger(time.Second)
	took = append(took, r.strike(0, n/2, 45*time.Second)...) // … and fail again
	slices.Sort(took)
	for time.Since(dark) < time.Duration(sized(12, 120))*time.Second {
		c.Kills++
		p.kill()
		p.start()
		linger(6 * time.Second)
	}
	sw.On()
	r.within(40*time.Second, "the database knows what is open", func() bool { return len(r.incidents()) >= n })
	for i := range n {
		r.set(i, worldUp)
	}
	c.Drained = r.settle(75 * time.Second)
	linger(4 * time.Second)
	r.expect = func(service string) int {
		if service < serviceName(n/2) {
			return 2
		}
		return 1
	}
	r.judge(c)
	c.More = append(c.More, word("dark_p50", quantile(took, 0.5)), word("dark_max", took[len(took)-1]))
	c.report(t)
}

// Row 6: Postgres crashes, is down, takes no connections and hangs on a lock, while a
// storm of incidents goes on.
func TestRow6PostgresCrashes(t *testing.T) {
	t.Parallel()
	s := seed(t)
	c := &counts{}
	dsn, crash := ownServer(t)
	r := newRig(t, dsn, pagerSettings{Services: sized(12, 200), Keys: sized(6, 50)})
	r.pager()
	r.pager()
	r.within(30*time.Second, "one leads", func() bool { return len(r.incidents()) == 0 })
	done := make(chan struct{})
	go func() { // ends with the blows
		defer close(done)
		for range sized(1, 5) {
			linger(4 * time.Second)
			crash()
			c.Crashes++
		}
		linger(4 * time.Second)
		r.harass(dsn, time.Duration(sized(3, 60))*time.Second, c)
	}()
	r.drive(rand.New(rand.NewPCG(s, 3)), time.Duration(sized(6, 90))*time.Second, 6*time.Minute, course{ackShare: 0.3, shortShare: 0.1, hold: time.Second})
	<-done
	c.Drained = r.settle(75 * time.Second)
	linger(4 * time.Second)
	r.judge(c)
	took := r.again()
	c.More = append(c.More, word("after_max", took))
	c.report(t)
}

// again proves that paging works as ever: the first service fails once more.
func (r *rig) again() time.Duration {
	took := r.strike(0, 1, 30*time.Second)
	r.heal(0, 1, 60*time.Second)
	return took[0]
}

// harass takes connections away for a while, then locks the outbox for longer than the
// daemon's patience.
func (r *rig) harass(dsn string, long time.Duration, c *counts) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		r.t.Error(err)
		return
	}
	var conn *pgx.Conn
	for range 100 { // it may still be starting after the crash
		if conn, err = pgx.ConnectConfig(context.Background(), cfg); err == nil {
			break
		}
		linger(200 * time.Millisecond)
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()", cfg.Database); err != nil {
		r.t.Error(err)
	}
	taken := occupy(cfg)
	linger(long)
	for _, c := range taken {
		_ = c.Close(context.Background())
	}
	if len(taken) < 10 {
		r.t.Errorf("only %d connections were to be had", len(taken))
	}
	tx, err := conn.Begin(context.Background())
	if err != nil {
		r.t.Error(err)
		return
	}
	if _, err := tx.Exec(context.Background(), "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"); err != nil {
		r.t.Error(err)
	}
	linger(5 * time.Second)
	if err := tx.Rollback(context.Background()); err != nil {
		r.t.Error(err)
	}
	c.More = append(c.More, "locks=1", "capped=1")
}

// occupy takes all connections that a server gives.
func occupy(cfg *pgx.ConnConfig) (taken []*pgx.Conn) {
	for range 1000 {
		conn, err := pgx.ConnectConfig(context.Background(), cfg)
		if err != nil {
			break
		}
		taken = append(taken, conn)
	}
	return taken
}

// Row 8: two daemons, and one of them, leading or not, is killed every few seconds while
// escalation timers come due all the time. Each timer acts exactly once, and soon.
func TestRow8TimersWhileKilled(t *testing.T) {
	t.Parallel()
	c := &counts{}
	n := sized(12, 150)
	r := newRig(t, pgtest.DSN(t), pagerSettings{Services: n, Keys: max(n/4, 1), After: 5 * time.Second})
	r.pager()
	r.pager()
	rng := rand.New(rand.NewPCG(seed(t), 8))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(6 * time.Second):
			}
			c.Kills++
			p := r.pagers[rng.IntN(2)]
			p.kill()
			p.start()
		}
	}()
	r.climb(n, time.Duration(sized(10, 90))*time.Second, rng)
	close(stop)
	<-done
	late := r.lateness()
	for i := range n {
		r.set(i, worldUp)
	}
	r.settle(5 * time.Minute) // one key takes all second levels, and 100 a minute
	linger(4 * time.Second)
	r.judge(c)
	r.timers(c, late, n)
	c.report(t)
}

// climb takes services down over a while and waits until the second level of each rang.
func (r *rig) climb(n int, spread time.Duration, rng *rand.Rand) {
	r.t.Helper()
	start := time.Now()
	for i := range n {
		linger(spread/time.Duration(n) - time.Duration(rng.Int64N(int64(spread/time.Duration(n)/4+1))))
		r.set(i, worldDown)
	}
	r.within(2*time.Minute, fmt.Sprintf("all second levels rang, %s after the start", time.Since(start)), func() bool { return len(r.seconds()) == n })
}

// seconds are the incidents at the second person's key, by incident.
func (r *rig) seconds() map[string]fakepd.Incident {
	out := map[string]fakepd.Incident{}
	for _, i := range r.pd.State().Incidents {
		if i.RoutingKey == routingKey(second) {
			id, _ := alerting.IncidentOf(i.DedupKey)
			out[id] = i
		}
	}
	return out
}

// lateness is how late the second level of each incident was decided, against its opening.
func (r *rig) lateness() []time.Duration {
	r.t.Helper()
	store := postgres.Incidents{DB: r.db}
	var out []time.Duration
	for _, in := range r.incidents() {
		pages, err := store.Pages(r.t.Context(), in.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		n := 0
		for _, p := range pages {
			if p.Person == second && p.Action == alerting.Trigger && !p.Fallback {
				n++
				out = append(out, p.Created.Sub(in.Opened.Add(r.settings.After)))
			}
		}
		if n > 1 {
			r.t.Errorf("incident %s: its timer acted %d times", in.ID, n)
		}
	}
	slices.Sort(out)
	return out
}

// timers adds the lateness of timers to the report.
func (r *rig) timers(c *counts, late []time.Duration, n int) {
	if len(late) != n {
		r.t.Errorf("%d timers acted, want %d", len(late), n)
	}
	if len(late) == 0 {
		return
	}
	if late[0] < 0 {
		r.t.Errorf("a timer acted %s early", -late[0])
	}
	c.More = append(c.More, fmt.Sprintf("timers=%d", len(late)), word("late_p50", quantile(late, 0.5)),
		word("late_p99", quantile(late, 0.99)), word("late_max", late[len(late)-1]))
}

// Row 14: the disk is full: nothing can be written beside the database, which goes away
// as well. Pages go out from memory; after kills nothing is lost.
func TestRow14DiskFull(t *testing.T) {
	t.Parallel()
	c := &counts{}
	dsn := pgtest.DSN(t)
	sw := pgtest.NewSwitch(t, dsn)
	n := sized(6, 60)
	r := newRig(t, dsn, pagerSettings{Services: n, Keys: n, MaxFile: 40 << 10})
	p := r.pager()
	r.strike(0, n/3, 45*time.Second)
	for range sized(1, 5) {
		c.Kills++
		p.kill() // as the kernel does when memory is short
		p.start()
		linger(2 * time.Second)
	}
	sw.Off()
	took := r.strike(n/3, 2*n/3, 45*time.Second) // from memory, and from what fits on the disk
	r.heal(n/3, 2*n/3, 60*time.Second)
	sw.On()
	// Until then a kill loses what is in memory only, as the daemon's log says.
	r.within(40*time.Second, "the database knows what went out from memory", func() bool { return len(r.incidents()) >= 2*n/3 })
	r.strike(2*n/3, n, 45*time.Second)
	c.Kills++
	p.kill()
	p.start()
	for i := range n {
		r.set(i, worldUp)
	}
	c.Drained = r.settle(75 * time.Second)
	linger(4 * time.Second)
	r.judge(c)
	c.More = append(c.More, word("dark_max", took[len(took)-1]))
	c.report(t)
}
