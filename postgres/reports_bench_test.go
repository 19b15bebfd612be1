package postgres_test

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // the zone of the week must not depend on the machine

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

// BenchmarkWeekFromRaw makes the report of ten checks of three locations at 30 s.
func BenchmarkWeekFromRaw(b *testing.B) {
	db, w, services := benchWeek(b)
	for b.Loop() {
		r, err := reports.Make(b.Context(), postgres.Reports{DB: db}, w, services, w.To)
		if err != nil || r.Services[0].GoodMs == 0 {
			b.Fatal(err, r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/float64(len(services)), "ms/check")
}

// BenchmarkWeekLedgers only reads the rows.
func BenchmarkWeekLedgers(b *testing.B) {
	db, w, services := benchWeek(b)
	for b.Loop() {
		for _, s := range services {
			if _, err := (postgres.Reports{DB: db}).Ledger(b.Context(), s.Critical[0], w.From, w.To); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func benchWeek(b *testing.B) (*postgres.DB, reports.Week, []reports.Service) {
	b.Helper()
	db, w := pgtest.New(b), weekOf169h(b)
	results := &postgres.Results{DB: db}
	var checks []probe.Check
	var services []reports.Service
	for i := range 10 {
		name := fmt.Sprintf("check-%d", i)
		checks = append(checks, watched(name, "west", "central", "east"))
		services = append(services, reports.Service{Name: name, Objective: 950_000, Critical: []string{name}})
	}
	if err := results.SyncChecks(b.Context(), w.From.Add(-25*time.Hour), checks); err != nil {
		b.Fatal(err)
	}
	record(b, results, checks, w.From, w.To, func(p *probe.Result) bool {
		if p.Slot.Unix()/30%997 < 3 {
			bad("got 503, want 200", "")(p)
		}
		return true
	})
	b.ResetTimer()
	return db, w, services
}
