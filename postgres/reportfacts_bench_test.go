package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/reports"
)

// BenchmarkFrozenFacts reads the frozen facts of 1,000 services: of one week, and as
// the trend of 52 with figures and verdicts, half of them in a second revision.
func BenchmarkFrozenFacts(b *testing.B) {
	s := postgres.Reports{DB: pgtest.New(b)}
	last := weekOf169h(b)
	first := last
	for range 51 {
		first = first.Previous()
	}
	for w := first; !w.From.After(last.From); w = w.Next() {
		r := reports.Report{
			Schema: reports.Schema, Week: w.String(), Zone: w.Zone.String(), From: w.From, To: w.To, Kind: reports.KindWeek, MadeAt: w.To,
		}
		for i := range 1000 {
			bad := int64(i) * 40_000
			r.Services = append(r.Services, reports.ServiceReport{
				Name: fmt.Sprintf("service-%04d", i), ObjectivePPM: 950_000, BadMs: bad, GoodMs: w.Length().Milliseconds() - bad,
			})
		}
		for r.Revision = 1; r.Revision <= 1+w.Number%2; r.Revision++ {
			if err := s.Save(b.Context(), r, w.To); err != nil {
				b.Fatal(err)
			}
		}
	}
	read := func(from reports.Week, want int) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			slowest := time.Duration(0)
			for b.Loop() {
				start := time.Now()
				facts, err := s.Weeks(b.Context(), from, last, nil)
				if err != nil || len(facts) != want {
					b.Fatalf("got %d facts, %v; want %d", len(facts), err, want)
				}
				met := 0
				for _, f := range facts {
					if f.Trend().Verdict == reports.Met {
						met++
					}
				}
				if met == 0 || met == want {
					b.Fatalf("%d of %d are MET: nothing was computed", met, want)
				}
				slowest = max(slowest, time.Since(start))
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
		}
	}
	b.Run("1 week", read(last, 1000))
	b.Run("52 weeks", read(first, 52_000))
}
