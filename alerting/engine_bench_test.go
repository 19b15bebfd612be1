package alerting

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// BenchmarkEngine judges one good result among 5000 checks of three locations;
// a turn looks at all of them (at most 20 times a second).
func BenchmarkEngine(b *testing.B) {
	const checks = 5000
	e := &Engine{Store: &Memory{}, Log: slog.New(slog.DiscardHandler)}
	rules := make([]Rule, checks/10)
	for i := range rules {
		rules[i] = Rule{Service: fmt.Sprintf("s%d", i), Confirm: 2, Recover: 2, Policy: oncall.Policy{Name: "site"}}
		for k := range 10 {
			c := threeLocations()
			c.Name = fmt.Sprintf("c%d", i*10+k)
			rules[i].Checks = append(rules[i].Checks, c)
		}
	}
	e.Apply(rules, oncall.Roster{}, Routing{})
	slot := time.Now().UTC().Truncate(time.Minute)
	locations := threeLocations().Locations
	b.Run("result", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			s := slot.Add(time.Duration(i/(3*checks)) * time.Minute)
			r := look(locations[i%3], s, probe.Good)
			r.Check = rules[i/3%checks/10].Checks[i/3%10].Name
			e.mu.Lock()
			e.judge(r, s)
			e.mu.Unlock()
		}
	})
	b.Run("turn", func(b *testing.B) {
		for range b.N {
			e.turn()
		}
	})
}
