package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

// sized picks the short or the long size of a row.
func sized(short, long int) int {
	if full() {
		return long
	}
	return short
}

// monkey kills one of the pagers at random every 400 ms so many times, and starts
// it again after a moment; with stops it freezes some of them instead, past their lease.
func monkey(ctx context.Context, r *rig, rng *rand.Rand, stopShare float64, c *counts, blows int) {
	longest := 4 * time.Second
	if full() {
		longest = 20 * time.Second // longer than the lease
	}
	for ctx.Err() == nil && c.Kills+c.Stops < blows {
		linger(400 * time.Millisecond)
		p := r.pagers[rng.IntN(len(r.pagers))]
		if rng.Float64() < stopShare {
			c.Stops++
			p.signal(syscall.SIGSTOP)
			linger(2*time.Second + time.Duration(rng.Int64N(int64(longest))))
			p.signal(syscall.SIGCONT)
			continue
		}
		c.Kills++
		p.kill()
		linger(time.Duration(rng.Int64N(int64(100 * time.Millisecond))))
		p.start()
	}
}

// storm runs the incidents of a rig under blows, then waits until all is quiet.
func storm(r *rig, s uint64, stopShare float64, spread time.Duration, c *counts, blows int) {
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() { // ends with cancel
		defer close(done)
		monkey(ctx, r, rand.New(rand.NewPCG(s, 2)), stopShare, c, blows)
	}()
	r.misbehave()
	r.drive(rand.New(rand.NewPCG(s, 3)), spread, 5*time.Minute, course{ackShare: 0.5, shortShare: 0.1, hold: 2 * time.Second})
	<-done
	r.pd.ClearFaults()
	c.Drained = r.settle(75 * time.Second)
	if c.Drained > time.Minute {
		r.t.Errorf("drained %s after the last blow, want at most 1m", c.Drained)
	}
	linger(r.settings.Hold + 500*time.Millisecond)
	r.judge(c)
	c.report(r.t)
}

// Row 2: every 400 ms a kill -9 of one of two daemons, while a third of what PagerDuty
// answers is bad.
func TestRow2KilledAtRandom(t *testing.T) {
	t.Parallel()
	c := &counts{}
	r := newRig(t, pgtest.DSN(t), pagerSettings{Services: sized(40, 1000), Keys: sized(5, 100)})
	r.pager()
	r.pager()
	storm(r, seed(t), 0, time.Duration(sized(4, 30))*time.Second, c, sized(10, 70))
}

// Row 2b: the same, and Postgres crashes twice.
func TestCrashes2KilledAtRandom(t *testing.T) {
	long(t)
	t.Parallel()
	c := &counts{}
	dsn, crash := ownServer(t)
	r := newRig(t, dsn, pagerSettings{Services: 1000, Keys: 100})
	r.pager()
	r.pager()
	go func() { // ends with the two crashes
		for range 2 {
			linger(12 * time.Second)
			crash()
			c.Crashes++
		}
	}()
	storm(r, seed(t), 0, 30*time.Second, c, 70)
}

// Row 3: a daemon is frozen for seconds, past its lease, and wakes up as a zombie while
// another one leads.
func TestRow3Zombies(t *testing.T) {
	t.Parallel()
	s := seed(t)
	c := &counts{}
	r := newRig(t, pgtest.DSN(t), pagerSettings{Services: sized(20, 300), Keys: sized(5, 50)})
	r.pager()
	r.pager()
	storm(r, s, 0.6, time.Duration(sized(4, 60))*time.Second, c, sized(3, 16))
}

// Row 5: PagerDuty processes triggers that timed out at our side up to 55 s later. The
// resolve is held that long, so nothing opens a second time.
func TestRow5LateProcessing(t *testing.T) {
	t.Parallel()
	s := seed(t)
	late := time.Duration(sized(3, 55)) * time.Second
	c := &counts{}
	r := newRig(t, pgtest.DSN(t), pagerSettings{Services: sized(12, 100), Hold: late + 4*time.Second})
	for _, f := range []fakepd.Fault{
		{Lost: true, Late: fakepd.Duration(late), Probability: 0.4},
		{Lost: true, Late: fakepd.Duration(late / 3), Probability: 0.3},
	} {
		if err := r.pd.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	r.pager()
	r.pager()
	r.drive(rand.New(rand.NewPCG(s, 3)), 3*time.Second, 5*time.Minute, course{ackShare: 0.3, shortShare: 0, hold: time.Second})
	r.pd.ClearFaults()
	c.Drained = r.settle(3*late + time.Minute)
	r.judge(c)
	if c.Late == 0 {
		t.Error("nothing was processed late: the row shows nothing")
	}
	c.report(t)
}

// ownServer is a Postgres server of the test's own, with its files synced, that can be
// crashed: every process of it is killed, and the supervisor starts it again.
func ownServer(t *testing.T) (dsn string, crash func()) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Postgres: run without -short")
	}
	// When this process is root the server is another user, who must get in.
	dir, err := os.MkdirTemp("", "keepwatch-faults-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	server, err := postgres.StartServer(t.Context(), dir, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { // ends with cancel
		defer close(done)
		if err := server.Run(ctx); err != nil {
			t.Errorf("the server: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	db, err := postgres.Open(t.Context(), server.DSN(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server.DSN(), func() {
		pid, err := postmaster(dir)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Errorf("crash the server: %v", err)
		}
	}
}

// postmaster is the process number of the server in dir.
func postmaster(dir string) (int, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "postmaster.pid"))
	if direct, _ := filepath.Glob(filepath.Join(dir, "postmaster.pid")); len(direct) > 0 {
		found = direct
	}
	if err != nil || len(found) == 0 {
		return 0, fmt.Errorf("no postmaster.pid below %s: %w", dir, err)
	}
	raw, err := os.ReadFile(found[0])
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	return strconv.Atoi(strings.TrimSpace(first))
}
