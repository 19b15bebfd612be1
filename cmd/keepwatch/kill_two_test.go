package main

import (
	"testing"
	"time"

	"keepwatch/postgres/pgtest"
)

// TestLeaderKilled has two daemons on one database. The leader is killed in the
// middle of an outage, several times, each time by turns: the other takes over
// within 10 s, and nobody is paged twice for one outage.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	dsn := pgtest.DSN(t)
	r := newRig(t, seed, dsn)
	leader, other := r.two()
	db := r.openDatabase(leader)
	defer db.Close()
	const rounds = 4
	for round := range rounds {
		if other.leads() {
			leader, other = other, leader
		}
		r.within(time.Minute, "both ready", func() bool { return leader.says("/readyz", "") && other.says("/readyz", "") })
		r.goDown()
		if round%2 == 0 { // killed after the page, else in the middle of confirming
			r.within(30*time.Second, "paged", func() bool { return r.paged(leader) })
		} else {
			linger(1500 * time.Millisecond)
		}
		leader.kill()
		took := r.within(10*time.Second, "another leader", other.leads)
		rang := r.within(40*time.Second, "paged by the other", func() bool { return r.paged(other) })
		t.Logf("round %d: led again %v after the kill, and %v later the page rings", round, took.Round(time.Millisecond), rang.Round(time.Millisecond))
		leader.start()
		linger(time.Second)
		r.comeUp()
		r.calm(other, db)
	}
	r.wantIncidents(db, rounds)
	leader.stop()
	other.stop()
}

// TestFrozenLeader stops the leader without killing it (a debugger, a frozen
// container, a machine that swaps itself to death): its connection lives, and yet
// somebody must page. When it wakes up it must not page as well.
func TestFrozenLeader(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	dsn := pgtest.DSN(t)
	r := newRig(t, seed, dsn)
	one, two := r.two()
	db := r.openDatabase(one)
	defer db.Close()
	one.freeze(func() {
		took := r.within(15*time.Second, "the other leads", two.leads)
		t.Logf("led again %v after the leader froze", took.Round(time.Millisecond))
		r.goDown()
		r.within(30*time.Second, "paged by the other", func() bool { return r.paged(two) })
	})
	r.within(15*time.Second, "the former leader has heard", func() bool { return !one.leads() })
	linger(3 * time.Second)
	r.comeUp()
	r.calm(two, db)
	r.wantIncidents(db, 1)
	one.stop()
	two.stop()
}

// TestLeadLostAndWonBack lets the lead go to and fro between two living daemons.
// What the one decided while it led must be known to the other when it leads again.
func TestLeadLostAndWonBack(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	dsn := pgtest.DSN(t)
	sw := pgtest.NewSwitch(t, dsn)
	r := newRig(t, seed, dsn)
	one, two := r.two()
	db := r.openDatabase(one)
	defer db.Close()
	hand := func(from, to *process) {
		t.Helper()
		// Stopped, it cannot ask again at once, and so the other one gets the lead.
		from.freeze(func() {
			sw.Cut()
			r.within(15*time.Second, "the other leads", to.leads)
		})
		r.within(15*time.Second, "the former leader has heard", func() bool { return !from.leads() })
	}
	// One pages; two resolves it.
	r.goDown()
	r.within(30*time.Second, "paged by one", func() bool { return r.paged(one) })
	hand(one, two)
	r.comeUp()
	r.calm(two, db)
	// One leads again, and must not take the outage for open: the next one is paged.
	hand(two, one)
	r.goDown()
	took := r.within(30*time.Second, "paged by one again", func() bool { return r.paged(one) })
	t.Logf("paged %v after the outage, by the former leader", took.Round(time.Millisecond))
	// Two takes an open incident over, and one takes it back: nobody is paged again.
	hand(one, two)
	r.within(30*time.Second, "taken over by two", func() bool { return r.paged(two) })
	hand(two, one)
	r.within(30*time.Second, "taken back by one", func() bool { return r.paged(one) })
	linger(5 * time.Second)
	r.comeUp()
	r.calm(one, db)
	r.wantIncidents(db, 2)
	one.stop()
	two.stop()
}
