package postgres_test

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/ledger"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

// BenchmarkCommit is BenchmarkInsert with the ledger kept beside the results: the same
// batches, of 1,000 checks that are folded.
func BenchmarkCommit(b *testing.B) {
	results := &postgres.Results{DB: pgtest.New(b)}
	keeper := &ledger.Keeper{Store: results, Agent: "bench", Log: slog.New(slog.DiscardHandler)}
	start := time.Now().UTC().Truncate(day).Add(-day)
	slot := start
	batch := batches()
	next := func() []probe.Result {
		rs := batch()
		for i := range rs {
			rs[i].Slot, rs[i].Started = slot, slot.Add(100*time.Millisecond)
		}
		slot = slot.Add(30 * time.Second)
		return rs
	}
	var checks []probe.Check
	for _, r := range batch() {
		checks = append(checks, watched(r.Check, "west"))
	}
	if err := results.SyncChecks(b.Context(), start, checks); err != nil {
		b.Fatal(err)
	}
	for keeper.State().Checks < len(checks) {
		if err := keeper.Insert(b.Context(), next()); err != nil {
			b.Fatal(err)
		}
		if err := keeper.Tick(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := keeper.Insert(b.Context(), next()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if st := keeper.State(); st.Faults > 0 || !st.Folding {
		b.Fatalf("%+v", st)
	}
	b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "rows/s")
}

// shelved fills the tables with what weeks of checks fold to: two outages, ten single
// bad slots and three blind gaps a week, at all three locations alike.
func shelved(b *testing.B, dsn string, checks int, first time.Time, days int) []string {
	b.Helper()
	db := pgtest.Open(b, dsn)
	results := &postgres.Results{DB: db}
	var list []probe.Check
	var names []string
	for i := range checks {
		names = append(names, fmt.Sprintf("check-%04d", i))
		list = append(list, watched(names[i], "west", "central", "east"))
	}
	if err := results.SyncChecks(b.Context(), first, list); err != nil {
		b.Fatal(err)
	}
	if err := results.Insert(b.Context(), []probe.Result{result(names[0], "west", first)}); err != nil {
		b.Fatal(err)
	}
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for at := first; at.Before(first.AddDate(0, 0, days+31)); at = at.AddDate(0, 0, 28) {
		if _, err := conn.Exec(b.Context(), `SELECT span_make_month(date_trunc('month', $1::timestamptz, 'UTC'))`, at); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := conn.Exec(b.Context(), `DELETE FROM fold_mark; DELETE FROM probe_result`); err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(5, 5))
	var spans, facts, hists [][]any
	var h reports.Histogram
	for range 2880 {
		h.Add(time.Duration(math.Exp(rnd.NormFloat64()*0.5) * float64(80*time.Millisecond)))
	}
	body, _ := h.MarshalBinary()
	flush := func() {
		for table, rows := range map[string]struct {
			columns []string
			rows    [][]any
		}{
			"span":         {[]string{"starts", "check_id", "dur_ms", "scope", "state", "cause", "locations"}, spans},
			"slo_day":      {[]string{"check_id", "day", "until", "good_ms", "bad_ms", "unknown_ms", "probes", "good_probes", "soft_fail", "softs"}, facts},
			"latency_hist": {[]string{"check_id", "day", "loc", "n", "hist"}, hists},
		} {
			if _, err := conn.CopyFrom(b.Context(), pgx.Identifier{table}, rows.columns, pgx.CopyFromRows(rows.rows)); err != nil {
				b.Fatal(err)
			}
		}
		spans, facts, hists = nil, nil, nil
	}
	for d := range days {
		at := first.AddDate(0, 0, d)
		for check := int32(1); int(check) <= checks; check++ {
			var sum [3]int64
			put := func(from, to time.Duration, state int16, cause, where any) {
				for scope := range int16(4) {
					spans = append(spans, []any{at.Add(from), check, int32((to - from).Milliseconds()), scope, state, cause, where})
				}
				sum[state] += (to - from).Milliseconds()
			}
			last := time.Duration(0)
			for last < 24*time.Hour {
				gap := time.Duration(rnd.IntN(2680)+1) * 30 * time.Second
				if last+gap+time.Hour >= 24*time.Hour {
					put(last, 24*time.Hour, 1, nil, nil)
					break
				}
				put(last, last+gap, 1, nil, nil)
				last += gap
				switch rnd.IntN(15) {
				case 0, 1:
					put(last, last+15*time.Minute, 2, "status: got 503, want 200", "central\nwest")
					last += 15 * time.Minute
				case 2, 3, 4:
					put(last, last+5*time.Minute, 0, "no result from east", nil)
					last += 5 * time.Minute
				default:
					put(last, last+30*time.Second, 2, "timeout: no answer in 5s", "east\nwest")
					last += 30 * time.Second
				}
			}
			facts = append(facts, []any{check, at, at.Add(day), int32(sum[1]), int32(sum[2]), int32(sum[0]), int32(8640), int32(8600), int32(0), []byte{}})
			for loc := int16(1); loc <= 3; loc++ {
				hists = append(hists, []any{check, at, loc, int32(h.N()), body})
			}
		}
		flush()
	}
	if _, err := conn.Exec(b.Context(), `VACUUM ANALYZE`); err != nil {
		b.Fatal(err)
	}
	return names
}

// BenchmarkWeekFromSpans reads a week of 1,000 checks, aligned to Los Angeles, of four
// that are stored.
func BenchmarkWeekFromSpans(b *testing.B) {
	dsn, w := pgtest.DSN(b), weekOf169h(b)
	names := shelved(b, dsn, 1000, w.From.Truncate(day).AddDate(0, 0, -14), 28)
	store := postgres.Reports{DB: pgtest.Open(b, dsn)}
	for b.Loop() {
		lines, err := store.Timelines(b.Context(), names, w.From.Add(-day), w.To, w.To.AddDate(0, 0, 1))
		if err != nil || len(lines) != 1000 {
			b.Fatal(len(lines), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/week")
}

// BenchmarkLatenciesOfWeek merges seven days of three locations of 1,000 checks.
func BenchmarkLatenciesOfWeek(b *testing.B) {
	dsn, w := pgtest.DSN(b), weekOf169h(b)
	names := shelved(b, dsn, 1000, w.From.Truncate(day), 8)
	store := postgres.Reports{DB: pgtest.Open(b, dsn)}
	for b.Loop() {
		found, err := store.Histograms(b.Context(), names, w.From, w.To)
		if err != nil || len(found) != 1000 {
			b.Fatal(len(found), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/week")
}

// BenchmarkYearOfOneCheck reads 52 weeks of one check of ten.
func BenchmarkYearOfOneCheck(b *testing.B) {
	dsn := pgtest.DSN(b)
	first := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)
	names := shelved(b, dsn, 10, first, 364)
	store := postgres.Reports{DB: pgtest.Open(b, dsn)}
	for b.Loop() {
		lines, err := store.Timelines(b.Context(), names[:1], first, first.AddDate(0, 0, 364), first.AddDate(2, 0, 0))
		if err != nil || len(lines[names[0]].Spans) < 500 {
			b.Fatal(len(lines[names[0]].Spans), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/year")
}

// BenchmarkArchive archives a day of 20 checks from three locations at 30 s and says
// how many bytes a result takes on disk, index and all.
func BenchmarkArchive(b *testing.B) {
	rnd := rand.New(rand.NewPCG(9, 9))
	var size, n int64
	for b.Loop() {
		b.StopTimer()
		dsn := pgtest.DSN(b)
		results := &postgres.Results{DB: pgtest.Open(b, dsn)}
		var checks []probe.Check
		for i := range 20 {
			checks = append(checks, watched(fmt.Sprint("check-", i), "west", "central", "east"))
		}
		record(b, results, checks, noon.Truncate(day), noon.Truncate(day).Add(day), func(p *probe.Result) bool {
			p.Look.Latency = time.Duration(math.Exp(rnd.NormFloat64()*0.5) * float64(80*time.Millisecond)).Truncate(time.Microsecond)
			if rnd.IntN(100) == 0 {
				bad("got 503, want 200", "")(p)
			}
			return true
		})
		b.StartTimer()
		if _, dropped, err := results.MaintainPartitions(b.Context(), noon.AddDate(0, 0, 40), 35); err != nil || dropped != 1 {
			b.Fatal(dropped, err)
		}
		b.StopTimer()
		size, n = count64(b, dsn, `SELECT pg_total_relation_size('probe_block')`), count64(b, dsn, `SELECT sum(n) FROM probe_block`)
		b.StartTimer()
	}
	b.ReportMetric(float64(size)/float64(n), "B/result")
}

func count64(tb testing.TB, dsn, sql string) int64 {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(tb.Context())
	var n int64
	if err := conn.QueryRow(tb.Context(), sql).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}
