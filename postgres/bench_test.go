package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

const benchRows = 1000 // a second of 1,000 checks at 30 s from 30 locations, or a short catch-up

// batches returns a function that makes the next batch: new slots each time,
// one row in a hundred with a fault.
func batches() func() []probe.Result {
	slot := noon
	return func() []probe.Result {
		slot = slot.Add(30 * time.Second)
		rs := make([]probe.Result, 0, benchRows)
		for i := range benchRows {
			r := result("check-"+string(rune('a'+i%20))+string(rune('a'+i/20)), "west", slot)
			if i%100 == 0 {
				bad("status 503, want 200", "<h1>down</h1>")(&r)
			}
			rs = append(rs, r)
		}
		return rs
	}
}

// BenchmarkInsert is the ledger's own path: names, partitions, error texts, a
// primary key and idempotence. Compare with BenchmarkCopy.
func BenchmarkInsert(b *testing.B) {
	r := &postgres.Results{DB: pgtest.New(b)}
	next := batches()
	for b.Loop() {
		if err := r.Insert(b.Context(), next()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCopy is the fastest that pgx can do: COPY into a table without any
// index, which could not refuse a duplicate.
func BenchmarkCopy(b *testing.B) {
	conn, err := pgx.Connect(b.Context(), pgtest.DSN(b))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	if _, err := conn.Exec(b.Context(), `CREATE TABLE bare (slot timestamptz, check_id int4, latency_us int4,
		loc int2, outcome int2, attempts int2, code int2, err_id int4)`); err != nil {
		b.Fatal(err)
	}
	next := batches()
	columns := []string{"slot", "check_id", "latency_us", "loc", "outcome", "attempts", "code", "err_id"}
	for b.Loop() {
		rs := next()
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"bare"}, columns, pgx.CopyFromSlice(len(rs), func(i int) ([]any, error) {
			r := &rs[i]
			return []any{r.Slot, int32(i), int32(r.Look.Latency.Microseconds()), int16(1), int16(r.Outcome), int16(r.Attempts), int16(r.Look.Code), int32(0)}, nil
		}))
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "rows/s")
}
