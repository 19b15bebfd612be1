//go:build failpoints

package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"keepwatch/alerting/failpoint"
	"keepwatch/postgres/pgtest"
)

// Row 1: kill -9 at each of six points of the way of a page, for each of the three
// actions. The daemon is started again; nothing is lost, nothing opens twice.
func TestRow1KilledAtEachPoint(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sum counts // guarded by mu
	points := 0    // guarded by mu
	t.Run("points", func(t *testing.T) {
		for _, point := range []string{
			failpoint.BeforeCommit, failpoint.AfterCommit, failpoint.AfterClaim, failpoint.AfterWrite, failpoint.AfterReply, failpoint.DuringMark,
		} {
			for _, action := range []string{"trigger", "acknowledge", "resolve"} {
				t.Run(point+"/"+action, func(t *testing.T) {
					t.Parallel()
					c := killedAt(t, point+"/"+action)
					mu.Lock()
					defer mu.Unlock()
					points++
					sum.Incidents += c.Incidents
					sum.Kills += c.Kills
					sum.Repeats += c.Repeats
					sum.Lost += c.Lost
					sum.Doubled += c.Doubled
					sum.LeftOpen += c.LeftOpen
				})
			}
		}
	})
	sum.More = append(sum.More, fmt.Sprintf("points=%d", points))
	sum.report(t)
}

// killedAt takes one service down, acknowledges and up again, with a daemon that dies at
// a failpoint on the way.
func killedAt(t *testing.T, where string) *counts {
	t.Helper()
	rounds := sized(1, 3)
	c := &counts{}
	for range rounds {
		r := newRig(t, pgtest.DSN(t), pagerSettings{Services: 1, Keys: 1, Hold: 2 * time.Second})
		p := r.pager("KW_FAILPOINT=" + where + ":kill")
		again := make(chan struct{})
		go func() { // ends with the process, which dies at its failpoint or in the cleanup
			defer close(again)
			if p.over(time.Minute) {
				c.Kills++
				p.start()
			}
		}()
		r.set(0, worldDown)
		r.within(45*time.Second, "rang", func() bool { return len(r.rang()) == 1 })
		r.set(0, worldAcked)
		r.within(45*time.Second, "acknowledged at PagerDuty", func() bool {
			st := r.pd.State().Incidents
			return len(st) > 0 && st[0].Status == "acknowledged"
		})
		r.set(0, worldUp)
		r.settle(60 * time.Second)
		<-again
		linger(2500 * time.Millisecond) // the echo of a held resolve
		r.settle(60 * time.Second)
		r.judge(c)
	}
	if c.Kills != rounds {
		t.Errorf("the failpoint %s killed %d times, want %d: it is not on the way", where, c.Kills, rounds)
	}
	return c
}
