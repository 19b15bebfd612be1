package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

func keeper(db *postgres.DB, agent string) *ledger.Keeper {
	return &ledger.Keeper{Store: &postgres.Results{DB: db}, Agent: agent, Keep: func() time.Duration { return 35 * day }, Log: slog.New(slog.DiscardHandler)}
}

// some draws results of the last two minutes of two checks.
func some(rnd *rand.Rand, back time.Duration) []probe.Result {
	var rs []probe.Result
	now := time.Now().UTC()
	for _, check := range []string{"front", "photo"} {
		for _, loc := range []string{"west", "central", "east"} {
			for at := now.Add(-back).Truncate(reportSlot); !at.After(now.Add(-back + 2*time.Minute)); at = at.Add(reportSlot) {
				p := result(check, loc, at, func(p *probe.Result) { p.Started = at })
				p.Look.Latency = time.Duration(1+rnd.IntN(2000)) * time.Millisecond
				switch rnd.IntN(9) {
				case 0:
					continue
				case 1, 2:
					bad(fmt.Sprint("got ", 500+rnd.IntN(3)), "")(&p)
				case 3:
					p.Outcome, p.Cause, p.Look = probe.Unknown, "late", probe.Look{}
				case 4:
					p.Attempts = 2
				}
				rs = append(rs, p)
			}
		}
	}
	rnd.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	return rs
}

// agree compares all three ways of reading with the results themselves.
func agree(t *testing.T, store postgres.Reports, from, to time.Time) {
	t.Helper()
	ctx, now := context.Background(), time.Now().UTC()
	checks := []string{"front", "photo"}
	lines, err := store.Timelines(ctx, checks, from, to, now)
	if err != nil {
		t.Fatal(err)
	}
	places, err := store.LocationSpans(ctx, checks, from, to, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range checks {
		l, err := store.Ledger(ctx, check, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(untold(lines[check]), reports.Fold(l, from, to, now)); diff != "" {
			t.Fatalf("%s at %s (-stored +results):\n%s", check, now, diff)
		}
		for _, loc := range l.Places() {
			got := untold(places[check][l.Locations[loc]])
			want := reports.Fold(l.At(loc), from, to, now)
			got.Soft, want.Soft = nil, nil // of all locations together
			if diff := cmp.Diff(got, want); diff != "" {
				t.Fatalf("%s from %s at %s (-stored +results):\n%s", check, l.Locations[loc], now, diff)
			}
		}
	}
	v, err := store.Verify(ctx, checks, from, to)
	if err != nil || len(v.Differences) > 0 {
		t.Fatalf("verify: %v, %v", v, err)
	}
}

// untold leaves out what is known of probers, which the results do not know.
func untold(line reports.Timeline) reports.Timeline {
	var spans []reports.Span
	for _, s := range line.Spans {
		for _, word := range []string{": the prober was lost", ": the prober was stopped"} {
			if n := len(s.Cause) - len(word); n > 0 && s.Cause[n:] == word {
				s.Cause = s.Cause[:n]
			}
		}
		spans = reports.AppendSpan(spans, s)
	}
	line.Spans = spans
	return line
}

// TestLedgerInPostgres: two daemons, kills, late results and changes of configuration;
// what is read is what the results say at every moment, and in the end it is all stored.
func TestLedgerInPostgres(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		dsn := pgtest.DSN(t)
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			dbs := []*postgres.DB{pgtest.Open(t, dsn), pgtest.Open(t, dsn)}
			store := postgres.Reports{DB: dbs[0]}
			keepers := []*ledger.Keeper{keeper(dbs[0], "a"), keeper(dbs[1], "b")}
			time.Sleep(23*time.Hour + 20*time.Minute)
			from := time.Now().UTC().Truncate(day)
			configure := func() {
				checks := []probe.Check{watched("front", []string{"west", "central", "east"}[:1+rnd.IntN(3)]...), watched("photo", "west", "east")}
				if err := (&postgres.Results{DB: dbs[1]}).SyncChecks(t.Context(), time.Now().UTC(), checks); err != nil {
					t.Fatal(err)
				}
			}
			configure()
			for step := range 60 {
				k := keepers[rnd.IntN(4)/3]
				insert := func(back time.Duration) {
					if err := k.Insert(t.Context(), some(rnd, back)); err != nil {
						t.Fatal(err)
					}
				}
				switch rnd.IntN(10) {
				case 0:
					insert(time.Duration(rnd.IntN(20)) * time.Hour)
				case 1:
					i := rnd.IntN(2)
					keepers[i] = keeper(dbs[i], string(rune('a'+i))) // the one before was killed
				case 2:
					configure()
				case 3:
					time.Sleep(time.Duration(rnd.IntN(40)) * time.Minute)
				default:
					insert(2 * time.Minute)
					time.Sleep(time.Duration(20+rnd.IntN(60)) * time.Second)
				}
				for _, k := range keepers {
					if err := k.Tick(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if step%4 == 0 {
					agree(t, store, from, time.Now().UTC().Truncate(day).Add(day))
				}
			}
			for range 30 {
				time.Sleep(time.Minute)
				for _, k := range keepers {
					if err := k.Tick(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			agree(t, store, from, time.Now().UTC().Truncate(day).Add(day))
			v, err := store.Verify(t.Context(), []string{"front", "photo"}, from, time.Now())
			if err != nil || v.Waiting > 0 || v.Days < 4 || len(v.Differences) > 0 {
				t.Errorf("in the end: %+v, %v", v, err)
			}
			for _, db := range dbs {
				db.Close()
			}
		})
	}
}

// TestVerifySeesEveryChange: each figure that somebody changes behind our back is found.
func TestVerifySeesEveryChange(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	synctest.Test(t, func(t *testing.T) {
		db := pgtest.Open(t, dsn)
		defer db.Close()
		store, k := postgres.Reports{DB: db}, keeper(db, "a")
		time.Sleep(12 * time.Hour)
		from := time.Now().UTC().Truncate(day)
		if err := (&postgres.Results{DB: db}).SyncChecks(t.Context(), time.Now().UTC(), []probe.Check{watched("front", "west", "east"), watched("photo", "west")}); err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 1))
		for range 30 {
			if err := k.Insert(t.Context(), some(rnd, 2*time.Minute)); err != nil {
				t.Fatal(err)
			}
			if err := k.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		verify := func() postgres.Verified {
			v, err := store.Verify(t.Context(), []string{"front", "photo"}, from, from.Add(day))
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := verify(); v.Days != 2 || len(v.Differences) > 0 {
			t.Fatalf("before: %+v", v)
		}
		before, err := store.Timelines(t.Context(), []string{"front"}, from, from.Add(day), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, spoil := range []string{
			`UPDATE slo_day SET good_ms = good_ms + 1000, bad_ms = bad_ms - 1000 WHERE check_id = 1`,
			`UPDATE slo_day SET probes = probes + 1 WHERE check_id = 1`,
			`UPDATE slo_day SET soft_fail = soft_fail + 1 WHERE check_id = 1`,
			`UPDATE slo_day SET softs = '' WHERE check_id = 1`,
			`DELETE FROM span WHERE scope = 0 AND state = 2 AND check_id = 1`,
			`UPDATE span SET dur_ms = dur_ms + 1000 WHERE scope = 0 AND state = 2 AND check_id = 1`,
			`UPDATE span SET cause = 'sunshine' WHERE state = 2 AND scope = 1 AND check_id = 1`,
			`UPDATE span SET locations = 'nowhere' WHERE state = 2 AND check_id = 1`,
			`DELETE FROM span WHERE scope = 1 AND check_id = 1`,
			`DELETE FROM latency_hist WHERE check_id = 1`,
		} {
			if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS kept_span AS TABLE span; CREATE TABLE IF NOT EXISTS kept_day AS TABLE slo_day; CREATE TABLE IF NOT EXISTS kept_hist AS TABLE latency_hist"); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), spoil); err != nil {
				t.Fatal(err)
			}
			if v := verify(); len(v.Differences) == 0 {
				t.Errorf("not seen: %s", spoil)
			}
			if _, err := conn.Exec(t.Context(), `DELETE FROM span; INSERT INTO span (starts, check_id, dur_ms, scope, state, cause, locations) SELECT starts, check_id, dur_ms, scope, state, cause, locations FROM kept_span;
				DELETE FROM slo_day; INSERT INTO slo_day TABLE kept_day; DELETE FROM latency_hist; INSERT INTO latency_hist TABLE kept_hist`); err != nil {
				t.Fatal(err)
			}
		}
		// A lost span of downtime never reads as good time.
		if _, err := conn.Exec(t.Context(), `DELETE FROM span WHERE scope = 0 AND state = 2`); err != nil {
			t.Fatal(err)
		}
		after, err := store.Timelines(t.Context(), []string{"front"}, from, from.Add(day), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(after, before); diff != "" {
			t.Errorf("with lost spans (-got +want):\n%s", diff)
		}
	})
}

// packed reads all results of a check as they are archived, by location and slot.
func packed(t *testing.T, dsn, sql string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// unpacked reads the same from blocks.
func unpacked(t *testing.T, dsn string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT check_id, loc, hour, body FROM probe_block ORDER BY check_id, loc, hour`)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	var check int32
	var loc int16
	var hour time.Time
	var body []byte
	if _, err := pgx.ForEachRow(rows, []any{&check, &loc, &hour, &body}, func() error {
		rs, err := ledger.UnpackBlock(hour, body)
		for _, p := range rs {
			out = append(out, fmt.Sprint(check, loc, p.Slot.Unix(), p.LatencyUS, p.Outcome, p.Attempts, p.Code, p.ErrID))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

const rawResults = `SELECT concat_ws(' ', check_id, loc, extract(epoch FROM slot)::int8, latency_us, outcome, attempts, code, COALESCE(err_id, 0))
	FROM probe_result ORDER BY check_id, loc, slot`

// TestArchiveLosesNothing: after a partition is gone its blocks hold every result byte
// for byte, a day is folded from them as from the results, and a result that comes
// later still joins them.
func TestArchiveLosesNothing(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	synctest.Test(t, func(t *testing.T) {
		db := pgtest.Open(t, dsn)
		defer db.Close()
		store, results, k := postgres.Reports{DB: db}, &postgres.Results{DB: db}, keeper(db, "a")
		time.Sleep(22 * time.Hour)
		from := time.Now().UTC().Truncate(day)
		if err := results.SyncChecks(t.Context(), time.Now().UTC(), []probe.Check{watched("front", "west", "central", "east"), watched("photo", "west")}); err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(3, 3))
		work := func(n int, each time.Duration, results bool) {
			for range n {
				if results {
					if err := k.Insert(t.Context(), some(rnd, 2*time.Minute)); err != nil {
						t.Fatal(err)
					}
				}
				if err := k.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(each)
			}
		}
		work(100, 2*time.Minute, true) // past midnight
		raw := packed(t, dsn, rawResults)
		agree(t, store, from, from.Add(2*day))
		time.Sleep(36 * day)
		work(5, time.Minute, false)
		_, dropped, err := results.MaintainPartitions(t.Context(), time.Now().UTC(), 35)
		if err != nil || dropped != 2 {
			t.Fatalf("dropped %d days, %v; want 2", dropped, err)
		}
		if diff := cmp.Diff(unpacked(t, dsn), raw); diff != "" {
			t.Fatalf("archived (-got +want):\n%s", diff)
		}
		agree(t, store, from, from.Add(2*day))
		v, err := store.Verify(t.Context(), []string{"front", "photo"}, from, from.Add(2*day))
		if err != nil || v.Days != 4 || len(v.Differences) > 0 {
			t.Fatalf("from blocks: %+v, %v", v, err)
		}

		// The daemon refuses what is too late, and counts it.
		late := result("front", "west", from.Add(23*time.Hour+17*time.Minute+30*time.Second), func(p *probe.Result) { p.Look.Code = 299 })
		if err := k.Insert(t.Context(), []probe.Result{late}); err != nil || k.State().Late != 1 {
			t.Fatalf("too late: %v, %d refused; want 1", err, k.State().Late)
		}
		// An import may bring it; the day is folded anew from blocks and results together.
		if err := results.Insert(t.Context(), []probe.Result{late}); err != nil {
			t.Fatal(err)
		}
		agree(t, store, from, from.Add(2*day))
		work(3, time.Second, false)
		agree(t, store, from, from.Add(2*day))
		if v, err = store.Verify(t.Context(), []string{"front"}, from, from.Add(day)); err != nil || v.Days != 1 || v.Waiting > 0 {
			t.Fatalf("with a late result: %+v, %v", v, err)
		}
		if _, dropped, err = results.MaintainPartitions(t.Context(), time.Now().UTC(), 35); err != nil || dropped != 1 {
			t.Fatalf("dropped %d days, %v; want 1", dropped, err)
		}
		agree(t, store, from, from.Add(2*day))
		if n := len(unpacked(t, dsn)); n != len(raw) && n != len(raw)+1 {
			t.Errorf("%d results archived, want %d or one more", n, len(raw))
		}
	})
}
