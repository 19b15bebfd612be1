package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/spool"
)

// outage can take one database away from everybody, and give it back.
type outage struct {
	t    *testing.T
	conn *pgx.Conn // to another database of the server
	name string
}

func newOutage(t *testing.T, dsn string) outage {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := cfg.ConnConfig.Database
	cfg.ConnConfig.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return outage{t: t, conn: conn, name: name}
}

func (o outage) exec(sql string, args ...any) {
	o.t.Helper()
	if _, err := o.conn.Exec(o.t.Context(), sql, args...); err != nil {
		o.t.Fatal(err)
	}
}

func (o outage) begin() {
	o.t.Helper()
	o.exec("ALTER DATABASE " + o.name + " ALLOW_CONNECTIONS false")
	o.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", o.name)
}

func (o outage) end() {
	o.t.Helper()
	o.exec("ALTER DATABASE " + o.name + " ALLOW_CONNECTIONS true")
}

// becomes waits until want is true, as long as the test's deadline allows.
func becomes(t *testing.T, what string, want func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !want() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func openSpool(t *testing.T) *spool.Outbox {
	t.Helper()
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(t.TempDir(), "outbox")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func TestFailoverOnPostgresConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) alerting.Store {
		t.Helper()
		return &alerting.Failover{
			Primary: postgres.Incidents{DB: pgtest.New(t)}, Spool: openSpool(t), Log: slog.New(slog.DiscardHandler),
		}
	})
}

// TestPagingThroughAnOutage pages from the spool while Postgres is really away,
// and finds everything in Postgres afterwards.
func TestPagingThroughAnOutage(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	primary := postgres.Incidents{DB: pgtest.Open(t, dsn)}
	away := newOutage(t, dsn)
	store := &alerting.Failover{Primary: primary, Spool: openSpool(t), Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- store.Run(ctx) }() // ends with cancel
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	in := alerting.Incident{ID: "kw-image-site-1", Service: "image-site", State: alerting.Open, Opened: time.Unix(1, 0).UTC()}
	var sent []string
	decide := func(action alerting.Action, state alerting.State) {
		t.Helper()
		in.Version++
		in.State = state
		now := time.Unix(in.Version, 0).UTC()
		p := alerting.Page{
			ID: fmt.Sprintf("%s/%d/1", in.ID, in.Version), Incident: in.ID, Seq: in.Version * 1000,
			Channel: "pagerduty", DedupKey: in.ID, Action: action, State: alerting.Queued, Created: now, Due: now,
		}
		if err := store.Apply(t.Context(), alerting.Change{Incident: in, Pages: []alerting.Page{p}}); err != nil {
			t.Fatal(err)
		}
	}
	deliver := func() {
		t.Helper()
		pages, err := store.Claim(t.Context(), time.Unix(100, 0).UTC(), time.Minute, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			sent = append(sent, p.ID)
			p.State, p.AcceptedAt = alerting.Accepted, time.Unix(101, 0).UTC()
			e := alerting.Entry{Incident: in.ID, Seq: p.Seq + 1, At: p.AcceptedAt, Kind: "delivered"}
			if err := store.Settle(t.Context(), alerting.Settlement{Page: p, Entries: []alerting.Entry{e}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	decide(alerting.Trigger, alerting.Open) // owed to Postgres, not yet sent
	away.begin()
	deliver() // from the spool
	if got := store.State().Mode; got != alerting.OnSpool {
		t.Errorf("mode %s, want spool", got)
	}
	decide(alerting.Acknowledge, alerting.Acknowledged)
	deliver()
	decide(alerting.Resolve, alerting.Resolved)
	away.end()
	becomes(t, "back on Postgres", func() bool { return store.State().Mode == alerting.OnPrimary })
	deliver()

	want := []string{in.ID + "/1/1", in.ID + "/2/1", in.ID + "/3/1"}
	if diff := cmp.Diff(sent, want); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
	got, err := primary.Get(t.Context(), in.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, in); diff != "" {
		t.Errorf("incident (-got +want):\n%s", diff)
	}
	timeline, err := primary.Timeline(t.Context(), in.ID)
	if err != nil || len(timeline) != 3 {
		t.Errorf("timeline %v, %v; want 3 entries", timeline, err)
	}
	if b, err := primary.Backlog(t.Context()); err != nil || b.Pages != 0 {
		t.Errorf("backlog %+v, %v; want none", b, err)
	}
}

// TestRecordingThroughAnOutage records while Postgres is really away and twice
// what it has already: nothing is lost, nothing is counted twice.
func TestRecordingThroughAnOutage(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	away := newOutage(t, dsn)
	j, err := spool.OpenJournal(spool.JournalOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	rec := &probe.Recorder{Store: &postgres.Results{DB: pgtest.Open(t, dsn)}, Journal: j, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- rec.Run(ctx) }() // ends with cancel
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	start := time.Now().UTC().Truncate(time.Minute)
	record := func(from, to int) {
		for n := from; n < to; n++ {
			rec.Record(probe.Result{
				Check: "front-page", Location: "here", Slot: start.Add(time.Duration(n) * time.Second),
				Started: start.Add(time.Duration(n) * time.Second), Outcome: probe.Good, Attempts: 1,
			})
		}
	}
	record(0, 100)
	becomes(t, "the first hundred are stored", func() bool { return rec.Pending() == 0 })
	away.begin()
	record(100, 1500)
	becomes(t, "the outage is seen", func() bool { return !rec.State().AwaySince.IsZero() })
	record(0, 50) // a replay
	if got := rec.Pending(); got != 1450 {
		t.Errorf("pending %d during the outage, want 1450", got)
	}
	away.end()
	becomes(t, "everything is stored", func() bool { return rec.Pending() == 0 })
	if got := rec.State(); got.Lost != 0 || got.Refused != 0 || got.LastError != "" {
		t.Errorf("state %+v", got)
	}
	if got := countResults(t, dsn); got != 1500 {
		t.Errorf("%d rows, want 1500", got)
	}
}

func countResults(t *testing.T, dsn string) int {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT COUNT(*) FROM probe_result").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
