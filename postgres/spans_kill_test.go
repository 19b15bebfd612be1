package postgres_test

import (
	"bufio"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

const childDSN = "KEEPWATCH_TEST_LEDGER_CHILD"

// TestLedgerChild is the daemon that TestKilledLedger kills: it replays results as fast
// as it can, each second's work in a turn, and says so after each.
func TestLedgerChild(t *testing.T) {
	t.Parallel()
	dsn := os.Getenv(childDSN)
	if dsn == "" {
		t.Skip("the parent starts it")
	}
	db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	k := keeper(db, "child")
	slot := time.Now().UTC().Truncate(time.Hour).Add(-30 * time.Hour)
	if last, err := (&postgres.Results{DB: db}).Last(t.Context(), "front", "west"); err == nil {
		slot = last.Slot
	}
	rnd := rand.New(rand.NewPCG(uint64(slot.Unix()), 1))
	for i := 0; slot.Before(time.Now()); i++ {
		slot = slot.Add(reportSlot)
		var rs []probe.Result
		for _, check := range []string{"front", "photo"} {
			for _, loc := range []string{"west", "central", "east"} {
				at := slot
				if rnd.IntN(40) == 0 {
					at = slot.Add(-20 * time.Minute).Truncate(reportSlot) // late, or there already
				}
				p := result(check, loc, at, func(p *probe.Result) { p.Started = slot })
				if rnd.IntN(4) == 0 {
					bad("down", "")(&p)
				}
				rs = append(rs, p)
			}
		}
		if err := k.Insert(t.Context(), rs); err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 {
			if err := k.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stdout.WriteString("turn\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilledLedger kills the process that folds with SIGKILL at any moment, again and
// again: what is stored agrees with the results or is marked, what is read is exact, and the
// next process folds on.
func TestKilledLedger(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it kills processes")
	}
	dsn := pgtest.DSN(t)
	db := pgtest.Open(t, dsn)
	store, results := postgres.Reports{DB: db}, &postgres.Results{DB: db}
	from := time.Now().UTC().Truncate(day).Add(-2 * day)
	to := from.Add(4 * day)
	checks := []probe.Check{watched("front", "west", "central", "east"), watched("photo", "west", "east")}
	if err := results.SyncChecks(t.Context(), from.Add(3*time.Hour), checks); err != nil {
		t.Fatal(err)
	}
	for kill := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestLedgerChild$")
		cmd.Env = append(os.Environ(), childDSN+"="+dsn)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 30 + 37*kill {
			if !lines.Scan() {
				break
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		agree(t, store, from, to)
	}
	k := keeper(db, "child") // the same data directory: it takes over at once
	if err := k.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomes(t, "everything is folded", func() bool {
		if err := k.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
		v, err := store.Verify(t.Context(), []string{"front", "photo"}, from, time.Now().UTC().Add(-day))
		if err != nil || len(v.Differences) > 0 {
			t.Fatalf("%+v, %v", v, err)
		}
		return v.Waiting == 0 && v.Days >= 2
	})
	agree(t, store, from, to)
	if k.State().Faults > 0 {
		t.Errorf("%+v", k.State())
	}
}
