package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

// long skips figures in the short form: they are measured, not demanded, on a machine
// that does other things.
func long(t *testing.T) {
	t.Helper()
	if !full() {
		t.Skip("a figure: make faults measures it")
	}
}

// TestFigureDelivery measures from the decision to the acceptance, and how late timers
// are, with a healthy PagerDuty and a Postgres that syncs its files.
//
//nolint:paralleltest // a figure is measured alone
func TestFigureDelivery(t *testing.T) {
	long(t)
	c := &counts{}
	dsn, _ := ownServer(t)
	const n = 200
	r := newRig(t, dsn, pagerSettings{Services: n, Keys: n / 4, After: 5 * time.Second})
	r.pager()
	r.climb(n, 60*time.Second, rand.New(rand.NewPCG(seed(t), 1)))
	store := postgres.Incidents{DB: r.db}
	var took []time.Duration
	for _, in := range r.incidents() {
		pages, err := store.Pages(t.Context(), in.ID)
		if err != nil {
			t.Fatal(err)
		}
		p := firstTrigger(pages)
		took = append(took, p.AcceptedAt.Sub(p.Created))
	}
	slices.Sort(took)
	c.More = append(c.More, word("accepted_p50", quantile(took, 0.5)), word("accepted_p99", quantile(took, 0.99)), word("accepted_max", took[len(took)-1]))
	late := r.lateness()
	for i := range n {
		r.set(i, worldUp)
	}
	r.settle(5 * time.Minute) // one key takes all second levels, and 100 a minute
	r.judge(c)
	r.timers(c, late, n)
	c.report(t)
}

// TestFigureResume measures from a kill -9 to the next page, with one daemon that is
// started again at once and with two; and how long a page in flight takes.
//
//nolint:paralleltest // a figure is measured alone
func TestFigureResume(t *testing.T) {
	long(t)
	c := &counts{}
	const rounds = 12
	for _, daemons := range []int{1, 2} {
		r := newRig(t, pgtest.DSN(t), pagerSettings{Services: rounds + 1, Keys: rounds + 1})
		for range daemons {
			r.pager()
		}
		r.strike(rounds, rounds+1, 30*time.Second)
		var took []time.Duration
		for round := range rounds {
			linger(1500 * time.Millisecond)
			c.Kills++
			p := r.pagers[r.leading()]
			r.set(round, worldDown)
			start := time.Now()
			p.kill()
			if daemons == 1 {
				p.start()
			}
			r.within(40*time.Second, "rang", func() bool { return r.ringsOf()[serviceName(round)] > 0 })
			took = append(took, time.Since(start))
			if daemons == 2 {
				p.start()
			}
		}
		slices.Sort(took)
		name := map[int]string{1: "one", 2: "two"}[daemons]
		c.More = append(c.More, word("resume_"+name+"_p50", quantile(took, 0.5)), word("resume_"+name+"_max", took[len(took)-1]))
		for i := range rounds + 1 {
			r.set(i, worldUp)
		}
		r.settle(75 * time.Second)
		r.judge(c)
		c.More = append(c.More, word("inflight_"+name, inFlight(t, daemons)))
	}
	c.report(t)
}

// leading is the pager that leads: the one whose service was asked last. With one it is that.
func (r *rig) leading() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked % len(r.pagers)
}

// inFlight kills the daemon while PagerDuty holds its request, and measures until it rings.
func inFlight(t *testing.T, daemons int) time.Duration {
	t.Helper()
	r := newRig(t, pgtest.DSN(t), pagerSettings{Services: 1, Keys: 1})
	p := r.pager("KW_FAILPOINT=after_claim:kill")
	if daemons == 2 {
		linger(2 * time.Second) // so that the first one leads
		r.pager()
	}
	r.set(0, worldDown)
	if !p.over(30 * time.Second) {
		t.Skip("built without failpoints")
	}
	start := time.Now()
	if daemons == 1 {
		p.start()
	}
	r.within(40*time.Second, "rang", func() bool { return len(r.rang()) == 1 })
	took := time.Since(start)
	r.set(0, worldUp)
	r.settle(75 * time.Second)
	return took
}

// TestFigureOutbox measures how many events a second go through the outbox: written with
// their incident, claimed, and settled, on files that are synced.
//
//nolint:paralleltest // a figure is measured alone
func TestFigureOutbox(t *testing.T) {
	long(t)
	dsn, _ := ownServer(t)
	db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := postgres.Incidents{DB: db}
	const n, writers = 6000, 8
	start := time.Now()
	errs := make(chan error, 2*writers)
	for w := range writers {
		go func() { errs <- fill(t.Context(), store, w*n/writers, (w+1)*n/writers) }() // ends with its share
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	written := time.Since(start)
	for range writers {
		go func() { errs <- drain(t.Context(), store) }() // ends when nothing is left
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	if b, err := store.Backlog(t.Context()); err != nil || b.Pages != 0 {
		t.Fatalf("left %+v %v", b, err)
	}
	t.Logf("figures: events=%d per_second=%d written_per_second=%d delivered_per_second=%d", n,
		int(n/took.Seconds()), int(n/written.Seconds()), int(n/(took-written).Seconds()))
}

func fill(ctx context.Context, store postgres.Incidents, from, to int) error {
	for i := from; i < to; i++ {
		now := time.Now().UTC()
		id := fmt.Sprintf("kw-bench%d-1", i)
		if err := store.Apply(ctx, alerting.Change{
			Incident: alerting.Incident{ID: id, Service: "bench", State: alerting.Open, Version: 1, Started: now, Opened: now},
			Entries:  []alerting.Entry{{Incident: id, Seq: 1000, At: now, Kind: "opened"}},
			Pages: []alerting.Page{{
				ID: id + "/1/1", Incident: id, Seq: 1000, Channel: "pagerduty", Route: "service", DedupKey: id,
				Action: alerting.Trigger, State: alerting.Queued, Created: now, Due: now,
			}},
		}); err != nil {
			return err
		}
	}
	return nil
}

func drain(ctx context.Context, store postgres.Incidents) error {
	for {
		pages, err := store.Claim(ctx, time.Now(), 15*time.Second, 16)
		if err != nil || len(pages) == 0 {
			return err
		}
		for _, p := range pages {
			p.State, p.AcceptedAt = alerting.Accepted, time.Now().UTC()
			if err := store.Settle(ctx, alerting.Settlement{Page: p, Entries: []alerting.Entry{{Incident: p.Incident, Seq: 2000, At: p.AcceptedAt, Kind: "delivered"}}}); err != nil {
				return err
			}
		}
	}
}

// TestFigureRotations measures who is on call at an instant, and the check of 20 rotations.
//
//nolint:paralleltest // a figure is measured alone
func TestFigureRotations(t *testing.T) {
	long(t)
	people := map[string]oncall.Person{}
	rotations := map[string]oncall.Rotation{}
	var names []oncall.Member
	for i := range 8 {
		id := fmt.Sprintf("person%d", i)
		people[id] = oncall.Person{Name: id}
		names = append(names, oncall.Member{Person: id})
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	var policies []oncall.Policy
	for i := range 20 {
		conf := oncall.RotationConfig{Start: oncall.Date{Year: 2026, Month: 1, Day: 5}, People: names}
		conf.TimeZone = zone
		conf.SetDefaults()
		name := fmt.Sprintf("rotation%d", i)
		rotations[name] = conf.Rotation(name, nil)
		policies = append(policies, oncall.Policy{Name: name, Levels: []oncall.Level{{Page: name}}})
	}
	roster := oncall.Roster{People: people, Rotations: rotations}
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	start := time.Now()
	const looks = 10_000
	for i := range looks {
		if roster.OnCall(fmt.Sprintf("rotation%d", i%20), from.Add(time.Duration(i)*time.Hour)).Person == "" {
			t.Fatal("nobody")
		}
	}
	who := time.Since(start) / looks
	start = time.Now()
	gaps := roster.Gaps(from, from.AddDate(0, 0, 90))
	holes := roster.Holes(policies, func(string) bool { return true }, from, from.AddDate(0, 0, 90))
	t.Logf("figures: %s %s gaps=%d", word("who", who), word("validate", time.Since(start)), len(gaps)+len(holes))
}
