package pgtest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// childEnv makes this test binary print where its server lives and wait.
const childEnv = "KEEPWATCH_TEST_PGTEST_CHILD"

func TestNewIsMigratedAndAlone(t *testing.T) {
	t.Parallel()
	a, b := &postgres.Results{DB: pgtest.New(t)}, &postgres.Results{DB: pgtest.New(t)}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if err := a.SaveBeat(t.Context(), "backup", at); err != nil {
		t.Fatal(err)
	}
	if beats, err := b.Beats(t.Context()); err != nil || len(beats) != 0 {
		t.Errorf("the neighbour's database: got %v, %v; want it empty", beats, err)
	}
}

// TestInABubble: a story lives in a bubble when its database is made outside
// and its pool inside; days of its time pass in a moment.
func TestInABubble(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	synctest.Test(t, func(t *testing.T) {
		db := pgtest.Open(t, dsn)
		r := &postgres.Results{DB: db}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		lost, release, held, err := db.TryLead(ctx, "story")
		if err != nil || !held {
			t.Fatalf("got held %v, %v; want the lead", held, err)
		}
		start := time.Now()
		for i := range 4 {
			wg.Go(func() { record(t, r, i) })
		}
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		select {
		case <-lost:
			t.Error("the lead was lost: the session must live through the story")
		default:
		}
		release()
		cancel()
		wg.Wait()
		got, err := r.Recent(t.Context(), "a", start.Add(-time.Minute), 1000)
		if err != nil || len(got) != 100 {
			t.Errorf("got %d results, %v; want 100", len(got), err)
		}
	})
}

// record stores 25 results, each in a slot of its own.
func record(t *testing.T, r *postgres.Results, worker int) {
	t.Helper()
	for i := range 25 {
		time.Sleep(20 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		slot := time.Now().UTC().Truncate(time.Minute).Add(time.Duration(100*worker+i) * time.Minute)
		rs := []probe.Result{{Check: "a", Location: string(rune('a' + worker)), Slot: slot, Outcome: probe.Good, Attempts: 1}}
		err := r.Insert(ctx, rs)
		cancel()
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// TestChild is the other process of TestServerEndsWithAKilledTestBinary.
func TestChild(t *testing.T) {
	t.Parallel()
	if os.Getenv(childEnv) == "" {
		t.SkipNow()
	}
	dsn := pgtest.DSN(t)
	if _, err := os.Stdout.WriteString("dsn:" + dsn + "\n"); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done() // never: it is killed
}

func TestServerEndsWithAKilledTestBinary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs Postgres: run without -short")
	}
	if os.Getenv("KEEPWATCH_TEST_DSN") != "" {
		t.Skip("the server is not ours")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	buf := make([]byte, 4096)
	for said := ""; dir == ""; {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("the child said %q, %v", said, err)
		}
		said += string(buf[:n])
		if _, rest, ok := strings.Cut(said, "dsn:host="); ok && strings.Contains(rest, "\n") {
			dir = strings.Fields(rest)[0]
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return // the server has ended and its files are gone
		}
		select {
		case <-limit.C:
			t.Fatalf("%s is still there", dir)
		case <-tick.C:
		}
	}
}

func BenchmarkNew(b *testing.B) {
	pgtest.New(b) // the server itself
	for b.Loop() {
		pgtest.New(b)
	}
}
