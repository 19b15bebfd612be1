package daemon

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

// The stories wire the real parts (runner, engine, deliverer, fail-over, recorder,
// spool, a real Postgres) in a bubble of fake time. Only the target and the
// telephone are pretended. Each tells one night.

func TestStoryPrimarySilentSecondaryPaged(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.wait(5 * time.Minute)
		n.expect()
		n.down.Store(true)
		failed := n.now()
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty")
		if d := n.phone.at(0) - failed; d > storyInterval+5*time.Second {
			n.t.Errorf("paged %v after the failure: confirming must cost seconds, not a second interval", d)
		}
		n.wait(8*time.Minute + 30*time.Second)
		n.expect("trigger ada via pagerduty")
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		if late := n.phone.at(1) - n.phone.at(0) - 10*time.Minute; late < 0 || late > time.Second {
			n.t.Errorf("the second level came %v after its time", late)
		}
		n.down.Store(false)
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty", "resolve ada via pagerduty", "resolve grace via pagerduty")
		n.oneResolved()
	})
}

func TestStoryAckThenResolve(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.down.Store(true)
		n.wait(time.Minute)
		id := n.stored()[0].ID
		n.ack(id)
		n.wait(time.Hour)
		n.expect("trigger ada via pagerduty", "acknowledge ada via pagerduty")
		n.down.Store(false)
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty", "acknowledge ada via pagerduty", "resolve ada via pagerduty")
		got := n.stored()[0]
		if got.AckBy != "ada" || got.State != alerting.Resolved {
			n.t.Errorf("got %+v, want resolved and acknowledged by ada", got)
		}
	})
}

func TestStoryOneLocationOnly(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.blind.Store(&[]string{"west"})
		n.wait(2 * time.Hour)
		n.expect()
		if got := n.stored(); len(got) != 0 {
			n.t.Errorf("one location of three opened %+v", got)
		}
		n.blind.Store(&[]string{"west", "east"})
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty")
	})
}

func TestStoryFlap(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		// One second of failure at a time is never confirmed.
		for range 20 {
			n.down.Store(true)
			n.wait(time.Second)
			n.down.Store(false)
			n.wait(storyInterval - time.Second)
		}
		n.expect()
		// A real failure pages once, also when it comes back for single looks.
		n.down.Store(true)
		n.wait(2 * time.Minute)
		for range 5 {
			n.down.Store(false)
			n.wait(time.Second)
			n.down.Store(true)
			n.wait(storyInterval - time.Second)
		}
		n.expect("trigger ada via pagerduty")
	})
}

func TestStoryPostgresAway(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.wait(2 * time.Minute)
		n.gate.shut.Store(true)
		n.wait(time.Minute)
		n.down.Store(true)
		failed := n.now()
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty")
		if d := n.phone.at(0) - failed; d > storyInterval+10*time.Second {
			n.t.Errorf("without Postgres the page took %v", d)
		}
		n.down.Store(false)
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty", "resolve ada via pagerduty")
		n.down.Store(true)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty", "resolve ada via pagerduty", "trigger ada via pagerduty")
		n.gate.shut.Store(false)
		n.wait(time.Minute)
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty", "resolve ada via pagerduty", "trigger ada via pagerduty", "resolve ada via pagerduty")
		got := n.stored()
		if len(got) != 2 || got[0].State != alerting.Resolved || got[1].State != alerting.Resolved {
			n.t.Errorf("Postgres holds %+v, want two resolved incidents", got)
		}
		if p := n.recorder.Pending(); p > 3 {
			n.t.Errorf("%d results still wait after the return", p)
		}
	})
}

func TestStoryRestartMidIncident(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dsn := pgtest.DSN(t)
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
		n.down.Store(true)
		n.wait(3 * time.Minute)
		n.expect("trigger ada via pagerduty")
		n.end()
		n.wait(4 * time.Minute)
		n.build(dir)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty")
		n.wait(3 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty", "resolve ada via pagerduty", "resolve grace via pagerduty")
		n.end()
	})
}

func TestStoryPagerDown(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.phone.dead.Store(true)
		n.down.Store(true)
		n.wait(90 * time.Second)
		n.expect()
		n.wait(90 * time.Second)
		n.expect("trigger ada via mail")
		n.phone.dead.Store(false)
		n.wait(time.Minute)
		n.expect("trigger ada via mail", "trigger ada via pagerduty")
		n.down.Store(false)
		n.wait(2 * time.Minute)
		got := n.phone.heard()
		slices.Sort(got)
		want := []string{"resolve ada via mail", "resolve ada via pagerduty", "trigger ada via mail", "trigger ada via pagerduty"}
		if !slices.Equal(got, want) {
			n.t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestStoryReloadDuringIncident(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.down.Store(true)
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty")
		n.apply(1) // the file loses its second level; the open incident keeps its snapshot
		n.wait(12 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
	})
}
