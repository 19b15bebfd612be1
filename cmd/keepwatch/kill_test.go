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
	"sync"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// TestKilledAtRandom kills a real daemon and its Postgres at random moments while
// a site goes down and up and PagerDuty misbehaves. Whatever the moments were, each
// incident is paged, opens once at PagerDuty, and is closed there and here in the
// end. KEEPWATCH_LONG=1 makes it a campaign of 60 kills and more than 10 minutes.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills real processes: run without -short")
	}
	storms, kills, longest := 1, 6, 5*time.Second
	if os.Getenv("KEEPWATCH_LONG") != "" {
		storms, kills, longest = 9, 7, 11*time.Second
	}
	seed := killSeed(t)
	r := newRig(t, seed, "")
	d := r.daemon("one")
	r.within(time.Minute, "ready", func() bool { return d.says("/readyz", "") })
	m := &monkey{rng: rand.New(rand.NewPCG(seed, 1)), daemon: d, longest: longest}
	weather := rand.New(rand.NewPCG(seed, 2))
	for storm := range storms {
		r.misbehave()
		r.storm(m, weather, (storm+1)*kills)
		r.pd.ClearFaults()
		db := r.openDatabase(d)
		took := r.calm(d, db)
		t.Logf("storm %d: %v so far; quiet %v after the last blow", storm+1, m, took.Round(time.Millisecond))
		r.proveAlive(d, db)
		db.Close()
	}
	db := r.openDatabase(d)
	defer db.Close()
	if sum := r.judge(db); sum.Incidents < storms {
		t.Errorf("got %d incidents at PagerDuty, want at least one a storm", sum.Incidents)
	}
	d.stop()
}

// storm lets the monkey go on until it has done so many kills in all, while the
// target goes down and up. In the end the daemon runs and the target is up.
func (r *rig) storm(m *monkey, weather *rand.Rand, kills int) {
	ctx, cancel := context.WithCancel(context.Background())
	var driver sync.WaitGroup
	driver.Go(func() {
		for ctx.Err() == nil {
			r.goDown()
			_ = rest(ctx, time.Duration(2500+weather.IntN(7500))*time.Millisecond)
			r.comeUp()
			_ = rest(ctx, time.Duration(4000+weather.IntN(5000))*time.Millisecond)
		}
	})
	for m.kills < kills {
		_ = m.once(context.Background()) // never told to stop
	}
	cancel()
	driver.Wait()
}

// calm waits until nothing is open or owed anywhere.
func (r *rig) calm(d *process, db *postgres.DB) time.Duration {
	r.t.Helper()
	store := postgres.Incidents{DB: db}
	last := ""
	defer func() {
		if r.t.Failed() {
			r.t.Log("the last look: " + last)
		}
	}()
	return r.within(2*time.Minute, "quiet", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		open, err := store.OpenIncidents(ctx)
		backlog, err2 := store.Backlog(ctx)
		ringing, here := r.ringing(), d.openThere()
		spooled := d.says("/metrics", "\nkeepwatch_degraded 1")
		ready := d.says("/readyz", "")
		last = fmt.Sprintf("open %d (%v), owed %d (%v), ringing %v, shown %v, in the spool %v, ready %v", len(open), err, backlog.Pages, err2, ringing, here, spooled, ready)
		return err == nil && err2 == nil && ready && !spooled && len(open)+backlog.Pages+len(ringing)+len(here) == 0
	})
}

// proveAlive has one outage without any harm: it must page, and resolve.
func (r *rig) proveAlive(d *process, db *postgres.DB) {
	r.t.Helper()
	r.goDown()
	took := r.within(30*time.Second, "paged after the storm", func() bool { return r.paged(d) })
	r.t.Logf("an outage after the storm rang after %v", took.Round(time.Millisecond))
	r.comeUp()
	r.calm(d, db)
}

// openDatabase waits for the daemon's own database and opens it.
func (r *rig) openDatabase(d *process) *postgres.DB {
	r.t.Helper()
	var db *postgres.DB
	r.within(time.Minute, "a database", func() bool {
		dsn := r.db
		if dsn == "" {
			found, running, err := postgres.Attach(filepath.Join(d.home, "data", "postgres"))
			if err != nil || !running {
				return false
			}
			dsn = found
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var err error
		db, err = postgres.Open(ctx, dsn, slog.New(slog.DiscardHandler))
		return err == nil
	})
	return db
}

// judge compares what PagerDuty got, what the database holds and what the target
// really did. Call it when all is calm.
func (r *rig) judge(db *postgres.DB) fakepd.Summary {
	r.t.Helper()
	sum, err := fakepd.Verify(r.pdLog.reader())
	if err != nil {
		r.t.Errorf("PagerDuty's log: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store := postgres.Incidents{DB: db}
	incidents, err := store.List(ctx, "", 100_000)
	if err != nil {
		r.t.Fatal(err)
	}
	rang := map[string]bool{}
	for _, i := range r.pd.State().Incidents {
		rang[i.DedupKey] = true
	}
	cancelled := 0
	for _, in := range incidents {
		if in.State != alerting.Resolved {
			r.t.Errorf("incident %s is %s, want it resolved", in.ID, in.State)
		}
		pages, err := store.Pages(ctx, in.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		first := firstTrigger(pages)
		switch state := first.State; {
		case state == alerting.Accepted && !rang[in.ID]:
			r.t.Errorf("incident %s: its page is accepted, and PagerDuty knows nothing of it", in.ID)
		case state == alerting.Cancelled && rang[in.ID] && !strings.Contains(first.LastError, "may have rung"):
			r.t.Errorf("incident %s: PagerDuty rang, and its page says %q", in.ID, first.LastError)
		case state == alerting.Cancelled:
			cancelled++
		case state != alerting.Accepted:
			r.t.Errorf("incident %s: its page is %q, want it accepted, or cancelled before delivery", in.ID, state)
		}
		delete(rang, in.ID)
	}
	for key := range rang {
		r.t.Errorf("PagerDuty rang for %s, which the database does not know", key)
	}
	r.oneEach(incidents)
	slots := r.honest(ctx, db, incidents)
	r.t.Logf("%d outages, %d incidents (%d recovered before delivery), %d results, PagerDuty got %+v",
		len(r.history()), len(incidents), cancelled, slots, sum)
	return sum
}

// firstTrigger is the page that opens the incident; the zero page when there is none.
func firstTrigger(pages []alerting.Page) alerting.Page {
	for _, p := range pages {
		if p.Action == alerting.Trigger {
			return p
		}
	}
	return alerting.Page{}
}

// oneEach requires each incident to begin in an outage, and each outage to begin one at most.
func (r *rig) oneEach(incidents []alerting.Incident) {
	r.t.Helper()
	outages := r.history()
	began := make([][]string, len(outages))
	for _, in := range incidents {
		if strings.Contains(in.ID, "blind") {
			r.t.Errorf("incident %s: monitoring was never blind", in.ID)
			continue
		}
		sec, err := strconv.ParseInt(in.ID[strings.LastIndex(in.ID, "-")+1:], 10, 64)
		if err != nil {
			r.t.Fatalf("incident %s: no instant in its name", in.ID)
		}
		at, found := time.Unix(sec, 0), false
		for i, o := range outages {
			// The slot of a first bad look began at most a second before it.
			if at.After(o.down.Add(-1100*time.Millisecond)) && at.Before(o.up) {
				began[i], found = append(began[i], in.ID), true
			}
		}
		if !found {
			r.t.Errorf("incident %s began at %v, when the target was up", in.ID, at)
		}
	}
	for i, ids := range began {
		if len(ids) > 1 {
			r.t.Errorf("the outage of %v to %v has %d incidents, want one: %v", outages[i].down, outages[i].up, len(ids), ids)
		}
	}
}

// honest requires that no slot within an outage counts as good, and that many bad
// ones in a row belong to an incident. It returns how many slots were recorded.
func (r *rig) honest(ctx context.Context, db *postgres.DB, incidents []alerting.Incident) int {
	r.t.Helper()
	outages := r.history()
	rs, err := (&postgres.Results{DB: db}).Recent(ctx, "front", outages[0].down.Add(-time.Hour), 1_000_000)
	if err != nil {
		r.t.Fatal(err)
	}
	bad := map[time.Time]bool{}
	seen := map[time.Time]bool{}
	for _, res := range rs {
		if seen[res.Slot] {
			r.t.Errorf("slot %v is stored twice", res.Slot)
		}
		seen[res.Slot] = true
		bad[res.Slot] = res.Outcome == probe.Bad
		for _, o := range outages {
			// A look may begin at any instant of its slot.
			if res.Outcome == probe.Good && res.Slot.After(o.down) && res.Slot.Add(2*time.Second).Before(o.up) {
				r.t.Errorf("slot %v is good, and the target was down from %v to %v", res.Slot, o.down, o.up)
			}
		}
	}
	// So many bad slots without a gap are a whole life of the daemon long enough to
	// decide, and to keep what it decided.
	const enough = 10
	for slot := range bad {
		row := 0
		for bad[slot.Add(time.Duration(row)*time.Second)] {
			row++
		}
		end := slot.Add(time.Duration(row) * time.Second)
		if row >= enough && !covered(incidents, slot, end) {
			r.t.Errorf("bad from %v to %v, and no incident", slot, end)
		}
	}
	return len(rs)
}

func covered(incidents []alerting.Incident, from, to time.Time) bool {
	for _, in := range incidents {
		if in.Opened.Before(to) && in.Resolved.After(from) {
			return true
		}
	}
	return false
}

// TestKilledInTheDark takes Postgres away while an incident is open and PagerDuty
// fails, kills the daemon and starts it again without its database: the incident
// goes on from the spool, is resolved at PagerDuty in the dark, and a second
// outage is paged there too. When Postgres is back it knows all of it, once.
func TestKilledInTheDark(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	dsn := pgtest.DSN(t)
	sw := pgtest.NewSwitch(t, dsn)
	r := newRig(t, seed, dsn)
	d := r.leading("one")
	if err := r.pd.AddFault(fakepd.Fault{Status: 503}); err != nil {
		t.Fatal(err)
	}
	r.goDown()
	r.within(30*time.Second, "an incident", func() bool { return len(d.openThere()) == 1 })
	sw.Off()
	r.within(30*time.Second, "the spool in use", func() bool { return d.says("/metrics", "\nkeepwatch_degraded 1") })
	d.kill()
	d.start()
	r.pd.ClearFaults()
	took := r.within(40*time.Second, "paged in the dark", func() bool { return len(r.ringing()) == 1 })
	t.Logf("paged %v after the restart in the dark", took.Round(time.Millisecond))
	r.within(30*time.Second, "the incident shown", func() bool { return r.paged(d) })
	r.comeUp()
	r.within(time.Minute, "resolved in the dark", func() bool { return len(r.ringing()) == 0 })
	linger(2 * time.Second)
	r.goDown()
	r.within(time.Minute, "a second page in the dark", func() bool { return r.paged(d) })
	d.kill()
	d.start()
	linger(time.Second)
	r.comeUp()
	sw.On()
	db := r.openDatabase(d)
	defer db.Close()
	t.Logf("quiet %v after the database was back", r.calm(d, db).Round(time.Millisecond))
	r.wantIncidents(db, 2)
	d.stop()
}

// TestDatabaseGoneWhileDead: Postgres goes away while the daemon is dead, so that
// nobody could write down what was open. It must page nobody a second time.
func TestDatabaseGoneWhileDead(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	dsn := pgtest.DSN(t)
	sw := pgtest.NewSwitch(t, dsn)
	r := newRig(t, seed, dsn)
	d := r.leading("one")
	r.goDown()
	r.within(30*time.Second, "paged", func() bool { return r.paged(d) })
	d.kill()
	sw.Off()
	d.start()
	r.within(30*time.Second, "the incident known in the dark", func() bool { return r.paged(d) })
	linger(4 * time.Second)
	r.comeUp()
	r.within(30*time.Second, "resolved in the dark", func() bool { return len(r.ringing()) == 0 })
	sw.On()
	db := r.openDatabase(d)
	defer db.Close()
	r.calm(d, db)
	r.wantIncidents(db, 1)
	d.stop()
}
